"""The form of a pulse: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import (
    TEXT,
    Column,
    Integer,
)

from analytics.projections.tables import customer_owners
from analytics.pulses.rules import Pulse
from analytics.tables import metadata
from kith.db.owned import owned_through
from kith.db.tables import Moment, aggregate_table
from kith.nouns.inputs import NewInput
from kith.nouns.resource import Command, One, Resource, View, personal
from kith.scalars import Id, Instant, Note, Whole


class SetPulse(NewInput):
    customer_id: Id
    score: Annotated[int, Whole(0, 100)]
    note: Note | None = None
    expires_at: Instant | None = Field(default=None, description="90 days after it was set, if not given")


pulses = aggregate_table(
    "pulses",
    metadata,
    Column("score", Integer, nullable=False),
    Column("note", TEXT),
    Column("expires_at", Moment, nullable=False),
    of_customer=True,
)
pulses.c.customer_id.nullable = False
owned_through(pulses, customer_owners)


@dataclass(slots=True)
class PulseView(View):
    customer_id: UUID
    score: int
    expires_at: datetime
    note: str | None = personal()


PULSES = Resource(
    "pulse",
    "pulses",
    Pulse,
    pulses,
    PulseView,
    (Command("set", SetPulse, Pulse.set_by_hand),),
    filters=("customer_id",),
    relations=(One("customer", many="pulses", words="What people thought of the relationship, newest first."),),
)
