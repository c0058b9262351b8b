"""The read models as they were known at an instant: as they would be if nothing had been recorded after it.

`from` and `to` select by when events happened; this selects by when they were recorded. The tenant's events up to then
are folded in memory, as a rebuild does it, into temporary tables under the names of the live ones. PostgreSQL resolves
a name among temporary tables first, so every query reads them unchanged.

Each such read has a connection of its own: no statement that was prepared for these tables is ever used for the live
ones.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

from analytics.projections.activity import ActivityPolicy
from analytics.projections.copying import recompute
from analytics.projections.facts import noun_of, types_of
from analytics.projections.merging import MERGES
from analytics.projections.past import Past
from analytics.projections.projection import ReadModel, declared, read_models
from analytics.projections.settings import SETTINGS
from analytics.projections.subscriptions import TYPES
from kith.db.connections import Database, checked
from kith.db.login import engine_for
from kith.db.sessions import Driver, driver_of
from kith.db.tenancy import APP_ROLE, TENANT_SETTING
from kith.error_codes import ErrorCode
from kith.errors import Invalid
from kith.events.catalogue import EVENTS
from kith.runtime.fairness import FairQueue

MAX_EVENTS = 500_000
AT_ONCE = 2
"""The number of folds that may run at a time, per process."""
WAIT_SECONDS, WAITING = 10.0, 100
"""For how long, and how many of a tenant, wait for a connection of their own."""
_CHUNK = 1000
"""The events folded in one go: other requests wait that long."""

_slots = FairQueue(AT_ONCE, waiting=WAITING, seconds=WAIT_SECONDS)


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
    """Yields a transaction in which activity, and facts of these types, are read as they were known; if customers are
    named, only theirs, those of customers merged into them, and those of their survivors. Totals must not be read in it
    (see Question.settled). Raises TooManyEvents, TenantRemoved, and QueueFull or TimeoutError if too many such reads
    run at once."""
    async with apart(database, tenant, _slots) as connection:
        await _fold(driver_of(connection), tenant, known_at, types, customers)
        yield connection


@asynccontextmanager
async def apart(database: Database, tenant: str, slots: FairQueue) -> AsyncIterator[AsyncConnection]:
    """Yields a transaction on a connection of its own, in which names may stand for temporary objects; it is rolled
    back. Raises TenantRemoved, and QueueFull or TimeoutError if no slot is free in time."""
    await database.admit(tenant)
    # No prepared statement is kept: the same names will stand for other tables in a moment.
    engine = engine_for(
        database.url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={"prepared_statement_cache_size": 0},
        driver={"statement_cache_size": 0, "server_settings": _SETTINGS},
    )
    async with slots.slot(tenant), engine.connect() as connection:
        await connection.execute(
            text(f"SELECT set_config('{TENANT_SETTING}', :tenant, true)"), {"tenant": checked(tenant)}
        )
        yield connection


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
    past = Past(driver, tenant, known_at)
    made = [one for each in declared() for one in await each.recompute(past)]
    always = [*(each.event_types for each in declared()), *(each.event_types for each in made)]
    types = _whole_nouns(frozenset(wanted).union(*always))
    if customers is not None:
        merged = {each.customer_id: each.survivor for each in await past.merged()}
        survivors = {merged.get(each, each) for each in customers}
        customers = [*survivors, *(each for each, survivor in merged.items() if survivor in survivors)]
    if await past.count(types, customers, up_to=MAX_EVENTS + 1) > MAX_EVENTS:
        raise TooManyEvents(
            f"Over {MAX_EVENTS:,} events were known then that these metrics look at: that many are not folded for one "
            "question. Leave out knownAt, ask for an earlier one, or for metrics that look at fewer types of events.",
            field="knownAt",
        )
    models = read_models()
    await driver.execute("; ".join(_make(each) for each in models))
    async for _ in recompute(past, made, driver, "pg_temp", types=types, customers=customers, chunk=_CHUNK):
        pass
    for each in models:
        if each.dated_by is not None:
            dated = f"SELECT * FROM public.{each.name} WHERE tenant_id = $1 AND {each.dated_by} <= $2"  # noqa: S608 - declared names
            await driver.execute(f"INSERT INTO pg_temp.{each.name} {dated}", tenant, known_at)
    await driver.execute("; ".join(statement for each in models for statement in _finish(each)))


def _make(model: ReadModel) -> str:
    return f"CREATE TEMPORARY TABLE {model.name} (LIKE public.{model.name}) ON COMMIT DROP"


def _finish(model: ReadModel) -> Iterator[str]:
    for columns in model.indexes:
        yield f"CREATE INDEX ON pg_temp.{model.name} ({columns})"
    yield f"ANALYZE pg_temp.{model.name}"


def types_needed(types: Iterable[str], policy: ActivityPolicy) -> list[str] | None:
    """Returns the types of events to fold, where events of these are read and activity is by this policy; None: all
    types. Of a noun all types are folded: each adds to what is known of it."""
    of_activity = {*(type for rule in policy.rules for type in rule.types), *(TYPES if policy.is_contractual else ())}
    return _whole_nouns(SETTINGS | MERGES | {*types, *of_activity})


def _whole_nouns(types: AbstractSet[str]) -> list[str] | None:
    if not types <= EVENTS.keys():  # the catalogue does not say of which nouns they are
        return None
    return sorted({type for each in types for type in types_of(noun_of(each))})
