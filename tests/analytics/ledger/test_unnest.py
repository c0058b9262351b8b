from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.ledger.unnest import UnnestParams


async def test_what_is_given_arrives_as_it_is(worker: AsyncEngine) -> None:
    given = UnnestParams(id="uuid", data="text", name="name", number="int", at="timestamptz")
    odd = ["NULL", "", " ", 'say "yes"', "a,b", "{c}", r"back\slash", "two\nlines\tand a tab", "ünï✓", None]
    ids = [UUID(int=n) for n in range(len(odd))]
    moments = [datetime(2026, 1, 31, 12, 30, 0, n, tzinfo=timezone(timedelta(hours=n))) for n in range(len(odd))]
    numbers = [*range(-1, len(odd) - 2), None]
    moments[3] = datetime(1, 1, 1, tzinfo=UTC)
    async with worker.connect() as connection:
        rows = await connection.exec_driver_sql(
            f"SELECT id, data, name, number, at FROM {given.sql} ORDER BY id",  # noqa: S608 - made here
            given.values(ids, odd, odd, numbers, moments),
        )
        assert [tuple(row) for row in rows] == list(zip(ids, odd, odd, numbers, moments, strict=True))


async def test_nothing_may_be_given(worker: AsyncEngine) -> None:
    given = UnnestParams(id="uuid", name="name", number="int")
    async with worker.connect() as connection:
        rows = await connection.exec_driver_sql(f"SELECT * FROM {given.sql}", given.values([], [], []))  # noqa: S608 - made here
        assert rows.all() == []
