"""Publishing to Kafka: idempotent, acknowledged by all in-sync replicas, in batches of our own making."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as KafkaPartition

from kith.bus.kafka.connection import Connection
from kith.bus.kafka.errors import REFUSALS, as_bus_errors
from kith.bus.partitioner import partition_of
from kith.bus.port import NoTopic, Outgoing, TopicPartition

_BATCH_BYTES = 512 * 1024
_REQUEST_MS = 15_000
_TOPIC_SECONDS = 5.0
"""How long a topic just made may take to be known to the broker we ask."""


class KafkaProducer:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._producer: AIOKafkaProducer | None = None
        self._asker: AIOKafkaConsumer | None = None
        self._stamp: object = None

    async def __aenter__(self) -> Self:
        with as_bus_errors():
            await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        with as_bus_errors():
            await self._close_all()

    async def publish(self, messages: Iterable[Outgoing]) -> None:
        with as_bus_errors():
            await self._renew()
            producer = self._producer or await self._open()
            delivered: list[asyncio.Future[object]] = []
            try:
                await _submit(producer, messages, delivered)
            except BaseException:
                await self._abandon(delivered)
                raise
            results = await asyncio.gather(*delivered, return_exceptions=True)
            errors = [result for result in results if isinstance(result, BaseException)]
            if errors:
                await self._abandon([])
                # What is in doubt is published again, and what was refused with it.
                raise next((error for error in errors if not isinstance(error, REFUSALS)), errors[0])

    async def end_offsets(self, topic: str) -> list[int]:
        with as_bus_errors():
            await self._renew()
            asker = self._asker or await self._open_asker()
            if asker.partitions_for_topic(topic) is None and topic not in await asker.topics():
                raise NoTopic(f"there is no topic {topic}")
            await asker._client._wait_on_metadata(topic)  # noqa: SLF001 - else it knows assigned topics only
            numbers = sorted(asker.partitions_for_topic(topic) or ())
            ends = await asker.end_offsets([KafkaPartition(topic, number) for number in numbers])
        return [ends[KafkaPartition(topic, number)] for number in numbers]

    async def _open(self) -> AIOKafkaProducer:
        self._stamp = self._connection.stamp()
        producer = AIOKafkaProducer(
            **self._connection.options(),
            enable_idempotence=True,
            acks="all",
            max_batch_size=_BATCH_BYTES,
            request_timeout_ms=_REQUEST_MS,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer
        return producer

    async def _open_asker(self) -> AIOKafkaConsumer:
        asker = AIOKafkaConsumer(**self._connection.options(), request_timeout_ms=_REQUEST_MS)
        try:
            await asker.start()
        except BaseException:
            await asker.stop()
            raise
        self._asker = asker
        return asker

    async def _renew(self) -> None:
        """Closes the clients whose credentials were replaced: others are opened with the new ones."""
        if self._connection.stamp() != self._stamp:
            await self._close_all()
            self._stamp = self._connection.stamp()

    async def _close_all(self) -> None:
        try:
            await self._close()
        finally:
            if self._asker is not None:
                asker, self._asker = self._asker, None
                await asker.stop()

    async def _close(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    async def _abandon(self, delivered: Sequence["asyncio.Future[object]"]) -> None:
        """A failed batch leaves a hole in this producer's sequence numbers: begin again with another."""
        for each in delivered:
            each.add_done_callback(_forget)
        await self._close()


async def _submit(
    producer: AIOKafkaProducer, messages: Iterable[Outgoing], delivered: "list[asyncio.Future[object]]"
) -> None:
    """Packs messages into batches, one per partition or more, and hands the batches over."""
    counts: dict[str, int] = {}
    open_batches: dict[TopicPartition, Any] = {}
    for topic, key, value, headers in messages:
        count = counts.get(topic)
        if count is None:
            async with asyncio.timeout(_TOPIC_SECONDS):
                count = counts[topic] = len(await producer.partitions_for(topic))
        partition = TopicPartition(topic, partition_of(key, count))
        batch = open_batches.get(partition)
        pairs = list(headers)
        if batch is None or batch.append(key=key, value=value, timestamp=None, headers=pairs) is None:
            if batch is not None:  # it is full
                delivered.append(await producer.send_batch(batch, topic, partition=partition.partition))
            batch = open_batches[partition] = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None, headers=pairs)
    for partition, batch in open_batches.items():
        batch.close()  # nobody else adds to it: order is ours
        delivered.append(await producer.send_batch(batch, partition.topic, partition=partition.partition))


def _forget(future: "asyncio.Future[object]") -> None:
    if not future.cancelled():
        future.exception()
