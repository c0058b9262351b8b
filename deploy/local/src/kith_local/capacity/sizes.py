"""The sizes of the Helm chart: each values file begins with the load that it is for."""

import re
from collections.abc import Sequence
from pathlib import Path

from kith_local.capacity.demand import Demand
from kith_local.capacity.load import Load
from kith_local.capacity.unit_costs import UnitCosts

_HEADINGS = (
    "| values | tenants | customers | events a day; a second at the peak | reads a second | cores of Kith | "
    "of PostgreSQL | GB on disk after a year |"
)
_LOAD = re.compile(
    r"^# Load: ([\d,]+) tenants, ([\d,]+) customers, ([\d,]+) events a day, ([\d,]+) reads a second at the peak\.$",
    re.MULTILINE,
)


def load_of(values: Path) -> Load:
    """Raises ValueError if the file does not name it."""
    found = _LOAD.search(values.read_text())
    if found is None:
        raise ValueError(f"{values.name} does not say which load it is for.")
    return Load(*(int(number.replace(",", "")) for number in found.groups()))


def table(files: Sequence[Path], costs: UnitCosts) -> str:
    """Returns the table of deploy/README.md."""
    rows = [_HEADINGS, "|---|---|---|---|---|---|---|---|"]
    for path in files:
        load = load_of(path)
        demand = Demand(load, costs)
        cores = demand.cores()
        kith = sum(taken for name, taken in cores.items() if name not in ("postgres", "broker"))
        cells = (
            f"`{path.name}`",
            f"{load.tenants:,}",
            f"{load.customers:,}",
            f"{load.events_a_day:,}; {load.events_a_second:,.0f}",
            f"{load.reads_a_second:,}",
            f"{kith:.1f}",
            f"{cores['postgres']:.1f}",
            f"{sum(demand.bytes_a_year().values()) / 1e9:,.0f}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
