"""A million customers scored again, by one process: in columns alone, beside what numpy takes for the curves and sums
of the same customers, by the default model and by one whose measures fade; and by the worker's step, with facts read
and scores written, beside a bare update of as many rows. Seconds are for a million."""
# ruff: noqa: S608 - the statements are made of this file's constants

import gc
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.bench.half_lives import DOCUMENT
from tests.bench.measure import Figure

from analytics.consumers import handle
from analytics.health.engine.base import FAR, UNITS, CustomerBase, Rows, Series, micros
from analytics.health.engine.scoring import AHEAD, Scorer
from analytics.health.model.definition import DAY, DEFAULT, HealthModel
from analytics.health.scores.rescoring import process_score_queue, score_everybody
from analytics.service import SERVICE
from kith.db.migrations import migrate
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.analytics import HealthModelPublished
from kith.events.envelope import Envelope
from kith.ids import new_id
from kith.runtime.process import GC_OBJECTS
from kith_local.postgres import EmbeddedPostgres

MILLION = 1_000_000
CHUNK = 100_000
"""Customers scored at a time: so many are in memory at once."""
ORDERS = 8
"""Of a customer, in two years; and every other one has a case."""
STORED = 50_000
"""Customers in the database."""
TARGET = 60
TENANT = "whale"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

_FILL = (
    f"""
    INSERT INTO facts (tenant_id, subject, version, type, time, event_id, customer_id, amount, currency, clock_since,
                       state)
    SELECT '{TENANT}', uuidv7(), 1, 'sales.order.placed.v1', at, uuidv7(), md5((n % {STORED})::text)::uuid, 10, 'EUR',
           at, '{{"value": "10", "currency": "EUR"}}'
    FROM (
        SELECT n, now() - random() * interval '730 days' AS at FROM generate_series(1, {STORED * ORDERS}) n
    ) t
    """,
    f"""
    INSERT INTO facts (tenant_id, subject, version, type, time, event_id, customer_id, phase, clock_since, state)
    SELECT '{TENANT}', uuidv7(), 1, 'service-desk.case.opened.v1', at, uuidv7(), md5(n::text)::uuid, 'new', at, '{{}}'
    FROM (SELECT n, now() - random() * interval '730 days' AS at FROM generate_series(0, {STORED - 1}, 2) n) t
    """,
    f"""
    INSERT INTO facts (tenant_id, subject, version, type, time, event_id, customer_id, clock_since, state)
    SELECT '{TENANT}', md5(n::text)::uuid, 1, 'contacts.customer.created.v1', '2023-01-01', uuidv7(),
           md5(n::text)::uuid, '2023-01-01', '{{"segment": "s", "tags": ["a"]}}'
    FROM generate_series(0, {STORED - 1}) n
    """,
    f"""
    INSERT INTO health_queue (tenant_id, customer_id)
    SELECT '{TENANT}', md5(n::text)::uuid FROM generate_series(0, {STORED - 1}) n
    """,
    "VACUUM ANALYZE facts",
    "VACUUM ANALYZE health_queue",
)


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE health")
    await connection.close()
    gc.freeze()
    gc.set_threshold(GC_OBJECTS)  # as the worker does
    return [*_in_columns(), *await _by_the_worker(postgres.url("health"))]


def _in_columns() -> list[Figure]:
    return [
        *_by_model(DEFAULT, "", TARGET),
        *_by_model(HealthModel.from_document("fading", 1, DOCUMENT), "17 measures, 4 half-lives: ", TARGET),
    ]


def _by_model(model: HealthModel, name: str, target: float) -> list[Figure]:
    scorer = Scorer(model, _base(CHUNK, model, np.random.default_rng(1)))
    at = micros(NOW)

    def scored() -> None:
        score = scorer.score(at).score
        scorer.bands(at, score=score)

    def ahead() -> None:
        score = scorer.score(at).score
        scorer.next_change(at, scorer.bands(at, score=score), at + AHEAD)

    inputs = scorer.score(at).inputs
    weights = np.array([[measure.weight] for measure in model.measures])
    curves = [np.array(measure.curve.points).T for measure in model.measures]

    def bare() -> None:
        points = np.array([np.interp(x, xs, ys) for x, (xs, ys) in zip(inputs, curves, strict=True)])
        present = weights * ~np.isnan(inputs)
        np.nansum(points * present, axis=0) / np.maximum(present.sum(axis=0), 1e-9)

    ceiling, alone = _of_a_million(bare), "curves and sums alone"
    return [
        Figure(f"{name}score and band", _of_a_million(scored), alone, ceiling, target, False, unit=" s"),
        Figure(f"{name}... and next change", _of_a_million(ahead), alone, ceiling, target, False, unit=" s"),
    ]


def _of_a_million(once: Callable[[], None], times: int = 3) -> float:
    """Seconds of the processor, of the best of some times over a chunk: the machine does other things, too."""
    found = []
    for _ in range(times):
        started = time.process_time()
        once()
        found.append(time.process_time() - started)
    return min(found) * MILLION / CHUNK


def _base(customers: int, model: HealthModel, random: np.random.Generator) -> CustomerBase:
    """Who bought some times in two years, and who has a case that is open, or not; and nobody returned anything."""
    end = micros(NOW)

    def rows(number: int, owners: np.ndarray, values: np.ndarray) -> Rows:
        times = end - random.integers(1, 730 * DAY, number)
        ids = random.bytes(16 * number)
        return Rows(owners, times, np.full(number, FAR), values, np.frombuffer(ids, "S16"))

    number = customers * ORDERS
    orders = rows(number, random.integers(0, customers, number), UNITS * random.integers(10, 500, number))
    counted = orders._replace(value=np.full(number, UNITS))
    cases = rows(customers // 2, np.arange(0, customers, 2), np.full(customers // 2, UNITS))
    of_input = {"open_cases": cases, "returns": Rows.none(), "revenue": orders, "revenue_trend": orders}
    series = {name: Series.of(customers, of_input.get(name, counted)) for name in {m.input for m in model.measures}}
    return CustomerBase([new_id() for _ in range(customers)], [series[measure.input] for measure in model.measures])


async def _by_the_worker(url: str) -> list[Figure]:
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    connection = await asyncpg.connect(url)
    for statement in _FILL:
        await connection.execute(statement)
    engine = create_engine(url, role=WORKER_ROLE, pool_size=2, application="bench")
    try:
        first = await _took(engine, process_score_queue)
        async with engine.begin() as transaction:
            await handle(transaction, [_published()])
        again = await _took(engine, score_everybody)
    finally:
        await engine.dispose()
    changed = await connection.fetchval("SELECT count(*) FROM health_changes WHERE cause = 'model'")
    started = time.perf_counter()
    await connection.execute(f"UPDATE health_scores SET score = score + 1 WHERE tenant_id = '{TENANT}'")
    ceiling = (time.perf_counter() - started) * MILLION / STORED
    await connection.close()
    by_new = f"worker, new model, {changed / STORED:.0%} change band"
    return [
        Figure("worker, first scored", first, "bare UPDATE", ceiling, TARGET, False, unit=" s"),
        Figure(by_new, again, "bare UPDATE", ceiling, TARGET, False, unit=" s"),
    ]


async def _took(engine: AsyncEngine, step: Callable[[AsyncEngine], Awaitable[bool]]) -> float:
    """Seconds of a million, of steps until there is nothing more to do."""
    started = time.perf_counter()
    while await step(engine):
        pass
    return (time.perf_counter() - started) * MILLION / STORED


def _published() -> Envelope:
    """The default model, its weights shifted a little: all scores change, and some bands."""
    document = {
        "title": "Shifted",
        "measures": [
            {
                "id": measure.id,
                "input": measure.input,
                "weight": weight,
                "curve": measure.curve.points,
                "window_days": measure.window_days,
            }
            for measure, weight in zip(DEFAULT.measures, (0.5, 0.35, 0.15), strict=True)
        ],
        "hysteresis": DEFAULT.hysteresis,
    }
    now = datetime.now(UTC) - timedelta(seconds=1)
    return Envelope(
        id=new_id(),
        source="analytics",
        type=HealthModelPublished.type,
        subject=new_id(),
        time=now,
        tenant_id=TENANT,
        customer_id=None,
        aggregate_version=1,
        recorded_at=now,
        traceparent=None,
        data=msgspec.json.encode(HealthModelPublished(number=1, document=document)),
    )
