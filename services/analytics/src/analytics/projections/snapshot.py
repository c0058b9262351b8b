"""Snapshots: transactions that see one state of the whole database, for as long as a read takes."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.projections.projection import swapped

Reads = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""`async with reads() as connection`: reads a piece, and is closed before anything is computed from it."""


def snapshots(engine: AsyncEngine) -> Reads:
    """Returns the reads of a worker, each in a snapshot of its own."""
    return partial(snapshot, engine)


def within(connection: AsyncConnection) -> Reads:
    """Returns reads that all use this connection."""
    return lambda: nullcontext(connection)


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Yields a worker's connection that sees one state of the whole database until it ends. Nothing should be computed
    in it: PostgreSQL ends a session that is idle in a transaction for a minute, and an open snapshot holds up the
    vacuum of all tables."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        # Before the snapshot is taken: one from before a rebuild's swap would find the new tables empty.
        await connection.exec_driver_sql(f"LOCK TABLE {', '.join(swapped())} IN ACCESS SHARE MODE")
        yield connection
