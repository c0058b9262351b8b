"""What a load demands is arithmetic over the unit costs: done here once more, by hand, on costs of round numbers."""

from dataclasses import replace
from math import inf

import msgspec
import pytest

from kith_local.capacity.demand import Demand
from kith_local.capacity.load import READS, WRITES, Load
from kith_local.capacity.unit_costs import Grown, Memory, Run, Stored, UnitCosts, Work
from kith_local.capacity.walls import connections, factor_where, replicas, walls

LOAD = Load(tenants=100, customers=1000, events_a_day=864_000, reads_a_second=100)  # 100 events a second at the peak
PROCESSES = ("gateway", "contacts-api", "sales-api", "service-desk-api", "analytics-api", "contacts-worker",
             "sales-worker", "service-desk-worker", "analytics-worker", "postgres", "broker")  # fmt: skip
LIVE = {
    (rate, kind): {"analytics-worker": us, "sales-worker": us / 10, "broker": us / 5, "postgres": us / 2}
    for kind, of_kind in (("one tenant", (1000, 500)), ("many tenants", (2000, 1500)))
    for rate, us in zip((10, 50), of_kind, strict=True)
}
COSTS = UnitCosts(
    "a machine",
    [
        Run(
            at="",
            works={
                **{work: Work("request", {process: 1000, "postgres": 100}, 500) for work, process in WRITES.values()},
                **{work: Work("request", {"sales-api": 3000, "gateway": 200, "postgres": 40}, 0) for work in READS},
                **{
                    f"live at {rate}/s, {kind}, Kafka": Work("event", cpu, 4000 / rate)
                    for (rate, kind), cpu in LIVE.items()
                },
            },
            tables={
                "contacts: outbox": Stored(600, 100),
                "sales: outbox": Stored(400, 100),
                "contacts: customers": Stored(500, 50),
                "contacts: touchpoints": Stored(600, 10),
                "sales: orders": Stored(400, 20),
                "analytics: ledger": Stored(1200, 30),
                "analytics: facts": Stored(1200, 60),
                "analytics: outbox": Stored(200, 1000),
                "analytics: activity_spans": Stored(1500, 5),
                "analytics: health_scores": Stored(500, 7),
            },
            logs={"Kafka": 11},
            memory=dict.fromkeys(PROCESSES, Memory(1, 2)),
            idle_millicores=dict.fromkeys(PROCESSES, 0),
            yardsticks_us={},
        )
    ],
)


def test_cores_are_requests_and_events_by_what_each_takes() -> None:
    cores = Demand(LOAD, COSTS).cores()
    assert cores["gateway"] == pytest.approx(100 * 200e-6)
    # The reads that were measured in sales are those of all three services of records.
    assert cores["contacts-api"] == pytest.approx(100 * 3000e-6 / 3 + 60 * 1000e-6)
    assert cores["service-desk-api"] == pytest.approx(100 * 3000e-6 / 3 + 10 * 1000e-6)
    assert cores["analytics-worker"] == pytest.approx(100 * 1500e-6)
    assert cores["postgres"] == pytest.approx(100 * 40e-6 + 100 * 100e-6 + 100 * 750e-6)
    assert cores["broker"] == pytest.approx(100 * 100e-6)  # it knows no tenants


def test_what_a_process_takes_at_rest_is_added() -> None:
    run = COSTS.runs[0]
    restless = msgspec.structs.replace(run, idle_millicores=dict.fromkeys(PROCESSES, 50))
    assert Demand(LOAD, UnitCosts("", [restless])).cores()["gateway"] == pytest.approx(0.02 + 0.05)


@pytest.mark.parametrize(
    ("rate", "cores"),
    [(5, 0.01), (10, 0.02), (30, (0.02 + 0.075) / 2), (50, 0.075), (200, 0.3)],
    ids=["below the first rate", "at it", "between two", "at the last", "above it"],
)
def test_events_one_by_one_take_as_much_as_was_measured_at_their_rate(rate: float, cores: float) -> None:
    assert Demand(LOAD, COSTS).live("analytics-worker", rate) == pytest.approx(cores)


def test_a_rate_that_took_less_than_a_lower_one_is_not_counted_on() -> None:
    run = COSTS.runs[0]
    works = {**run.works, "live at 50/s, many tenants, Kafka": Work("event", {"analytics-worker": 100}, 0)}
    demand = Demand(LOAD, UnitCosts("", [msgspec.structs.replace(run, works=works)]))
    assert demand.live("analytics-worker", 50) == pytest.approx(10 * 2000e-6)


def test_events_of_few_tenants_come_in_batches() -> None:
    few = Demand(replace(LOAD, tenants=3), COSTS)
    assert few.live("analytics-worker", 50) == pytest.approx(50 * 500e-6)


def test_disk_is_a_years_events_customers_and_a_week_of_the_outbox() -> None:
    found = Demand(LOAD, COSTS).bytes_a_year()
    year = 864_000 * 365
    assert found["contacts: records"] == pytest.approx(0.6 * year * 10)
    assert found["service-desk: records"] == pytest.approx(0.1 * year * 20)
    assert found["sales: outbox, 7 days"] == pytest.approx(0.3 * 864_000 * 7 * 100)
    assert found["contacts: customers"] == 1000 * 50
    assert found["analytics: ledger"] == pytest.approx(year * 1.2 * 30)  # its own events are a fifth of the others'
    assert found["analytics: activity_spans"] == pytest.approx(1000 * 3 * 5)
    assert "analytics: outbox" not in found


def test_logs_are_of_all_events_and_replicas() -> None:
    demand = Demand(LOAD, COSTS)
    assert demand.kafka_bytes() == 864_000 * 7 * 3 * 11
    assert demand.wal_bytes_a_day() == pytest.approx(864_000 * (500 + 400))  # 10 a second on average


def test_what_postgresql_took_more_among_many_events_is_counted() -> None:
    growth = {"fold: PostgreSQL": Grown(50, 100, "us")}
    few, many = Demand(LOAD, COSTS), Demand(LOAD, msgspec.structs.replace(COSTS, growth=growth))
    assert many.cores()["postgres"] - few.cores()["postgres"] == pytest.approx(100 * 750e-6)


def test_a_limit_is_reached_where_the_load_times_that_demands_it() -> None:
    at = factor_where(lambda demand: demand.cores()["analytics-worker"], 0.6, LOAD, COSTS)
    assert at == pytest.approx(4, rel=0.01)
    assert factor_where(lambda _: 1, 2, LOAD, COSTS) == inf
    found = [wall.reached_at for wall in walls(LOAD, COSTS)]
    assert found == sorted(found)


def test_processes_are_as_many_as_cores_and_two_at_least() -> None:
    assert replicas(Demand(LOAD, COSTS))["analytics-worker"] == 2
    many = replicas(Demand(LOAD.times(20), COSTS))
    assert many["analytics-worker"] == 5  # 3 cores, of which 0.7 each are used
    assert many["contacts-api"] == 5  # 3.2 cores
    assert connections(Demand(LOAD, COSTS))["analytics"] == 2 * 14 + 2 * 11
