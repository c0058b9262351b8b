"""One state of everything, to read in for as long as it takes to read."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.projections.projection import swapped

Reads = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""`async with reads() as connection`: to read a piece, and be closed before anything is computed from it."""


def snapshots(engine: AsyncEngine) -> Reads:
    """A worker's, a snapshot each."""
    return partial(snapshot, engine)


def within(connection: AsyncConnection) -> Reads:
    """All on this one."""
    return lambda: nullcontext(connection)


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A worker's connection that sees one state of everything, to the end. Nothing is to be computed in it: PostgreSQL
    ends who is silent for a minute, and what is seen holds up the cleaning of all tables."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        # Before the snapshot is taken: one of before a rebuild's swap would find the new tables empty.
        await connection.exec_driver_sql(f"LOCK TABLE {', '.join(swapped())} IN ACCESS SHARE MODE")
        yield connection
