"""What can be done with a pulse."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from analytics.domain.pulse import Pulse
from kith.inputs import NewInput, Text
from kith.resource import Command


class SetPulse(NewInput):
    customer_id: UUID
    score: Annotated[int, Field(ge=0, le=100)]
    note: Text | None = None
    expires_at: AwareDatetime | None = Field(default=None, description="90 days after it was set, if not given")


COMMANDS = (Command("set", SetPulse, Pulse.set_by_hand),)
