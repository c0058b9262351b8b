"""How many may watch at a time: connections and subscriptions are counted per process, and subscriptions per tenant."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from prometheus_client import Gauge

from kith.domain import Conflict
from kith.error_codes import ErrorCode
from kith.settings import Settings

CONNECTIONS = Gauge("kith_live_connections", "WebSockets that are open")
SUBSCRIPTIONS = Gauge("kith_live_subscriptions", "GraphQL subscriptions that are served")


class TooManySubscriptions(Conflict):
    """The next one may find a place when another ends."""

    code = ErrorCode.TOO_MANY_SUBSCRIPTIONS


@dataclass(frozen=True)
class LiveLimits:
    connections: int = 1000
    subscriptions: int = 2000
    per_tenant: int = 200
    per_connection: int = 20
    init_seconds: float = 5.0

    @classmethod
    def of(cls, settings: Settings) -> "LiveLimits":
        return cls(
            settings.live_connections,
            settings.live_subscriptions,
            settings.live_subscriptions_per_tenant,
            settings.live_subscriptions_per_connection,
            settings.live_init_seconds,
        )


@dataclass
class Seats:
    """Of one process."""

    limits: LiveLimits = field(default_factory=LiveLimits)
    connected: int = 0
    watching: Counter[str] = field(default_factory=Counter)
    """Subscriptions by tenant."""

    @property
    def full(self) -> bool:
        return self.connected >= self.limits.connections

    @contextmanager
    def connection(self) -> Iterator[None]:
        self.connected += 1
        CONNECTIONS.inc()
        try:
            yield
        finally:
            self.connected -= 1
            CONNECTIONS.dec()

    def check(self, tenant: str) -> None:
        """Raises TooManySubscriptions if there is no place for another of this tenant."""
        if self.watching[tenant] >= self.limits.per_tenant:
            raise TooManySubscriptions(
                f"This process serves {self.limits.per_tenant} subscriptions of a tenant at a time; end another first."
            )
        if self.watching.total() >= self.limits.subscriptions:
            raise TooManySubscriptions(
                f"This process serves {self.limits.subscriptions} subscriptions at a time; try again later."
            )

    @contextmanager
    def subscription(self, tenant: str) -> Iterator[None]:
        """Raises TooManySubscriptions."""
        self.check(tenant)
        self.watching[tenant] += 1
        SUBSCRIPTIONS.inc()
        try:
            yield
        finally:
            self.watching[tenant] -= 1
            self.watching += Counter()  # which drops those at zero: tenants come and go
            SUBSCRIPTIONS.dec()
