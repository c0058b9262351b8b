"""How long the connections of a pool are waited for."""

from prometheus_client import Histogram
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection

WAITED = Histogram(
    "kith_database_wait_seconds",
    "Time until a connection of the pool was to be had: by `requests`, `exports`, or what a `worker` does",
    ["pool"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5),
)


class WorkerPool(AsyncAdaptedQueuePool):
    """The pool that the relay, the consumers and the background tasks of a worker share."""

    def connect(self) -> PoolProxiedConnection:
        with WAITED.labels("worker").time():  # in vain, too
            return super().connect()
