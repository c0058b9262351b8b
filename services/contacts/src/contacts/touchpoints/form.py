"""The form of a touchpoint: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Boolean, Column, Integer

from contacts.contacts.form import contacts
from contacts.customers.form import of_known_customer
from contacts.tables import metadata
from contacts.touchpoints.rules import Channel, Direction, Touchpoint
from kith.db.tables import aggregate_table, one_of, reference
from kith.nouns.inputs import NewInput
from kith.nouns.resource import Command, Follows, One, Resource, View
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


touchpoints = of_known_customer(
    aggregate_table(
        "touchpoints",
        metadata,
        *reference("contact_id", contacts),
        Column("channel", one_of(Channel), nullable=False),
        Column("direction", one_of(Direction), nullable=False),
        Column("outcome", TEXT),
        Column("duration_seconds", Integer),
        Column("attempts", Integer, nullable=False),
        Column("campaign", TEXT),
        Column("responded", Boolean),
        customer_owned=True,
        listed_by=("channel",),
    )
)


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


TOUCHPOINTS = Resource(
    "touchpoint",
    "touchpoints",
    Touchpoint,
    touchpoints,
    TouchpointView,
    (Command("record", RecordTouchpoint, Touchpoint.record),),
    filters=("customer_id", "contact_id", "channel", "direction"),
    unindexed={"direction": "One of two: pages by time come to enough of either soon."},
    follows={"contact_id": Follows(contacts.c.id, ("customer_id",))},
    relations=(One("customer", many="touchpoints"), One("contact")),
    insert_only=True,
)
