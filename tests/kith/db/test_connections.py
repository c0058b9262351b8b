"""A transaction ends with its block, whatever ended the block: nothing of it is left on the pooled connection."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import uuid4

import asyncpg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Column, Integer, MetaData, Table, bindparam, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from kith.db.connections import Database
from kith.db.login import sqlalchemy_url
from kith.db.removed import removed_tenants_table
from kith.db.sessions import create_engine, driver_of
from kith.db.sqlstates import sqlstate
from kith.db.statements import Statement
from kith.db.tables import tenant_column
from kith.db.tenancy import WORKER_ROLE, create_roles, secure
from kith_local.postgres import EmbeddedPostgres

NOTES = Table("notes", MetaData(), tenant_column(), Column("n", Integer, primary_key=True))
removed_tenants_table(NOTES.metadata)
NOTE = text("INSERT INTO notes VALUES ('one', 1)")


class Refused(Exception):
    """A rule says no."""


@pytest.fixture(scope="module")
async def url(postgres: EmbeddedPostgres) -> str:
    name = f"db_{uuid4().hex}"
    await asyncio.to_thread(postgres.create_databases, name)
    engine = create_async_engine(sqlalchemy_url(postgres.url(name)))
    async with engine.begin() as connection:
        await connection.run_sync(NOTES.metadata.create_all)
        for statement in (*create_roles(), *secure("notes"), *secure("removed_tenants")):
            await connection.execute(text(statement))
    await engine.dispose()
    return postgres.url(name)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """With one connection: whatever is left on it, the next one sees."""
    database = Database(url, pool_size=1, application="test")
    yield database
    async with database.write("one") as transaction:
        await transaction.connection.execute(text("DELETE FROM notes"))
    await database.close()


async def assert_nothing_is_left(database: Database) -> None:
    async with database.engine.connect() as connection:
        assert not driver_of(connection).is_in_transaction()
        assert not await connection.scalar(text("SELECT current_setting('kith.tenant_id', true)"))
    async with database.read("one") as connection:
        assert await connection.scalar(text("SELECT count(*) FROM notes")) == 0


async def test_what_a_block_wrote_is_there_after_it(database: Database) -> None:
    async with database.write("one") as transaction:
        await transaction.connection.execute(NOTE)
    async with database.read("one") as connection:
        assert await connection.scalar(text("SELECT count(*) FROM notes")) == 1
    async with database.read("two") as connection:
        assert await connection.scalar(text("SELECT count(*) FROM notes")) == 0


async def test_a_block_that_fails_leaves_nothing(database: Database) -> None:
    async def refused() -> None:
        async with database.write("one") as transaction:
            await transaction.connection.execute(NOTE)
            raise Refused

    with pytest.raises(Refused):
        await refused()
    await assert_nothing_is_left(database)


async def test_a_statement_that_fails_leaves_nothing(database: Database) -> None:
    async def twice() -> None:
        async with database.write("one") as transaction:
            await transaction.connection.execute(NOTE)
            await transaction.connection.execute(NOTE)

    with pytest.raises(DBAPIError):
        await twice()
    await assert_nothing_is_left(database)


@pytest.mark.parametrize("kind", ["read", "write"])
async def test_a_request_cancelled_while_it_waits_for_the_database_leaves_nothing(
    database: Database, kind: str
) -> None:
    waits = asyncio.Event()

    async def request() -> None:
        async with getattr(database, kind)("one") as given:
            connection = given.connection if kind == "write" else given
            await connection.execute(NOTE)
            waits.set()
            await connection.execute(text("SELECT pg_sleep(60)"))

    task = asyncio.create_task(request())
    await waits.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await assert_nothing_is_left(database)


async def test_a_request_cancelled_at_any_moment_and_twice_leaves_nothing(database: Database) -> None:
    """From before the connection is had to after the commit is sent: whether it was committed, all or nothing."""

    async def request() -> None:
        async with database.write("one") as transaction:
            await transaction.connection.execute(text("SELECT 1"))

    for turns in range(40):
        task = asyncio.create_task(request())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await assert_nothing_is_left(database)


async def test_a_connection_that_died_is_not_given_to_the_next(database: Database) -> None:
    with pytest.raises((DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        async with database.write("one") as transaction:
            await transaction.connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    await assert_nothing_is_left(database)


async def test_an_error_of_the_driver_says_its_state_and_quotes_no_row(database: Database) -> None:
    statement = Statement(insert(NOTES).values(tenant_id=bindparam("tenant"), n=bindparam("n")))

    async def twice() -> None:
        async with database.write("one") as transaction:
            await statement.fetch(transaction.connection, {"tenant": "one", "n": 4711})
            await statement.fetch(transaction.connection, {"tenant": "one", "n": 4711})

    with pytest.raises(asyncpg.UniqueViolationError) as raised:
        await twice()
    assert sqlstate(raised.value) == "23505"
    assert "4711" not in str(raised.value)
    await assert_nothing_is_left(database)


async def test_what_is_read_in_one_go_is_of_one_instant(database: Database, url: str) -> None:
    other = Database(url, pool_size=1, application="other")
    async with database.read("one") as reading:
        assert await reading.scalar(text("SELECT count(*) FROM notes")) == 0
        async with other.write("one") as writing:
            await writing.connection.execute(NOTE)
        assert await reading.scalar(text("SELECT count(*) FROM notes")) == 0
    async with database.read("one") as reading:
        assert await reading.scalar(text("SELECT count(*) FROM notes")) == 1
    await other.close()


async def test_a_statement_cancelled_after_it_was_prepared_leaves_its_session_in_no_transaction(
    database: Database,
) -> None:
    """The driver takes such a session for idle: PostgreSQL waits for the end of what was begun."""
    prepared = asyncio.Event()

    async def prepare_only() -> None:
        async with database.alone("one") as connection:
            await driver_of(connection).prepare("SELECT count(*) FROM notes")
            prepared.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(prepare_only())
    await prepared.wait()
    task.cancel()
    await asyncio.wait([task])
    async with database.read("one") as connection:  # it begins, which within a transaction is refused
        assert await connection.scalar(text("SHOW transaction_isolation")) == "repeatable read"
    await assert_nothing_is_left(database)


CUTS = {
    "by the statement's timeout": "SET LOCAL statement_timeout = '5ms'",
    "by the transaction's idleness": "SET LOCAL idle_in_transaction_session_timeout = '5ms'",
}


async def backend(database: Database, tenant: str = "one") -> int:
    async with database.read(tenant) as connection:
        return int(await driver_of(connection).fetchval("SELECT pg_backend_pid()"))


@pytest.mark.parametrize("kind", ["read", "write", "snapshot"])
@pytest.mark.parametrize("cut", CUTS)
async def test_a_session_that_was_cut_is_nobodys_any_more(url: str, kind: str, cut: str) -> None:
    database = Database(url, pool_size=1, application="test")
    pids: list[int] = []

    async def request() -> None:
        async with getattr(database, kind)("one") as given:
            connection = given if kind == "read" else given.connection
            pids.append(await driver_of(connection).fetchval("SELECT pg_backend_pid()"))
            await connection.execute(text(CUTS[cut]))
            await asyncio.sleep(0.05)
            await connection.execute(text("SELECT pg_sleep(5)"))

    for _ in range(3):
        with pytest.raises((DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)):
            await request()
    assert len(set(pids)) == 3
    assert await backend(database) not in pids
    await assert_nothing_is_left(database)
    await database.close()


async def test_a_session_that_ended_while_it_was_idle_is_not_given_out(database: Database, url: str) -> None:
    async with database.engine.connect() as connection:
        driver = driver_of(connection)
    gone = await backend(database)
    await end(url, gone)
    async with asyncio.timeout(10):
        while not driver.is_closed():  # noqa: ASYNC110 - the driver notices, and has no event for it
            await asyncio.sleep(0)
    assert await backend(database) != gone


async def test_a_refusal_costs_no_session(database: Database) -> None:
    before = await backend(database)

    async def refused() -> None:
        async with database.write("one"):
            raise Refused

    async def twice() -> None:
        async with database.write("one") as transaction:
            await transaction.connection.execute(NOTE)
            await transaction.connection.execute(NOTE)

    with pytest.raises(Refused):
        await refused()
    with pytest.raises(DBAPIError):
        await twice()
    assert await backend(database) == before


OWN = Statement(select(NOTES.c.tenant_id, NOTES.c.n).where(NOTES.c.n >= bindparam("least")))


async def end(url: str, pid: int) -> None:
    """As who may end any session."""
    owner = await asyncpg.connect(url)
    try:
        await owner.execute("SELECT pg_terminate_backend($1)", pid)
    finally:
        owner.terminate()  # a session that waits may be cut off meanwhile


async def cut_one(database: Database, url: str, chance: random.Random) -> None:
    """A request that asks for too much, or whose session ends."""
    kind = chance.choice(["read", "write", "alone", "snapshot"])
    async with getattr(database, kind)("cut") as given:
        connection = given.connection if kind in ("write", "snapshot") else given
        if kind != "alone":
            await connection.execute(text(f"SET LOCAL statement_timeout = {chance.randrange(1, 10)}"))
        if chance.random() < 0.1:
            await end(url, await driver_of(connection).fetchval("SELECT pg_backend_pid()"))
        if chance.random() < 0.5:
            await OWN.fetch(connection, {"least": chance.randrange(300)})
        await driver_of(connection).fetch("SELECT n, pg_sleep(0.0005) FROM generate_series(1, $1::int) n", 100)


async def cut_many(database: Database, url: str, chance: random.Random) -> None:
    """Each also by its client, at any moment, and some twice."""
    for _ in range(40):
        task = asyncio.create_task(cut_one(database, url, chance))
        await asyncio.sleep(chance.uniform(0, 0.02))
        for _ in range(chance.randrange(1, 3)):
            task.cancel()
            await asyncio.sleep(0)
        with suppress(asyncio.CancelledError, Exception):
            await task


async def read_and_write(database: Database) -> None:
    for _ in range(60):
        async with database.read("whole") as connection:
            rows = await OWN.fetch(connection, {"least": 0})
        assert {row["tenant_id"] for row in rows} == {"whole"}
        assert len(rows) == 300
        async with database.write("whole") as transaction:
            await transaction.connection.execute(text("UPDATE notes SET n = n"))


async def test_whatever_is_cut_in_the_middle_of_whatever_others_get_through_and_see_their_own_rows(url: str) -> None:
    database = Database(url, pool_size=3, application="test")
    for tenant in ("cut", "whole"):
        async with database.write(tenant) as transaction:
            await transaction.connection.execute(insert(NOTES), [{"tenant_id": tenant, "n": n} for n in range(300)])
    async with asyncio.TaskGroup() as tasks:
        for seed in range(4):
            tasks.create_task(cut_many(database, url, random.Random(seed)))
        for _ in range(2):
            tasks.create_task(read_and_write(database))
    for tenant in ("cut", "whole"):
        async with database.write(tenant) as transaction:
            await transaction.connection.execute(text("DELETE FROM notes"))
    await database.close()


async def test_how_long_a_request_waits_for_a_connection_is_measured(database: Database) -> None:
    def measured(what: str) -> float:
        return REGISTRY.get_sample_value(f"kith_database_wait_seconds_{what}", {"pool": "requests"}) or 0.0

    async def ask() -> None:
        async with database.read("one"):
            pass

    async with database.read("two"):
        count, seconds = measured("count"), measured("sum")
        asking = asyncio.create_task(ask())
        while not database._shares.waiting:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0)
        began = time.perf_counter()
        assert measured("count") == count
        waited = time.perf_counter() - began
    await asking
    assert measured("count") == count + 1
    assert measured("sum") - seconds >= waited


async def test_how_long_a_worker_waits_for_a_connection_is_measured(url: str) -> None:
    def measured(what: str) -> float:
        return REGISTRY.get_sample_value(f"kith_database_wait_seconds_{what}", {"pool": "worker"}) or 0.0

    engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="test")

    async def work() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async with engine.connect():
        count, seconds = measured("count"), measured("sum")
        waiting = asyncio.create_task(work())
        await asyncio.sleep(0)
        began = time.perf_counter()
        assert measured("count") == count
        waited = time.perf_counter() - began
    await waiting
    assert measured("count") == count + 1
    assert measured("sum") - seconds >= waited
    await engine.dispose()
