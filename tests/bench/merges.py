"""Merges of customers: ordinary events of a tenant with ten thousand merges beside those of a tenant without any; and
what one more merge, and taking one back, costs there beside the first ones, of pairs, in a chain and in a star."""

import gc
import itertools
import random
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import TypeAlias
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.bench.fold import orders
from tests.bench.measure import Figure

from analytics.consumers import handle
from analytics.service import SERVICE
from kith.db.migrations import migrate
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.contacts import CustomerMerged, CustomerUnmerged
from kith.events.envelope import Envelope
from kith.ids import new_id
from kith.runtime.process import GC_OBJECTS
from kith_local.postgres import EmbeddedPostgres

MERGES, LONG = 10_000, 1_000
"""Of pairs; and in a chain, and in a star."""
EACH, EVENTS, BATCH = 10, 20_000, 500
"""Events of each customer from before, and those that are measured."""
SOME = 50
"""Merges, unmerges, or events that are folded one by one."""
NO_SLOWER, NO_DEARER = 0.9, 1.5

Pairs: TypeAlias = Sequence[tuple[UUID, UUID]]
"""Customers, each with the one it is merged into."""


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE merges")
    await connection.close()
    url = postgres.url("merges")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    gc.freeze()
    gc.set_threshold(GC_OBJECTS)  # as the worker does
    engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="bench")
    chance = random.Random(1)
    ids = [UUID(int=chance.getrandbits(128)) for _ in range(2 * MERGES)]
    hub, *leaves = ids[:LONG]
    chain = list(itertools.pairwise(ids[:LONG]))[::-1]  # from its end, so that each merge moves one customer
    figures = [
        *await _beside_none(engine, url, ids, chance),
        *await _growing(engine, "star", [(each, hub) for each in leaves], chance),
        *await _growing(engine, "chain", chain, chance),
    ]
    await engine.dispose()
    return figures


async def _beside_none(engine: AsyncEngine, url: str, ids: Sequence[UUID], chance: random.Random) -> list[Figure]:
    pairs = list(zip(ids[::2], ids[1::2], strict=True))
    await _fold(engine, orders([*ids] * EACH, chance, "plain"))
    figures = await _growing(engine, "pairs", pairs, chance)
    connection = await asyncpg.connect(url)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    rates = {
        tenant: await _fold(engine, orders(chance.choices(ids, k=EVENTS), chance, tenant))
        for tenant in ("warm-up", "plain", "pairs")
    }
    alone = {
        tenant: await _microseconds(engine, orders(chance.choices(ids, k=10 * SOME), chance, tenant))
        for tenant in ("plain", "pairs")
    }
    return [
        Figure(f"fold, {MERGES:,} merges", rates["pairs"], "no merges", rates["plain"], NO_SLOWER),
        _costs("an event alone", alone["pairs"], "no merges", alone["plain"]),
        *figures,
    ]


async def _growing(engine: AsyncEngine, tenant: str, pairs: Pairs, chance: random.Random) -> list[Figure]:
    """Merges all of them. Compares the last with the first: their merges, and those taken back and done again."""
    customers = list({each: None for pair in pairs for each in pair})
    await _fold(engine, orders(customers * EACH, chance, tenant))
    first, rest, last = pairs[:SOME], pairs[SOME:-SOME], pairs[-SOME:]
    begun = await _microseconds(engine, _merges(tenant, first, 2))
    rate = await _fold(engine, _merges(tenant, rest, 2), size=SOME)
    grown = await _microseconds(engine, _merges(tenant, last, 2))
    undone = await _microseconds(engine, _merges(tenant, last[::-1], 3, _unmerged))
    await _fold(engine, _merges(tenant, last, 4))
    survivor = EACH * (2 if tenant == "pairs" else len(customers))
    return [
        _costs(f"a merge more of {len(pairs):,}, {tenant}", grown, "the first", begun),
        _costs(f"an unmerge, {tenant}, per event", undone / survivor, "the first merge", begun / (2 * EACH)),
        _costs(f"one of {SOME} merges at once, {tenant}", 1_000_000 / rate, "alone", begun),
    ]


def _costs(work: str, microseconds: float, beside: str, others: float) -> Figure:
    return Figure(work, microseconds, beside, others, NO_DEARER * others, target_is_ratio=False, unit="us")


def _merged(into: UUID) -> CustomerMerged | CustomerUnmerged:
    return CustomerMerged(into=into)


def _unmerged(out_of: UUID) -> CustomerMerged | CustomerUnmerged:
    return CustomerUnmerged(out_of=out_of)


def _merges(
    tenant: str,
    pairs: Pairs,
    version: int,
    event_of: Callable[[UUID], CustomerMerged | CustomerUnmerged] = _merged,
) -> list[Envelope]:
    now = datetime.now(UTC)
    return [
        Envelope(
            id=new_id(),
            source="contacts",
            type=event.type,
            subject=customer,
            time=now,
            tenant_id=tenant,
            customer_id=customer,
            aggregate_version=version,
            recorded_at=now,
            traceparent=None,
            data=msgspec.json.encode(event),
        )
        for customer, other in pairs
        for event in (event_of(other),)
    ]


async def _fold(engine: AsyncEngine, events: Iterable[Envelope], size: int = BATCH) -> float:
    """Returns the events per second, in batches."""
    spent = await _seconds(engine, events, size)
    return sum(count for count, _ in spent) / sum(seconds for _, seconds in spent)


async def _microseconds(engine: AsyncEngine, events: Iterable[Envelope]) -> float:
    """Returns how long an event takes that is folded by itself."""
    return 1_000_000 * median(seconds for _, seconds in await _seconds(engine, events, 1))


async def _seconds(engine: AsyncEngine, events: Iterable[Envelope], size: int) -> list[tuple[int, float]]:
    """Returns the number of events of each batch, and how long it took."""
    spent = []
    rest = iter(events)
    while batch := list(itertools.islice(rest, size)):
        started = time.perf_counter()
        async with engine.begin() as connection:
            await handle(connection, batch)
        spent.append((len(batch), time.perf_counter() - started))
    return spent
