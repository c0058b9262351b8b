"""Reading a topic of Kafka without a group."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition

from kith.bus.kafka.connection import Connection
from kith.bus.kafka.errors import as_bus_errors
from kith.bus.port import BusError, Incoming, NoTopic

_MESSAGES = 5000
_WAIT_MS = 10_000
"""How long the broker may take for a portion. That there is one is known."""


async def history(connection: Connection, topic: str, since: datetime) -> AsyncIterator[Sequence[Incoming]]:
    """Raises NoTopic or BusError."""
    with as_bus_errors():
        consumer = AIOKafkaConsumer(**connection.options(), auto_offset_reset="none")
        try:
            await consumer.start()
            if topic not in await consumer.topics():
                raise NoTopic(f"there is no topic {topic}")
            await consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - else it knows assigned topics only
            partitions = [
                KafkaPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())
            ]
            ends = await consumer.end_offsets(partitions)
            starts = await consumer.offsets_for_times(dict.fromkeys(partitions, int(since.timestamp() * 1000)))
            for partition in partitions:
                if starts[partition] is None:  # nothing is as new as that
                    continue
                consumer.assign([partition])
                consumer.seek(partition, starts[partition].offset)
                while await consumer.position(partition) < ends[partition]:
                    fetched = await consumer.getmany(timeout_ms=_WAIT_MS, max_records=_MESSAGES)
                    if not (records := fetched.get(partition)):
                        raise BusError(f"{topic}[{partition.partition}] is not answered")
                    yield [
                        Incoming(topic, each.partition, each.offset, each.key or b"", each.value or b"", each.headers)
                        for each in records
                    ]
        finally:
            await consumer.stop()
