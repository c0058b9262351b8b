"""Totals, settled in the background: sums of a day's facts, recomputed when a fact comes late.

A fold marks the days it touches as stale, in its own transaction and with a row of its own. So a transaction that sees
a fact sees its mark, and the worker that sums up a day deletes just the marks it has seen: a fact that it has not seen
keeps the day stale.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Date, case, cast, delete, func, insert, literal, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.metrics.rollup_keys import SHAPE, SHAPES, key_of
from analytics.metrics.tables import settled_days, stale_days, totals
from analytics.projections.facts import Fact
from analytics.projections.projection import Batch, Projection
from analytics.projections.tables import facts
from kith.db.removed import LOCK
from kith.ids import new_id, uuid7_floor

DAYS_AT_ONCE = 31
REST = timedelta(seconds=30)
"""The age of a mark of today before today is summed up again."""


class Totals(Projection):
    caches = (settled_days, totals, stale_days)

    async def apply(self, connection: AsyncConnection, batch: Batch) -> None:
        await mark_stale(connection, batch.written)

    async def retract(self, connection: AsyncConnection, batch: Batch) -> None:
        await mark_stale(connection, batch.written)

    async def after_swap(self, connection: AsyncConnection) -> None:
        await mark_all_stale(connection)


async def mark_stale(connection: AsyncConnection, written: Iterable[Fact]) -> None:
    """Marks the days of these facts as stale."""
    days = sorted({(fact.tenant_id, fact.time.astimezone(UTC).date()) for fact in written})
    if days:
        await connection.exec_driver_sql(
            """
            INSERT INTO stale_days (tenant_id, day, batch)
            SELECT tenant_id, day, $3 FROM unnest($1::text[], $2::date[]) AS t(tenant_id, day)
            """,
            ([tenant for tenant, _ in days], [day for _, day in days], new_id()),
        )


async def mark_all_stale(connection: AsyncConnection) -> None:
    """Marks all days as stale: the facts were recomputed."""
    await connection.execute(text("DELETE FROM settled_days"))
    await connection.execute(text("DELETE FROM totals"))
    await connection.execute(
        text("""
            INSERT INTO stale_days (tenant_id, day, batch)
            SELECT DISTINCT tenant_id, CAST(time AT TIME ZONE 'UTC' AS date), CAST(:batch AS uuid) FROM facts
            ON CONFLICT DO NOTHING
        """),
        {"batch": new_id()},
    )


async def settle_days(engine: AsyncEngine) -> bool:
    """Sums up some stale days of one tenant. Returns whether there are more."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        async with connection.begin():
            await connection.execute(LOCK)
            found = await _due(connection)
            if found is None:
                return False
            tenant, first = found
            await _settle(connection, tenant, first)
    return True


async def _due(connection: AsyncConnection) -> tuple[str, date] | None:
    """Returns a tenant that no other worker holds, and its first stale day. Today, and days to come, only after a
    rest."""
    s, now = stale_days.c, datetime.now(UTC)
    rested = (s.day < now.date()) | (s.batch < uuid7_floor(now - REST))
    # A tenant at random: none waits for a large one, nor for one that fails again and again.
    due = (
        select(s.tenant_id, func.min(s.day).label("day"))
        .where(rested)
        .group_by(s.tenant_id)
        .order_by(func.random())
        .subquery("due")
    )
    mine = func.pg_try_advisory_xact_lock(func.hashtextextended(literal("settle ").concat(due.c.tenant_id), 0))
    row = (await connection.execute(select(due.c.tenant_id, due.c.day).where(mine).limit(1))).first()
    if row is not None:
        return row.tenant_id, row.day
    d = settled_days.c  # the catalogue reads other fields now
    row = (
        await connection.execute(select(d.tenant_id, d.day).where(d.shape != SHAPE).order_by(func.random()).limit(1))
    ).first()
    return None if row is None else (row.tenant_id, row.day)


async def _settle(connection: AsyncConnection, tenant: str, first: date) -> None:
    last = first + timedelta(days=DAYS_AT_ONCE - 1)
    s, d, t, f = stale_days.c, settled_days.c, totals.c, facts.c
    marked = await connection.scalars(
        delete(stale_days).where(s.tenant_id == tenant, s.day.between(first, last)).returning(s.day)
    )
    old = await connection.scalars(
        select(d.day).where(d.tenant_id == tenant, d.day.between(first, last), d.shape != SHAPE)
    )
    days = sorted({*marked, *old})
    starts = datetime(first.year, first.month, first.day, tzinfo=UTC)
    ends = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    of_day = func.timezone("UTC", t.hour)
    await connection.execute(
        delete(totals).where(t.tenant_id == tenant, t.hour >= starts, t.hour < ends, cast(of_day, Date).in_(days))
    )
    key = case({type: key_of(type) for type in SHAPES}, value=f.type)
    hour = func.date_trunc("hour", f.time, "UTC")
    added = (
        select(f.tenant_id, hour, f.type, key, func.count(), func.sum(f.amount))
        .where(
            f.tenant_id == tenant,
            f.type.in_(SHAPES),
            f.time >= starts,
            f.time < ends,
            cast(func.timezone("UTC", f.time), Date).in_(days),
        )
        .group_by(f.tenant_id, hour, f.type, key)
    )
    await connection.execute(insert(totals).from_select([t.tenant_id, t.hour, t.type, t.key, t.facts, t.amount], added))
    # A day in between that was never marked has no facts: it is settled as well.
    between = [days[0] + timedelta(days=n) for n in range((days[-1] - days[0]).days + 1)]
    rows = [{"tenant_id": tenant, "day": day, "shape": SHAPE} for day in between]
    settled = upsert(settled_days).values(rows)
    await connection.execute(
        settled.on_conflict_do_update(index_elements=[d.tenant_id, d.day], set_={"shape": settled.excluded.shape})
    )
