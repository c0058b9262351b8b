"""The task of the workers that applies the rules of retention: once a day it goes through all records of a tenant, some
at a time, and erases those that are due, by the same command as on request.

Rules that are new are tried first: what they would erase is counted. They erase when the settings have stood for a day.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from prometheus_client import Counter
from sqlalchemy import ColumnElement, func, literal_column, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contacts.erasure.erasing import erase
from contacts.retention.due import ERASED, next_ones
from contacts.tables import retention_passes as passes
from contacts.tenant_settings.form import settings
from contacts.values import RetentionNoun, RetentionRule
from kith.db.removed import TABLE as REMOVED
from kith.jobs.runner import FAULTS
from kith.nouns.aggregate import AlreadyErased
from kith.runtime.tasks import Task
from kith.runtime.telemetry import log
from kith.runtime.turns import Turns

AT_A_TIME = 500
"""Records that a step looks at."""
MOST_ERASED = 100
"""Records that it erases; they are locked meanwhile."""
_DAY: ColumnElement[Any] = literal_column("interval '1 day'")
RECORDS = Counter(
    "kith_retention_records_total",
    "Records that rules of retention have erased, or could not erase (outcome: erased, failed)",
    ["noun", "outcome"],
)
for _noun in RetentionNoun:
    for _outcome in ("erased", "failed"):
        RECORDS.labels(_noun, _outcome)


class Result(msgspec.Struct):
    """What a rule has done."""

    due: int = 0
    """How many records it has found that are due, when it went through them the last time."""
    erased: int = 0
    """In all."""
    failed: int = 0
    """The last time."""
    applied_at: datetime | None = None
    """When it had gone through all records the last time."""


def applying() -> Task:
    """Returns the task. Any number of workers may do it, of one tenant one at a time."""
    s, p = settings.c, passes.c
    removed = select(REMOVED.c.tenant_id).where(REMOVED.c.readmitted_at.is_(None))
    of_tenant = settings.outerjoin(passes, s.tenant_id == p.tenant_id)
    has_rules = (func.jsonb_array_length(s.retention) > 0, s.tenant_id.not_in(removed))
    is_time = or_(p.tenant_id.is_(None), p.next_at <= func.now(), p.version != s.version)
    due = select(s.tenant_id).select_from(of_tenant).where(*has_rules, is_time)
    turns = Turns(due)

    async def step(engine: AsyncEngine) -> bool:
        FAULTS.labels("retention")  # from the start, and in workers alone: an API has no jobs
        async with engine.begin() as connection:
            if (tenant := await turns.next(connection)) is None:
                return False
            return await apply(connection, tenant)

    return Task("rules of retention", step, seconds=10)


async def apply(connection: AsyncConnection, tenant: str) -> bool:
    """Goes on with the rules of a tenant: looks at the next records, and erases those that are due. Returns whether it
    did: not where another worker is at it, or the rules were taken back."""
    s, p = settings.c, passes.c
    begun = insert(passes).values(tenant_id=tenant, next_at=func.now(), version=0, erases=False, results="{}")
    await connection.execute(begun.on_conflict_do_nothing())
    stand = (s.recorded_at < func.now() - _DAY).label("stand")
    rows = select(s.retention, s.version, stand, (s.recorded_at + _DAY).label("from_then"), func.now().label("now"))
    its = (await connection.execute(rows.where(s.tenant_id == tenant))).one()
    locked = select(p.rule, p.after, p.results, p.version, p.erases).where(p.tenant_id == tenant)
    state = (await connection.execute(locked.with_for_update(skip_locked=True))).one_or_none()
    if state is None or not its.retention:
        return False
    codes = [each.code for each in its.retention]
    goes_on = state.version == its.version and state.rule in codes
    rule = its.retention[codes.index(state.rule) if goes_on else 0]
    after, erases = (state.after, state.erases) if goes_on else (None, its.stand)
    results = msgspec.convert(state.results, dict[str, Result])
    result = results.setdefault(rule.code, Result())
    if after is None:
        result.due = result.failed = 0
    seen, due = await _look(connection, tenant, rule, its.now, after, MOST_ERASED if erases else AT_A_TIME)
    result.due += len(due)
    if erases:
        erased = await _erase(connection, tenant, rule, due)
        result.erased += erased
        result.failed += len(due) - erased
    values: dict[str, Any] = {"version": its.version, "erases": erases, "rule": rule.code, "after": after}
    if seen:
        # Now: rules that were changed are applied anew, whenever those of before were to be.
        values |= {"after": seen[-1], "next_at": its.now}
    else:
        result.applied_at = its.now
        values |= {"rule": next(iter(codes[codes.index(rule.code) + 1 :]), None), "after": None}
        if values["rule"] is None:
            values["next_at"] = its.now + timedelta(days=1) if erases else its.from_then
    values["results"] = msgspec.json.encode({code: results[code] for code in codes if code in results}).decode()
    await connection.execute(update(passes).where(p.tenant_id == tenant).values(values))
    if result.failed and not seen:
        FAULTS.labels("retention").inc()
    return True


async def _look(
    connection: AsyncConnection, tenant: str, rule: RetentionRule, now: datetime, after: UUID | None, most: int
) -> tuple[list[UUID], list[UUID]]:
    """Returns the next records that are looked at, and those of them that are due: at most so many."""
    seen, due = list[UUID](), list[UUID]()
    for row in await connection.execute(next_ones(rule, tenant, now, after, AT_A_TIME)):
        seen.append(row.id)
        due += [row.id] if row.due else []
        if len(due) == most:
            break
    return seen, due


async def _erase(connection: AsyncConnection, tenant: str, rule: RetentionRule, due: Sequence[UUID]) -> int:
    """Returns how many were erased."""
    refused = await erase(connection, tenant, ERASED[rule.of], due) if due else {}
    failed = {id: why for id, why in refused.items() if not isinstance(why, AlreadyErased)}
    for id, why in failed.items():  # they are tried again the next day
        log.warning("not erased", tenant=tenant, rule=rule.code, id=str(id), error=why)
    erased = len(due) - len(failed)
    RECORDS.labels(rule.of, "erased").inc(erased)
    RECORDS.labels(rule.of, "failed").inc(len(failed))
    return erased
