"""Connections. A transaction names its tenant first; everything in it sees that tenant only."""

import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.db.pool import WAITED
from kith.db.sessions import create_engine, driver_of, is_in_doubt, leave, session_of
from kith.db.tenancy import APP_ROLE, REMOVED, TENANT_PATTERN, TENANT_SETTING, WORKER_ROLE
from kith.errors import TenantRemoved
from kith.runtime.fairness import FairQueue

SNAPSHOTS = 4
"""How many may be read at a time, per process: its connections for them. One tenant has half of them at most."""
SNAPSHOT_SECONDS = 1.0
"""That an export may wait for one."""
CONNECTION_SECONDS = 5.0
"""That a request may wait for a connection."""
MOST_WAITING = 1000

# The tenant is checked, so it may be quoted: without parameters it goes in one round trip with what begins.
# One snapshot for all that is read: a figure, and how fresh it is, are of the same instant.
_READ = f"BEGIN ISOLATION LEVEL REPEATABLE READ; %sSELECT set_config('{TENANT_SETTING}', '%s', true)"
_BY_VALUES = ", set_config('plan_cache_mode', 'force_custom_plan', true)"
# The transaction's id is taken before the clock is read, so that once all transactions up to an id have ended, every
# row recorded before has been seen (see kith.outbox.relay).
_IS_REMOVED = f"EXISTS (SELECT FROM {REMOVED} WHERE tenant_id = $1 AND readmitted_at IS NULL)"
_WRITE = (
    f"SELECT set_config('{TENANT_SETTING}', $1, true), pg_current_xact_id()::text, clock_timestamp() AS now, "
    f"{_IS_REMOVED} AS removed"
)
_ADMITTED_SECONDS = 1.0
"""So long after a tenant was removed its reads may still be answered, from what is left."""
_ADMITTED = 10_000
_REMOVED_WORDS = "This tenant was removed: nothing of it is here any more, and nothing is accepted for it."
# The same for a worker, within a transaction that serves all tenants. As itself it would see all their rows.
_ACT = text(
    "SELECT set_config('role', :role, true), "
    f"set_config('{TENANT_SETTING}', :tenant, true), pg_current_xact_id()::text, clock_timestamp() AS now"
)
# A reader that takes nothing for a minute loses its snapshot: it holds up the cleaning of all tables. And rows come by
# an index, from the first on: to sort all of them before might take longer than a statement may.
_SNAPSHOT, _REPLICA_SNAPSHOT = (
    text(
        f"SELECT set_config('{TENANT_SETTING}', :tenant, true), "
        "set_config('idle_in_transaction_session_timeout', '60s', true), set_config('enable_sort', 'off', true), "
        f"{now} AS now"
    )
    # A replica has what was committed up to then; its own clock is ahead of that.
    for now in ("clock_timestamp()", "pg_last_xact_replay_timestamp()")
)


class Transaction(NamedTuple):
    connection: AsyncConnection
    tenant: str
    now: datetime
    """The database's clock: what is recorded is recorded at this instant."""


@asynccontextmanager
async def acting_for(connection: AsyncConnection, tenant: str) -> AsyncIterator[Transaction]:
    """A part of a worker's transaction in which row-level security binds it as it binds a request of this tenant. If
    the block raises, roll back, if only to a savepoint from before it: that gives the worker back what it was."""
    begun = (await connection.execute(_ACT, {"role": APP_ROLE, "tenant": checked(tenant)})).one()
    yield Transaction(connection, tenant, begun.now)
    await connection.execute(_ACT, {"role": WORKER_ROLE, "tenant": ""})


class UnsafeRole(RuntimeError):
    """The database login could see other tenants' rows."""

    loggable = True


class Database:
    """One service's database, as requests see it."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int,
        application: str,
        swapped: Sequence[str] = (),
        pooler: str | None = None,
        replica: str | None = None,
    ) -> None:
        self.url = url
        self._pooled = pooler is not None
        # Locked before the first statement that takes a snapshot: one of before a swap would find the new table empty.
        self._locks = f"LOCK TABLE {', '.join(swapped)} IN ACCESS SHARE MODE; " if swapped else ""
        # A request may want several connections: to let few requests in does not yet bound the pool.
        self._shares = FairQueue(pool_size, waiting=MOST_WAITING, seconds=CONNECTION_SECONDS)
        self._snapshot_shares = FairQueue(
            SNAPSHOTS, waiting=MOST_WAITING, seconds=SNAPSHOT_SECONDS, share=SNAPSHOTS // 2
        )
        # SQLAlchemy begins nothing of its own: a transaction is ours from its first statement to its last.
        self.engine = create_engine(
            pooler or url,
            role=APP_ROLE,
            pool_size=pool_size,
            application=application,
            isolation_level="AUTOCOMMIT",
            pooled=self._pooled,
        )
        # Reads that take minutes must not hold the connections of requests that take milliseconds.
        self._snapshots, self._replica = (
            create_engine(
                each,
                role=APP_ROLE,
                pool_size=SNAPSHOTS,
                pool_timeout=SNAPSHOT_SECONDS,
                application=f"{application} export",
                isolation_level="REPEATABLE READ",
                execution_options={"postgresql_readonly": True},
            )
            for each in (url, replica or url)
        )
        self._replicated = replica is not None
        self._admitted: dict[str, float] = {}
        """By tenant, until when its reads need not be looked up."""

    @asynccontextmanager
    async def read(self, tenant: str, *, by_values: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction to read in; `by_values`: each statement is planned for its values, of which some are had by
        half of all rows and others by a few. Raises TenantRemoved."""
        begin = (_READ % (self._locks, checked(tenant))) + (_BY_VALUES if by_values else "")
        async with self._transaction(tenant, begin) as connection:
            await self._admit(connection, tenant)
            yield connection

    @asynccontextmanager
    async def write(self, tenant: str) -> AsyncIterator[Transaction]:
        """A transaction to write in. It commits when the block ends and rolls back when it raises. Raises
        TenantRemoved."""
        checked(tenant)
        async with self._transaction(tenant, "BEGIN") as connection:
            row = await driver_of(connection).fetchrow(_WRITE, tenant)
            assert row is not None
            if row["removed"]:
                raise TenantRemoved(_REMOVED_WORDS)
            yield Transaction(connection, tenant, row["now"])

    async def admit(self, tenant: str) -> None:
        """Raises TenantRemoved. It looks in a transaction of its own: who removes a tenant waits for those that have
        looked."""
        self._admitted.pop(tenant, None)
        async with self.read(tenant):
            pass

    async def _admit(self, connection: AsyncConnection, tenant: str) -> None:
        now = time.monotonic()
        if now < self._admitted.get(tenant, 0.0):
            return
        if await driver_of(connection).fetchval(f"SELECT {_IS_REMOVED}", tenant):
            raise TenantRemoved(_REMOVED_WORDS)
        if len(self._admitted) >= _ADMITTED:
            self._admitted.clear()
        self._admitted[tenant] = now + _ADMITTED_SECONDS

    @asynccontextmanager
    async def alone(self, tenant: str) -> AsyncIterator[AsyncConnection]:
        """For one statement, which is a transaction of its own. It names the tenant itself."""
        async with _connected("requests", self._shares, self.engine, checked(tenant)) as connection:
            driver = driver_of(connection)
            try:
                yield connection
            except BaseException as error:
                # Cancelled between preparing a statement and executing it, the driver leaves the session within a
                # transaction, and takes it for idle.
                await leave(driver, error)
                raise

    @asynccontextmanager
    async def snapshot(self, tenant: str) -> AsyncIterator[Transaction]:
        """A transaction that sees what its first statement saw, to its end; to read by a cursor, for as long as the
        reader takes. There are few at a time. If there is a replica it is of that, and `now` is the instant up to which
        the replica has come. Raises TenantRemoved, and TimeoutError if all of the tenant's share are taken."""
        await self.admit(tenant)
        if self._replicated:
            async with self._snapshot_of(self._replica, _REPLICA_SNAPSHOT, tenant) as found:
                if found.now is not None:  # else it has replayed nothing since it started, and knows no instant
                    yield found
                    return
        async with self._snapshot_of(self._snapshots, _SNAPSHOT, tenant) as found:
            yield found

    @asynccontextmanager
    async def _snapshot_of(self, engine: AsyncEngine, begin: TextClause, tenant: str) -> AsyncIterator[Transaction]:
        shares = self._snapshot_shares
        async with _connected("exports", shares, engine, checked(tenant)) as connection:  # rolls back when it ends
            driver = driver_of(connection)
            try:
                begun = await connection.execute(begin, {"tenant": tenant})
                yield Transaction(connection, tenant, begun.one().now)
            except BaseException as error:
                if is_in_doubt(error):
                    driver.terminate()
                    await connection.invalidate()  # else it would be rolled back
                raise

    @asynccontextmanager
    async def _transaction(self, tenant: str, begin: str) -> AsyncIterator[AsyncConnection]:
        async with _connected("requests", self._shares, self.engine, tenant) as connection:
            driver = driver_of(connection)
            try:
                await driver.execute(begin)
                yield connection
                await driver.execute("COMMIT")
            except BaseException as error:
                await leave(driver, error)
                raise

    async def check_role(self) -> None:
        """Refuses to serve as a role that row-level security does not bind, or by a pooler whose sessions are not what
        requests need. Raises UnsafeRole."""
        async with self.engine.connect() as connection:
            if self._pooled:
                await _check_session(connection)
            row = (
                await connection.execute(
                    text(
                        "SELECT rolname, rolsuper OR rolbypassrls AS unsafe FROM pg_roles WHERE rolname = current_user"
                    )
                )
            ).one()
        if row.unsafe:
            raise UnsafeRole(f"The role {row.rolname} bypasses row-level security; requests must not run as it.")

    async def close(self) -> None:
        await self.engine.dispose()
        await self._snapshots.dispose()
        await self._replica.dispose()


async def _check_session(connection: AsyncConnection) -> None:
    """A session of a pooler belongs to nobody, so nothing may be set in it: the login has it set."""
    wanted = session_of(APP_ROLE)
    columns = ", ".join(f"current_setting('{name}') AS {name}" for name in wanted)
    row = (await connection.execute(text(f"SELECT session_user AS login, {columns}"))).mappings().one()
    if wrong := {name: value for name, value in wanted.items() if row[name] != value}:
        todo = "; ".join(f"ALTER ROLE {row['login']} SET {name} = '{value}'" for name, value in wrong.items())
        raise UnsafeRole(f"The pooler's sessions of {row['login']} are not set as requests need them: {todo}.")


@asynccontextmanager
async def _connected(pool: str, queue: FairQueue, engine: AsyncEngine, tenant: str) -> AsyncIterator[AsyncConnection]:
    async with AsyncExitStack() as stack:
        with WAITED.labels(pool).time():  # in vain, too
            await stack.enter_async_context(queue.slot(tenant))
            connection = await stack.enter_async_context(engine.connect())
        yield connection


def is_tenant(name: str) -> bool:
    return re.fullmatch(TENANT_PATTERN, name) is not None


def checked(tenant: str) -> str:
    if not is_tenant(tenant):
        raise ValueError(f"not a tenant id: {tenant!r}")
    return tenant
