"""What one unit of each work costs: time of the processor by process, bytes, memory. Real processes, on both buses.

Time of the processor, never of the clock: what else runs on the machine changes it by a little only (caches, and two
threads of one core)."""

import asyncio
from pathlib import Path

from rich.console import Console
from tests.bench.unit_costs.run import machine, measure
from tests.bench.unit_costs.shown import tables

from kith_local.capacity.unit_costs import add

UNIT_COSTS = "unit_costs"


def show_unit_costs(console: Console, file: Path | None) -> None:
    """Prints them, and adds them to those of the file, if one is named."""
    console.print("measuring unit costs: some minutes ..")
    run = asyncio.run(measure(console))
    if run is None:
        return
    for table in tables(run):
        console.print(table)
    if file is not None:
        add(run, machine(), file)
