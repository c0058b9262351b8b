"""The form of a customer: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import ARRAY, TEXT, Column, ForeignKeyConstraint, Index, Table, Uuid

from contacts.customers.rules import Customer, CustomerKind
from contacts.tables import metadata
from kith.db.tables import Moment, aggregate_table, one_of
from kith.nouns.inputs import AS_SET, UNSENT, Amendment, Input, NewInput
from kith.nouns.resource import Command, One, Resource, View, personal
from kith.scalars import Code, Id, Text

Tags = Annotated[list[Code], Field(max_length=50), AS_SET]


class CreateCustomer(NewInput):
    kind: CustomerKind
    name: Text
    country: Code | None = None
    segment: Code | None = None
    tier: Code | None = None
    source: Code | None = None
    owner: Code | None = None
    tags: Tags = Field(default_factory=list)
    referred_by: Id | None = None


class AmendCustomer(Amendment):
    kind: CustomerKind = UNSENT
    name: Text = UNSENT
    country: Code | None = UNSENT
    segment: Code | None = UNSENT
    tier: Code | None = UNSENT
    source: Code | None = UNSENT
    owner: Code | None = UNSENT
    tags: Tags = UNSENT
    referred_by: Id | None = UNSENT


class EraseCustomer(Input):
    pass


customers = aggregate_table(
    "customers",
    metadata,
    Column("kind", one_of(CustomerKind), nullable=False),
    Column("name", TEXT, comment="null: it was erased"),
    Column("country", TEXT),
    Column("segment", TEXT),
    Column("tier", TEXT),
    Column("source", TEXT),
    Column("owner", TEXT),
    Column("tags", ARRAY(TEXT), nullable=False),
    # By name: the table it refers to is this one.
    Column("referred_by", Uuid),
    Column("erased_at", Moment),
    ForeignKeyConstraint(["tenant_id", "referred_by"], ["customers.tenant_id", "customers.id"]),
    listed_by=("name", "kind", "segment", "tier", "owner", "country", "source", "tags"),
)


Index(
    "customers_erased",
    customers.c.tenant_id,
    customers.c.id,
    customers.c.erased_at,
    postgresql_where=customers.c.erased_at.is_not(None),
)


def of_known_customer(table: Table) -> Table:
    """Customers live here, so here (and in no other service) a dealing must name one that exists."""
    table.c.customer_id.nullable = False
    table.append_constraint(ForeignKeyConstraint(["tenant_id", "customer_id"], [customers.c.tenant_id, customers.c.id]))
    return table


@dataclass(slots=True)
class CustomerView(View):
    kind: CustomerKind
    country: str | None
    segment: str | None
    tier: str | None
    source: str | None
    owner: str | None
    tags: list[str]
    referred_by: UUID | None
    erased_at: datetime | None
    name: str | None = personal()


CUSTOMERS = Resource(
    "customer",
    "customers",
    Customer,
    customers,
    CustomerView,
    (
        Command("create", CreateCustomer, Customer.create),
        Command("amend", AmendCustomer, Customer.amend),
        Command("erase", EraseCustomer, Customer.erase, erases=True),
    ),
    filters=("name", "kind", "segment", "tier", "owner", "country", "source", "tags", "referred_by"),
    relations=(One("referrer", by="referred_by", to="customer"),),
)
