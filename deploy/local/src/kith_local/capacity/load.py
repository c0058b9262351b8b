"""The load of an installation, and the assumptions that its size follows from."""

from collections.abc import Mapping
from dataclasses import dataclass

SECONDS_A_DAY = 86_400
DAYS_A_YEAR = 365
PEAK = 10
"""Events of the busiest minutes, as a multiple of the average of all hours: office hours, and a campaign in them."""
SHARES: Mapping[str, float] = {"contacts": 0.6, "sales": 0.3, "service-desk": 0.1}
"""The part of all events that begins in each service."""
WRITES: Mapping[str, tuple[str, str]] = {
    "contacts": ("POST: touchpoint", "contacts-api"),
    "sales": ("POST: order", "sales-api"),
    "service-desk": ("POST: opportunity advanced", "sales-api"),
}
"""The work that makes an event of a service, and the process that did it: a case is a command with rules, too."""
ROWS: Mapping[str, str] = {
    "contacts": "contacts: touchpoints",
    "sales": "sales: orders",
    "service-desk": "sales: orders",
}
READS: Mapping[str, float] = {
    "GET: list of 50 orders": 0.25,
    "GET: one order": 0.25,
    "GET: orders of a customer": 0.2,
    "GET: health of a customer": 0.05,
    "GET: revenue of 12 months": 0.05,
    "GraphQL: 50 orders, by the gateway": 0.15,
    "GraphQL: 20 customers over four services": 0.05,
}
"""What reads are made of: a fifth goes by the gateway."""
MANY_TENANTS = 50
"""From so many on, the events of one moment are each of another tenant."""
RETENTION_DAYS = 7
"""Of the outbox, and of Kafka's topics."""
REPLICAS = 3
"""Of each partition of Kafka."""
BUSY = 0.7
"""How much of a core may be used at the peak."""


@dataclass(frozen=True)
class Load:
    tenants: int
    customers: int
    events_a_day: int
    reads_a_second: int
    """At the peak."""

    @property
    def events_a_year(self) -> int:
        return self.events_a_day * DAYS_A_YEAR

    @property
    def events_a_second(self) -> float:
        """At the peak."""
        return PEAK * self.events_a_day / SECONDS_A_DAY

    def times(self, factor: float) -> "Load":
        """Returns so many times this load: more tenants of the same kind."""
        tenants, customers, events, reads = (
            round(factor * each) for each in (self.tenants, self.customers, self.events_a_day, self.reads_a_second)
        )
        return Load(tenants, customers, events, reads)
