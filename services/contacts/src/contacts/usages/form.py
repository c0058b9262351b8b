"""The form of a usage: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Column, Integer

from contacts.contacts.form import OF_CONTACT, contacts
from contacts.customers.form import of_known_customer
from contacts.tables import metadata
from contacts.usages.rules import Usage
from kith.db.tables import aggregate_table, reference
from kith.nouns.inputs import NewInput
from kith.nouns.resource import Command, One, Resource, View
from kith.scalars import Code, Id, Whole


class RecordUsage(NewInput):
    customer_id: Id | None = Field(default=None, description="the contact's, if one is named")
    contact_id: Id | None = None
    product: Code | None = None
    feature: Code | None = None
    uses: Annotated[int, Whole(1)] = Field(default=1, description="how many uses")
    duration_seconds: Annotated[int, Whole(0)] | None = None
    failures: Annotated[int, Whole(0)] | None = Field(default=None, description="how many of them failed")


usages = of_known_customer(
    aggregate_table(
        "usages",
        metadata,
        *reference("contact_id", contacts),
        Column("product", TEXT),
        Column("feature", TEXT),
        Column("uses", Integer, nullable=False),
        Column("duration_seconds", Integer),
        Column("failures", Integer),
        customer_owned=True,
        told=("contact_id",),
        listed_by=("product", "feature"),
    )
)


@dataclass(slots=True)
class UsageView(View):
    customer_id: UUID
    contact_id: UUID | None
    product: str | None
    feature: str | None
    uses: int
    duration_seconds: int | None
    failures: int | None


USAGES = Resource(
    "usage",
    "usages",
    Usage,
    usages,
    UsageView,
    (Command("record", RecordUsage, Usage.record),),
    filters=("customer_id", "contact_id", "product", "feature"),
    follows={"contact_id": OF_CONTACT},
    relations=(One("customer", many="usages"), One("contact")),
    insert_only=True,
)
