"""Reads the scores of relationships, as of the last scoring, and the changes of band to come by silence alone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.health.model.definition import Band
from analytics.health.model.timeline import model_in_force
from analytics.health.scores.tables import health_rescorings, health_scores, health_set_aside
from analytics.projections.owners import of_reach
from kith.errors import Invalid
from kith.nouns.lists.pages import DEFAULT_PAGE, MAX_PAGE, Page, Position
from kith.reach import Reach

_S, _R, _A = health_scores.c, health_rescorings.c, health_set_aside.c
MAX_SET_ASIDE = 100


@dataclass(slots=True)
class HealthScoreView:
    customer_id: UUID
    score: float | None
    """As of `scored_at`; it may have changed since, the band has not."""
    band: Band | None
    band_since: datetime
    coverage: float
    model: str | None
    """Null: no model is for it."""
    model_version: int | None
    scored_at: datetime
    due_at: datetime | None
    """When it is scored again, if no event happens until then."""
    due_band: Band | None
    """The band that silence brings it into then."""


@dataclass(slots=True)
class SetAside:
    """A customer that cannot be scored. It is tried again when an event of it arrives, or the models change."""

    customer_id: UUID
    since: datetime
    reason: str
    model: str | None
    """The model at fault. Null: the customer's own facts are."""
    model_version: int | None


@dataclass(slots=True)
class Rescoring:
    """The scoring of all customers by the models that are in force now. Null figures: there was none."""

    requested_at: datetime | None
    done: int
    total: int | None
    finished_at: datetime | None
    set_aside: int
    """The number of customers that cannot be scored now, including those last tried for another reason."""
    set_aside_last: list[SetAside]
    """The last of them, up to 100."""


async def scores(
    connection: AsyncConnection,
    tenant: str,
    reach: Reach,
    *,
    band: Band | None = None,
    model: str | None = None,
    first: int = DEFAULT_PAGE,
    after: str | None = None,
) -> Page[HealthScoreView]:
    """Returns a page of scores, the customers that entered their band last first. Raises Invalid for a malformed
    cursor, a page that is too big and a model that is not in force."""
    index = tuple_(_S.band_since, _S.customer_id)
    conditions = [_S.band == band if band else _S.band.is_not(None), *of_reach(tenant, reach, _S.customer_id)]
    if model is not None:
        conditions.append(_S.model == (await model_in_force(connection, tenant, model)).id)
    if after is not None:
        conditions.append(index < _position(after))
    order = (_S.band_since.desc(), _S.customer_id.desc())
    rows = await _page(connection, tenant, conditions, order, first)
    return _paged(rows, first, [(row.band_since, row.customer_id) for row in rows])


async def upcoming(
    connection: AsyncConnection,
    tenant: str,
    reach: Reach,
    *,
    to: Band | None = None,
    until: datetime | None = None,
    first: int = DEFAULT_PAGE,
    after: str | None = None,
) -> Page[HealthScoreView]:
    """Returns the customers that come into another band by silence alone, the next one first."""
    conditions = [_S.due_band == to if to else _S.due_band.is_not(None), *of_reach(tenant, reach, _S.customer_id)]
    if until is not None:
        conditions.append(_S.due_at < until)
    if after is not None:
        conditions.append(tuple_(_S.due_at, _S.customer_id) > _position(after))
    rows = await _page(connection, tenant, conditions, (_S.due_at, _S.customer_id), first)
    return _paged(rows, first, [(row.due_at or row.scored_at, row.customer_id) for row in rows])


async def rescoring(connection: AsyncConnection, tenant: str) -> Rescoring:
    found = (
        await connection.execute(
            select(_R.requested_at, _R.done, _R.total, _R.finished_at).where(_R.tenant_id == tenant)
        )
    ).one_or_none()
    number = await connection.scalar(select(func.count()).where(_A.tenant_id == tenant))
    last = await connection.execute(
        select(*(_A[name] for name in SetAside.__dataclass_fields__))
        .where(_A.tenant_id == tenant)
        .order_by(_A.since.desc(), _A.customer_id.desc())
        .limit(MAX_SET_ASIDE)
    )
    requested_at, done, total, finished_at = found or (None, 0, None, None)
    return Rescoring(requested_at, done, total, finished_at, number or 0, [SetAside(*row) for row in last])


async def reason_of(connection: AsyncConnection, tenant: str, customer: UUID) -> str | None:
    """Returns why the customer cannot be scored, if it cannot."""
    return await connection.scalar(select(_A.reason).where(_A.tenant_id == tenant, _A.customer_id == customer))


def _position(after: str) -> ColumnElement[Any]:
    last = Position.of(after)
    return tuple_(literal(last.at), literal(last.id))


async def _page(
    connection: AsyncConnection, tenant: str, conditions: list[ColumnElement[bool]], order: Any, first: int
) -> list[HealthScoreView]:
    """Selects one row more than the page has."""
    if not 1 <= first <= MAX_PAGE:
        raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
    columns = [_S[name] for name in HealthScoreView.__dataclass_fields__]
    rows = await connection.execute(
        select(*columns).where(_S.tenant_id == tenant, *conditions).order_by(*order).limit(first + 1)
    )
    return [
        HealthScoreView(**{**row._asdict(), "band": _band(row.band), "due_band": _band(row.due_band)}) for row in rows
    ]


def _band(kept: str | None) -> Band | None:
    return Band(kept) if kept else None


def _paged(rows: list[HealthScoreView], first: int, indexes: list[tuple[datetime, UUID]]) -> Page[HealthScoreView]:
    return Page(rows[:first], Position(*indexes[first - 1]).cursor() if len(rows) > first else None)
