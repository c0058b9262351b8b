"""What stops events and figures raises the alert that says so: real workers, and the committed rules."""

import json
import os
import signal
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
import psutil
from tests.conftest import take_port
from tests.reliability.alerts.conftest import Start, Watched

from analytics.reconciliation.report import CollectionReport, MetricReport, Report
from analytics.service import SERVICE as ANALYTICS
from kith.events.analytics import HealthModelPublished
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from sales.service import SERVICE as SALES

WAITING = """
    INSERT INTO outbox (id, tenant_id, type, subject, aggregate_version, time, recorded_at, data)
    VALUES ($1, $2, $3, $1, 1, now(), now() - interval '10 minutes', $4)
"""
# Of a type that is not known it may say anything.
TOMORROW = """
    INSERT INTO outbox (id, tenant_id, type, subject, aggregate_version, time, recorded_at, data)
    VALUES (gen_random_uuid(), 'acme', 'analytics.of.tomorrow.v1', gen_random_uuid(), 1, now(),
            now() - interval '10 minutes', '{}')
"""
OF_CUSTOMER = """
    INSERT INTO outbox (id, tenant_id, type, subject, customer_id, aggregate_version, time, recorded_at, data)
    VALUES ($1, 'acme', $2, $1, $3, 1, now(), now(), $4)
"""
UNCONFIRMED = """
    INSERT INTO unconfirmed_references (tenant_id, noun, id, named_by, record_id, noted_at)
    VALUES ('acme', 'customer', gen_random_uuid(), 'order', gen_random_uuid(), now() - interval '10 minutes')
"""
HANG_UP = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ILIKE '%ledger%'
"""
ENQUEUE = """
    INSERT INTO health_queue (tenant_id, customer_id)
    SELECT 'acme', gen_random_uuid() FROM generate_series(1, 1500)
"""
OF_A_NEWER_VERSION = """
    INSERT INTO playbooks (tenant_id, id, version, created_at, updated_at, title, document, state, started_at, fires)
    VALUES ('acme', gen_random_uuid(), 2, now(), now(), 'p', '{"of": "tomorrow"}', 'started', now(), true)
"""
JOB_OF_A_NEWER_VERSION = """
    INSERT INTO health_jobs (tenant_id, id, kind, params, state, requested_at, requested_by)
    VALUES ('acme', gen_random_uuid(), 'tomorrow', '{}', 'requested', now(), 'ann')
"""
OF_NOTHING = """
    INSERT INTO timers (tenant_id, id, command, noun, due_at, next_at, failures)
    VALUES ('acme', gen_random_uuid(), 'of tomorrow', 'task', now(), now(), 0)
"""
STUCK = """
    INSERT INTO processes (tenant_id, id, kind, about_id, params, state, requested_by, made, next_at)
    VALUES ('acme', gen_random_uuid(), 'lead_conversion', gen_random_uuid(), '{}', 'stuck', 'user:x', '{}', 'tomorrow')
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


async def test_a_customer_that_no_event_has_confirmed_is_heard_of(start: Start) -> None:
    worker = await start(SALES, "worker", UNCONFIRMED)
    await worker.until('kith_unconfirmed_references{noun="customer"', lambda count: count == 1)
    await worker.fires("KithReferencesUnconfirmed")


async def test_a_consumer_without_its_tables_halts(start: Start) -> None:
    worker = await start(SALES, "worker", "DROP TABLE consumer_offsets")
    await worker.until("kith_consumer_halted", bool)
    assert (await worker.client.get(f"{worker.process.url}/readyz")).status_code == 503
    await worker.fires("KithConsumerHalted")


async def test_a_lock_in_the_way_of_a_consumer_makes_it_late(start: Start) -> None:
    """Analytics reads its own events, so one process publishes and consumes."""
    worker = await start(ANALYTICS, "worker", TOMORROW, held="LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
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


async def test_a_database_that_hangs_up_makes_a_consumer_try_again(start: Start) -> None:
    """Its batch waits for the lock, and its session is ended: each time it tries again."""
    held = "LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE"
    worker = await start(ANALYTICS, "worker", TOMORROW, held=held)
    for times in range(1, 4):
        while not await worker.database.fetch(HANG_UP):
            await worker.scrape()
        await worker.until("kith_consumer_redeliveries_total", lambda number, times=times: number >= times)  # type: ignore[misc]
    await worker.fires("KithConsumerRedelivering")


async def test_a_model_that_nobody_can_compute_leaves_customers_without_a_score(start: Start) -> None:
    """As a newer version may publish it."""
    worker = await start(ANALYTICS, "worker")
    measure = {"id": "r", "input": "of tomorrow", "weight": 1, "curve": [[0, 100], [100, 0]]}
    bands = {"steady": 40, "healthy": 90}
    document = {"title": "m", "measures": [measure], "bands": bands, "hysteresis": 0, "audience": {"tags": []}}
    published = HealthModelPublished(number=1, document=document)
    order = OrderPlaced(value=Decimal(1), currency="EUR")
    for event, customer in ((published, None), (order, new_id())):
        data = msgspec.json.encode(event)
        await worker.database.execute(OF_CUSTOMER, new_id(), event.type, customer, data)
    await worker.until("kith_health_failed_total", bool)
    await worker.fires("KithScoringFailed")


async def test_a_playbook_that_nobody_can_read_does_not_act(start: Start) -> None:
    """As a newer version may have started it."""
    worker = await start(ANALYTICS, "worker", OF_A_NEWER_VERSION)
    order = msgspec.json.encode(OrderPlaced(value=Decimal(1), currency="EUR"))
    await worker.database.execute(OF_CUSTOMER, new_id(), OrderPlaced.type, new_id(), order)
    await worker.until("kith_playbook_failed_total", bool)
    await worker.fires("KithPlaybooksFailed")


async def test_a_job_that_a_fault_has_ended_is_heard_of(start: Start) -> None:
    """As a newer version may have requested it."""
    worker = await start(ANALYTICS, "worker", JOB_OF_A_NEWER_VERSION)
    await worker.until("kith_jobs_failed_total", bool)
    await worker.fires("KithJobsFailed")


async def test_what_a_worker_does_in_the_background_and_may_not_is_heard_of(start: Start) -> None:
    """As after a restore without the grants."""
    worker = await start(ANALYTICS, "worker", "REVOKE ALL ON stale_days FROM kith_worker")
    await worker.until('kith_task_faults_total{task="totals"', lambda faults: faults >= 2)
    await worker.fires("KithTaskFailing")


async def test_a_timer_that_cannot_go_off_is_heard_of(start: Start) -> None:
    """As a newer version may have set it."""
    worker = await start(SALES, "worker", OF_NOTHING)
    await worker.until('kith_timers_total{command="of tomorrow",noun="task",outcome="failed"', lambda times: times > 3)
    await worker.fires("KithTimersFailing")


async def test_a_process_that_cannot_be_undone_is_heard_of(start: Start) -> None:
    worker = await start(SALES, "worker", STUCK)
    await worker.until('kith_processes_stuck{kind="lead_conversion"', bool)
    await worker.fires("KithProcessesStuck")


async def test_a_process_for_computation_that_is_killed_is_heard_of(start: Start) -> None:
    """As the kernel kills one for its memory: in the middle of a piece, so it is stopped first."""
    worker = await start(ANALYTICS, "worker")
    assert worker.process.child is not None
    children = psutil.Process(worker.process.child.pid).children()
    while not (helpers := [each for each in children if "spawn_main" in " ".join(each.cmdline())]):
        await worker.scrape()
        children = psutil.Process(worker.process.child.pid).children()
    for helper in helpers:
        helper.suspend()
    await worker.database.execute(ENQUEUE)
    await worker.until('kith_health_backlog_customers{kind="changed"', bool)
    for helper in helpers:
        helper.kill()
    await worker.until("kith_offload_lost_total", bool)
    await worker.fires("KithComputationLost")
