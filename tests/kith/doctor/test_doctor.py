"""`doctor` of any service: each check finds its cause, says it in words and what to do, and hides no other."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from tests.conftest import FreshDatabase, take_port
from tests.doctors import Cause, assert_finds, found
from tests.federation.conftest import key_server

from kith.bus.embedded import EmbeddedBus
from kith.bus.partitioner import partition_of
from kith.bus.port import Outgoing
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.doctor import database, events
from kith.doctor.check import Severity
from kith.doctor.cli import run
from kith.outbox.relay import Relay
from kith.runtime.settings import Settings
from kith.testing import Issuer
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE
from sales.settings import SalesSettings

WARNING, FAULT = Severity
TOPICS = ("kith.analytics", "kith.contacts", "kith.sales")
"""What sales reads, and what it publishes to."""
ONE_LETTER = """
    INSERT INTO dead_letters (group_name, topic, partition, "offset", message_key, value, headers, reason, parked,
                              attempts)
    VALUES ('sales', 'kith.analytics', 0, 1, '', '', '[]', 'poison', false, 1)"""
AN_OLD_EVENT = """
    INSERT INTO outbox (id, tenant_id, type, subject, aggregate_version, time, recorded_at, data)
    VALUES (gen_random_uuid(), 'acme', 'sales.order.placed.v1', gen_random_uuid(), 1, now(),
            now() - interval '5 minutes', '')"""
ONE_OF_ALL_TIME = AN_OLD_EVENT.replace("now() - interval '5 minutes'", "'-infinity'")
"""As a row was once written: it is of no age, and hides none of the others."""
OF_YEAR_1 = AN_OLD_EVENT.replace("now() - interval '5 minutes'", "'0001-01-01T00:00:00Z'")
OWNED = "SELECT pg_advisory_lock(hashtextextended('outbox/sales', 0))"


@pytest.fixture
async def settings(
    fresh_database: FreshDatabase, postgres: EmbeddedPostgres, embedded_bus_url: str, issuer: Issuer
) -> AsyncIterator[Settings]:
    url = await fresh_database(SERVICE)
    bus_url = url.replace("/sales_", "/bus_of_sales_")
    await asyncio.to_thread(postgres.create_databases, bus_url.partition("?")[0].rpartition("/")[2])
    with key_server(issuer) as (port, _):
        given = {"database_url_bus": bus_url, "jwks_url": f"http://127.0.0.1:{port}", "topic_partitions": 2}
        yield SalesSettings(database_url=url, port=0, **given)  # type: ignore[arg-type]


@pytest.fixture
async def session(settings: Settings) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(settings.database_url)
    yield connection
    await connection.close()


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[None]:
    """With topics, and a relay at work."""
    engine = create_engine(settings.database_url, role=WORKER_ROLE, pool_size=2, application="kith sales worker")
    stop = asyncio.Event()
    async with EmbeddedBus(settings.database_url_bus or "") as bus:
        await bus.create_topics(dict.fromkeys(TOPICS, 2))
        relay = Relay(SERVICE.name, engine, SERVICE.outbox, bus, partitions=2, retention_days=1)
        task = asyncio.create_task(relay.run(stop))
        try:
            async with asyncio.timeout(20), engine.connect() as connection:
                while not (await connection.exec_driver_sql(RELAYED)).first():
                    await connection.rollback()
                    await asyncio.sleep(0.02)
            yield
        finally:
            stop.set()
            await task
            await engine.dispose()


RELAYED = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted"


async def test_where_all_is_well_nothing_is_found(settings: Settings) -> None:
    async with working(settings):
        results = await found(SERVICE, settings)
    assert {check: problems for check, problems in results.items() if problems} == {}
    assert len(results) == 12


@pytest.mark.parametrize(
    "cause",
    [
        Cause("migrations", "UPDATE alembic_version SET version_num = '0001'", FAULT, "run migrate", "sales migrate"),
        Cause(
            "migrations",
            "UPDATE alembic_version SET version_num = '9999'; COMMENT ON TABLE alembic_version IS NULL",
            FAULT,
            "older than its",
            "migrate",
        ),
        Cause(
            "row-level security",
            "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY",
            FAULT,
            "every tenant in the table orders",
            "ALTER TABLE orders ENABLE",
        ),
        Cause("relay", AN_OLD_EVENT, FAULT, "No relay runs: 1 events wait", "python -m sales worker"),
        Cause("relay", f"{AN_OLD_EVENT}; {OWNED}", FAULT, "oldest of 1 unpublished events is 300 s", "interrupted"),
        Cause("relay", f"{AN_OLD_EVENT}; {ONE_OF_ALL_TIME}; {OWNED}", FAULT, "oldest of 2 unpublished", "interrupted"),
        Cause("relay", f"{OF_YEAR_1}; {OWNED}", FAULT, "oldest of 1 unpublished", "interrupted"),
        Cause("dead letters", ONE_LETTER, WARNING, "1 events could not be applied, and 0 wait", "dead-letters list"),
        Cause(
            "dead letters",
            ONE_LETTER.replace("'sales', 'kith.analytics'", "'sales.outbox', 'kith.sales'"),
            WARNING,
            "1 events could not be published",
            "dead-letters list",
        ),
    ],
)
async def test_each_check_finds_its_cause(settings: Settings, session: Any, cause: Cause) -> None:
    await session.execute(cause.statement)
    await assert_finds(SERVICE, settings, cause)


async def test_more_dead_letters_than_the_limit_are_a_fault(settings: Settings, session: Any) -> None:
    for offset in (1, 2):
        await session.execute(ONE_LETTER.replace("0, 1,", f"0, {offset},"))
    limited = settings.model_copy(update={"dead_letter_limit": 1})
    ((severity, words, _),) = (await found(SERVICE, limited))["dead letters"]
    assert severity is FAULT
    assert "stands still" in words


async def test_an_index_that_was_not_built_to_its_end(settings: Settings, session: Any) -> None:
    await session.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await session.execute("CREATE UNIQUE INDEX CONCURRENTLY once ON t (a)")
    await assert_finds(
        SERVICE, settings, Cause("indexes", "", WARNING, "The index once of t", "REINDEX INDEX CONCURRENTLY once")
    )


async def test_a_transaction_that_is_left_open(
    settings: Settings, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LONG_SECONDS", 0)
    await session.execute("BEGIN; CREATE TABLE t (a int)")
    pid = session.get_server_pid()
    problems = (await found(SERVICE, settings))["transactions"]
    assert any(f"process {pid}" in words and f"terminate_backend({pid})" in remedy for _, words, remedy in problems)


async def test_roles_that_row_level_security_does_not_bind(settings: Settings, session: Any) -> None:
    await session.execute("ALTER ROLE kith_app BYPASSRLS")
    try:
        cause = Cause("roles", "", FAULT, "kith_app is not bound", "ALTER ROLE kith_app NOSUPERUSER NOBYPASSRLS")
        await assert_finds(SERVICE, settings, cause)
    finally:
        await session.execute("ALTER ROLE kith_app NOBYPASSRLS")


@pytest.mark.parametrize(
    ("limit", "value", "cause"),
    [
        ("OLDEST_VERSION", 999_999, Cause("database server", "", FAULT, "PostgreSQL is ", "Upgrade")),
        ("SKEW_SECONDS", -1e9, Cause("database server", "", WARNING, "differ by", "NTP")),
        ("CONNECTIONS_SHARE", 0, Cause("room", "", WARNING, "connections are in use", "max_connections")),
        ("OLD_TRANSACTION_IDS", 0, Cause("room", "", FAULT, "stops writing", "autovacuum")),
    ],
)
async def test_what_the_server_has_too_little_of(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, limit: str, value: float, cause: Cause
) -> None:
    monkeypatch.setattr(database, limit, value)
    await assert_finds(SERVICE, settings, cause)


async def test_a_bus_that_does_not_fit(settings: Settings, session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = (await found(SERVICE, settings))["bus"]
    assert [words for _, words, _ in missing] == [f"There is no topic {topic}." for topic in TOPICS]
    async with EmbeddedBus(settings.database_url_bus or "") as bus:
        await bus.create_topics({"kith.sales": 3, "kith.contacts": 2, "kith.analytics": 2})
    await assert_finds(SERVICE, settings, Cause("bus", "", FAULT, "kith.sales has 3 partitions", "PARTITIONS=3"))

    fitting = settings.model_copy(update={"topic_partitions": 3})
    await session.execute("INSERT INTO consumer_offsets VALUES ('sales', 'kith.analytics', 0, 7)")
    found_now = (await found(SERVICE, fitting))["bus"]
    assert any("sales has read further in kith.analytics" in words for _, words, _ in found_now)

    monkeypatch.setattr(events, "LAG_MESSAGES", -1)
    found_now = (await found(SERVICE, fitting))["bus"]
    assert any("sales has 0 messages of kith.analytics to read" in words for _, words, _ in found_now)


async def test_a_removal_that_was_broken_off(settings: Settings, session: Any) -> None:
    await session.execute("INSERT INTO removed_tenants (tenant_id, removed_at) VALUES ('acme', now())")
    cause = Cause("removed tenants", "", WARNING, "acme was not removed to the end", "tenant remove --tenant acme")
    await assert_finds(SERVICE, settings, cause)
    await session.execute("SELECT pg_advisory_lock(hashtextextended('remove acme', 0))")
    assert (await found(SERVICE, settings))["removed tenants"] == []  # it goes on
    await session.execute("SELECT pg_advisory_unlock_all(); UPDATE removed_tenants SET finished_at = now()")
    assert (await found(SERVICE, settings))["removed tenants"] == []


async def test_topics_of_which_there_are_several_generations(settings: Settings, session: Any) -> None:
    second = settings.model_copy(update={"topic_generation": 2, "topic_partitions": 3})
    message = Outgoing("kith.analytics", b"key", b"{}")
    async with EmbeddedBus(settings.database_url_bus or "") as bus, bus.producer() as producer:
        await bus.create_topics(dict.fromkeys(TOPICS, 2) | {f"{topic}.2": 3 for topic in TOPICS})
        await producer.publish([message])
        words = [words for _, words, _ in (await found(SERVICE, second))["bus"]]
        assert [each for each in words if "are not published in generation 2 yet" in each] != []
        assert [each for each in words if "sales has 1 messages of kith.analytics to read" in each] != []

        await producer.publish([message._replace(topic=f"{name}.2") for name in TOPICS])
        read = f"INSERT INTO consumer_offsets VALUES ('sales', 'kith.analytics', {partition_of(b'key', 2)}, 1)"  # noqa: S608
        await session.execute(read)
        assert (await found(SERVICE, second))["bus"] == []
    await session.execute("DELETE FROM consumer_offsets")
    problems = (await found(SERVICE, settings))["bus"]
    assert [words for severity, words, _ in problems if severity is FAULT and "in generation 2" in words] != []
    assert any("KITH_TOPIC_GENERATION=2" in remedy for *_, remedy in problems)


async def test_what_cannot_be_reached_is_named_and_hides_nothing_else(settings: Settings, session: Any) -> None:
    nowhere = f"127.0.0.1:{take_port()}"
    away = settings.model_copy(
        update={"jwks_url": f"http://{nowhere}", "database_url_bus": f"postgresql://x@{nowhere}/x"}
    )
    await session.execute(ONE_LETTER)
    results = await found(SERVICE, away)
    assert nowhere in results["issuer"][0][1]
    assert results["bus"][0][0] is FAULT
    assert len(results["dead letters"]) == 1

    results = await found(SERVICE, settings.model_copy(update={"database_url": f"postgresql://x@{nowhere}/x"}))
    ((severity, words, remedy),) = results["database server"]
    assert severity is FAULT
    assert "cannot be reached" in words
    assert "KITH_DATABASE_URL_SALES" in remedy


async def test_a_check_that_fails_is_a_fault_and_the_others_are_done(settings: Settings, session: Any) -> None:
    await session.execute("REVOKE ALL ON dead_letters FROM kith_worker")
    results = await found(SERVICE, settings)
    assert "could not be checked" in results["dead letters"][0][1]
    assert results["row-level security"] == []


def test_it_is_read_by_people_and_by_programs(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(SERVICE, settings, [])
    assert ended.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    assert "ok       migrations" in lines
    assert "fault    relay                 No relay runs: no events wait in the outbox, and none is published." in lines
    assert "                               -> Start a worker: python -m sales worker" in lines
    assert lines[-1] == "checks: 12, faults: 1, warnings: 3"

    with pytest.raises(SystemExit):
        run(SERVICE, settings, ["--json"])
    results = json.loads(capsys.readouterr().out)
    assert {"check": "migrations", "problems": []} in results
    assert [each["problems"][0]["severity"] for each in results if each["check"] == "relay"] == ["fault"]
