"""Sessions of PostgreSQL: what holds in them, and which of them may be used again."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.db.login import engine_for
from kith.db.pool import WorkerPool
from kith.db.tenancy import WORKER_ROLE

STATEMENT_TIMEOUT = "5s"
WORKER_STATEMENT_TIMEOUT = "60s"


def create_engine(
    url: str,
    *,
    role: str,
    pool_size: int,
    application: str,
    pool_timeout: float = 5,
    pooled: bool = False,
    **options: Any,
) -> AsyncEngine:
    """An engine whose sessions run as `role`, whatever user logs in. Those of a pooler (`pooled`) are the server's own:
    what they run as is set there, and `Database.check_role` sees to it."""
    session = {} if pooled else {"application_name": application, **session_of(role)}
    if role == WORKER_ROLE:
        options.setdefault("poolclass", WorkerPool)
    engine = engine_for(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_timeout,
        hide_parameters=True,  # an error is logged, and parameters hold names
        driver={"server_settings": session},
        **options,
    )
    event.listen(engine.sync_engine, "checkin", _keep_out)
    event.listen(engine.sync_engine, "checkout", _refuse)
    return engine


def session_of(role: str) -> Mapping[str, str]:
    """Returns what holds for a session of this role."""
    worker = role == WORKER_ROLE
    return {
        "role": role,
        "statement_timeout": WORKER_STATEMENT_TIMEOUT if worker else STATEMENT_TIMEOUT,
        "idle_in_transaction_session_timeout": "1min" if worker else "10s",
        "jit": "off",
        # A worker's batches are large: a plan made while a table was empty, and kept, costs more than planning.
        "plan_cache_mode": "force_custom_plan" if worker else "auto",
    }


Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


def driver_of(connection: AsyncConnection) -> Driver:
    """The driver's own connection. What it executes is part of what SQLAlchemy has begun only if SQLAlchemy has."""
    assert connection.sync_connection is not None
    driver = connection.sync_connection.connection.driver_connection
    assert isinstance(driver, asyncpg.Connection)
    return driver


_CUT = ("08", "57")
_IDLED = ("25P03", "25P04")


def is_in_doubt(error: BaseException) -> bool:
    """Whether nobody knows what state a session is in that this came out of: its statement was cut by a cancellation, a
    timeout or the server's end, or the driver lost its position in the protocol. A rule's refusal leaves it as it was,
    and so does an error that the server has answered."""
    driver: object = error
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        driver = error.orig.__cause__ if error.orig is not None else None
    if isinstance(driver, asyncpg.PostgresError):
        state = driver.sqlstate or ""
        return state.startswith(_CUT) or state in _IDLED
    of_driver = isinstance(driver, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError)
    return of_driver or isinstance(error, DBAPIError) or not isinstance(error, Exception)


async def leave(driver: "asyncpg.Connection[asyncpg.Record]", error: BaseException) -> None:
    """What was begun is rolled back; or the session is ended, and nobody gets it after us."""
    if driver.is_closed():  # dead, or cancelled within SQLAlchemy, which closes it then
        return
    if is_in_doubt(error):
        driver.terminate()
        return
    done = False
    try:
        await driver.execute("ROLLBACK")
        done = True
    finally:
        if not done:
            driver.terminate()  # cancelled again, or it died just now: nobody knows what state it is in


def _keep_out(connection: Any, record: Any) -> None:
    """No open transaction, so no tenant, and no dead connection goes back into the pool."""
    if connection is not None and not _is_at_rest(connection):
        record.invalidate()


def _refuse(connection: Any, _: object, __: object) -> None:
    """Nor does one come out of it that died there. The pool then makes another."""
    if not _is_at_rest(connection):
        raise DisconnectionError("it ended while nobody used it")


def _is_at_rest(connection: Any) -> bool:
    driver = connection.driver_connection
    return driver is None or not (driver.is_closed() or driver.is_in_transaction())
