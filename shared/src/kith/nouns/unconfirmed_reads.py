"""References that are overdue: a minute after they were noted, the records that they name are not known. And the task
of the workers that forgets those that are known, and counts these."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from prometheus_client import Gauge
from sqlalchemy import Column, ColumnElement, and_, delete, exists, func, literal_column, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.errors import Invalid
from kith.nouns.lists.pages import NO_CURSOR, Page, decoded, encoded
from kith.nouns.resource import Resource
from kith.nouns.unconfirmed import TABLE
from kith.runtime.tasks import Task

OVERDUE = Gauge(
    "kith_unconfirmed_references",
    "Records of other services that were named more than a minute ago, and are not known yet, of all tenants",
    ["noun"],
)
_MOST = 5000
"""The references that a step forgets at a time."""
_C = TABLE.c
_IS_OVERDUE = _C.noted_at < func.now() - literal_column("interval '1 minute'")
Known = Mapping[str, Column[Any]]
"""By noun of another service: the ids of those of its records that are known."""


@dataclass(slots=True)
class UnconfirmedReference:
    """A record of another service that was named here and is not known. `named_by` and `record_id` say by which record
    first; there may be more."""

    noun: str
    id: UUID
    named_by: str
    record_id: UUID
    noted_at: datetime


def known_of(resources: Iterable[Resource]) -> Known:
    """Returns where these nouns look up the records of other services."""
    return {each.noun: each.known for it in resources for each in (*it.on_sight, *it.parts_on_sight)}


async def page_of(
    connection: AsyncConnection, tenant: str, known: Known, first: int, after: str | None
) -> Page[UnconfirmedReference]:
    """Returns a page of the tenant's overdue references, by noun and id. Raises Invalid for a malformed cursor."""
    rows = select(_C.noun, _C.id, _C.named_by, _C.record_id, _C.noted_at).where(_C.tenant_id == tenant, _IS_OVERDUE)
    if after is not None:
        rows = rows.where(tuple_(_C.noun, _C.id) > tuple_(*_keys(after)))
    rows = rows.where(~_is_known(known)).order_by(_C.noun, _C.id).limit(first + 1)
    found = [UnconfirmedReference(*row) for row in await connection.execute(rows)]
    shown = found[:first]
    return Page(shown, encoded([shown[-1].noun, shown[-1].id]) if len(found) > first else None)


def _keys(cursor: str) -> tuple[str, UUID]:
    try:
        noun, _, id = decoded(cursor).decode().strip('[]"').partition('","')
        return noun, UUID(id)
    except ValueError as error:
        raise Invalid(NO_CURSOR, field="after") from error


def _is_known(known: Known) -> ColumnElement[bool]:
    """A record may come to be known while another transaction notes it: so what is noted is compared with what is
    known whenever it is read."""
    return or_(
        *(
            and_(_C.noun == noun, exists().where(ids.table.c.tenant_id == _C.tenant_id, ids == _C.id))
            for noun, ids in known.items()
        )
    )


def confirming(resources: Iterable[Resource]) -> Task:
    """Returns the task that forgets the references to what is known, and counts those that are overdue."""
    known = known_of(resources)

    async def step(engine: AsyncEngine) -> bool:
        confirmed = select(_C.tenant_id, _C.noun, _C.id).where(_is_known(known)).limit(_MOST)
        async with engine.begin() as connection:
            result = await connection.execute(delete(TABLE).where(tuple_(_C.tenant_id, _C.noun, _C.id).in_(confirmed)))
            rows = await connection.execute(
                select(_C.noun, func.count().label("number")).where(_IS_OVERDUE).group_by(_C.noun)
            )
            overdue: dict[str, int] = {row.noun: row.number for row in rows}
        if result.rowcount >= _MOST:
            return True
        for noun in known:
            OVERDUE.labels(noun).set(overdue.get(noun, 0))
        return False

    return Task("references", step, seconds=15)
