"""How many may watch at a time: connections and subscriptions are counted per process, and per tenant."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from prometheus_client import Counter as Metric
from prometheus_client import Gauge

from kith.error_codes import ErrorCode
from kith.errors import Conflict
from kith.runtime.settings import Settings

CONNECTIONS = Gauge("kith_live_connections", "WebSockets that are open")
REFUSED = Metric(
    "kith_live_connections_refused_total",
    "WebSockets refused or closed for how many there are: of `all`, of one `tenant`, of clients without a token "
    "(`stranger`)",
    ["reason"],
)
SUBSCRIPTIONS = Gauge("kith_live_subscriptions", "GraphQL subscriptions that are served")


class TooManySubscriptions(Conflict):
    """A slot is free again when another one ends."""

    code = ErrorCode.TOO_MANY_SUBSCRIPTIONS


@dataclass(frozen=True)
class LiveLimits:
    connections: int = 1000
    connections_per_tenant: int = 200
    subscriptions: int = 2000
    per_tenant: int = 200
    per_connection: int = 20
    init_seconds: float = 5.0

    @classmethod
    def of(cls, settings: Settings) -> "LiveLimits":
        return cls(
            settings.live_connections,
            settings.live_connections_per_tenant,
            settings.live_subscriptions,
            settings.live_subscriptions_per_tenant,
            settings.live_subscriptions_per_connection,
            settings.live_init_seconds,
        )


@dataclass(eq=False)
class ConnectionSlot:
    """Of a connection. It is a stranger's until the tenant is known."""

    leave: Callable[[], None]
    tenant: str | None = None


@dataclass
class SubscriptionLimiter:
    """Of one process."""

    limits: LiveLimits = field(default_factory=LiveLimits)
    connected: int = 0
    strangers: dict[ConnectionSlot, None] = field(default_factory=dict)
    """The longest here first."""
    known: Counter[str] = field(default_factory=Counter)
    """Connections by tenant."""
    watching: Counter[str] = field(default_factory=Counter)
    """Subscriptions by tenant."""

    def __post_init__(self) -> None:
        for reason in ("all", "tenant", "stranger"):
            REFUSED.labels(reason)  # from the start: else the first refusal would not be an increase

    def make_room(self) -> bool:
        """Whether another may connect. If there are too many, the stranger that has been here longest is let go: who
        never says who it is keeps nobody out."""
        if self.connected < self.limits.connections:
            return True
        stranger = next(iter(self.strangers), None)
        REFUSED.labels("all" if stranger is None else "stranger").inc()
        if stranger is None:
            return False
        del self.strangers[stranger]
        stranger.leave()
        return True

    @contextmanager
    def connection(self, leave: Callable[[], None]) -> Iterator[ConnectionSlot]:
        slot = ConnectionSlot(leave)
        self.strangers[slot] = None
        self.connected += 1
        CONNECTIONS.inc()
        try:
            yield slot
        finally:
            self.strangers.pop(slot, None)
            if slot.tenant is not None:
                self.known[slot.tenant] -= 1
                self.known += Counter()  # which drops the zeros: tenants come and go
            self.connected -= 1
            CONNECTIONS.dec()

    def know(self, slot: ConnectionSlot, tenant: str) -> bool:
        """Whether the tenant may have another connection."""
        if self.known[tenant] >= self.limits.connections_per_tenant:
            REFUSED.labels("tenant").inc()
            return False
        self.strangers.pop(slot, None)
        slot.tenant = tenant
        self.known[tenant] += 1
        return True

    def check(self, tenant: str) -> None:
        """Raises TooManySubscriptions if this tenant has no slot left."""
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
            self.watching += Counter()  # which drops the zeros: tenants come and go
            SUBSCRIPTIONS.dec()
