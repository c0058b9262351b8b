"""The embedded bus: a partitioned, durable log with consumer groups in PostgreSQL. For one machine."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Self

from kith.bus.embedded.consumer import EmbeddedConsumer
from kith.bus.embedded.database import Database
from kith.bus.embedded.log import Log
from kith.bus.embedded.notifier import Notifier
from kith.bus.embedded.producer import EmbeddedProducer
from kith.bus.port import Incoming, OnAssigned, OnRevoked

__all__ = ["EmbeddedBus"]


class EmbeddedBus:
    """`url` names a database of the bus's own, like postgresql://postgres@/kith_bus?host=/folder/of/the/socket; its
    tables are made at first entry. `session` is the seconds after which a silent consumer loses its partitions.

    All methods raise BusError when PostgreSQL cannot do it now.
    """

    def __init__(self, url: str, *, session: float = 10.0) -> None:
        self._session = session
        self._database = Database(url)
        self._log = Log(self._database)
        self._notifier = Notifier(url)

    async def __aenter__(self) -> Self:
        await self._database.open()
        self._notifier.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._notifier.close()
        await self._database.close()

    async def create_topics(self, topics: Mapping[str, int]) -> None:
        await self._log.create_topics(topics)

    async def prune(self, age: timedelta) -> int:
        """Deletes what was published longer ago than `age`, read or not, and returns how many rows went."""
        return await self._log.prune(age)

    def history(self, topic: str, since: datetime) -> AsyncIterator[Sequence[Incoming]]:
        return self._log.history(topic, since)

    def producer(self) -> EmbeddedProducer:
        return EmbeddedProducer(self._log, self._notifier)

    def consumer(
        self, *, group: str, topics: Sequence[str], on_assigned: OnAssigned, on_revoked: OnRevoked
    ) -> EmbeddedConsumer:
        return EmbeddedConsumer(
            self._database,
            self._log,
            self._notifier,
            group=group,
            topics=topics,
            session=self._session,
            on_assigned=on_assigned,
            on_revoked=on_revoked,
        )
