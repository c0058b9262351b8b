"""The ledger's partitions: a month of ids each, made ahead by whoever migrates. The default partition takes what falls
outside, so that a late migration loses nothing."""

from datetime import UTC, datetime

from sqlalchemy import Connection, text

from kith.ids import uuid7_floor

MONTHS_AHEAD = 18


def make_partitions(connection: Connection) -> None:
    """Those from this month on that do not exist yet."""
    now: datetime = connection.execute(text("SELECT now()")).scalar_one()
    year, month = now.year, now.month
    for _ in range(MONTHS_AHEAD):
        starts_at = datetime(year, month, 1, tzinfo=UTC)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        ends_at = datetime(year, month, 1, tzinfo=UTC)
        connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS ledger_{starts_at:%Y_%m} PARTITION OF ledger "
                f"FOR VALUES FROM ('{uuid7_floor(starts_at)}') TO ('{uuid7_floor(ends_at)}')"
            )
        )
