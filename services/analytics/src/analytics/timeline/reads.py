"""The ledger as readers see it: a customer's timeline, and how much there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, cast, exists, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.ledger.tables import ledger
from analytics.projections.survivors import merged_among
from analytics.projections.tables import merged_customers
from kith.errors import Invalid
from kith.nouns.lists.pages import DEFAULT_PAGE, MAX_PAGE, Page, Position


@dataclass(slots=True)
class TimelineEvent:
    """An exchange with a customer, in the words of the service that published it."""

    id: UUID
    type: str
    source: str
    subject: UUID
    time: datetime
    recorded_at: datetime
    data: Any
    actor: str | None = None
    """Who caused it: `user:<id>`, `client:<id>`, `run:<id>` of a playbook, or `service:<name>`; null: unknown."""


@dataclass(slots=True)
class LedgerSize:
    events: int
    by_type: dict[str, int]


@dataclass(frozen=True)
class Wanted:
    """Which events of a timeline, and which page of them."""

    first: int = DEFAULT_PAGE
    after: str | None = None
    types: tuple[str, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        c = ledger.c
        found: list[ColumnElement[bool]] = []
        if self.types:
            found.append(c.type.in_(self.types))
        if self.starts_at is not None:
            found.append(c.time >= self.starts_at)
        if self.ends_at is not None:
            found.append(c.time < self.ends_at)
        if self.after is not None:
            last = Position.of(self.after)
            found.append(tuple_(c.time, c.id) < tuple_(literal(last.at), literal(last.id)))
        return found


async def timeline(
    connection: AsyncConnection, tenant: str, customer_id: UUID, wanted: Wanted = Wanted()
) -> Page[TimelineEvent]:
    """Newest first. Raises Invalid for a cursor that is none or a page that is too big."""
    return (await timelines(connection, tenant, [customer_id], wanted))[customer_id]


async def timelines(
    connection: AsyncConnection, tenant: str, customer_ids: Sequence[UUID], wanted: Wanted
) -> dict[UUID, Page[TimelineEvent]]:
    """The same page of several customers' timelines. Whom a customer absorbed in a merge, its past is in it too;
    that of a merged customer is its survivor's."""
    if not 1 <= wanted.first <= MAX_PAGE:
        raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
    if wanted.starts_at is not None and wanted.ends_at is not None and wanted.starts_at >= wanted.ends_at:
        raise Invalid("It must be later than `from`.", field="to")
    merged = await merged_among(connection, tenant, customer_ids)
    survivors = {id: merged.get(id, id) for id in customer_ids}
    selves = await _selves(connection, tenant, list({*survivors.values()}))
    found = await _newest(connection, tenant, selves, wanted)
    pages = {id: _page(sorted(events, key=_position, reverse=True), wanted.first) for id, events in found.items()}
    return {id: pages[survivor] for id, survivor in survivors.items()}


async def _newest(
    connection: AsyncConnection, tenant: str, selves: Mapping[UUID, Sequence[UUID]], wanted: Wanted
) -> dict[UUID, list[TimelineEvent]]:
    """One more than the page has, of each customer and of each that it absorbed, in one select."""
    c = ledger.c
    owners = [(owner, id) for owner, merged in selves.items() for id in merged]
    columns = (cast(list(column), ARRAY(Uuid)) for column in zip(*owners, strict=True))
    each = func.unnest(*columns).table_valued("owner", "customer_id").render_derived(name="each")
    newest = (
        select(c.id, c.type, c.source, c.subject, c.time, c.recorded_at, c.data, c.actor)
        .where(c.tenant_id == tenant, c.customer_id == each.c.customer_id, *wanted.conditions())
        .order_by(c.time.desc(), c.id.desc())
        .limit(wanted.first + 1)
        .lateral()
    )
    events: dict[UUID, list[TimelineEvent]] = {id: [] for id in selves}
    for owner, *event in await connection.execute(select(each.c.owner, *newest.c).select_from(each, newest)):
        events[owner].append(TimelineEvent(*event))
    return events


async def unheard_of(connection: AsyncConnection, tenant: str, customer_ids: Sequence[UUID]) -> set[UUID]:
    """Returns the customers that no event names."""
    each = func.unnest(cast(list(customer_ids), ARRAY(Uuid))).table_valued("customer_id").render_derived(name="each")
    named = exists().where(ledger.c.tenant_id == tenant, ledger.c.customer_id == each.c.customer_id)
    return set(await connection.scalars(select(each.c.customer_id).where(~named)))


async def _selves(connection: AsyncConnection, tenant: str, customer_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Returns each customer, and the ones it has absorbed."""
    m = merged_customers.c
    rows = await connection.execute(
        select(m.survivor, m.customer_id).where(
            m.tenant_id == tenant,
            m.survivor == any_(cast(list(customer_ids), ARRAY(Uuid))),
            m.customer_id != m.survivor,
        )
    )
    found = {id: [id] for id in customer_ids}
    for survivor, absorbed in rows:
        found[survivor].append(absorbed)
    return found


def _position(event: TimelineEvent) -> tuple[datetime, UUID]:
    return event.time, event.id


def _page(found: list[TimelineEvent], first: int) -> Page[TimelineEvent]:
    events = found[:first]
    return Page(events, Position(events[-1].time, events[-1].id).cursor() if len(found) > first else None)


async def size(connection: AsyncConnection, tenant: str) -> LedgerSize:
    rows = await connection.execute(
        select(ledger.c.type, func.count()).where(ledger.c.tenant_id == tenant).group_by(ledger.c.type)
    )
    by_type: dict[str, int] = {type: count for type, count in rows}  # noqa: C416 - rows are no pairs to the type checker
    return LedgerSize(sum(by_type.values()), by_type)
