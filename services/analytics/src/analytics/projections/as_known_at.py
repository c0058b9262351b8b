"""What was known: the read models as they would be if nothing had been recorded after an instant.

`from` and `to` ask what was true, by when events happened; this asks what was known, by when they were recorded. The
tenant's events up to then are folded in memory, as a rebuild does it, into temporary tables under the names of the live
ones. PostgreSQL looks for a name among temporary tables first, so every query reads them without knowing.

A connection of its own for each: nothing that was prepared for these tables is ever used for the live ones.
"""

from asyncio import Semaphore, timeout
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from analytics.customer_value.tables import value_fits
from analytics.projections.activity import DEFAULT_POLICY, ActivityPolicy, ActivityRule
from analytics.projections.copying import (
    Driver,
    copy_facts,
    copy_merged,
    copy_spans,
    count_events,
    events_of,
    recorded_events_of,
)
from analytics.projections.facts import noun_of, types_of
from analytics.projections.replay import MERGES, Replay, merged_by
from analytics.projections.tables import activity_rules, activity_spans, facts, merged_customers
from kith.db.connections import Database, checked, driver_of
from kith.db.tenancy import APP_ROLE, TENANT_SETTING
from kith.error_codes import ErrorCode
from kith.errors import Invalid
from kith.events.catalogue import EVENTS
from kith.events.contacts import SettingsChanged

MAX_EVENTS = 500_000
AT_ONCE = 2
"""How many may be folded at a time, per process."""
WAIT_SECONDS = 10.0
_CHUNK = 1000
"""Events folded in one go: so long other requests wait."""

_places = Semaphore(AT_ONCE)


class TooManyEvents(Invalid):
    code = ErrorCode.TOO_MANY_EVENTS


@asynccontextmanager
async def as_known_at(
    database: Database,
    tenant: str,
    known_at: datetime,
    types: Iterable[str],
    *,
    customers: Sequence[UUID] | None = None,
) -> AsyncIterator[AsyncConnection]:
    """Yields a transaction in which activity, and facts of these types, are read as they were known; of some customers
    only, and those merged into them, if any are named. Totals must not be read in it (see Question.settled). Raises
    TooManyEvents, and sqlalchemy.exc.TimeoutError if too many ask."""
    try:
        async with timeout(WAIT_SECONDS):
            await _places.acquire()
    except TimeoutError as full:
        raise PoolTimeoutError("others ask what was known") from full
    # Nothing prepared is kept: under the same names there are other tables in a moment.
    engine = create_async_engine(
        database.engine.url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={"statement_cache_size": 0, "prepared_statement_cache_size": 0, "server_settings": _SETTINGS},
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(
                text(f"SELECT set_config('{TENANT_SETTING}', :tenant, true)"), {"tenant": checked(tenant)}
            )
            await _fold(driver_of(connection), tenant, known_at, types, customers)
            yield connection
    finally:
        _places.release()
        await engine.dispose()


_SETTINGS = {
    "role": APP_ROLE,
    "application_name": "kith analytics known",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",
    "work_mem": "64MB",
}


async def _fold(
    driver: Driver,
    tenant: str,
    known_at: datetime,
    wanted: Iterable[str],
    customers: Sequence[UUID] | None,
) -> None:
    first = await recorded_events_of(driver, tenant, [SettingsChanged.type, *MERGES], known_at=known_at)
    settings = [each for each in first if each.type == SettingsChanged.type]
    rules = _rules(ActivityPolicy.told(each.version, each.body["activity"]) for each in settings)
    types = types_needed(wanted, rules)
    merged = merged_by(each for each in first if each.type in MERGES)
    if customers is not None:
        customers = [*customers, *(each.customer_id for each in merged if each.survivor in customers)]
    which: dict[str, Any] = {"known_at": known_at, "types": types, "customers": customers}
    if await count_events(driver, tenant, **which, up_to=MAX_EVENTS + 1) > MAX_EVENTS:
        raise TooManyEvents(
            f"Over {MAX_EVENTS:,} events were known then that these metrics look at: that many are not folded for one "
            "question. Leave out knownAt, ask for an earlier one, or for metrics that look at fewer types of events.",
            field="knownAt",
        )
    await driver.execute(_TABLES)
    await copy_merged(driver, "pg_temp.merged_customers", tenant, merged)
    replay = Replay(rules, merged)
    # One connection: what is read must be read before it can write.
    async for events in events_of(driver, tenant, **which, chunk=_CHUNK):
        await copy_facts(driver, "pg_temp.facts", replay.take(events))
    await copy_facts(driver, "pg_temp.facts", replay.rest())
    await copy_spans(driver, "pg_temp.activity_spans", tenant, replay.spans())
    await driver.executemany(
        "INSERT INTO pg_temp.activity_rules (tenant_id, rule, event_types, window_days, added_at, ready_at, done) "
        "VALUES ($1, $2, $3, $4, $5, $5, 0)",
        [(tenant, rule.id, sorted(rule.event_types), rule.window.days, known_at) for rule in rules],
    )
    await driver.execute(
        "INSERT INTO pg_temp.value_fits SELECT * FROM public.value_fits WHERE tenant_id = $1 AND fitted_at <= $2",
        tenant,
        known_at,
    )
    await driver.execute(_INDEXES)


_TABLES = "; ".join(
    f"CREATE TEMPORARY TABLE {table.name} (LIKE public.{table.name}) ON COMMIT DROP"
    for table in (facts, activity_spans, activity_rules, merged_customers, value_fits)
)
_INDEXES = """
    CREATE INDEX ON pg_temp.facts (type, time);
    CREATE INDEX ON pg_temp.facts (customer_id, type, time);
    ANALYZE pg_temp.facts;
    ANALYZE pg_temp.activity_spans
"""


def _rules(policies: Iterable[ActivityPolicy]) -> list[ActivityRule]:
    """Of every definition of activity there was: any of them may be asked for."""
    return list({rule.id: rule for policy in (DEFAULT_POLICY, *policies) for rule in policy.rules}.values())


def types_needed(types: Iterable[str], rules: Iterable[ActivityRule]) -> list[str] | None:
    """Returns the types of events to fold, where events of these are read and activity is by these rules; None: all
    types. Of a noun all types are folded: each adds to what is known of it."""
    needed = {SettingsChanged.type, *MERGES, *types, *(type for rule in rules for type in rule.types)}
    if not needed <= EVENTS.keys():  # of what nouns they are, nobody here knows
        return None
    return sorted({type for each in needed for type in types_of(noun_of(each))})
