"""One run of all works: what stands still while another is measured is held, not ended."""

import asyncio
import json
import platform
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import psutil
from rich.console import Console
from tests.bench.unit_costs.house import TENANT, House, standing
from tests.bench.unit_costs.load import Load
from tests.bench.unit_costs.meters import Meter, stored, table_sizes

from kith_local.capacity.unit_costs import Run, Stored
from kith_local.kafka import KafkaUnavailable
from kith_local.layout import BusKind

SERVICES = ("contacts", "sales", "service_desk", "analytics")
WORKERS = ("contacts-worker", "sales-worker", "service-desk-worker")
LIVE = (5, 20, 80)
"""Events a second."""
LIVE_SECONDS, LIVE_EVENTS = 5, 100
"""The least."""
ROWS = 100_000
PATIENCE = 1_800
_WAITING = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
_ARRIVED = "SELECT count(*) >= $2::int FROM ledger WHERE source <> $1"
_OF_SALES = "SELECT count(*) >= $1::int FROM ledger WHERE source = 'sales'"
_NONE_WAITS = "SELECT NOT EXISTS (SELECT FROM health_queue)"
_ALL_ADDED_UP = "SELECT NOT EXISTS (SELECT FROM stale_days WHERE day < current_date)"
_FIRST = "the first event of a tenant"
_ALL_AGAIN = "INSERT INTO health_queue (tenant_id, customer_id) SELECT tenant_id, customer_id FROM health_scores"


def machine() -> str:
    """What it was measured on."""
    model = next(
        (line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine()
    )
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores of {model}, {memory:.0f} GiB, Python {platform.python_version()}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


async def measure(console: Console) -> Run | None:
    """Nothing where there is no Kafka: half of the costs would be missing."""
    try:
        on_kafka = await _on("kafka", console)
    except KafkaUnavailable as reason:
        console.print(f"no Kafka on this machine: {reason}")
        return None
    return both(on_kafka, await _on("embedded", console))


def both(on_kafka: Run, embedded: Run) -> Run:
    return Run(
        at=datetime.now(UTC).isoformat(timespec="minutes"),
        works={**on_kafka.works, **embedded.works},
        tables=on_kafka.tables,
        logs={**on_kafka.logs, **embedded.logs},
        memory=on_kafka.memory,
        idle_millicores=on_kafka.idle_millicores,
        yardsticks_us=on_kafka.yardsticks_us,
    )


async def _on(bus: BusKind, console: Console) -> Run:
    name = "Kafka" if bus == "kafka" else "embedded bus"
    with tempfile.TemporaryDirectory(prefix="kith-units-", ignore_cleanup_errors=True) as folder:
        async with standing(Path(folder) / "home", bus) as house:
            postgres = await house.connect("contacts")
            meter = Meter(house.processes, postgres)
            load = Load(house, meter)
            console.print(f"  {name}: at rest ..")
            await asyncio.sleep(3)  # what a start leaves to do
            await meter.idle(15)
            empty = {each: await table_sizes(house.database(each)) for each in SERVICES}
            console.print(f"  {name}: bulk rows and requests ..")
            await house.hold(*WORKERS, "analytics-worker")
            await load.fill()
            if bus == "kafka":
                await load.write()
            console.print(f"  {name}: relay, fold, scores ..")
            events = await _relayed(house, meter, f"relay, {name}")
            logs = {name: await _log_bytes(house) / events}
            await _folded(house, meter, name, events)
            await _analyze(house)  # which would come in the middle of what follows
            for per_second in LIVE:
                await _live(house, meter, load, f"live at {per_second}/s, one tenant, {name}", per_second)
            if bus == "kafka":
                await _live(house, meter, load, _FIRST, LIVE[-1], many=True)
                del meter.works[_FIRST]  # what is new to Kith is scored for the first time, and changes its band
                for per_second in LIVE:
                    work = f"live at {per_second}/s, many tenants, {name}"
                    await _live(house, meter, load, work, per_second, many=True)
            await postgres.execute("CHECKPOINT")
            full = {each: await table_sizes(house.database(each)) for each in SERVICES}
            if bus == "kafka":
                console.print(f"  {name}: reads ..")
                await _analyze(house)
                await house.hold(*WORKERS, "analytics-worker")
                await load.read()
                house.release(*WORKERS, "analytics-worker")
            memory = meter.memory()
            yardsticks = await _yardsticks(house, meter)
            await postgres.close()
    tables: dict[str, Stored] = {
        f"{service.replace('_', '-')}: {table}": found
        for service in SERVICES
        for table, found in stored(full[service], empty[service]).items()
    }
    return Run(
        at="",
        works=meter.works,
        tables=tables,
        logs={each: round(size, 1) for each, size in logs.items()},
        memory=memory,
        idle_millicores={each: round(1000 * cores, 1) for each, cores in meter.at_rest.items()},
        yardsticks_us=yardsticks,
    )


async def _relayed(house: House, meter: Meter, work: str) -> int:
    """All that waits is published, by the relays of two services. Returns how many events that were."""
    connections = [await house.connect(each) for each in ("contacts", "sales")]
    waiting = sum([await each.fetchval(_WAITING) for each in connections])
    async with meter.measured(work, "event", beside=True) as counted:
        house.release(*WORKERS)
        for each in connections:
            await _until(each, f"SELECT ({_WAITING}) = 0")
        counted.number = waiting
    for each in connections:
        await each.close()
    return int(waiting)


async def _folded(house: House, meter: Meter, name: str, events: int) -> None:
    """All that was published is folded and added up, and meanwhile nobody is scored, as another has the right to. Then
    all are."""
    connection, holder = await house.connect("analytics"), await house.connect("analytics")
    await holder.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", f"health {TENANT}")
    async with meter.measured(f"fold, {name}", "event", beside=True) as counted:
        house.release("analytics-worker")
        await _until(connection, _ARRIVED, "analytics", events)
        await _until(connection, _ALL_ADDED_UP)
        counted.number = events
    await holder.close()
    await _until(connection, _NONE_WAITS)
    async with meter.measured(f"score, {name}", "customer", beside=True) as counted:
        counted.number = int((await connection.execute(_ALL_AGAIN)).split()[-1])
        await _until(connection, _NONE_WAITS)
    await connection.close()


async def _live(house: House, meter: Meter, load: Load, work: str, per_second: int, *, many: bool = False) -> None:
    """Relay, fold and score of events that come one by one: how much more they cost where batches are small."""
    connection = await house.connect("analytics")
    before = await connection.fetchval("SELECT count(*) FROM ledger WHERE source = 'sales'")
    async with meter.measured(work, "event", beside=True) as counted:
        async for number in load.trickle(per_second, max(LIVE_SECONDS * per_second, LIVE_EVENTS), many=many):
            counted.number = number
        await _until(connection, _OF_SALES, before + counted.number)
        await _until(connection, _NONE_WAITS)
    await connection.close()


async def _until(connection: "asyncpg.Connection[asyncpg.Record]", true: str, *arguments: object) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await connection.fetchval(true, *arguments):  # noqa: ASYNC110 - only the database knows
            await asyncio.sleep(0.25)


async def _log_bytes(house: House) -> int:
    if house.kafka_logs is not None:
        return sum(file.stat().st_size for file in house.kafka_logs.glob("kith.*/*.log"))
    connection = await house.connect("bus")
    size = await connection.fetchval("SELECT pg_total_relation_size('bus.batches')")
    await connection.close()
    return int(size)


async def _analyze(house: House) -> None:
    for service in SERVICES:
        connection = await house.connect(service)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()


async def _yardsticks(house: House, meter: Meter) -> dict[str, float]:
    """A bare COPY, and Python at what it does most here."""
    row = {"tenant_id": TENANT, "value": "12.5000", "currency": "EUR", "customers": ["a", "b"], "number": 1}
    began = time.process_time()
    for _ in range(ROWS):
        json.loads(json.dumps(row))
    python = 1e6 * (time.process_time() - began) / ROWS
    connection = await house.connect("contacts")
    await connection.execute("CREATE TABLE yardstick (id bigint PRIMARY KEY, tenant_id text, data jsonb)")
    async with meter.measured("yardstick", "row") as counted:
        await connection.copy_records_to_table("yardstick", records=[(n, TENANT, json.dumps(row)) for n in range(ROWS)])
        counted.number = ROWS
    copied = meter.works.pop("yardstick").cpu_us["postgres"]
    await connection.close()
    return {"Python: a row to JSON and back": round(python, 2), "PostgreSQL: a row of bare COPY": round(copied, 2)}
