"""The bus on Apache Kafka."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import NoError, TopicAlreadyExistsError, for_code

from kith.bus.kafka.connection import Connection
from kith.bus.kafka.consumer import KafkaConsumer
from kith.bus.kafka.errors import as_bus_errors
from kith.bus.kafka.history import history
from kith.bus.kafka.producer import KafkaProducer
from kith.bus.port import BusError, Incoming, OnAssigned, OnRevoked
from kith.bus.settings import BusSettings

__all__ = ["KafkaBus"]

_KNOWN_SECONDS = 10.0


class KafkaBus:
    """`bootstrap` is "host:port[,host:port..]", `settings` say how it is reached: in plain text if there are none.
    `session` is the seconds after which a silent consumer loses its partitions.
    """

    def __init__(self, bootstrap: str, settings: BusSettings | None = None, *, session: float = 10.0) -> None:
        self._connection = Connection(bootstrap, settings or BusSettings())
        self._session = session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def create_topics(self, topics: Mapping[str, int]) -> None:
        with as_bus_errors():
            admin = AIOKafkaAdminClient(**self._connection.options())
            try:
                await admin.start()
                await _create(admin, topics)
                existing = await _partitions(admin, topics)
            finally:
                await admin.close()
        for name, partitions in topics.items():
            if existing[name] != partitions:
                raise ValueError(f"topic {name} has {existing[name]} partitions, not {partitions}")

    async def prune(self, age: timedelta) -> int:  # noqa: ARG002 - the topics' own retention.ms decides
        return 0

    def history(self, topic: str, since: datetime) -> AsyncIterator[Sequence[Incoming]]:
        return history(self._connection, topic, since)

    def producer(self) -> KafkaProducer:
        return KafkaProducer(self._connection)

    def consumer(
        self, *, group: str, topics: Sequence[str], on_assigned: OnAssigned, on_revoked: OnRevoked
    ) -> KafkaConsumer:
        return KafkaConsumer(
            self._connection,
            group=group,
            topics=topics,
            session=self._session,
            on_assigned=on_assigned,
            on_revoked=on_revoked,
        )


async def _partitions(admin: AIOKafkaAdminClient, topics: Collection[str]) -> dict[str, int]:
    """How many each has. A topic just made takes a moment to be known everywhere. Raises TimeoutError."""
    async with asyncio.timeout(_KNOWN_SECONDS):
        while True:
            counts = {each["topic"]: len(each["partitions"]) for each in await admin.describe_topics([*topics])}
            if all(counts.get(name) for name in topics):
                return counts
            await asyncio.sleep(0.05)


async def _create(admin: AIOKafkaAdminClient, topics: Mapping[str, int]) -> None:
    # The empty assignments are aiokafka's way of leaving the replication factor to the cluster.
    wanted = [NewTopic(name, partitions, -1, replica_assignments={}) for name, partitions in topics.items()]
    response = await admin.create_topics(wanted)
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if error not in {NoError, TopicAlreadyExistsError}:
            raise BusError(f"topic {name} could not be created: {error.__name__}")
