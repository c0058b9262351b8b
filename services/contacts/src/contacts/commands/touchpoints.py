"""What can be done with a touchpoint."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from contacts.domain.touchpoint import Channel, Direction, Touchpoint
from kith.inputs import Code, NewInput
from kith.resource import Command

_INT4 = 2**31 - 1


class RecordTouchpoint(NewInput):
    customer_id: UUID
    contact_id: UUID | None = None
    channel: Channel
    direction: Direction
    outcome: Code | None = None
    duration_seconds: Annotated[int, Field(ge=0, le=_INT4)] | None = None
    attempts: Annotated[int, Field(ge=1, le=_INT4)] = 1
    campaign: Code | None = None
    responded: bool | None = None


COMMANDS = (Command("record", RecordTouchpoint, Touchpoint.record),)
