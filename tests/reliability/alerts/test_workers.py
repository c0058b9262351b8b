"""What stops events and figures raises the alert that says so: real workers, and the committed rules."""

import json
import os
import signal
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from tests.conftest import take_port
from tests.reliability.alerts.conftest import Start, Watched

from analytics.reconciliation.report import CollectionReport, MetricReport, Report
from analytics.service import SERVICE as ANALYTICS
from kith.ids import new_id
from sales.service import SERVICE as SALES

WAITING = """
    INSERT INTO outbox (id, tenant_id, type, subject, aggregate_version, time, recorded_at, data)
    VALUES ($1, $2, $3, $1, 1, now(), now() - interval '10 minutes', $4)
"""
ENQUEUE = """
    INSERT INTO health_queue (tenant_id, customer_id)
    SELECT 'acme', gen_random_uuid() FROM generate_series(1, 1500)
"""
DUE = """
    INSERT INTO health_scores (tenant_id, customer_id, version, coverage, scored_at, band_since, due_at)
    VALUES ('acme', gen_random_uuid(), 0, 0, now(), now(), now() - interval '10 minutes')
"""


async def write_event(watched: Watched, *, tenant: str = "acme", type: str = "sales.order.placed.v1") -> UUID:
    id, order = new_id(), json.dumps({"value": "1", "currency": "EUR"}).encode()
    await watched.database.execute(WAITING, id, tenant, type, order)
    return id


async def test_a_relay_without_a_bus_leaves_the_outbox_to_age(start: Start) -> None:
    worker = await start(SALES, "worker", KITH_KAFKA_BOOTSTRAP=f"127.0.0.1:{take_port()}")
    await write_event(worker)
    await worker.until("kith_outbox_oldest_unpublished_seconds", lambda age: age > 60)
    await worker.until("kith_outbox_interruptions_total", lambda times: times > 0)
    await worker.fires("KithOutboxStalled", "KithRelayInterrupted")


async def test_events_that_cannot_be_published_are_dead_letters_that_somebody_hears_of(start: Start) -> None:
    worker = await start(SALES, "worker")
    for _ in range(60):
        await write_event(worker, type="no type")
    await worker.until('kith_dead_letters_unresolved{group="sales.outbox",kind="failed"', lambda count: count == 60)
    await worker.fires("KithDeadLetters", "KithDeadLettersManyFailed")


async def test_a_consumer_without_its_tables_halts(start: Start) -> None:
    worker = await start(SALES, "worker", "DROP TABLE consumer_offsets")
    await worker.until("kith_consumer_halted", bool)
    assert (await worker.client.get(f"{worker.process.url}/readyz")).status_code == 503
    await worker.fires("KithConsumerHalted")


async def test_a_lock_in_the_way_of_a_consumer_makes_it_late(start: Start) -> None:
    """Analytics reads its own events, so one process publishes and consumes."""
    event = WAITING.replace("$1", "gen_random_uuid()").replace("$2", "'acme'").replace("$4", "'{}'")
    event = event.replace("$3", "'analytics.of.tomorrow.v1'")  # of a type that is not known it may say anything
    worker = await start(ANALYTICS, "worker", event, held="LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
    await worker.until("kith_consumer_lag_seconds", lambda lag: lag > 60)
    await worker.fires("KithConsumerLagging")


async def test_a_worker_that_is_killed_is_missed(start: Start) -> None:
    worker = await start(SALES, "worker")
    reported = await worker.until("kith_outbox_oldest_unpublished_seconds", lambda _: True)
    worker.before = reported
    assert worker.process.child is not None
    os.kill(worker.process.child.pid, signal.SIGKILL)
    await worker.process.child.wait()
    await worker.fires("KithProcessDown")
    others = {
        series.replace('"sales"', f'"{service}"', 1): value
        for service in ("contacts", "service-desk", "analytics")
        for series, value in reported.items()
        if series.startswith("kith_outbox_oldest")
    }
    worker.before = {**others, **reported}
    await worker.fires("KithWorkerMissing", after=others)


async def test_a_source_whose_relay_is_away_makes_figures_stale(start: Start) -> None:
    old = "INSERT INTO watermarks VALUES ('sales', now() - interval '10 minutes', '{0}')"
    worker = await start(ANALYTICS, "worker", old)
    stale = await worker.until('kith_freshness_seconds{source="sales"', lambda seconds: seconds > 300)
    await worker.fires("KithFiguresStale", "KithFreshnessBurn", after=stale)


async def test_a_reconciliation_that_found_something_long_ago_is_heard_of(start: Start) -> None:
    then = datetime.now(UTC) - timedelta(days=3)
    orders = CollectionReport("sales", "orders", then, 5, 0, 2, [], [])
    report = Report(then, then, 1, [orders], [MetricReport("orders", 12, 1, None, [])])
    done = msgspec.json.encode(report).decode().replace("'", "''")
    worker = await start(
        ANALYTICS,
        "worker",
        "INSERT INTO reconciliations (tenant_id, id, state, requested_at, finished_at, mismatches, report) "  # noqa: S608 - made here
        f"VALUES ('acme', '{new_id()}', 'done', '{then}', '{then}', 3, '{done}')",
    )
    await worker.until("kith_reconciliation_age_seconds", lambda age: age > 2 * 86400)
    await worker.fires("KithReconciliationMismatch", "KithReconciliationLate")


async def test_another_worker_that_hangs_over_a_tenant_makes_its_scores_late(start: Start) -> None:
    worker = await start(ANALYTICS, "worker")
    await worker.holder.execute("SELECT pg_advisory_xact_lock(hashtextextended('health acme', 0))")
    await worker.database.execute(ENQUEUE)
    await worker.until('kith_health_backlog_customers{kind="changed"', lambda customers: customers == 1500)
    await worker.fires("KithScoringBacklog")


async def test_silence_is_late_where_another_transaction_holds_the_score(start: Start) -> None:
    worker = await start(ANALYTICS, "worker", DUE, held="SELECT FROM health_scores FOR UPDATE")
    await worker.until("kith_health_overdue_seconds", lambda seconds: seconds > 60)
    await worker.fires("KithScoringOverdue")
