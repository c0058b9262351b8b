"""Which trees of customers a customer was in, over time: those that begin at it, or at a customer above it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.health.engine.base import FAR, to_micros
from analytics.health.model.assignment import UNKNOWN, Record, attributes_at
from analytics.projections.facts import types_of
from analytics.projections.tables import facts, merged_customers
from analytics.projections.tree import parent_of


class Place(NamedTuple):
    """The customer that one is a part of at every instant from `since` on, until the next place."""

    since: int
    parent: UUID | None


Places = Mapping[UUID, Sequence[Place]]
"""Of customers, and of all that were ever above them."""


async def places_of(connection: AsyncConnection, tenant: str, customers: Collection[UUID]) -> Places:
    """Returns them in a statement for each level."""
    f, m = facts.c, merged_customers.c
    parent = parent_of(f.state)
    survivor = func.coalesce(m.survivor, parent)
    table = facts.outerjoin(merged_customers, (m.tenant_id == tenant) & (m.customer_id == parent))
    every = select(f.subject, f.version, f.time, survivor).select_from(table).order_by(f.subject, f.version)
    every = every.where(f.tenant_id == tenant, f.type.in_(types_of("contacts.customer")))
    found: dict[UUID, list[Place]] = {}
    wanted = set(customers)
    while wanted:
        found |= {customer: [] for customer in wanted}
        some = every.where(f.subject == any_(cast(sorted(wanted), ARRAY(Uuid))))
        for customer, version, time, above in await connection.execute(some):
            since = int(-FAR) if version == 1 else to_micros(time) + 1
            found[customer].append(Place(since, above))
        wanted = {place.parent for each in wanted for place in found[each] if place.parent is not None} - found.keys()
    return found


def in_trees(
    records: Mapping[UUID, Sequence[Record]], customers: Iterable[UUID], places: Places, named: Mapping[UUID, set[UUID]]
) -> dict[UUID, Sequence[Record]]:
    """Returns the customers' records with the trees they were in. `named` are the customers at which trees begin, each
    with the ids by which audiences name it."""
    found = dict(records)
    for customer in customers:
        above = _ever_above(customer, places)
        if named.keys().isdisjoint(above):
            continue
        own = records.get(customer) or [Record(int(-FAR), UNKNOWN)]
        begins = {record.since for record in own} | {place.since for each in above for place in places.get(each, ())}
        found[customer] = [
            Record(since, attributes_at(own, since)._replace(within=_trees(customer, since, places, named)))
            for since in sorted(begins)
        ]
    return found


def _ever_above(customer: UUID, places: Places) -> set[UUID]:
    found, open_ = {customer}, [customer]
    while open_:
        above = {place.parent for place in places.get(open_.pop(), ()) if place.parent is not None} - found
        found |= above
        open_ += above
    return found


def _trees(customer: UUID, since: int, places: Places, named: Mapping[UUID, set[UUID]]) -> frozenset[UUID]:
    above = list[UUID]()
    each: UUID | None = customer
    while each is not None and each not in above:  # events may tell of a circle: see projections.tree
        above.append(each)
        each = _parent_at(places.get(each, ()), since)
    return frozenset(id for each in above for id in named.get(each, ()))


def _parent_at(places: Sequence[Place], since: int) -> UUID | None:
    """The first place also holds for the time before it."""
    if not places:
        return None
    return next((place.parent for place in reversed(places) if place.since <= since), places[0].parent)
