"""A migration that waits for a lock holds nobody up for long, says who holds it, and goes on once it is free."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs
from tests.kith.db.former import database_at

from kith.db import lock_waits, migrations
from kith_local.postgres import EmbeddedPostgres

REQUEST_SECONDS = 5
"""What `statement_timeout` gives a request."""
CANCEL = """
    SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'sales migrate' AND datname = current_database()
"""
INVALID = "SELECT indexrelid::regclass::text AS name FROM pg_index WHERE NOT indisvalid"
Connect = Callable[[], Any]


@pytest.fixture
async def url(postgres: EmbeddedPostgres) -> str:
    """A database that lacks a column of `known_runs`, and the indexes of the migration after that."""
    return await database_at(postgres, "sales", "0004")


@pytest.fixture
async def sessions(url: str) -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        async def open() -> Any:
            session = await asyncpg.connect(url, server_settings={"application_name": "a report"})
            stack.push_async_callback(session.close)
            return session

        yield open


async def reads_of_a_table(session: Any) -> Any:
    await session.execute("BEGIN")
    await session.fetch("SELECT FROM known_runs")
    return session


async def test_others_read_while_a_migration_waits_for_a_reader_and_it_finishes_after_it(
    url: str, sessions: Connect
) -> None:
    holder, reader = await reads_of_a_table(await sessions()), await sessions()
    await reader.execute(f"SET statement_timeout = '{REQUEST_SECONDS}s'")
    with capture_logs() as logs:
        migrating = asyncio.create_task(migrations.migrate(url, "sales"))
        waits = list[float]()
        while len(named(logs, "migration tries again")) < 2:
            began = time.monotonic()
            await reader.fetch("SELECT FROM known_runs")  # behind the migration: each lock waits for those asked before
            waits.append(time.monotonic() - began)
        assert not migrating.done()
        await holder.execute("ROLLBACK")
        await migrating
    assert max(waits) > 0.5, "no reader came to stand behind the migration"
    assert max(waits) < REQUEST_SECONDS - 1
    assert await migrations.behind(url, "sales") is None
    said = named(logs, "migration waits")[0]
    assert said["waits_for"] == "a lock of the table known_runs"
    (held_by,) = said["held_by"]
    assert f"process {holder.get_server_pid()}, " in held_by
    assert "a report, idle in transaction" in held_by


async def test_a_migration_gives_up_in_the_end_and_has_changed_nothing(
    url: str, sessions: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_TRIES", 2)
    monkeypatch.setattr(migrations, "TIMEOUTS", ("SET lock_timeout = '200ms'",))
    monkeypatch.setattr(lock_waits, "_SECONDS", 0.01)
    holder = await reads_of_a_table(await sessions())
    with pytest.raises(migrations.HeldUp, match=r"after 2 tries; it waits for a lock of the table known_runs, held by"):
        await migrations.migrate(url, "sales")
    reason = await migrations.behind(url, "sales")
    assert reason is not None
    assert reason.startswith("database at revision 0004, code at ")
    await holder.execute("ROLLBACK")
    await migrations.migrate(url, "sales")
    assert await migrations.behind(url, "sales") is None


async def test_an_index_whose_build_was_broken_off_is_built_again(url: str, sessions: Connect) -> None:
    writer, other = await sessions(), await sessions()
    await writer.execute("BEGIN")
    await writer.execute("UPDATE opportunities SET version = version")
    with capture_logs() as logs:
        migrating = asyncio.create_task(migrations.migrate(url, "sales"))
        while not (said := named(logs, "migration waits")):
            await asyncio.wait((migrating,), timeout=0.01)
        assert said[0]["waits_for"] == "transactions that began before"
        assert f"process {writer.get_server_pid()}, " in said[0]["held_by"][0]
        assert await other.fetchval(CANCEL)
        with pytest.raises(DBAPIError, match="canceling statement"):
            await migrating
    await writer.execute("ROLLBACK")
    assert [each["name"] for each in await other.fetch(INVALID)] == ["opportunities_by_stage"]
    await migrations.migrate(url, "sales")
    assert await other.fetch(INVALID) == []
    assert await migrations.behind(url, "sales") is None


def named(logs: Sequence[Mapping[str, Any]], event: str) -> list[Mapping[str, Any]]:
    return [each for each in logs if each["event"] == event]
