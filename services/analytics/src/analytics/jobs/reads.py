"""Jobs as readers see them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.jobs.tables import health_jobs
from kith.errors import Invalid, NotFound
from kith.nouns.lists.pages import DEFAULT_PAGE, MAX_PAGE, Page, Position

_J = health_jobs.c


@dataclass(slots=True)
class HealthJobView:
    id: UUID
    kind: str
    """`what_if`, `backtest`, `distribution` or `dry_run`."""
    params: dict[str, Any]
    """What was requested."""
    state: str
    """`requested`, `running`, `done`, `failed` or `cancelled`."""
    requested_at: datetime
    requested_by: str
    started_at: datetime | None
    finished_at: datetime | None
    done: int
    """How far it is: customers, of `total`."""
    total: int | None
    reason: str | None
    """Why it failed."""


@dataclass(slots=True)
class HealthJobDetails(HealthJobView):
    report: dict[str, Any] | None
    """Once it is done: what was found."""


_SUMMARY = [_J[name] for name in HealthJobView.__dataclass_fields__]


async def page_of(
    connection: AsyncConnection, tenant: str, *, first: int = DEFAULT_PAGE, after: str | None = None
) -> Page[HealthJobView]:
    """Newest first, without the reports. Raises Invalid for a cursor that is none or a page that is too big."""
    if not 1 <= first <= MAX_PAGE:
        raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
    query = select(*_SUMMARY).where(_J.tenant_id == tenant)
    if after is not None:
        last = Position.of(after)
        query = query.where(tuple_(_J.requested_at, _J.id) < tuple_(literal(last.at), literal(last.id)))
    query = query.order_by(_J.requested_at.desc(), _J.id.desc()).limit(first + 1)
    rows = [HealthJobView(*row) for row in await connection.execute(query)]
    page = rows[:first]
    return Page(page, Position(page[-1].requested_at, page[-1].id).cursor() if len(rows) > first else None)


async def details_of(connection: AsyncConnection, tenant: str, id: UUID) -> HealthJobDetails:
    """Raises NotFound."""
    query = select(*_SUMMARY, _J.report).where(_J.tenant_id == tenant, _J.id == id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound.of("job", id)
    values: Any = row
    return HealthJobDetails(*values)
