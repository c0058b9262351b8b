"""The form of an adoption: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Column, Integer

from contacts.adoptions.rules import Adoption
from contacts.customers.form import of_known_customer
from contacts.tables import metadata
from kith.db.tables import aggregate_table
from kith.nouns.inputs import NewInput
from kith.nouns.resource import Command, One, Resource, View
from kith.scalars import Code, Id, Whole


class MeasureAdoption(NewInput):
    customer_id: Id
    product: Code | None = None
    bought: Annotated[int, Whole(1)] = Field(description="features, seats or modules that it bought")
    used: Annotated[int, Whole(0)] = Field(description="how many of them it uses")


adoptions = of_known_customer(
    aggregate_table(
        "adoptions",
        metadata,
        Column("product", TEXT),
        Column("bought", Integer, nullable=False),
        Column("used", Integer, nullable=False),
        customer_owned=True,
        listed_by=("product",),
    )
)


@dataclass(slots=True)
class AdoptionView(View):
    customer_id: UUID
    product: str | None
    bought: int
    used: int


ADOPTIONS = Resource(
    "adoption",
    "adoptions",
    Adoption,
    adoptions,
    AdoptionView,
    (Command("measure", MeasureAdoption, Adoption.measure),),
    filters=("customer_id", "product"),
    relations=(One("customer", many="adoptions"),),
    insert_only=True,
)
