"""One small write with its event, 16 at once, against the same two inserts as one statement of the bare driver."""

import itertools
import json
from collections import deque
from decimal import Decimal
from typing import Any

import asyncpg
from tests.bench.measure import Figure, rate

from contacts.customers.form import CUSTOMERS
from contacts.service import SERVICE as CONTACTS
from contacts.touchpoints.form import TOUCHPOINTS, RecordTouchpoint
from contacts.touchpoints.rules import Channel, Direction
from kith.api import context_for
from kith.db.migrations import migrate
from kith.ids import new_id
from kith.nouns.calls import By, Call
from kith.reach import EVERYONE
from kith.runtime.settings import Settings
from kith_local.postgres import EmbeddedPostgres
from sales.opportunities.form import OPPORTUNITIES, AdvanceOpportunity, OpenOpportunity
from sales.orders.form import ORDERS, PlaceOrder
from sales.products.form import PRODUCTS, CreateProduct
from sales.quotes.form import QUOTES, AcceptQuote, CreateQuote, SendQuote
from sales.service import SERVICE as SALES

BY = By("client:bench", EVERYONE)
AT_ONCE = 16
CEILING = """
    WITH row AS (
        INSERT INTO ceiling_rows VALUES ($1, $2, $3, 1, now(), now(), 'email', 'outbound', 'opened') RETURNING 1
    )
    INSERT INTO ceiling_outbox (id, tenant_id, type, subject, aggregate_version, customer_id, time, recorded_at, data)
    SELECT $4, $1, 'contacts.touchpoint.recorded.v1', $2, 1, $3, now(), now(), $5 FROM row
"""
TABLES = """
    CREATE TABLE ceiling_rows (tenant_id text, id uuid, customer_id uuid, version int, created_at timestamptz,
        updated_at timestamptz, channel text, direction text, outcome text, PRIMARY KEY (tenant_id, id));
    CREATE TABLE ceiling_outbox (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid, tenant_id text,
        type text, subject uuid, aggregate_version int, customer_id uuid, time timestamptz, recorded_at timestamptz,
        traceparent text, data bytea, published_at timestamptz);
"""


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    ceiling = await _ceiling(postgres)
    append, bare = await _append(postgres), "bare asyncpg CTE"
    sales = await _context(postgres, SALES)
    try:
        rules, order, quote = await _rules(sales), await _order(sales), await _quote(sales)
    finally:
        await sales.database.close()
    return [
        Figure("hot append", append, bare, ceiling, 0.35),
        Figure("hot append of an order", order, bare, ceiling, 0.35),
        Figure("rule-bearing command", rules, bare, ceiling, 0.12),
        Figure("quote of 5 lines: made, sent, accepted, ordered", quote, bare, ceiling, 0.02),
    ]


async def _ceiling(postgres: EmbeddedPostgres) -> float:
    await _create(postgres, "ceiling")
    pool = await asyncpg.create_pool(postgres.url("ceiling"), min_size=AT_ONCE, max_size=AT_ONCE)
    await pool.execute(TABLES)

    async def once() -> None:
        await pool.execute(CEILING, "bench", new_id(), new_id(), new_id(), b'{"channel":"email"}')

    try:
        return await rate(once, at_once=AT_ONCE)
    finally:
        await pool.close()


async def _append(postgres: EmbeddedPostgres) -> float:
    context = await _context(postgres, CONTACTS)
    customer = await context.commands.run_one(
        "bench",
        CUSTOMERS,
        Call(CUSTOMERS.create, CUSTOMERS.create.input.model_validate_json(b'{"kind": "person", "name": "Bench"}')),
        by=BY,
    )
    touch = RecordTouchpoint(customer_id=customer.view.id, channel=Channel.EMAIL, direction=Direction.OUTBOUND)

    async def once() -> None:
        await context.commands.run_one("bench", TOUCHPOINTS, Call(TOUCHPOINTS.create, touch), by=BY)

    try:
        return await rate(once, at_once=AT_ONCE)
    finally:
        await context.database.close()


async def _order(context: Any) -> float:
    placed = PlaceOrder(value=Decimal(100), currency="EUR")

    async def once() -> None:
        await context.commands.run_one("bench", ORDERS, Call(ORDERS.create, placed), by=BY)

    return await rate(once, at_once=AT_ONCE)


async def _quote(context: Any) -> float:
    """Four commands in three transactions: accepting places the order."""
    product = await context.commands.run_one(
        "bench",
        PRODUCTS,
        Call(PRODUCTS.create, CreateProduct(name="Bench", family="benches", price=Decimal(9), currency="EUR")),
        by=BY,
    )
    line = {"product_id": str(product.view.id), "quantity": "2", "unit_price": "9"}
    send, accept = (next(each for each in QUOTES.changes if each.name == name) for name in ("send", "accept"))
    offered = CreateQuote.model_validate_json(json.dumps({"currency": "EUR", "lines": [line] * 5}))

    async def once() -> None:
        made = await context.commands.run_one("bench", QUOTES, Call(QUOTES.create, offered), by=BY)
        for command, given in ((send, SendQuote()), (accept, AcceptQuote(signature="Bench"))):
            await context.commands.run_one("bench", QUOTES, Call(command, given, id=made.view.id), by=BY)

    return await rate(once, at_once=AT_ONCE)


async def _rules(context: Any) -> float:
    opened = [
        await context.commands.run_one(
            "bench",
            OPPORTUNITIES,
            Call(OPPORTUNITIES.create, OpenOpportunity(name="Bench", currency="EUR")),
            by=BY,
        )
        for _ in range(AT_ONCE)
    ]
    advance = next(command for command in OPPORTUNITIES.changes if command.name == "advance")
    stages = [AdvanceOpportunity(stage="engaging"), AdvanceOpportunity(stage="proposing")]
    # A client that advances one has it to itself: two at once would both advance it to the same stage.
    free = deque((each.view.id, itertools.cycle(stages)) for each in opened)

    async def once() -> None:
        id, stage = free.popleft()
        await context.commands.run_one("bench", OPPORTUNITIES, Call(advance, next(stage), id=id), by=BY)
        free.append((id, stage))

    return await rate(once, at_once=AT_ONCE)


async def _context(postgres: EmbeddedPostgres, service: Any) -> Any:
    await _create(postgres, service.package)
    url = postgres.url(service.package)
    await migrate(url, service.package, service.after_migrations)
    return context_for(service, Settings(database_url=url, port=0, pool_size=AT_ONCE))


async def _create(postgres: EmbeddedPostgres, name: str) -> None:
    connection = await asyncpg.connect(postgres.url("postgres"))
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
