"""Connections. A transaction names its tenant first; everything in it sees that tenant only."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from kith.tenancy import APP_ROLE, TENANT_PATTERN, TENANT_SETTING, WORKER_ROLE

STATEMENT_TIMEOUT = "5s"
WORKER_STATEMENT_TIMEOUT = "60s"

_READ = text(f"SELECT set_config('{TENANT_SETTING}', :tenant, true)")
# The transaction's id is taken before the clock is read, so that whoever knows that all transactions up to an id have
# ended knows that every row recorded before has been seen (see kith.outbox, "watermark").
_WRITE = text(
    f"SELECT set_config('{TENANT_SETTING}', :tenant, true), pg_current_xact_id()::text, clock_timestamp() AS now"
)


class Transaction(NamedTuple):
    connection: AsyncConnection
    tenant: str
    now: datetime
    """The database's clock: what is recorded is recorded at this instant."""


class UnsafeRole(RuntimeError):
    """The database login could see other tenants' rows."""


def sqlalchemy_url(url: str) -> str:
    """`postgresql://..`, as everyone writes it, for the asyncpg driver."""
    return re.sub(r"^postgres(ql)?(\+asyncpg)?://", "postgresql+asyncpg://", url)


def create_engine(url: str, *, role: str, pool_size: int, application: str) -> AsyncEngine:
    """An engine whose sessions run as `role`, whoever logs in."""
    worker = role == WORKER_ROLE
    return create_async_engine(
        sqlalchemy_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        hide_parameters=True,  # an error is logged, and parameters hold names
        connect_args={
            "server_settings": {
                "role": role,
                "application_name": application,
                "statement_timeout": WORKER_STATEMENT_TIMEOUT if worker else STATEMENT_TIMEOUT,
                "idle_in_transaction_session_timeout": "60s" if worker else "10s",
                "jit": "off",
            }
        },
    )


class Database:
    """One service's database, as requests see it."""

    def __init__(self, url: str, *, pool_size: int, application: str) -> None:
        self.engine = create_engine(url, role=APP_ROLE, pool_size=pool_size, application=application)

    @asynccontextmanager
    async def read(self, tenant: str) -> AsyncIterator[AsyncConnection]:
        """A transaction to read in."""
        async with self.engine.begin() as connection:
            await connection.execute(_READ, {"tenant": checked(tenant)})
            yield connection

    @asynccontextmanager
    async def write(self, tenant: str) -> AsyncIterator[Transaction]:
        """A transaction to write in. It commits when the block ends and rolls back when it raises."""
        async with self.engine.begin() as connection:
            row = (await connection.execute(_WRITE, {"tenant": checked(tenant)})).one()
            yield Transaction(connection, tenant, row.now)

    async def check_role(self) -> None:
        """Refuse to serve as a role that row-level security does not bind. Raises UnsafeRole."""
        async with self.engine.connect() as connection:
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


def checked(tenant: str) -> str:
    if not re.fullmatch(TENANT_PATTERN, tenant):
        raise ValueError(f"not a tenant id: {tenant!r}")
    return tenant
