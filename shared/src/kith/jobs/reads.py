"""Jobs as readers see them."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Table, literal, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.errors import Invalid, NotFound
from kith.nouns.lists.pages import DEFAULT_PAGE, MAX_PAGE, Page, Position

V = TypeVar("V", bound="JobView")


@dataclass(slots=True)
class JobView:
    """What a list shows of a job. A field is the column of the same name."""

    id: UUID
    kind: str
    params: dict[str, Any]
    state: str
    requested_at: datetime
    requested_by: str
    started_at: datetime | None
    finished_at: datetime | None
    done: int
    total: int | None
    reason: str | None


async def page_of(
    connection: AsyncConnection,
    jobs: Table,
    view: Callable[..., V],
    tenant: str,
    *,
    by: str | None = None,
    state: str | None = None,
    first: int = DEFAULT_PAGE,
    after: str | None = None,
) -> Page[V]:
    """Newest first, all or those that somebody has requested, or that are in a state. Raises Invalid for a cursor that
    is none or a page that is too big."""
    j = jobs.c
    if not 1 <= first <= MAX_PAGE:
        raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
    query = select(*_columns(jobs, view)).where(j.tenant_id == tenant, _requested(jobs, by))
    if state is not None:
        query = query.where(j.state == state)
    if after is not None:
        last = Position.of(after)
        query = query.where(tuple_(j.requested_at, j.id) < tuple_(literal(last.at), literal(last.id)))
    query = query.order_by(j.requested_at.desc(), j.id.desc()).limit(first + 1)
    rows = [view(*row) for row in await connection.execute(query)]
    page = rows[:first]
    return Page(page, Position(page[-1].requested_at, page[-1].id).cursor() if len(rows) > first else None)


async def details_of(
    connection: AsyncConnection,
    jobs: Table,
    view: Callable[..., V],
    tenant: str,
    id: UUID,
    *,
    by: str | None = None,
    noun: str = "job",
) -> V:
    """Raises NotFound, also for one that somebody else has requested."""
    query = select(*_columns(jobs, view)).where(jobs.c.tenant_id == tenant, jobs.c.id == id, _requested(jobs, by))
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound.of(noun, id)
    return view(*row)


def _requested(jobs: Table, by: str | None) -> ColumnElement[bool]:
    return true() if by is None else jobs.c.requested_by == by


def _columns(jobs: Table, view: Any) -> list[Any]:
    return [jobs.c[each.name] for each in fields(view)]
