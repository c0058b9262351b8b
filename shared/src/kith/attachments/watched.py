"""Counts what goes into a store and out of it, and what fails."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from uuid import UUID

from prometheus_client import Counter

from kith.attachments.store import ContentLost, Kept, Store, StoreFault

BYTES = Counter(
    "kith_attachment_bytes_total", "Bytes of attachments that were taken in (`in`) and sent (`out`)", ["way"]
)
FAULTS = Counter(
    "kith_attachment_store_faults_total",
    "Operations of the store of attachments that failed: `put`, `size`, `read`, `drop`, and `lost` for what it lacks",
    ["operation"],
)


class WatchedStore:
    """A store, counted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        for way in ("in", "out"):
            BYTES.labels(way)  # from the start: else the first would not be an increase
        for operation in ("put", "size", "read", "drop", "lost"):
            FAULTS.labels(operation)

    async def put(self, tenant: str, id: UUID, pieces: AsyncIterator[bytes]) -> None:
        with _watched("put"):
            await self._store.put(tenant, id, _counted(pieces, "in"))

    async def size(self, tenant: str, id: UUID) -> int | None:
        with _watched("size"):
            return await self._store.size(tenant, id)

    async def read(self, tenant: str, id: UUID, first: int, count: int) -> AsyncIterator[bytes]:
        with _watched("read"):
            async for piece in _counted(self._store.read(tenant, id, first, count), "out"):
                yield piece

    async def drop(self, tenant: str, id: UUID) -> None:
        with _watched("drop"):
            await self._store.drop(tenant, id)

    async def drop_all(self, tenant: str) -> None:
        with _watched("drop"):
            await self._store.drop_all(tenant)

    def all(self) -> AsyncIterator[Kept]:
        return self._store.all()

    async def close(self) -> None:
        await self._store.close()


async def _counted(pieces: AsyncIterator[bytes], way: str) -> AsyncIterator[bytes]:
    count = BYTES.labels(way)
    async for piece in pieces:
        count.inc(len(piece))
        yield piece


@contextmanager
def _watched(operation: str) -> Iterator[None]:
    try:
        yield
    except StoreFault:
        FAULTS.labels(operation).inc()
        raise
    except ContentLost:
        FAULTS.labels("lost").inc()
        raise
