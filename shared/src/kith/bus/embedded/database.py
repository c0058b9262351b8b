"""The bus's own connections to PostgreSQL, its schema, and its errors as the port's."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from kith.bus.port import BusError
from kith.db.login import connect
from kith.db.sessions import is_in_doubt

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""What asyncpg raises when PostgreSQL cannot; the third when a connection died in the middle of something."""

_SCHEMA_LOCK = 0x6B697468627573  # "kithbus"
_COMMAND_TIMEOUT = 30.0


@contextmanager
def as_bus_errors() -> Iterator[None]:
    """Whatever PostgreSQL refuses, a bus user can only try again."""
    try:
        yield
    except FAILURES as error:
        raise BusError(f"the embedded bus failed: {error!r}") from error


class Database:
    """A small pool. Raises BusError only."""

    def __init__(self, url: str, *, connections: int = 8) -> None:
        self.url = url
        self._connections = connections
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        with as_bus_errors():
            self._pool = await asyncpg.create_pool(  # type: ignore[call-overload] # the stubs want a Protocol's names
                self.url,
                connect=connect,
                min_size=0,
                max_size=self._connections,
                command_timeout=_COMMAND_TIMEOUT,
                reset=_reset,
                server_settings={"application_name": "kith-bus"},
            )
        async with self.transaction() as connection:
            await _create_schema(connection)

    async def close(self) -> None:
        if self._pool is not None:
            with as_bus_errors():
                await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        assert self._pool is not None, "the bus is entered with `async with` first"
        with as_bus_errors():
            async with self._pool.acquire() as connection:
                try:
                    yield connection
                except BaseException as error:
                    if is_in_doubt(error) or isinstance(error, TimeoutError):
                        connection.terminate()
                    raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with self.connection() as connection, connection.transaction():
            yield connection


async def _reset(connection: "asyncpg.Connection[asyncpg.Record] | Connection") -> None:
    # Nothing here sets session state, so an ended transaction leaves nothing behind: asyncpg's own reset would cost
    # a round trip per checkout.
    if connection.is_in_transaction():
        await connection.reset()


async def _create_schema(connection: Connection) -> None:
    await connection.execute("select pg_advisory_xact_lock($1)", _SCHEMA_LOCK)
    if not await connection.fetchval("select to_regclass('bus.commits') is not null"):
        await connection.execute(files(__package__).joinpath("schema.sql").read_text())
