"""How a touchpoint is seen."""

from dataclasses import dataclass
from uuid import UUID

from contacts.touchpoints.rules import Channel, Direction
from kith.nouns.resource import View


@dataclass(slots=True)
class TouchpointView(View):
    customer_id: UUID
    contact_id: UUID | None
    channel: Channel
    direction: Direction
    outcome: str | None
    duration_seconds: int | None
    attempts: int
    campaign: str | None
    responded: bool | None
