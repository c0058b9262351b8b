"""What 200,000 orders of three lines say in one currency, and of products that go together: how long it takes, warm,
against a bare count of the orders, and of their lines. A third are in dollars, with a rate for each day."""
# ruff: noqa: S608 - the statements are made of this file's constants

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import asyncpg
from tests.bench.measure import Figure, rate

from analytics.affinity.reads import Basket, affinities
from analytics.calendar import Grain, Interval
from analytics.metrics.catalogue import METRICS
from analytics.metrics.parameters import answer
from analytics.service import SERVICE
from kith.db.connections import Database
from kith.db.migrations import migrate
from kith.reach import EVERYONE
from kith_local.postgres import EmbeddedPostgres

TENANT, ORDERS, PRODUCTS = "whale", 200_000, 500
BEGIN, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
ASKED: tuple[tuple[str, Grain | None, float], ...] = (
    ("revenue", None, 300),
    ("revenue", Grain.MONTH, 400),
    ("sales.product_revenue", None, 2500),
)
"""With how many milliseconds it may take."""
PAIRS = {Basket.ORDER: 2000.0, Basket.CUSTOMER: 1000.0}
_FACT = "tenant_id, subject, version, type, time, event_id, customer_id, amount, currency, clock_since, state"
_FILL = (
    f"""
    INSERT INTO facts ({_FACT})
    SELECT '{TENANT}', md5('o' || n)::uuid, 1, 'sales.order.placed.v1', at, uuidv7(), md5((n % 40000)::text)::uuid, 30,
           CASE WHEN n % 3 = 0 THEN 'USD' ELSE 'EUR' END, at, jsonb_build_object('lines', (
             SELECT jsonb_agg(jsonb_build_object(
               'line', line, 'product_id', md5('p' || (n * 7 + line * line * 13) % {PRODUCTS}), 'family', 'f' || n % 20,
               'quantity', '1', 'amount', '10'))
             FROM generate_series(1, 3) line))
    FROM generate_series(0, {ORDERS - 1}) n,
         LATERAL (SELECT timestamptz '2025-01-01' + n % 365 * interval '1 day' AS at) t
    """,
    # An id is written with its dashes.
    """
    UPDATE facts SET state = regexp_replace(
      state::text, '"(.{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})"', '"\\1-\\2-\\3-\\4-\\5"', 'g')::jsonb
    """,
    f"""
    INSERT INTO facts ({_FACT})
    SELECT '{TENANT}', md5('r' || n)::uuid, 1, 'sales.exchange-rate.created.v1', '2025-01-01', uuidv7(), NULL, NULL,
           NULL, '2025-01-01', jsonb_build_object('base', 'USD', 'quote', 'EUR', 'rate', '0.9',
                                            'day', (date '2025-01-01' + n)::text)
    FROM generate_series(0, 364) n
    """,
    "VACUUM ANALYZE facts",
)
_BARE = {
    "bare count": "SELECT count(*) FROM facts WHERE tenant_id = $1 AND type = 'sales.order.placed.v1'",
    "bare count of lines": "SELECT count(*) FROM facts, jsonb_array_elements(state->'lines') "
    "WHERE tenant_id = $1 AND type = 'sales.order.placed.v1'",
}


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE products")
    await connection.close()
    url = postgres.url("products")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    connection = await asyncpg.connect(url)
    for statement in _FILL:
        await connection.execute(statement)
    await connection.close()
    database = Database(url, pool_size=2, application="bench")

    def bare(statement: str) -> Callable[[], Awaitable[None]]:
        async def once() -> None:
            async with database.read(TENANT) as connection:
                await connection.exec_driver_sql(statement, (TENANT,))

        return once

    found = []
    try:
        counts = {name: 1000 / await rate(bare(statement)) for name, statement in _BARE.items()}
        for id, grain, most in ASKED:

            async def once(id: str = id, grain: Grain | None = grain) -> None:
                await answer(database, TENANT, EVERYONE, [METRICS[id]], BEGIN, END, grain=grain, currency="EUR")

            name = " ".join([id, "in one currency", *(("12 months",) if grain else ())])
            beside = "bare count of lines" if "product" in id else "bare count"
            found.append(Figure(name, 1000 / await rate(once), beside, counts[beside], most, False, unit="ms"))
        for basket, most in PAIRS.items():

            async def pairs(basket: Basket = basket) -> None:
                async with database.read(TENANT, by_values=True) as connection:
                    over = Interval(BEGIN, END)
                    assert await affinities(connection, TENANT, over, basket, None, at_least=2, first=20)

            beside = "bare count of lines"
            name = f"affinity by {basket}"
            found.append(Figure(name, 1000 / await rate(pairs), beside, counts[beside], most, False, unit="ms"))
    finally:
        await database.close()
    return found
