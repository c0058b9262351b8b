"""Which limit a growing load comes to first: each as a multiple of a load."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, inf

from kith_local.capacity.demand import Demand
from kith_local.capacity.load import BUSY, Load
from kith_local.capacity.unit_costs import UnitCosts

GIGABYTE = 1e9
DATABASE_CORES, DATABASE_GIGABYTES, DISK_GIGABYTES, CONNECTIONS = 8, 64, 1000, 200
"""Of the one server that has all four databases; and `max_connections` of the chart's own clusters."""
POOL, EXPORTS, NOTIFIED = 10, 4, 1
"""Connections of a process: `KITH_POOL_SIZE`; of an API for exports besides; of a worker for notifications."""
PARTITIONS = 24
REBUILD_US, REBUILD_SECONDS = 20, 3600
"""An event of a rebuild in one process (docs/operations.md), and how long one may take."""
CACHED = 0.75
"""How much of a server's memory holds pages of tables."""
MOST = 10_000.0
_HOT = ("analytics: facts", "analytics: activity_spans", "analytics: health_scores")


@dataclass(frozen=True)
class Wall:
    what: str
    reached_at: float
    """So many times the load."""
    then: str


def walls(load: Load, costs: UnitCosts) -> list[Wall]:
    """Sorted by what comes first."""
    return sorted(_walls(load, costs), key=lambda wall: wall.reached_at)


def _walls(load: Load, costs: UnitCosts) -> Iterator[Wall]:
    def cores(process: str) -> Callable[[Demand], float]:
        return lambda demand: demand.cores()[process]

    def at(of: Callable[[Demand], float], limit: float) -> float:
        return factor_where(of, limit, load, costs)

    for limit, then in (
        (1, "[more workers](#more-workers)"),
        (PARTITIONS, "[more partitions](#more-partitions)"),
    ):
        what = "One worker of analytics" if limit == 1 else f"{limit} workers of analytics, one per partition"
        yield Wall(what, at(cores("analytics-worker"), limit * BUSY), then)
    of_server = f"{DATABASE_CORES} cores of PostgreSQL"
    yield Wall(of_server, at(cores("postgres"), DATABASE_CORES * BUSY), "[a server per service](#a-server-per-service)")
    yield Wall(
        "The relay of contacts, which is one process", at(cores("contacts-worker"), BUSY), "[its limit](#relays)"
    )
    yield Wall("One core of one broker", at(cores("broker"), BUSY), "[more brokers](#kafka)")
    yield Wall("One process of the gateway", at(cores("gateway"), BUSY), "more of them: it keeps nothing")
    yield Wall("One API process of analytics", at(cores("analytics-api"), BUSY), "more of them")
    yield Wall("One API process of contacts", at(cores("contacts-api"), BUSY), "more of them")
    yield Wall(
        f"{CONNECTIONS} connections to the database of analytics",
        at(lambda demand: connections(demand)["analytics"], CONNECTIONS),
        "[pgbouncer](#connections)",
    )
    yield Wall(
        f"{DATABASE_GIGABYTES} GB of memory: a year's facts, with their indexes, are not cached",
        at(lambda demand: sum(demand.bytes_a_year()[table] for table in _HOT), CACHED * DATABASE_GIGABYTES * GIGABYTE),
        "[Citus, or fewer years](#past-one-postgresql)",
    )
    yield Wall(
        f"{DISK_GIGABYTES:,} GB of disk in a year",
        at(lambda demand: sum(demand.bytes_a_year().values()), DISK_GIGABYTES * GIGABYTE),
        "[retention](#retention)",
    )
    yield Wall(
        "A rebuild of a year's events takes an hour",
        at(lambda demand: demand.load.events_a_year * REBUILD_US / 1e6, REBUILD_SECONDS),
        "[Citus](#past-one-postgresql): a rebuild for each part",
    )


def factor_where(of: Callable[[Demand], float], limit: float, load: Load, costs: UnitCosts) -> float:
    """Returns the greatest multiple of the load at which it is within the limit."""
    low, high = 0.0, MOST
    if of(Demand(load.times(high), costs)) <= limit:
        return inf
    while high - low > low / 1000 + 1e-4:
        middle = (low + high) / 2
        within = of(Demand(load.times(middle), costs)) <= limit
        low, high = (middle, high) if within else (low, middle)
    return low


def replicas(demand: Demand) -> dict[str, int]:
    """Processes of each kind, of one core each, and at least two for what must not be away while one is replaced."""
    return {
        name: max(2, ceil(cores / BUSY)) for name, cores in demand.cores().items() if name not in ("postgres", "broker")
    }


def connections(demand: Demand) -> dict[str, int]:
    """To the database of each service, by what all pools may open."""
    found = dict[str, int]()
    for name, number in replicas(demand).items():
        service, _, kind = name.rpartition("-")
        if service:
            found[service] = found.get(service, 0) + number * (POOL + (EXPORTS if kind == "api" else NOTIFIED))
    return found
