"""The page docs/scale.md: what a load costs, which limit it comes to first, and what to do then."""

import re
import textwrap
from collections.abc import Sequence
from math import isinf

from kith_local.capacity import prose
from kith_local.capacity.demand import Demand
from kith_local.capacity.load import BUSY, PEAK, READS, REPLICAS, RETENTION_DAYS, SHARES, Load
from kith_local.capacity.unit_costs import UnitCosts
from kith_local.capacity.walls import (
    CONNECTIONS,
    DATABASE_CORES,
    DATABASE_GIGABYTES,
    DISK_GIGABYTES,
    GIGABYTE,
    connections,
    replicas,
    walls,
)

WIDTH = 120
LOAD = Load(tenants=10_000, customers=1_000_000, events_a_day=274_000, reads_a_second=500)
"""A hundred million events a year."""
PROCESSES = ("gateway", "contacts-api", "sales-api", "service-desk-api", "analytics-api", "contacts-worker",
             "sales-worker", "service-desk-worker", "analytics-worker", "broker", "postgres")  # fmt: skip


def page(costs: UnitCosts) -> str:
    demand = Demand(LOAD, costs)
    return _wrapped(
        [
            prose.HEAD,
            _costs(costs),
            _load(),
            _processes(demand),
            _disk(demand),
            _walls(costs),
            prose.REMEDIES,
            prose.TRIED,
            _growth(costs),
            prose.FOUND,
            _plainly(demand),
        ]
    )


def _wrapped(sections: Sequence[str]) -> str:
    """Returns them as one text, with paragraphs and lists filled to the width of a page."""
    found = list[str]()
    for block in re.split(r"\n{2,}", "\n".join(sections).strip()):
        if block.startswith("- "):
            items = re.split(r"\n(?=- )", block)
            found.append("\n".join(_filled(item, subsequent_indent="  ") for item in items))
        else:
            found.append(block if block[0] in "#|" else _filled(block))
    return "\n\n".join(found) + "\n"


def _filled(text: str, **options: str) -> str:
    return textwrap.fill(
        " ".join(text.split()),
        WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
        **options,  # type: ignore[arg-type]
    )


def _costs(costs: UnitCosts) -> str:
    names = [each for each in PROCESSES if any(costs.cpu_us(work, each) >= 1 for work in costs.runs[0].works)]
    rows = [
        (name, work.unit, *(_us(costs.cpu_us(name, each)) for each in names), f"{costs.wal_bytes(name):,.0f}")
        for name, work in costs.runs[0].works.items()
    ]
    tables = [
        (name, f"{costs.row_bytes(name):,.0f}")
        for name in costs.runs[0].tables
        if all(name in run.tables for run in costs.runs)
    ]
    logs = [(f"a message on {name}", f"{costs.log_bytes(name):,.0f}") for name in costs.runs[0].logs]
    memory = [
        (
            name,
            f"{costs.memory(name).rest:,.0f}",
            f"{costs.memory(name).load:,.0f}",
            f"{costs.idle_millicores(name):,.0f}",
        )
        for name in costs.runs[0].memory
    ]
    yardsticks = ", ".join(
        f"{name}: {costs.mean(lambda run, n=name: run.yardsticks_us[n]):.1f} µs"  # type: ignore[misc]
        for name in costs.runs[0].yardsticks_us
    )
    return f"""\
## What one of each costs

Microseconds of the processor, by process, and bytes of PostgreSQL's write-ahead log. `postgres` is all of its
processes. What is below 1 is left out. Measured on {costs.machine}, everything on the one machine, with the settings
that PostgreSQL and Kafka come with; {_runs(costs)} To compare your machine: {yardsticks}.

{_table(("work", "one", *names, "WAL"), rows)}

`live at 20/s` is relay, fold and score of events that come one by one, with what processes take at rest taken off.
`many tenants`: of a hundred in turn, each of which Kith knows. On a machine that is late batches are larger, and cost
less: these are the figures that say least about another one.

| row, with its indexes | bytes |
|---|---|
{_rows([*tables, *logs])}

| process | MB at rest | MB at most | thousandths of a core at rest |
|---|---|---|---|
{_rows(memory)}
"""


def _runs(costs: UnitCosts) -> str:
    number = len(costs.runs)
    if number == 1:
        return "one run."
    lies = sorted(
        (costs.spread(name, process), name, process)
        for name, work in costs.runs[0].works.items()
        for process, us in work.cpu_us.items()
        if us >= sum(work.cpu_us.values()) / 3 and len(costs.having(name)) == number
    )
    half, most = lies[len(lies) // 2], lies[-1]
    embedded = len(costs.having("fold, embedded bus"))
    return (
        f"the mean of {number} runs, of the embedded bus of {embedded}. Of the processes that take a third or more "
        f"of a work, the runs lie apart by {half[0]:.0%} in the middle, and by {most[0]:.0%} at most "
        f"({most[1]}: {most[2]})."
    )


def _load() -> str:
    shares = ", ".join(f"{share:.0%} in {service}" for service, share in SHARES.items())
    reads = "; ".join(f"{part:.0%} {name}" for name, part in READS.items())
    return f"""\
## A load: {LOAD.tenants:,} tenants, {LOAD.customers:,} customers, {LOAD.events_a_year / 1e6:,.0f} million events a year

| assumed | |
|---|---|
| events of a customer in a year | {LOAD.events_a_year / LOAD.customers:,.0f} |
| where they begin | {shares}; each by a request of its own |
| events a day, and a second on average | {LOAD.events_a_day:,}, {LOAD.events_a_day / 86400:.1f} |
| at the peak: {PEAK} times the average | {LOAD.events_a_second:,.0f} a second, of many tenants |
| reads at the peak | {LOAD.reads_a_second:,} a second |
| what they are | {reads} |
| used of a core at the peak | {BUSY:.0%} |
| kept in outboxes and topics | {RETENTION_DAYS} days; {REPLICAS} replicas of each partition |
"""


def _processes(demand: Demand) -> str:
    cores, number = demand.cores(), replicas(demand)
    rows = [
        (name, f"{cores[name]:.2f}", f"{number[name]}" if name in number else "") for name in PROCESSES if name in cores
    ]
    all_of_it = sum(cores.values())
    opened = ", ".join(f"{number} connections to {service}" for service, number in connections(demand).items())
    return f"""\
### Cores at the peak

{_table(("process", "cores", "replicas of one core"), rows)}

{all_of_it:.1f} cores in all, {cores["postgres"]:.1f} of them PostgreSQL's. Two of each are there so that one may be
away. By their pools they may open {opened}.
"""


def _disk(demand: Demand) -> str:
    found = demand.bytes_a_year()
    rows = [(name, _gigabytes(size)) for name, size in sorted(found.items(), key=lambda each: -each[1])]
    of_service: dict[str, float] = {}
    for name, size in found.items():
        service = name.partition(":")[0]
        of_service[service] = of_service.get(service, 0.0) + size
    sums = ", ".join(f"{service} {_gigabytes(size)}" for service, size in of_service.items())
    wal = demand.wal_bytes_a_day()
    of_event, logged = sum(found.values()) / demand.load.events_a_year, wal / demand.load.events_a_day
    return f"""\
### Disk after a year

| | GB |
|---|---|
{_rows(rows)}

By database: {sums} GB. An event is {of_event:,.0f} bytes in all of them. Write-ahead log: {_gigabytes(wal)} GB a day,
{logged:,.0f} bytes for each event; so much goes to a replica and into an archive.
Kafka: {_gigabytes(demand.kafka_bytes())} GB on all brokers together.
"""


def _walls(costs: UnitCosts) -> str:
    rows = [(wall.what, _factor(wall.reached_at), wall.then) for wall in walls(LOAD, costs)]
    return f"""\
## Which limit comes first

As a multiple of that load, with more tenants of the same kind; below 1, it has been passed. {_server()}

{_table(("limit", "reached at", "then"), rows)}
"""


def _growth(costs: UnitCosts) -> str:
    rows = [
        (name, f"{each.few:,.0f} {each.unit}", f"{each.many:,.0f} {each.unit}", f"{each.factor:.2f}")
        for name, each in costs.growth.items()
    ]
    return _table(("one", "of few", "of ten times as many", "ratio"), rows) + "\n"


def _server() -> str:
    of = f"{DATABASE_CORES} cores, {DATABASE_GIGABYTES} GB of memory and {DISK_GIGABYTES:,} GB of disk"
    return f"All four databases are on\none server of {of}, with {CONNECTIONS} connections for each."


def _plainly(demand: Demand) -> str:
    costs, many, few = demand.costs, demand.live_works(many=True), demand.live_works(many=False)
    slow, fast = min(few), max(few)
    alone, together, crowded = (
        costs.cpu_us(work, "analytics-worker") / 1000 for work in (few[slow], few[fast], many[fast])
    )
    batched = costs.cpu_us("fold, Kafka", "analytics-worker") + costs.cpu_us("score, Kafka", "analytics-worker")
    totals, facts, ledger = (demand.bytes_of_one(f"analytics: {table}") for table in ("totals", "facts", "ledger"))
    one, health, revenue = (
        costs.cpu_us(f"GET: {what}", "postgres") / 1000
        for what in ("one order", "health of a customer", "revenue of 12 months")
    )
    return f"""\
## What is out of proportion

- **An event that comes alone costs {1000 * alone / batched:,.0f} times one of a batch.** At {slow:.0f} a second the
  worker of analytics takes {alone:,.0f} ms for each, in full batches {batched:,.0f} µs. It is the price of freshness
  below a second: a transaction for each event, another for its score, and statements that do the same for one row
  as for a thousand.
- **Tenants are scored one after the other**, each in transactions of its own, so events of many tenants become small
  batches only: at {fast:.0f} a second of a hundred tenants the worker takes {crowded:,.1f} ms for each, of one tenant
  {together:,.1f}. That is a limit of the program, not of the machine: one piece over several tenants would move it.
- **The read model of facts is larger than the ledger**: {facts:,.0f} bytes for each event of a service, against
  {ledger:,.0f}. It is the ledger again with the state after each event, under two more indexes.
- **Totals by the hour add little up for small tenants**: {totals:,.0f} bytes for each event. They pay for tenants
  with many events an hour.
- **Health of a customer and a metric of a year take {health:,.1f} and {revenue:,.1f} ms of PostgreSQL**, against
  {one:,.1f} of a record: {_part_of_reads(demand):.0%} of what reads take of it, at a tenth of the requests.
"""


def _part_of_reads(demand: Demand) -> float:
    of = {name: part * demand.costs.cpu_us(name, "postgres") for name, part in READS.items()}
    return (of["GET: health of a customer"] + of["GET: revenue of 12 months"]) / sum(of.values())


def _factor(reached_at: float) -> str:
    return "never" if isinf(reached_at) else f"{reached_at:,.1f}" if reached_at < 100 else f"{reached_at:,.0f}"


def _gigabytes(size: float) -> str:
    return f"{size / GIGABYTE:,.1f}"


def _us(value: float) -> str:
    return "" if value < 1 else f"{value:,.0f}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}\n{_rows(rows)}"


def _rows(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
