"""What databases are sent, whether SQLAlchemy or the driver sends it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements of all connections that are taken out of a pool meanwhile."""
    sent: list[str] = []
    drivers: set[Any] = set()

    def note(query: asyncpg.connection.LoggedQuery) -> None:
        sent.append(query.query)

    def taken(connection: Any, *_: object) -> None:
        drivers.add(connection.driver_connection)
        connection.driver_connection.add_query_logger(note)

    def executed(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement)  # it prepares each, which the driver's logger does not see

    event.listen(Pool, "checkout", taken)
    event.listen(Engine, "before_cursor_execute", executed)
    try:
        yield sent
    finally:
        event.remove(Pool, "checkout", taken)
        event.remove(Engine, "before_cursor_execute", executed)
        for driver in drivers:
            driver.remove_query_logger(note)
