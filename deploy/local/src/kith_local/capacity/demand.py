"""What a load demands of each process and each store, by the unit costs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise

from kith_local.capacity.load import (
    MANY_TENANTS,
    READS,
    REPLICAS,
    RETENTION_DAYS,
    ROWS,
    SECONDS_A_DAY,
    SHARES,
    WRITES,
    Load,
)
from kith_local.capacity.unit_costs import UnitCosts

MICRO = 1e-6
PER_CUSTOMER = ("analytics: health_scores", "analytics: activity_spans")
SHORT_LIVED = ("analytics: arrivals", "analytics: outbox", "analytics: health_queue")
"""Tables whose rows go after an hour, or with the retention of the outbox."""


@dataclass(frozen=True)
class Demand:
    load: Load
    costs: UnitCosts

    def cores(self) -> dict[str, float]:
        """Of the processor at the peak, by process: of all replicas of it together."""
        load, found = self.load, {"gateway": self._reads("gateway")}
        apis = sum(self._reads(f"{service}-api") for service in SHARES) / len(SHARES)
        for service, share in SHARES.items():
            work, process = WRITES[service]
            rate = share * load.events_a_second
            found[f"{service}-api"] = apis + rate * self.costs.cpu_us(work, process) * MICRO
            found[f"{service}-worker"] = self.live("sales-worker", rate)
        found["analytics-api"] = self._reads("analytics-api")
        found["analytics-worker"] = self.live("analytics-worker", load.events_a_second)
        found["postgres"] = self._postgres()
        found["broker"] = self.live("broker", load.events_a_second)
        return {name: cores + self.costs.idle_millicores(name) / 1000 for name, cores in found.items()}

    def live(self, process: str, rate: float) -> float:
        """Cores that so many events a second take, one by one: a straight line between the rates that were measured,
        and above them as many for each event as at the last one."""
        points = [(0.0, 0.0), *self._points(process)]
        for (low, at_low), (high, at_high) in pairwise(points):
            if rate <= high:
                return at_low + (at_high - at_low) * (rate - low) / (high - low)
        last, at_last = points[-1]
        return at_last * rate / last

    def bytes_a_year(self) -> dict[str, float]:
        """On disk at the end of the first year, by service and what it is of."""
        load, found = self.load, dict[str, float]()
        for service, share in SHARES.items():
            source = "sales" if service == "service-desk" else service
            found[f"{service}: records"] = share * load.events_a_year * self.costs.row_bytes(ROWS[service])
            kept = share * load.events_a_day * RETENTION_DAYS
            found[f"{service}: outbox, {RETENTION_DAYS} days"] = kept * self.costs.row_bytes(f"{source}: outbox")
        found["contacts: customers"] = load.customers * self.costs.row_bytes("contacts: customers")
        for table in self._tables_of_analytics():
            if table not in SHORT_LIVED:
                number = load.customers if table in PER_CUSTOMER else load.events_a_year
                found[table] = number * self.bytes_of_one(table)
        return found

    def bytes_of_one(self, table: str) -> float:
        """Bytes in a table of analytics for each event of the services, or for each customer."""
        of = "contacts: customers" if table in PER_CUSTOMER else None

        def of_run(rows: Mapping[str, float]) -> float:
            ones = rows[of] if of else rows["contacts: outbox"] + rows["sales: outbox"]
            return rows[table] / ones

        number = self.costs.mean(lambda run: of_run({name: each.rows for name, each in run.tables.items()}))
        return number * self.costs.row_bytes(table)

    def wal_bytes_a_day(self) -> float:
        """Of all databases, at the average rate."""
        rate = self.load.events_a_day / SECONDS_A_DAY
        written = sum(share * self.costs.wal_bytes(WRITES[service][0]) for service, share in SHARES.items())
        nearest = min(self.live_works(many=self.many_tenants).items(), key=lambda each: abs(each[0] - rate))[1]
        return self.load.events_a_day * (written + self.costs.wal_bytes(nearest))

    def kafka_bytes(self) -> float:
        """On all brokers together."""
        return self.load.events_a_day * RETENTION_DAYS * REPLICAS * self.costs.log_bytes("Kafka")

    @property
    def many_tenants(self) -> bool:
        return self.load.tenants >= MANY_TENANTS

    def live_works(self, *, many: bool) -> Mapping[float, str]:
        """The works of events that come one by one, by events a second."""
        kind = "many tenants" if many else "one tenant"
        works = [name for name in self.costs.runs[0].works if name.startswith("live") and f"/s, {kind}, Kafka" in name]
        return {float(name.removeprefix("live at ").partition("/")[0]): name for name in works}

    def _points(self, process: str) -> Iterator[tuple[float, float]]:
        """Cores by events a second. Where more took less, batches had grown as the machine was busy: not counted on."""
        # Brokers know no tenants.
        works = self.live_works(many=self.many_tenants and process != "broker")
        cores = accumulate((rate * self.costs.cpu_us(work, process) * MICRO for rate, work in works.items()), max)
        yield from zip(works, cores, strict=True)

    def _reads(self, process: str) -> float:
        of_one = sum(part * self.costs.cpu_us(work, process) for work, part in READS.items())
        return self.load.reads_a_second * of_one * MICRO

    def _postgres(self) -> float:
        rate = self.load.events_a_second
        of_one = sum(share * self.costs.cpu_us(WRITES[service][0], "postgres") for service, share in SHARES.items())
        live = self.live("postgres", rate) * self.costs.grown("fold: PostgreSQL")
        return self._reads("postgres") + rate * of_one * MICRO + live

    def _tables_of_analytics(self) -> Iterator[str]:
        """Those that every run has filled."""
        for table in self.costs.runs[0].tables:
            if table.startswith("analytics: ") and all(table in run.tables for run in self.costs.runs):
                yield table
