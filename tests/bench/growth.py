"""Whether an event costs the same when there are ten times as many before it: the fold, its write-ahead log, the bytes
of a row, and questions about one customer; each beside the same on a tenth. In time of the processor."""

import gc
import hashlib
import os
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
import msgspec
import psutil
from tests.bench.measure import Figure
from tests.bench.unit_costs.meters import Meter, stored, table_sizes

from analytics.consumers import handle
from analytics.service import SERVICE
from kith.db.migrations import migrate
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith.runtime.process import GC_OBJECTS
from kith_local.capacity.unit_costs import Grown
from kith_local.postgres import EmbeddedPostgres

FEW, MANY = 300_000, 3_000_000
"""Events that are there before."""
EACH = 100
"""Events of a customer."""
TENANTS = 100
BATCH, BATCHES, ASKED = 1_000, 30, 2_000
ALLOWED = 1.3
_DATA = """jsonb_build_object('value', '12.5000', 'currency', 'EUR', 'country', 'Germany')"""
_OF_EVENT = """
    FROM (
        SELECT n, n % {customers} AS customer, now() - random() * interval '730 days' AS at
        FROM generate_series({first}, {last}) n
    ) t
"""
_LEDGER = f"""
    INSERT INTO ledger (tenant_id, id, type, source, subject, aggregate_version, customer_id, time, recorded_at, data)
    SELECT 't' || customer % {TENANTS}, uuidv7(), 'sales.order.placed.v1', 'sales', uuidv7(), 1,
           md5(customer::text)::uuid, at, at, {_DATA}
    {_OF_EVENT}
"""
_FACTS = f"""
    INSERT INTO facts (tenant_id, subject, version, type, time, event_id, customer_id, amount, currency, clock_since,
                       state)
    SELECT 't' || customer % {TENANTS}, uuidv7(), 1, 'sales.order.placed.v1', at, uuidv7(), md5(customer::text)::uuid,
           12.5, 'EUR', at, {_DATA}
    {_OF_EVENT}
"""
_TIMELINE = """
    SELECT id, type, time, data FROM ledger
    WHERE tenant_id = $1 AND customer_id = $2 ORDER BY time DESC, id DESC LIMIT 50
"""
_OF_CUSTOMER = "SELECT type, time, amount, state FROM facts WHERE tenant_id = $1 AND customer_id = $2"
_KNOWN = "SELECT count(*) FROM ledger WHERE tenant_id = $1 AND id = $2"


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE growth")
    await connection.close()
    url = postgres.url("growth")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    gc.freeze()
    gc.set_threshold(GC_OBJECTS)  # as the worker does
    before = await _measured(postgres, url, 0, FEW)
    after = await _measured(postgres, url, FEW, MANY)
    return [
        Figure(name, after[name, unit], f"{FEW:,} events", few, ALLOWED * few, target_is_ratio=False, unit=unit)
        for (name, unit), few in before.items()
    ]


def grown(figures: Sequence[Figure]) -> dict[str, Grown]:
    return {each.work: Grown(round(each.ceiling_rate), round(each.rate), each.unit.strip()) for each in figures}


async def _measured(postgres: EmbeddedPostgres, url: str, first: int, last: int) -> dict[tuple[str, str], float]:
    """By what it is and its unit."""
    assert postgres.pid is not None
    processes = {"postgres": psutil.Process(postgres.pid), "process": psutil.Process(os.getpid())}
    connection = await asyncpg.connect(url)
    sizes = await table_sizes(url)
    customers = last // EACH
    for statement in (_LEDGER, _FACTS):
        for begin in range(first, last, FEW):
            await connection.execute(statement.format(customers=customers, first=begin, last=begin + FEW - 1))
    rows = stored(await table_sizes(url), sizes)
    for table in ("ledger", "facts"):
        await connection.execute(f"VACUUM ANALYZE {table}")
    await connection.execute("CHECKPOINT")
    meter = Meter(processes, connection)
    await _folded(url, meter, customers)
    chance = random.Random(2)
    some = await connection.fetch("SELECT tenant_id, id FROM ledger TABLESAMPLE SYSTEM (0.1) LIMIT 2000")
    for name, statement in (("timeline", _TIMELINE), ("facts of a customer", _OF_CUSTOMER), ("event by id", _KNOWN)):
        async with meter.measured(name, "question") as counted:
            for _ in range(ASKED):
                customer = chance.randrange(customers)
                found = (f"t{customer % TENANTS}", _customer(customer)) if statement != _KNOWN else chance.choice(some)
                await connection.fetch(statement, *found)
                counted.number += 1
    await connection.close()
    fold = meter.works["fold"]
    return {
        ("fold: process", "us"): fold.cpu_us["process"],
        ("fold: PostgreSQL", "us"): fold.cpu_us["postgres"],
        ("fold: write-ahead log", " bytes"): fold.wal_bytes,
        **{
            ((f"{name}: PostgreSQL", "us")): meter.works[name].cpu_us["postgres"]
            for name in meter.works
            if name != "fold"
        },
        **{(f"a row of {name}", " bytes"): rows[name].bytes_per_row for name in ("ledger", "facts")},
    }


async def _folded(url: str, meter: Meter, customers: int) -> None:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="bench")
    chance = random.Random(1)
    batches = [[_event(chance.randrange(customers), chance) for _ in range(BATCH)] for _ in range(BATCHES)]
    async with meter.measured("fold", "event") as counted:
        for batch in batches:
            async with engine.begin() as transaction:
                await handle(transaction, batch)
            counted.number += len(batch)
    await engine.dispose()


def _customer(number: int) -> UUID:
    return UUID(hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest())


def _event(customer: int, chance: random.Random) -> Envelope:
    now = datetime.now(UTC)
    return Envelope(
        id=new_id(),
        source="sales",
        type=OrderPlaced.type,
        subject=new_id(),
        time=now - timedelta(seconds=chance.randrange(31_536_000)),
        tenant_id=f"t{customer % TENANTS}",
        customer_id=_customer(customer),
        aggregate_version=1,
        recorded_at=now,
        traceparent=None,
        data=msgspec.json.encode(OrderPlaced(value=Decimal("12.5000"), currency="EUR", country="Germany")),
    )
