"""`make bench`: how fast, as a ratio to a ceiling measured in the same run, so that a slow machine does not lie.

python -m tests.bench [write_outbox] [relay] [fold] [freshness] [rebuild] [query] [health] [neighbours] [rescoring]
    [merges] [import] [lists] [search] [reach] [timers] [recurring] [forecasts]
    [products] [growth]

What has no ceiling is asked for by name: `unit_costs` measures what one event, row, request costs, in time of the
processor, bytes and memory; `--json FILE` adds them to those of the file, as it does what `growth` finds.
"""

import argparse
import tempfile
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table
from tests.bench import (
    fold,
    forecasts,
    freshness,
    growth,
    health,
    imports,
    lists,
    merges,
    neighbours,
    products,
    query,
    reach,
    rebuild,
    recurring,
    relay,
    rescoring,
    search,
    timers,
    write_outbox,
)
from tests.bench.measure import Figure, free_ports
from tests.bench.unit_costs import UNIT_COSTS, show_unit_costs

from kith.runtime.process import collect_seldom
from kith_local.capacity.unit_costs import add_growth
from kith_local.kafka import EmbeddedKafka, KafkaUnavailable
from kith_local.postgres import EmbeddedPostgres

WORK = {
    "write_outbox": write_outbox.run,
    "relay": relay.run,
    "fold": fold.run,
    "freshness": freshness.run,
    "rebuild": rebuild.run,
    "query": query.run,
    "health": health.run,
    "neighbours": neighbours.run,
    "rescoring": rescoring.run,
    "merges": merges.run,
    "import": imports.run,
    "lists": lists.run,
    "search": search.run,
    "reach": reach.run,
    "timers": timers.run,
    "recurring": recurring.run,
    "forecasts": forecasts.run,
    "products": products.run,
    "growth": growth.run,
}
WIDTH = 120
ON_KAFKA = {"relay", "fold", "freshness"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("work", nargs="*", metavar="work", help=f"of {', '.join(WORK)}; all if none is named")
    parser.add_argument("--json", type=Path, metavar="FILE", help="of the unit costs, and their growth")
    arguments = parser.parse_args()
    wanted = arguments.work or list(WORK)
    if unknown := set(wanted) - {*WORK, UNIT_COSTS}:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(WORK)}, {UNIT_COSTS}")
    console = Console()
    console.width = max(console.width, WIDTH)
    if UNIT_COSTS in wanted:
        show_unit_costs(console, arguments.json)
        wanted.remove(UNIT_COSTS)
    if wanted:
        collect_seldom()
        _compare(wanted, console, arguments.json)


def _compare(wanted: list[str], console: Console, file: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="kith-bench-", ignore_cleanup_errors=True) as folder:
        postgres = EmbeddedPostgres(Path(folder) / "pg").start()
        kafka: EmbeddedKafka | None = None
        try:
            if ON_KAFKA & set(wanted):
                kafka = _kafka(Path(folder) / "kafka", console)
            figures: list[Figure] = []
            for name in wanted:
                console.print(f"measuring {name} ..")
                found = uvloop.run(WORK[name](postgres, kafka.bootstrap if kafka else None))
                figures += found
                if name == "growth" and file is not None:
                    add_growth(growth.grown(found), file)
        finally:
            if kafka is not None:
                kafka.stop()
            postgres.stop()
    console.print(_table(figures))


def _kafka(folder: Path, console: Console) -> EmbeddedKafka | None:
    kafka = EmbeddedKafka(folder, *free_ports(2), jars=Path(".kith") / "kafka")
    try:
        kafka.start()
    except KafkaUnavailable as reason:
        console.print(f"no Kafka on this machine: {reason}")
        return None
    return kafka


def _table(figures: list[Figure]) -> Table:
    table = Table(title="each measured beside its ceiling, in this run")
    for heading in ("work", "figure", "beside", "figure ", "ratio", "target"):
        table.add_column(heading, justify="left" if heading in ("work", "beside") else "right", no_wrap=True)
    for each in figures:
        table.add_row(
            each.work,
            f"{each.rate:,.0f}{each.unit}",
            each.ceiling,
            f"{each.ceiling_rate:,.0f}{each.unit}",
            f"{each.ratio:.2f}",
            f"{each.target:.2f}" if each.target_is_ratio else f"{each.target:,.0f}{each.unit}",
            style="green" if each.is_met else "yellow",
        )
    return table


main()
