"""Computes the spans of new rules of activity for all customers, from the facts that exist already (see docs/adr/0023).

Since a rule was noted (projections.settings) every fold extends its spans. What was folded before is computed here,
some customers at a time: a transaction locks the tenant exclusively, so it sees everything that was folded without the
rule, and no fold runs meanwhile. It waits for the folds under way, and the next ones wait for it.
"""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.projections.activity import ActivityRule
from analytics.projections.fold import lock_tenants
from analytics.projections.fold_activity import refold_activity
from analytics.projections.tables import activity_rules, facts
from kith.runtime.telemetry import log

FACTS_AT_A_TIME = 5_000
"""One transaction computes customers that have this many facts together, one customer at least: it bounds how long a
fold waits."""

_RULES = activity_rules.c


class Due(NamedTuple):
    tenant_id: str
    rule: ActivityRule
    counted: bool
    computed_to: UUID | None


async def compute_rules(engine: AsyncEngine) -> bool:
    """Computes the next customers of one rule that is not ready. Returns whether there may be more to do.

    Any number of processes may run it: each takes another rule, and one that is killed leaves what it had done before.
    """
    async with engine.begin() as connection:
        due = await _claim(connection)
        if due is None:
            return False
        if due.counted:
            await _go_on(connection, due)
        else:
            await _count(connection, due)
        return True


async def _claim(connection: AsyncConnection) -> Due | None:
    # A rule at random: a small tenant does not wait until a large one is done, and none for one that fails again and
    # again.
    row = (
        await connection.execute(
            select(_RULES.tenant_id, _RULES.event_types, _RULES.window_days, _RULES.total, _RULES.computed_to)
            .where(_RULES.ready_at.is_(None))
            .order_by(func.random())
            .limit(1)
            .with_for_update(skip_locked=True)
        )
    ).one_or_none()
    if row is None:
        return None
    rule = ActivityRule.of(row.event_types, row.window_days)
    return Due(row.tenant_id, rule, row.total is not None, row.computed_to)


async def _count(connection: AsyncConnection, due: Due) -> None:
    # Before the tenant is locked: this reads all facts to estimate the progress.
    customers = select(func.count(facts.c.customer_id.distinct())).where(facts.c.tenant_id == due.tenant_id)
    await _keep(connection, due, total=await connection.scalar(customers))


async def _go_on(connection: AsyncConnection, due: Due) -> None:
    await lock_tenants(connection, [due.tenant_id], exclusive=True)
    customers, is_last = await _next(connection, due)
    await refold_activity(connection, due.tenant_id, customers, [due.rule])
    done = _RULES.done + len(customers)
    if is_last:
        await _keep(connection, due, done=done, total=done, ready_at=func.clock_timestamp())
        log.info("activity computed", tenant=due.tenant_id, rule=due.rule.id)
    else:
        await _keep(connection, due, done=done, total=func.greatest(_RULES.total, done), computed_to=customers[-1])


async def _next(connection: AsyncConnection, due: Due) -> tuple[list[UUID], bool]:
    """Returns the customers after those that are done, and whether they are the last."""
    f = facts.c
    some = select(f.customer_id).where(f.tenant_id == due.tenant_id, f.customer_id.is_not(None))
    if due.computed_to is not None:
        some = some.where(f.customer_id > due.computed_to)
    part = some.order_by(f.customer_id).limit(FACTS_AT_A_TIME).subquery("part")
    found = await connection.execute(
        select(part.c.customer_id, func.count()).group_by(part.c.customer_id).order_by(part.c.customer_id)
    )
    counts = [(id, count) for id, count in found]
    return [id for id, _ in counts], sum(count for _, count in counts) < FACTS_AT_A_TIME


async def _keep(connection: AsyncConnection, due: Due, **values: object) -> None:
    mine = (_RULES.tenant_id == due.tenant_id) & (_RULES.rule == due.rule.id)
    await connection.execute(update(activity_rules).where(mine).values(**values))
