"""What can be done with a pulse."""

from typing import Annotated

from pydantic import Field

from analytics.pulses.rules import Pulse
from kith.nouns.inputs import NewInput
from kith.nouns.resource import Command
from kith.scalars import Id, Instant, Note, Whole


class SetPulse(NewInput):
    customer_id: Id
    score: Annotated[int, Whole(0, 100)]
    note: Note | None = None
    expires_at: Instant | None = Field(default=None, description="90 days after it was set, if not given")


COMMANDS = (Command("set", SetPulse, Pulse.set_by_hand),)
