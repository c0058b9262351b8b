"""What processes and databases have used: read before and after a work, the difference is what it cost."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import asyncpg
import psutil

from kith_local.capacity.unit_costs import Memory, Stored, Work

LEAST = 0.03
"""A process that takes a smaller part of a work takes it for something else."""
OF_WORKERS = "broker"
"""Only workers ask it for anything."""
MEGABYTE = 1024 * 1024
_TABLES = """
    SELECT c.relname AS name, sum(pg_total_relation_size(coalesce(parts.relid, c.oid)))::bigint AS bytes
    FROM pg_class c LEFT JOIN LATERAL pg_partition_tree(c.oid) parts ON true
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    GROUP BY c.relname
"""


def tree_of(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def seconds_of(process: psutil.Process) -> float:
    """Time of the processor, of the process and of those it began; also of those that have ended since."""
    total = 0.0
    for each in tree_of(process):
        with suppress(psutil.NoSuchProcess):
            total += sum(each.cpu_times()[:4])
    return total


def megabytes_of(process: psutil.Process) -> float:
    """Of the process and those it began. All of the sessions of PostgreSQL have the same buffers: their shared pages
    are divided among them. Of others the libraries count in full, as in a pod of their own."""
    total = 0.0
    for each in tree_of(process):
        with suppress(psutil.NoSuchProcess):
            memory = each.memory_full_info()
            total += memory.pss if each.name() == "postgres" else memory.rss
    return total / MEGABYTE


def without_noise(of_one: Mapping[str, float]) -> dict[str, float]:
    least = LEAST * sum(us for us in of_one.values() if us > 0)
    return {name: round(us, 2) for name, us in of_one.items() if us > least}


@dataclass
class Meter:
    processes: Mapping[str, psutil.Process]
    postgres: "asyncpg.Connection[asyncpg.Record]"
    works: dict[str, Work] = field(default_factory=dict)
    at_rest: dict[str, float] = field(default_factory=dict)
    """Cores."""
    _rest: dict[str, float] = field(default_factory=dict)
    _most: dict[str, float] = field(default_factory=dict)

    @asynccontextmanager
    async def measured(self, work: str, unit: str, *, beside: bool = False) -> AsyncIterator["Counted"]:
        """What is done in the block, which says how many it did. `beside`: workers run meanwhile, which never rest;
        what they took at rest is not counted."""
        counted = Counted()
        before, wal = self._seconds(), await self._wal()
        began = time.perf_counter()
        yield counted
        took = time.perf_counter() - began
        spent = _difference(self._seconds(), before)
        written = await self._wal() - wal
        self._look()
        if beside:
            spent = {name: used - self.at_rest[name] * took for name, used in spent.items()}
        else:
            spent.pop(OF_WORKERS, None)
        of_one = {name: 1e6 * used / counted.number for name, used in spent.items()}
        self.works[work] = Work(unit, without_noise(of_one), round(written / counted.number, 1))

    async def idle(self, seconds: float) -> None:
        """Measures what each process takes when nothing is asked of it, and what memory it has."""
        before, began = self._seconds(), time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        self.at_rest = {name: used / took for name, used in _difference(self._seconds(), before).items()}
        self._look()
        self._rest = dict(self._most)

    def memory(self) -> dict[str, Memory]:
        """What they had then, and the most after any work since."""
        return {name: Memory(round(self._rest[name]), round(most)) for name, most in self._most.items()}

    def _look(self) -> None:
        for name, process in self.processes.items():
            self._most[name] = max(self._most.get(name, 0.0), megabytes_of(process))

    def _seconds(self) -> dict[str, float]:
        return {name: seconds_of(process) for name, process in self.processes.items()}

    async def _wal(self) -> int:
        return int(await self.postgres.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'"))


@dataclass
class Counted:
    number: int = 0


def _difference(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    return {name: seconds - before[name] for name, seconds in after.items()}


async def table_sizes(url: str) -> dict[str, tuple[int, int]]:
    """By table: bytes with indexes, and rows."""
    connection = await asyncpg.connect(url)
    try:
        found = {}
        for name, size in await connection.fetch(_TABLES):
            rows = await connection.fetchval(f'SELECT count(*) FROM "{name}"')  # noqa: S608 - from the catalogue
            found[name] = (size, rows)
        return found
    finally:
        await connection.close()


def stored(after: Mapping[str, tuple[int, int]], before: Mapping[str, tuple[int, int]]) -> dict[str, Stored]:
    """Of the tables that have grown by enough rows for their first pages not to count."""
    found = {}
    for name, (size, rows) in after.items():
        more = rows - before[name][1]
        if more >= 1000:
            found[name] = Stored(more, round((size - before[name][0]) / more, 1))
    return found
