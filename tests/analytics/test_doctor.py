"""What the doctor finds of analytics, besides what it finds of every service."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from tests.conftest import FreshDatabase
from tests.doctors import Cause, assert_finds, found

from analytics import doctor
from analytics.service import SERVICE
from kith.doctor.check import Severity
from kith.runtime.settings import Settings

WARNING, FAULT = Severity
QUEUED = "INSERT INTO health_queue (tenant_id, customer_id) VALUES ('acme', gen_random_uuid())"
LAST = """
    INSERT INTO reconciliations (tenant_id, id, state, requested_at, finished_at, mismatches, reason)
    VALUES ('%s', gen_random_uuid(), '%s', now(), now() - interval '%s', %s, 'sales does not answer')"""
STALE = "INSERT INTO watermarks (source, up_to, ends) VALUES ('sales', now() - interval '10 minutes', '{0}')"


@pytest.fixture
async def settings(fresh_database: FreshDatabase) -> Settings:
    return Settings(database_url=await fresh_database(SERVICE), port=0)


@pytest.fixture
async def session(settings: Settings) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(settings.database_url)
    yield connection
    await connection.close()


async def test_where_all_is_well_only_the_sources_are_missed(settings: Settings) -> None:
    results = await found(SERVICE, settings)
    for check in ("ledger partitions", "cluster", "scores", "reconciliation"):
        assert results[check] == [], check
    assert [words for _, words, _ in results["figures"]] == [
        f"No event of {source} was ever counted." for source in ("contacts", "sales", "service-desk", "analytics")
    ]


@pytest.mark.parametrize(
    "cause",
    [
        Cause("ledger partitions", "TRUNCATE ledger", WARNING, "for 0 more months", "analytics migrate"),
        Cause("cluster", "UPDATE live_epoch SET system_identifier = '1'", FAULT, "another PostgreSQL", "migrate"),
        Cause(
            "scores",
            "INSERT INTO health_set_aside (tenant_id, customer_id, reason) VALUES ('acme', gen_random_uuid(), 'x')",
            WARNING,
            "1 customers cannot be scored",
            "/v1/health/rescoring",
        ),
        Cause(
            "scores",
            "INSERT INTO health_rescorings (tenant_id, requested_at) VALUES ('acme', now() - interval '2 hours')",
            WARNING,
            "1 tenants have been rescored for over an hour",
            "not scored",
        ),
        Cause("scores", QUEUED, WARNING, "1 customers wait to be scored", "more workers"),
        Cause("reconciliation", LAST % ("acme", "done", "1 hour", 3), FAULT, "Figures of acme are", "--tenant acme"),
        Cause("reconciliation", LAST % ("acme", "failed", "1 hour", "NULL"), WARNING, "does not answer", "reconcile"),
        Cause("reconciliation", LAST % ("acme", "done", "3 days", 0), WARNING, "not reconciled for 2 days", "settings"),
    ],
)
async def test_each_check_finds_its_cause(
    settings: Settings, session: Any, cause: Cause, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "QUEUED_SCORES", 0)
    if cause.check == "ledger partitions":
        monkeypatch.setattr(doctor, "MONTHS_AHEAD", 1000)
        ahead = await session.fetchval(
            "SELECT count(*) - 1 FROM pg_inherits JOIN pg_class ON oid = inhrelid "
            "WHERE inhparent = 'ledger'::regclass AND relname ~ '[0-9]'"
        )
        cause = cause._replace(words=f"for {ahead} more months")
    await session.execute(cause.statement)
    await assert_finds(SERVICE, settings, cause)


async def test_events_in_the_default_partition(settings: Settings, session: Any) -> None:
    columns = await session.fetch(
        "SELECT attname, format_type(atttypid, NULL) AS type FROM pg_attribute "
        "WHERE attrelid = 'ledger_default'::regclass AND attnum > 0 AND attnotnull AND NOT atthasdef"
    )
    values = {"uuid": "'00000000-0000-7000-8000-000000000000'", "text": "'x'", "integer": "1", "jsonb": "'{}'"}
    given = [values.get(each["type"], "now()") for each in columns]
    names = ", ".join(each["attname"] for each in columns)
    await session.execute(f"INSERT INTO ledger_default ({names}) VALUES ({', '.join(given)})")  # noqa: S608 - above
    await session.execute("SELECT pg_stat_force_next_flush()")
    ((severity, words, _),) = (await found(SERVICE, settings))["ledger partitions"]
    assert severity is WARNING
    assert "default partition" in words


async def test_figures_that_lack_what_a_source_recorded(settings: Settings, session: Any) -> None:
    await session.execute(STALE)
    problems = (await found(SERVICE, settings))["figures"]
    assert (FAULT, "Figures lack what sales recorded in the last 600 s.") in [(each[0], each[1]) for each in problems]


async def test_several_tenants_are_counted(settings: Settings, session: Any) -> None:
    for tenant in ("acme", "beta", "gamma"):
        await session.execute(LAST % (tenant, "done", "1 hour", 3))
    ((_, words, _),) = (await found(SERVICE, settings))["reconciliation"]
    assert words == "Figures of acme and 2 more tenants are not what the services hold."
