"""The form of a customer: what can be done with it, its table, and how it is seen."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import ARRAY, TEXT, Column, ForeignKeyConstraint, Index, Select, Table, Uuid, any_, cast, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.customers.rules import Customer, CustomerKind, Hierarchy, MergedField
from contacts.duplicates.refusing import OnDuplicate, needed_to, none_alike
from contacts.duplicates.tables import ToBeChecked
from contacts.erasure.noting import noting
from contacts.merging.effect import merging, separating
from contacts.merging.rules import Taken
from contacts.tables import metadata
from contacts.users.form import users
from contacts.users.owners import owners_take_more
from contacts.values import LifecycleStage, PostalAddress
from kith.customers.links import merge_columns, survivors
from kith.db.one_at_a_time import one_at_a_time
from kith.db.owned import owned_by, owned_through
from kith.db.statements import streamed
from kith.db.tables import FORMER, Moment, aggregate_table, one_of, reference, values_column
from kith.errors import Conflict, Invalid
from kith.ids import new_id
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import AS_SET, UNSENT, Amendment, Archive, CustomValues, Input, NewInput, Restore
from kith.nouns.resource import ArchivableView, Attempt, Check, Command, One, Resource, personal
from kith.nouns.value_inputs import Values
from kith.scalars import Code, Id, Language, Text, Website, Zone

Addresses = Annotated[list[PostalAddress], Values(20)]
Tags = Annotated[list[Code], Field(max_length=50), AS_SET]


class CreateCustomer(NewInput):
    kind: CustomerKind
    name: Text
    country: Code | None = None
    segment: Code | None = None
    tier: Code | None = None
    source: Code | None = None
    owner_id: Id | None = None
    tags: Tags = Field(default_factory=list)
    referred_by: Id | None = None
    parent_id: Id | None = Field(default=None, description="the organisation that it is a part of")
    stage: LifecycleStage | None = None
    industry: Code | None = None
    size: Code | None = None
    language: Language | None = None
    time_zone: Zone | None = None
    website: Website | None = None
    addresses: Addresses = Field(default_factory=list)
    custom: CustomValues = Field(default_factory=dict)
    custom_personal: CustomValues = Field(default_factory=dict)
    on_duplicate: OnDuplicate = OnDuplicate.PROCEED

    @property
    def needs(self) -> Sequence[str]:
        return needed_to(self.on_duplicate)


class AmendCustomer(Amendment):
    kind: CustomerKind = UNSENT
    name: Text = UNSENT
    country: Code | None = UNSENT
    segment: Code | None = UNSENT
    tier: Code | None = UNSENT
    source: Code | None = UNSENT
    owner_id: Id | None = UNSENT
    tags: Tags = UNSENT
    referred_by: Id | None = UNSENT
    parent_id: Id | None = UNSENT
    industry: Code | None = UNSENT
    size: Code | None = UNSENT
    language: Language | None = UNSENT
    time_zone: Zone | None = UNSENT
    website: Website | None = UNSENT
    addresses: Addresses = UNSENT
    custom: CustomValues = UNSENT
    custom_personal: CustomValues = UNSENT


class MoveCustomer(Input):
    stage: LifecycleStage
    reason: Code | None = None


class EraseCustomer(Input):
    pass


class MergeCustomer(Input):
    into: Id = Field(description="the customer that remains")
    take: Annotated[list[MergedField], Field(max_length=20), AS_SET] = Field(
        default_factory=list, description="fields in which this customer's values win, though the other one has some"
    )


class UnmergeCustomer(Input):
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
    Column("owner", TEXT, info={FORMER: "owner_id"}),
    *reference("owner_id", users),
    Column("tags", ARRAY(TEXT), nullable=False),
    # By name: the table it refers to is this one.
    Column("referred_by", Uuid),
    Column("parent_id", Uuid),
    Column("stage", one_of(LifecycleStage)),
    Column("stage_since", Moment),
    Column("industry", TEXT),
    Column("size", TEXT),
    Column("language", TEXT),
    Column("time_zone", TEXT),
    Column("website", TEXT),
    values_column("addresses", PostalAddress),
    Column("erased_at", Moment),
    *merge_columns(),
    values_column("taken", Taken),
    ForeignKeyConstraint(["tenant_id", "referred_by"], ["customers.tenant_id", "customers.id"]),
    ForeignKeyConstraint(["tenant_id", "parent_id"], ["customers.tenant_id", "customers.id"]),
    told=("referred_by", "parent_id"),
    archivable=True,
    customisable=True,
    listed_by=(
        *("name", "kind", "segment", "tier", "owner", "owner_id", "country", "source", "stage", "parent_id"),
        "merged_into",
    ),
)
owned_by(customers, "owner_id")


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
    return owned_through(table, customers)


@dataclass(slots=True)
class CustomerView(ArchivableView):
    kind: CustomerKind
    country: str | None
    segment: str | None
    tier: str | None
    source: str | None
    owner_id: UUID | None
    tags: list[str]
    referred_by: UUID | None
    parent_id: UUID | None
    stage: LifecycleStage | None
    stage_since: datetime | None
    industry: str | None
    size: str | None
    language: str | None
    time_zone: str | None
    addresses: list[PostalAddress]
    erased_at: datetime | None
    merged_into: UUID | None
    custom: dict[str, Any]
    name: str | None = personal()
    website: str | None = personal()
    custom_personal: dict[str, Any] | None = personal()


async def parents_form_a_tree(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that organisations form a tree, also while other requests change it."""
    told = {parent for given, _ in asked if (parent := getattr(given, "parent_id", None)) is not None}
    told |= {given.into for given, _ in asked if isinstance(given, MergeCustomer)}
    separated = [record for given, record in asked if isinstance(given, UnmergeCustomer) and record is not None]
    told |= {parent for each in separated if (parent := getattr(each, "parent_id", None)) is not None}
    remaining = await survivors(connection, tenant, customers, told)
    parents = {remaining.get(each, each) for each in told}
    changed = {record.id for given, record in asked if record is not None and _changes_tree(given)}
    if not parents and not changed:
        return lambda *_: None
    # Two that each make a part of the other would not see each other: a tenant's tree is changed by one at a time.
    await one_at_a_time(connection, tenant, "hierarchy")
    rows = streamed(connection, _around(tenant, parents, changed), most=_ANY_NUMBER)
    found = [row async for row in rows]
    hierarchy = Hierarchy([(row.id, row.parent_id, row.kind) for row in found])
    parts_again = {row.told_parent_id: row.id for row in found if row.told_parent_id is not None}

    def check(given: Input, customer: Aggregate | None) -> None:
        assert isinstance(customer, Customer)
        if isinstance(given, MergeCustomer) and hierarchy.is_below(given.into, customer.id):
            raise Invalid(f"Customer {given.into} is a part of this one.", field="into")
        part = parts_again.get(customer.id) if isinstance(given, UnmergeCustomer) else None
        if part is not None and customer.parent_id is not None and hierarchy.is_below(customer.parent_id, part):
            raise Conflict(f"Customer {part} would be a part of it again, and is above it: give that another parent.")
        if getattr(given, "parent_id", None) is not None or customer.id in changed:
            hierarchy.place(customer)

    return check


async def can_be_so(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check of what a customer's rules cannot see."""
    checks = [await each(connection, tenant, asked) for each in (parents_form_a_tree, owners_take_more)]
    checks.append(await none_alike(connection, tenant, CUSTOMERS, asked, _made))

    def check(given: Input, customer: Aggregate) -> None:
        for each in checks:
            each(given, customer)

    return check


def _made(given: CreateCustomer) -> Customer:
    return Customer(id=new_id(), kind=given.kind, name=given.name, website=given.website)


_ANY_NUMBER = 10**6


def _changes_tree(given: Input) -> bool:
    return isinstance(given, AmendCustomer) and not given.model_fields_set.isdisjoint({"parent_id", "kind"})


def _around(tenant: str, parents: Collection[UUID], changed: Collection[UUID]) -> Select[Any]:
    """Selects the parents with all above them, and what is changed with all below it."""
    columns = (customers.c.id, customers.c.parent_id, customers.c.kind, customers.c.told_parent_id)
    own = select(*columns).where(customers.c.tenant_id == tenant)
    above = own.where(customers.c.id == any_(cast([*parents], ARRAY(Uuid)))).cte("above", recursive=True)
    above = above.union(own.where(customers.c.id == above.c.parent_id))
    below = own.where(customers.c.id == any_(cast([*changed], ARRAY(Uuid)))).cte("below", recursive=True)
    below = below.union(own.where(customers.c.parent_id == below.c.id))
    return select(select(above).union(select(below)).subquery())


CUSTOMERS = Resource(
    "customer",
    "customers",
    Customer,
    customers,
    CustomerView,
    (
        Command("create", CreateCustomer, Customer.create),
        Command("amend", AmendCustomer, Customer.amend),
        Command("move", MoveCustomer, Customer.move),
        Command("archive", Archive, Customer.archive),
        Command("restore", Restore, Customer.restore, of_archived=True),
        Command("merge", MergeCustomer, Customer.merge, together=merging(customers)),
        Command("unmerge", UnmergeCustomer, Customer.unmerge, together=separating(customers), of_archived=True),
        Command("erase", EraseCustomer, Customer.erase, erases=True),
    ),
    filters=(
        *("name", "kind", "segment", "tier", "owner_id", "country", "source", "tags", "referred_by"),
        *("stage", "parent_id", "merged_into"),
    ),
    searched=("name", "website"),
    unindexed={
        "tags": "No index serves lists of texts under row-level security; pages by time come to a common tag soon."
    },
    unpublished={"taken": "It begins with none; what it takes is amended."},
    relations=(
        One("referrer", by="referred_by", to="customer"),
        One("parent", to="customer", many="children"),
        One("owner", to="user", many="customers"),
    ),
    checks=can_be_so,
    more_side_tables=(ToBeChecked("customer", ("kind", "name", "website", "merged_into", "archived_at", "erased_at")),),
    on_erase=noting,
)
