"""The form of a touchpoint: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy import TEXT, Boolean, Column, Index, Integer, Uuid

from contacts.contacts.form import OF_CONTACT, contacts
from contacts.customers.form import of_known_customer
from contacts.tables import metadata
from contacts.touchpoints.rules import Channel, Direction, Touchpoint
from contacts.users.form import users
from kith.db.tables import aggregate_table, one_of, reference
from kith.nouns.inputs import NewInput, refuse
from kith.nouns.resource import Command, One, Resource, View
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
    sentiment: Annotated[int, Whole(-100, 100)] | None = Field(
        default=None, description="how they took it: -100 is as badly as can be, 100 as well"
    )
    user_id: Id | None = Field(default=None, description="who of ours it was")
    about: Code | None = Field(default=None, description="the noun of what it was about: `sales.opportunity`")
    about_id: Id | None = Field(default=None, description="which one of them")

    @model_validator(mode="after")
    def _about_something(self) -> Self:
        if (self.about is None) != (self.about_id is None):
            refuse(self, [("about" if self.about is None else "about_id", "Send both about and about_id, or neither.")])
        return self


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
        Column("sentiment", Integer),
        *reference("user_id", users),
        Column("about", TEXT),
        Column("about_id", Uuid),
        customer_owned=True,
        told=("contact_id",),
        listed_by=("channel",),
    )
)
Index(
    "touchpoints_by_about_id",
    touchpoints.c.tenant_id,
    touchpoints.c.about_id,
    touchpoints.c.created_at,
    touchpoints.c.id,
    postgresql_where=touchpoints.c.about_id.is_not(None),
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
    sentiment: int | None
    user_id: UUID | None
    about: str | None
    about_id: UUID | None


TOUCHPOINTS = Resource(
    "touchpoint",
    "touchpoints",
    Touchpoint,
    touchpoints,
    TouchpointView,
    (Command("record", RecordTouchpoint, Touchpoint.record),),
    filters=("customer_id", "contact_id", "channel", "direction", "user_id", "about_id"),
    unindexed={"direction": "One of two: pages by time come to enough of either soon."},
    follows={"contact_id": OF_CONTACT},
    relations=(One("customer", many="touchpoints"), One("contact"), One("user")),
    insert_only=True,
)
