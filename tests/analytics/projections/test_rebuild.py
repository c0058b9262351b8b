"""The rebuild against PostgreSQL: it comes to what the fold came to, finds what is not so, and is in nobody's way."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import at, happened
from tests.analytics.histories import history
from tests.conftest import FreshDatabase

from analytics.consumers import handle
from analytics.projections import rebuild as rebuilding
from analytics.projections import rebuild_cli, shadow
from analytics.projections.projection import rebuilt
from analytics.projections.rebuild import Migrated, Rebuilt, SwapTimedOut, rebuild
from analytics.projections.shadow import RebuildRuns
from analytics.service import SERVICE
from kith.api import context_for
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.contacts import SettingsChanged
from kith.events.envelope import Envelope
from kith.runtime.settings import Settings

EVENTS = 20_000
"""In the fullest test; the others have fewer."""


@pytest.fixture
async def url(fresh_database: FreshDatabase) -> str:
    """A database of the test's own: a rebuild is of all tenants."""
    return await fresh_database(SERVICE)


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=4, application="test worker")
    yield engine
    await engine.dispose()


@pytest.fixture
async def owner(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role="postgres", pool_size=1, application="test owner")
    yield engine
    await engine.dispose()


async def fold_all(engine: AsyncEngine, envelopes: Sequence[Envelope], *, size: int = 500) -> None:
    for start in range(0, len(envelopes), size):
        async with engine.begin() as connection:
            await handle(connection, envelopes[start : start + size])


async def rows(engine: AsyncEngine, statement: str) -> list[Any]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


async def contents(engine: AsyncEngine) -> list[list[Any]]:
    return [
        await rows(engine, f"SELECT t::text FROM {table} t ORDER BY 1")  # noqa: S608
        for table in ("facts", "activity_spans", "merged_customers", "customer_owners")
    ]


async def schema(engine: AsyncEngine) -> list[list[Any]]:
    """What a later migration would find."""
    return [
        await rows(engine, statement)
        for statement in (  # a comma ends each
            "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
            (
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
                "WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
            ),
            "SELECT tablename, policyname, roles::text, qual, with_check FROM pg_policies ORDER BY 1, 2",
            (
                "SELECT relname, relrowsecurity, relforcerowsecurity, relowner::regrole::text, relacl::text, "
                "reloptions, obj_description(oid, 'pg_class') FROM pg_class "
                "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1"
            ),
            (
                "SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default, "
                "col_description(to_regclass(table_name), ordinal_position) FROM information_schema.columns "
                "WHERE table_schema = 'public' ORDER BY 1, 3"
            ),
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'kith%'",
        )
    ]


def mixed(tenant: str, size: int, seed: int) -> list[Envelope]:
    """A history in whatever order the bus brought it: most events in order, some far too late."""
    chance = random.Random(seed)
    envelopes = history(tenant, size, chance)
    late = [chance.random() < 0.1 for _ in envelopes]
    return [
        *(event for event, is_late in zip(envelopes, late, strict=True) if not is_late),
        *(event for event, is_late in zip(envelopes, late, strict=True) if is_late),
    ]


async def test_what_is_rebuilt_is_what_was_folded(url: str, engine: AsyncEngine) -> None:
    first, second = mixed("t-one", EVENTS * 3 // 4, 1), mixed("t-two", EVENTS // 4, 2)
    both = [*first, *second]
    random.Random(3).shuffle(both)
    await fold_all(engine, both[:2000], size=37)
    await fold_all(engine, both[2000:], size=2000)
    before, was = await contents(engine), await schema(engine)
    assert len(before[0]) == EVENTS
    assert before[2], "nobody was merged"
    done = await rebuild(url)
    assert done.differences == []
    assert (done.events, done.swapped, done.caught_up) == (EVENTS, True, 0)
    assert await contents(engine) == before
    assert await schema(engine) == was
    assert await rows(engine, "SELECT count(*) FROM outbox") == [(0,)]
    assert await rows(engine, "SELECT count(*) FROM rebuild_pending") == [(0,)]


async def test_spans_of_each_rule_are_rebuilt(url: str, engine: AsyncEngine) -> None:
    rule = {"event_types": ["contacts.touchpoint.recorded.v1", "sales.order.placed.v1"], "window_days": 10}
    settings = SettingsChanged(time_zone="UTC", activity={"default": rule})  # type: ignore[arg-type]  # as JSON has it
    await fold_all(engine, [happened(settings, "t-one", at("2010-01-01")), *mixed("t-one", 1500, 1)])
    before = await contents(engine)
    assert len({row[0].split(",")[1] for row in before[1]}) >= 2
    done = await rebuild(url)
    assert done.differences == []
    assert await contents(engine) == before


async def test_what_is_wrong_is_found_reported_and_mended(url: str, engine: AsyncEngine) -> None:
    await fold_all(engine, [*mixed("t-one", 800, 1), *mixed("t-two", 800, 2)])
    before = await contents(engine)
    async with engine.begin() as connection:
        for statement in (
            (
                "UPDATE facts SET amount = amount + 1 WHERE ctid = (SELECT ctid FROM facts WHERE tenant_id = 't-one' "
                "AND type = 'sales.order.placed.v1' LIMIT 1)"
            ),
            (
                "DELETE FROM activity_spans "
                "WHERE ctid = (SELECT ctid FROM activity_spans WHERE tenant_id = 't-two' LIMIT 1)"
            ),
            "INSERT INTO merged_customers VALUES ('t-gone', gen_random_uuid(), NULL, gen_random_uuid(), 1)",
        ):
            await connection.execute(text(statement))
    compared = await rebuild(url, compare_only=True)
    found = [(each.part.tenant_id, each.part.table, each.part.name[:18]) for each in compared.differences]
    assert found == [
        ("t-gone", "merged_customers", ""),
        ("t-one", "facts", "sales.order.placed"),
        ("t-two", "activity_spans", "90d:sales.order.pl"),
    ]
    assert not compared.swapped
    assert await contents(engine) != before
    assert (await rebuild(url)).differences == compared.differences
    assert await contents(engine) == before
    assert (await rebuild(url)).differences == []


async def test_an_old_ledger_fills_empty_read_models(url: str, engine: AsyncEngine) -> None:
    await fold_all(engine, mixed("t-one", 500, 1))
    before = await contents(engine)
    async with engine.begin() as connection:
        for each in rebuilt():
            await connection.execute(text(f"DELETE FROM {each.name}"))  # noqa: S608
    await rebuild(url)
    assert await contents(engine) == before
    await rebuild(url, keep=True)
    assert await rows(engine, "SELECT count(*) FROM pg_tables WHERE schemaname = 'kith_before_rebuild'") == [
        (len(rebuilt()),)
    ]
    await rebuild(url, keep=True)
    assert await contents(engine) == before


async def test_what_is_folded_meanwhile_is_in_it(url: str, engine: AsyncEngine) -> None:
    envelopes = mixed("t-one", 4000, 1)
    await fold_all(engine, envelopes[:2000])
    at_once = asyncio.create_task(fold_all(engine, envelopes[2000:], size=20))
    noted = 0
    while not at_once.done():
        done = await rebuild(url)
        assert done.differences == []
        noted += done.caught_up
    await at_once
    assert noted > 0
    assert (await rebuild(url)).differences == []
    assert len((await contents(engine))[0]) == 4000


@contextlib.asynccontextmanager
async def held_before_the_swap(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> AsyncIterator[tuple[asyncio.Task[Rebuilt], asyncio.Event]]:
    """A rebuild that has made its shadows and waits."""
    reached, go_on = asyncio.Event(), asyncio.Event()
    swap: Callable[..., Awaitable[None]] = rebuilding._swap

    async def wait_and_swap(*arguments: Any, **options: Any) -> None:
        reached.set()
        await go_on.wait()
        await swap(*arguments, **options)

    monkeypatch.setattr(rebuilding, "_swap", wait_and_swap)
    running = asyncio.create_task(rebuild(url))
    async with asyncio.timeout(60):
        await asyncio.wait((running, asyncio.create_task(reached.wait())), return_when=asyncio.FIRST_COMPLETED)
    yield running, go_on
    if not running.done():
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_rule_that_comes_meanwhile_is_computed_again(
    url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = {"event_types": ["contacts.touchpoint.recorded.v1"], "window_days": 10}
    settings = SettingsChanged(time_zone="UTC", activity={"default": rule})  # type: ignore[arg-type]  # as JSON has it
    envelopes = mixed("t-one", 1000, 1)
    await fold_all(engine, envelopes[:900])
    async with held_before_the_swap(monkeypatch, url) as (running, go_on):
        await fold_all(engine, [happened(settings, "t-one", at("2010-01-01")), *envelopes[900:]])
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE activity_rules SET ready_at = now(), done = 7"))
        go_on.set()
        assert (await running).caught_up == 101
    assert await rows(engine, "SELECT done, ready_at FROM activity_rules") == [(0, None)]
    assert await rows(engine, "SELECT DISTINCT rule FROM activity_spans") == [("90d:sales.order.placed.v1",)]


async def test_readers_go_on_while_it_swaps(url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    await fold_all(engine, mixed("t-one", 1000, 1))
    counted, stop = [], asyncio.Event()

    async def read() -> None:
        while not stop.is_set():
            async with engine.begin() as connection:
                facts = await connection.scalar(text("SELECT count(*) FROM facts"))
                spans = await connection.scalar(text("SELECT count(*) FROM activity_spans"))
                counted.append((facts, spans))

    readers = [asyncio.create_task(read()) for _ in range(3)]
    done = [await rebuild(url) for _ in range(3)]
    stop.set()
    await asyncio.gather(*readers)
    assert all(each.swapped for each in done)
    assert len(set(counted)) == 1


async def test_a_tenant_that_is_removed_while_it_runs_does_not_come_back(
    url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = mixed("t-one", 1000, 1), mixed("t-two", 1000, 2)
    await fold_all(engine, [*mine[:900], *theirs])
    async with held_before_the_swap(monkeypatch, url) as (running, go_on):
        await fold_all(engine, mine[900:])  # noted, to be folded into the shadows
        async with engine.begin() as connection:
            await connection.execute(
                text("INSERT INTO removed_tenants (tenant_id, removed_at) VALUES ('t-one', now())")
            )
            for table in ("facts", "activity_spans"):  # as the removal would, and has not come to the ledger yet
                await connection.execute(text(f"DELETE FROM {table} WHERE tenant_id = 't-one'"))  # noqa: S608
        go_on.set()
        assert (await running).swapped
    for table in ("facts", "activity_spans"):
        assert await rows(engine, f"SELECT DISTINCT tenant_id FROM {table}") == [("t-two",)]  # noqa: S608


async def test_who_begins_to_read_in_the_middle_of_a_swap_sees_the_new_tables_whole(
    url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    envelopes = mixed("t-one", 1000, 1)
    await fold_all(engine, envelopes[:900])
    database = context_for(SERVICE, Settings(database_url=url, port=0, pool_size=2)).database
    reading: list[asyncio.Task[Any]] = []
    swap, take_swap_locks = shadow.swap, shadow.take_swap_locks

    async def read() -> Any:
        async with database.read("t-one") as connection:
            return await connection.scalar(text("SELECT count(*) FROM facts WHERE tenant_id = 't-one'"))

    async def fold_at_last(*arguments: Any, **options: Any) -> None:
        await fold_all(engine, envelopes[900:])
        await take_swap_locks(*arguments, **options)

    async def swap_slowly(*arguments: Any, **options: Any) -> None:
        await swap(*arguments, **options)
        reading.append(asyncio.create_task(read()))
        await asyncio.sleep(1)  # it has begun: its connection was open before

    assert await read() == 900
    monkeypatch.setattr(shadow, "swap", swap_slowly)
    monkeypatch.setattr(shadow, "take_swap_locks", fold_at_last)
    assert (await rebuild(url)).caught_up == 100
    assert await asyncio.gather(*reading) == [1000]
    await database.close()


async def test_a_long_reader_is_waited_for_and_does_not_stop_folds_and_other_readers(
    url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    envelopes = mixed("t-one", 1000, 1)
    await fold_all(engine, envelopes[:900])
    async with engine.connect() as long:
        await long.execute(text("SELECT count(*) FROM facts"))
        running = asyncio.create_task(rebuild(url))
        await asyncio.sleep(1)
        async with asyncio.timeout(20):
            await fold_all(engine, envelopes[900:])
            assert await rows(engine, "SELECT count(*) FROM facts") == [(1000,)]
        assert not running.done()
    assert (await running).swapped
    assert (await rebuild(url)).differences == []


async def test_it_gives_up_on_a_reader_that_never_ends(
    url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "SWAP_TRIES", 2)
    async with engine.connect() as endless:
        await endless.execute(text("SELECT count(*) FROM facts"))
        with pytest.raises(SwapTimedOut):
            await rebuild(url)
    assert (await rebuild(url)).swapped


async def test_one_that_was_killed_leaves_all_as_it_was_and_the_next_clears_up(
    url: str, engine: AsyncEngine, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    envelopes = mixed("t-one", 1000, 1)
    await fold_all(engine, envelopes[:900])
    was = await schema(engine)
    async with held_before_the_swap(monkeypatch, url) as (running, go_on):
        with pytest.raises(RebuildRuns):
            await rebuild(url)
        await fold_all(engine, envelopes[900:950])
        # As SIGKILL does it: its sessions end, and nothing is cleared up.
        await rows(
            owner,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'kith analytics rebuild'",
        )
        go_on.set()
        assert isinstance((await asyncio.gather(running, return_exceptions=True))[0], Exception)
    monkeypatch.undo()
    await fold_all(engine, envelopes[950:])
    assert await rows(engine, "SELECT count(*) FROM rebuild_pending") == [(50,)]
    assert len((await contents(engine))[0]) == 1000
    done = await rebuild(url)
    assert (done.differences, done.swapped) == ([], True)
    assert await schema(engine) == was
    assert await rows(engine, "SELECT count(*) FROM rebuild_pending") == [(0,)]


async def test_tables_that_were_migrated_meanwhile_stay(
    url: str, engine: AsyncEngine, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with held_before_the_swap(monkeypatch, url) as (running, go_on):
        async with owner.begin() as connection:
            await connection.execute(text("ALTER TABLE facts ADD COLUMN later text"))
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        go_on.set()
        with pytest.raises(Migrated):
            await running
    assert await rows(engine, "SELECT later FROM facts") == []


async def test_a_cached_statement_of_before_reads_the_new_tables(url: str, engine: AsyncEngine) -> None:
    await fold_all(engine, mixed("t-one", 300, 1))
    async with engine.connect() as one:
        statement = text("SELECT count(*) FROM facts")
        for _ in range(6):  # the driver prepares it and keeps it
            assert await one.scalar(statement) == 300
            await one.rollback()
        await rebuild(url)
        await fold_all(engine, mixed("t-two", 5, 2))
        assert await one.scalar(statement) == 305


async def test_the_command_says_what_differs_and_ends_with_1_if_it_only_compares(
    url: str, engine: AsyncEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    await fold_all(engine, mixed("t-one", 300, 1))
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE facts SET amount = 1 WHERE type = 'sales.order.placed.v1'"))
    settings = Settings(database_url=url, port=0)
    with pytest.raises(SystemExit) as ended:
        await asyncio.to_thread(rebuild_cli.run, SERVICE, settings, ["--compare"])
    assert ended.value.code == 1
    said = capsys.readouterr().out
    assert "t-one facts sales.order.placed.v1: " in said
    assert "with other values" in said
    assert "Nothing was swapped." in said
    await asyncio.to_thread(rebuild_cli.run, SERVICE, settings, [])
    await asyncio.to_thread(rebuild_cli.run, SERVICE, settings, ["--dry-run"])
    assert "The live tables were what the ledger says." in capsys.readouterr().out
