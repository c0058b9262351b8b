"""What can be done with a touchpoint."""

from typing import Annotated

from pydantic import Field

from contacts.touchpoints.rules import Channel, Direction, Touchpoint
from kith.nouns.inputs import NewInput
from kith.nouns.resource import Command
from kith.scalars import Code, Flag, Id, Whole


class RecordTouchpoint(NewInput):
    customer_id: Id | None = Field(default=None, description="the contact's, if one is named")
    contact_id: Id | None = None
    channel: Channel
    direction: Direction
    outcome: Code | None = None
    duration_seconds: Annotated[int, Whole(0)] | None = None
    attempts: Annotated[int, Whole(1)] = 1
    campaign: Code | None = None
    responded: Flag | None = None


COMMANDS = (Command("record", RecordTouchpoint, Touchpoint.record),)
