"""The ledger as readers see it: a customer's timeline, and how much there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, cast, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.health import FACT_TYPES, Fact
from analytics.storage.tables import ledger
from kith.domain import Invalid
from kith.queries import MAX_PAGE, Page, Position


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


@dataclass(slots=True)
class LedgerSize:
    events: int
    by_type: dict[str, int]


async def timeline(
    connection: AsyncConnection,
    tenant: str,
    customer_id: UUID,
    *,
    first: int = 50,
    after: str | None = None,
    types: Sequence[str] = (),
) -> Page[TimelineEvent]:
    """Newest first. Raises Invalid for a cursor that is none or a page that is too big."""
    found = await timelines(connection, tenant, [customer_id], first=first, after=after, types=types)
    return found[customer_id]


async def timelines(
    connection: AsyncConnection,
    tenant: str,
    customer_ids: Sequence[UUID],
    *,
    first: int,
    after: str | None = None,
    types: Sequence[str] = (),
) -> dict[UUID, Page[TimelineEvent]]:
    """The same page of several customers' timelines, in one select."""
    if not 1 <= first <= MAX_PAGE:
        raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
    c = ledger.c
    wanted = (
        func.unnest(cast(list(customer_ids), ARRAY(Uuid))).table_valued("customer_id").render_derived(name="wanted")
    )
    page = select(c.id, c.type, c.source, c.subject, c.time, c.recorded_at, c.data).where(
        c.tenant_id == tenant, c.customer_id == wanted.c.customer_id
    )
    if types:
        page = page.where(c.type.in_(types))
    if after is not None:
        last = Position.of(after)
        page = page.where(tuple_(c.time, c.id) < tuple_(literal(last.at), literal(last.id)))
    newest = page.order_by(c.time.desc(), c.id.desc()).limit(first + 1).lateral()
    events: dict[UUID, list[TimelineEvent]] = {id: [] for id in customer_ids}
    rows = await connection.execute(select(wanted.c.customer_id, *newest.c).select_from(wanted, newest))
    for customer_id, *event in rows:
        events[customer_id].append(TimelineEvent(*event))
    return {id: _page(found, first) for id, found in events.items()}


def _page(found: list[TimelineEvent], first: int) -> Page[TimelineEvent]:
    events = found[:first]
    return Page(events, Position(events[-1].time, events[-1].id).cursor() if len(found) > first else None)


async def facts(connection: AsyncConnection, tenant: str, customer_ids: Sequence[UUID]) -> dict[UUID, list[Fact]]:
    """What health looks at, per customer."""
    c = ledger.c
    rows = await connection.execute(
        select(c.customer_id, c.id, c.type, c.subject, c.aggregate_version, c.time).where(
            c.tenant_id == tenant,
            c.customer_id == any_(cast(list(customer_ids), ARRAY(Uuid))),
            c.type.in_(FACT_TYPES),
        )
    )
    found: dict[UUID, list[Fact]] = {id: [] for id in customer_ids}
    for customer_id, *fact in rows:
        found[customer_id].append(Fact(*fact))
    return found


async def size(connection: AsyncConnection, tenant: str) -> LedgerSize:
    rows = await connection.execute(
        select(ledger.c.type, func.count()).where(ledger.c.tenant_id == tenant).group_by(ledger.c.type)
    )
    by_type: dict[str, int] = {type: count for type, count in rows}  # noqa: C416 - rows are no pairs to the type checker
    return LedgerSize(sum(by_type.values()), by_type)
