"""The ledger's partitions: a month of ids each, created ahead by the migration. The default partition takes rows
outside of them, so that a late migration loses nothing."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection, text

from kith.ids import uuid7_floor

MONTHS_AHEAD = 18


def make_partitions(connection: Connection) -> None:
    """Creates the partitions from this month on that do not exist yet."""
    now: datetime = connection.execute(text("SELECT now()")).scalar_one()
    year, month = now.year, now.month
    for _ in range(MONTHS_AHEAD):
        starts_at = datetime(year, month, 1, tzinfo=UTC)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        ends_at = datetime(year, month, 1, tzinfo=UTC)
        name = f"ledger_{starts_at:%Y_%m}"
        if not connection.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar_one():
            _make(connection, name, uuid7_floor(starts_at), uuid7_floor(ends_at))


def _make(connection: Connection, name: str, first: UUID, end: UUID) -> None:
    """Creates one partition and moves the rows of its month out of the default one, which would conflict with it."""
    connection.execute(text("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE"))
    connection.execute(text(f"CREATE TABLE {name} (LIKE ledger INCLUDING ALL)"))
    connection.execute(
        text(
            f"WITH moved AS (DELETE FROM ledger_default WHERE id >= '{first}' AND id < '{end}' RETURNING *) "  # noqa: S608 - made here
            f"INSERT INTO {name} SELECT * FROM moved"
        )
    )
    connection.execute(text(f"ALTER TABLE ledger ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{end}')"))
