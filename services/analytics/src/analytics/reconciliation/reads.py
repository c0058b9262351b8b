"""Reconciliations as readers see them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.reconciliation.report import Report
from analytics.reconciliation.tables import reconciliations
from kith.errors import Invalid, NotFound
from kith.nouns.lists.pages import DEFAULT_PAGE, MAX_PAGE, Page, Position

_R = reconciliations.c
_SUMMARY = (
    _R.id,
    _R.state,
    _R.requested_at,
    _R.requested_by,
    _R.started_at,
    _R.finished_at,
    _R.done,
    _R.total,
    _R.mismatches,
    _R.reason,
)


@dataclass(slots=True)
class ReconciliationView:
    id: UUID
    state: str
    """`requested`, `running`, `done` or `failed`; done is also one that found mismatches."""
    requested_at: datetime
    requested_by: str | None
    """Null: it was due."""
    started_at: datetime | None
    finished_at: datetime | None
    done: int
    """Steps: a collection fetched each, and the comparison."""
    total: int | None
    mismatches: int | None
    """Records and figures that differ."""
    reason: str | None
    """Why it failed."""


@dataclass(slots=True)
class ReconciliationDetails(ReconciliationView):
    report: Report | None
    """Once it is done."""


async def page_of(
    connection: AsyncConnection, tenant: str, *, first: int = DEFAULT_PAGE, after: str | None = None
) -> Page[ReconciliationView]:
    """Newest first, without the reports. Raises Invalid for a cursor that is none or a page that is too big."""
    if not 1 <= first <= MAX_PAGE:
        raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
    query = select(*_SUMMARY).where(_R.tenant_id == tenant)
    if after is not None:
        last = Position.of(after)
        query = query.where(tuple_(_R.requested_at, _R.id) < tuple_(literal(last.at), literal(last.id)))
    query = query.order_by(_R.requested_at.desc(), _R.id.desc()).limit(first + 1)
    found: Any = await connection.execute(query)
    rows = [ReconciliationView(*row) for row in found]
    page = rows[:first]
    more = len(rows) > first
    return Page(page, Position(page[-1].requested_at, page[-1].id).cursor() if more else None)


async def details_of(connection: AsyncConnection, tenant: str, id: UUID) -> ReconciliationDetails:
    """Raises NotFound."""
    query = select(*_SUMMARY, _R.report).where(_R.tenant_id == tenant, _R.id == id)
    row: Any = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound.of("reconciliation", id)
    values: Any = (*row[:-1], msgspec.convert(row[-1], Report) if row[-1] is not None else None)
    return ReconciliationDetails(*values)
