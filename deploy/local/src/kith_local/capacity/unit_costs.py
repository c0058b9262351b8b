"""What one unit of each work was measured to cost (`make bench WORK=unit_costs`): the data that sizes follow from."""

from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean

import msgspec

from kith_local.layout import ROOT

COMMITTED = ROOT / "deploy/unit-costs.json"


class Work(msgspec.Struct, frozen=True):
    """Of one unit of a work, a request say: time of the processor by process, and what went to PostgreSQL's log."""

    unit: str
    cpu_us: dict[str, float]
    wal_bytes: float


class Stored(msgspec.Struct, frozen=True):
    rows: int
    bytes_per_row: float
    """With indexes, and with the space that an update leaves behind."""


class Memory(msgspec.Struct, frozen=True):
    """Megabytes of a process and of those it began: after the start, and the most it ever had."""

    rest: float
    load: float


class Run(msgspec.Struct, frozen=True):
    at: str
    works: dict[str, Work]
    tables: dict[str, Stored]
    """By service and table."""
    logs: dict[str, float]
    """Bytes of a message on each bus."""
    memory: dict[str, Memory]
    idle_millicores: dict[str, float]
    yardsticks_us: dict[str, float]
    """What was measured beside it, to compare another machine with this one."""


class Grown(msgspec.Struct, frozen=True):
    """The cost of one where there are few events before it, and where there are many."""

    few: float
    many: float
    unit: str

    @property
    def factor(self) -> float:
        return self.many / self.few


class UnitCosts(msgspec.Struct, frozen=True):
    machine: str
    runs: list[Run]
    growth: dict[str, Grown] = {}
    """As the runs have few events: what becomes of their costs with many (`make bench WORK=growth`)."""

    def having(self, work: str) -> list[Run]:
        """The runs that have measured it: one may be of one bus alone."""
        return [run for run in self.runs if work in run.works]

    def cpu_us(self, work: str, process: str) -> float:
        return fmean(run.works[work].cpu_us.get(process, 0.0) for run in self.having(work))

    def wal_bytes(self, work: str) -> float:
        return fmean(run.works[work].wal_bytes for run in self.having(work))

    def row_bytes(self, table: str) -> float:
        return self.mean(lambda run: run.tables[table].bytes_per_row)

    def log_bytes(self, bus: str) -> float:
        return fmean(run.logs[bus] for run in self.runs if bus in run.logs)

    def memory(self, process: str) -> Memory:
        """The most of all runs."""
        return Memory(*(max(getattr(run.memory[process], name) for run in self.runs) for name in ("rest", "load")))

    def idle_millicores(self, process: str) -> float:
        return self.mean(lambda run: run.idle_millicores[process])

    def grown(self, what: str) -> float:
        """How many times more one costs among many."""
        return self.growth[what].factor if what in self.growth else 1.0

    def mean(self, of: Callable[[Run], float]) -> float:
        return fmean(of(run) for run in self.runs)

    def spread(self, work: str, process: str) -> float:
        """How far the runs lie apart: the greatest less the least, as a part of the mean."""
        return spread(run.works[work].cpu_us.get(process, 0.0) for run in self.having(work))


def spread(values: Iterable[float]) -> float:
    found = list(values)
    mean = fmean(found)
    return (max(found) - min(found)) / mean if mean else 0.0


def read(path: Path = COMMITTED) -> UnitCosts:
    return msgspec.json.decode(path.read_bytes(), type=UnitCosts)


def add(run: Run, machine: str, path: Path) -> UnitCosts:
    """Adds a run to those of the file, if it has some. Begin a new file for another machine."""
    before = read(path) if path.exists() else UnitCosts(machine, [])
    return _written(UnitCosts(machine, [*before.runs, run], before.growth), path)


def add_growth(growth: dict[str, Grown], path: Path) -> UnitCosts:
    """Puts it in place of what the file has of it."""
    before = read(path)
    return _written(UnitCosts(before.machine, before.runs, growth), path)


def _written(costs: UnitCosts, path: Path) -> UnitCosts:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(costs), indent=1) + b"\n")
    return costs
