"""The task of the workers that looks at records that were created or changed, and lists the pairs that may be one.

Tenants have their turns: some records of each. A record is looked at once it is there for all, so of two that are
created at the same time the second one to be looked at finds the first.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, and_, any_, cast, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contacts.contacts.form import CONTACTS
from contacts.customers.form import CUSTOMERS
from contacts.duplicates.finding import COMPARED, Alike, alike, is_there
from contacts.duplicates.tables import PairState, checks, duplicates
from kith.db.removed import TABLE as REMOVED
from kith.db.statements import streamed
from kith.ids import new_id
from kith.nouns.resource import Resource
from kith.runtime.tasks import Task
from kith.runtime.telemetry import log
from kith.runtime.turns import Turns

AT_A_TIME = 50
"""Records that a step looks at."""
_D, _C = duplicates.c, checks.c
_NOUNS: Mapping[str, Resource] = {each.name: each for each in (CUSTOMERS, CONTACTS)}
_LOCK = select(func.pg_try_advisory_xact_lock(func.hashtextextended("duplicates", 0)))
"""One worker at a time: two would write the same pairs."""


def looking() -> Task:
    """Returns the task."""
    turns = Turns(select(_C.tenant_id))

    async def step(engine: AsyncEngine) -> bool:
        async with engine.begin() as connection:
            if not await connection.scalar(_LOCK):
                return False
            if (tenant := await turns.next(connection)) is None:
                return False
            await look_at(connection, tenant)
        return True

    return Task("duplicates", step, seconds=1)


async def look_at(connection: AsyncConnection, tenant: str) -> None:
    """Looks at the next records of a tenant."""
    rows = select(_C.noun, _C.id, _C.version).where(_C.tenant_id == tenant).order_by(_C.id).limit(AT_A_TIME)
    due = (await connection.execute(rows)).all()
    removed = select(REMOVED.c.tenant_id).where(REMOVED.c.tenant_id == tenant, REMOVED.c.readmitted_at.is_(None))
    if await connection.scalar(removed) is None:
        try:
            await _compare_all(connection, tenant, due)
        except _OF_A_RECORD:
            for row in due:
                try:
                    await _compare_all(connection, tenant, [row])
                except _OF_A_RECORD as error:  # it is passed over until it is changed
                    log.warning("record not compared", tenant=tenant, noun=row.noun, id=str(row.id), error=error)
    # One that was changed meanwhile has another version, and is looked at again.
    looked_at = [(row.id, row.version) for row in due]
    await connection.execute(delete(checks).where(_C.tenant_id == tenant, tuple_(_C.id, _C.version).in_(looked_at)))


_OF_A_RECORD = (ArithmeticError, LookupError, TypeError, ValueError)
"""What a record that is like no other may raise."""


async def _compare_all(connection: AsyncConnection, tenant: str, due: Sequence[Any]) -> None:
    of_noun = defaultdict[str, list[UUID]](list)
    for row in due:
        of_noun[row.noun].append(row.id)
    async with connection.begin_nested():
        for noun, ids in of_noun.items():
            await _compare(connection, tenant, _NOUNS[noun], ids)


async def _compare(connection: AsyncConnection, tenant: str, resource: Resource, ids: Sequence[UUID]) -> None:
    t = resource.table
    rows = select(*(t.c[name] for name in COMPARED if name in t.c))
    rows = rows.where(t.c.tenant_id == tenant, t.c.id == any_(cast(ids, ARRAY(Uuid))), *is_there(t))
    records = [row async for row in streamed(connection, rows, most=len(ids))]
    listed = await _listed(connection, tenant, ids)
    found = await alike(connection, tenant, resource, records, listed)
    pairs = {_pair(record.id, each.id): each for record, others in zip(records, found, strict=True) for each in others}
    await _list(connection, tenant, resource.name, pairs)
    known = {_pair(id, other) for id, others in listed.items() for other in others}
    await _take_off(connection, tenant, known - pairs.keys())


async def _listed(connection: AsyncConnection, tenant: str, ids: Sequence[UUID]) -> Mapping[UUID, set[UUID]]:
    """Returns the records that each of these makes a pair with."""
    of_them = or_(*(_D[name] == any_(cast(ids, ARRAY(Uuid))) for name in ("one_id", "other_id")))
    found = defaultdict[UUID, set[UUID]](set)
    for row in await connection.execute(select(_D.one_id, _D.other_id).where(_D.tenant_id == tenant, of_them)):
        found[row.one_id].add(row.other_id)
        found[row.other_id].add(row.one_id)
    return {id: found[id] for id in ids if id in found}


def _pair(one: UUID, other: UUID) -> tuple[UUID, UUID]:
    return (one, other) if one < other else (other, one)


async def _list(connection: AsyncConnection, tenant: str, noun: str, pairs: Mapping[tuple[UUID, UUID], Alike]) -> None:
    """Lists these pairs. One that was dismissed stays so."""
    if not pairs:
        return
    values: list[dict[str, Any]] = [
        {
            "tenant_id": tenant,
            "id": new_id(),
            "noun": noun,
            "one_id": one,
            "other_id": other,
            "score": each.score,
            "reasons": [*map(str, each.reasons)],
            "state": PairState.SUSPECTED,
            "found_at": func.now(),
        }
        for (one, other), each in sorted(pairs.items(), key=lambda pair: pair[0])
    ]
    for start in range(0, len(values), 1000):  # a statement takes 32767 parameters
        rows = insert(duplicates).values(values[start : start + 1000])
        again = {"score": rows.excluded.score, "reasons": rows.excluded.reasons, "left_at": None}
        await connection.execute(
            rows.on_conflict_do_update(index_elements=[_D.tenant_id, _D.one_id, _D.other_id], set_=again)
        )


async def _take_off(connection: AsyncConnection, tenant: str, pairs: Collection[tuple[UUID, UUID]]) -> None:
    """Takes pairs off the list of which one is gone, or that are alike no more."""
    if pairs:
        of_them: ColumnElement[bool] = and_(_D.left_at.is_(None), tuple_(_D.one_id, _D.other_id).in_(sorted(pairs)))
        await connection.execute(update(duplicates).where(_D.tenant_id == tenant, of_them).values(left_at=func.now()))
