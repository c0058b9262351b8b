"""The log itself: topics, appending, reading, and forgetting what is old."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from kith.bus.embedded.database import Database
from kith.bus.partitioner import partition_of
from kith.bus.port import (
    BusError,
    Headers,
    Incoming,
    MessageRefused,
    NoTopic,
    OffsetLost,
    Offsets,
    Outgoing,
    TopicPartition,
)

_ROW_MESSAGES = 512
_ROW_BYTES = 512 * 1024
"""A row is read whole, so it is kept small enough to be read for the sake of one message."""

_HISTORY_MESSAGES = 5000

MAX_BYTES = 16 * 1024 * 1024
"""Of a message: it is read whole, by each who reads on."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[bytes, bytes, Headers]]).decode


class Topic(NamedTuple):
    id: int
    name: str
    partitions: int


class Log:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, Topic] = {}

    async def create_topics(self, topics: Mapping[str, int]) -> None:
        """Raises ValueError if one exists with another number of partitions."""
        async with self._database.transaction() as connection:
            for name, partitions in sorted(topics.items()):  # sorted: two creators cannot wait for each other
                topic_id = await connection.fetchval(
                    "insert into bus.topics (name, partitions) values ($1, $2) on conflict do nothing returning id",
                    name,
                    partitions,
                )
                if topic_id is not None:
                    await connection.execute(
                        "insert into bus.partitions (topic_id, partition) select $1, generate_series(0, $2 - 1)",
                        topic_id,
                        partitions,
                    )
            existing = await connection.fetch("select name, partitions from bus.topics where name = any($1)", [*topics])
            for name, partitions in existing:
                if topics[name] != partitions:
                    raise ValueError(f"topic {name} has {partitions} partitions, not {topics[name]}")

    async def topics(self, names: Sequence[str]) -> dict[str, Topic]:
        """Returns the topics of these names that exist. A topic never changes, so it is queried once."""
        missing = [name for name in names if name not in self._known]
        if missing:
            async with self._database.connection() as connection:
                rows = await connection.fetch(
                    "select id, name, partitions from bus.topics where name = any($1)", missing
                )
            self._known.update({row["name"]: Topic(*row) for row in rows})
        return {name: self._known[name] for name in names if name in self._known}

    async def append(self, messages: Sequence[Outgoing]) -> None:
        """Durable on return, in order. Raises BusError also for a topic that does not exist, and MessageRefused for a
        message that is too large."""
        topics = await self.topics(list(dict.fromkeys(message.topic for message in messages)))
        rows = _rows(messages, topics)
        async with self._database.connection() as connection:
            await connection.execute("select bus.append($1, $2, $3, $4, $5)", *zip(*rows, strict=True))

    async def ends(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """Per partition the offset that the next message will get."""
        found = await self.topics(topics)
        names = {topic.id: topic.name for topic in found.values()}
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "select topic_id, partition, next_offset from bus.partitions where topic_id = any($1)", [*names]
            )
        return {TopicPartition(names[topic_id], number): offset for topic_id, number, offset in rows}

    async def beginnings(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Per partition the oldest offset that the log still has, or the next if it has none."""
        topics = await self.topics([partition.topic for partition in partitions])
        async with self._database.connection() as connection:
            offsets = await connection.fetch(
                """
                select coalesce(
                    (select base_offset from bus.batches b
                     where b.topic_id = w.topic_id and b.partition = w.number order by last_offset limit 1),
                    (select next_offset from bus.partitions p where p.topic_id = w.topic_id and p.partition = w.number))
                from unnest($1::int[], $2::int[]) with ordinality as w (topic_id, number, position)
                order by position
                """,
                [topics[partition.topic].id for partition in partitions],
                [partition.partition for partition in partitions],
            )
        return {partition: row[0] for partition, row in zip(partitions, offsets, strict=True)}

    async def read(self, quotas: Mapping[TopicPartition, tuple[int, int]]) -> list[Incoming]:
        """Per partition the messages from an offset on, about as many as its quota. The caller knows they exist.

        `quotas` is partition -> (offset, messages). Raises OffsetLost if the log does not have them any more.
        """
        wanted = list(quotas)
        topics = await self.topics([partition.topic for partition in wanted])
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                """
                select w.position, b.base_offset, b.last_offset, b.messages
                from unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[]) with ordinality
                    as w (topic_id, number, start, quota, position)
                join bus.batches b on b.topic_id = w.topic_id and b.partition = w.number
                    and b.last_offset >= w.start and b.last_offset < w.start + w.quota + $5
                    and b.base_offset < w.start + w.quota
                order by w.position, b.last_offset
                """,
                [topics[partition.topic].id for partition in wanted],
                [partition.partition for partition in wanted],
                [offset for offset, _ in quotas.values()],
                [quota for _, quota in quotas.values()],
                _ROW_MESSAGES,
            )
        messages: list[Incoming] = []
        expected = {partition: offset for partition, (offset, _) in quotas.items()}
        for position, base, last, body in rows:
            partition = wanted[position - 1]
            start = expected[partition]
            if base > start:  # a gap: nothing beyond it may be delivered
                continue
            row = _messages(body, last - base + 1)
            topic, number = partition
            messages += [
                Incoming(topic, number, offset, key, value, headers)
                for offset, (key, value, headers) in enumerate(row[start - base :], start)
            ]
            expected[partition] = last + 1
        _refuse_gaps(quotas, expected)
        return messages

    async def history(self, topic: str, since: datetime) -> AsyncIterator[list[Incoming]]:
        """Raises NoTopic."""
        if topic not in await self.topics([topic]):
            raise NoTopic(f"there is no topic {topic}")
        ends = await self.ends([topic])
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                """
                select partition, min(base_offset) from bus.batches
                where topic_id = $1 and appended_at >= $2 group by partition
                """,
                self._known[topic].id,
                since,
            )
        for number, start in rows:
            partition, offset = TopicPartition(topic, number), start
            while offset < ends[partition]:
                messages = await self.read({partition: (offset, _HISTORY_MESSAGES)})
                offset = messages[-1].offset + 1
                yield messages

    async def prune(self, age: timedelta) -> int:
        """Deletes what was appended longer ago than `age`. Returns how many rows went (a row is one publish's messages
        to one partition). A consumer that still wanted them gets OffsetLost."""
        async with self._database.connection() as connection:
            status = await connection.execute("delete from bus.batches where appended_at < now() - $1::interval", age)
        return int(status.rpartition(" ")[2])

    async def commit(self, group: str, offsets: Offsets) -> None:
        topics = await self.topics([partition.topic for partition in offsets])
        async with self._database.connection() as connection:
            await connection.execute(
                """
                insert into bus.commits (group_name, topic_id, partition, next_offset, committed_at)
                select $1, w.*, now() from unnest($2::int[], $3::int[], $4::bigint[]) as w order by 2, 3
                on conflict (group_name, topic_id, partition)
                do update set next_offset = excluded.next_offset, committed_at = excluded.committed_at
                """,
                group,
                [topics[partition.topic].id for partition in offsets],
                [partition.partition for partition in offsets],
                [*offsets.values()],
            )


def _messages(body: bytes, count: int) -> list[tuple[bytes, bytes, Headers]]:
    """Of a row. If it is damaged it has as many, of which none is an event: nobody must wait for it."""
    try:
        messages = _decode(body)
    except msgspec.MsgspecError:
        messages = []
    return messages if len(messages) == count else [(b"", body, ())] * count


Row = tuple[int, int, int, int, bytes]
"""Topic, partition, the first message's index within this publish to the partition, messages, body."""


def _rows(messages: Sequence[Outgoing], topics: Mapping[str, Topic]) -> list[Row]:
    chosen: dict[tuple[int, int], list[tuple[bytes, bytes, Headers]]] = {}
    for topic_name, key, value, headers in messages:
        topic = topics.get(topic_name)
        if topic is None:
            raise BusError(f"there is no topic {topic_name}")
        if (size := len(key) + len(value) + sum(len(each) for _, each in headers)) > MAX_BYTES:
            raise MessageRefused(f"it has {size} bytes, and a message at most {MAX_BYTES}")
        chosen.setdefault((topic.id, partition_of(key, topic.partitions)), []).append((key, value, headers))
    return [
        (topic_id, number, start, len(part), _encode(part))
        for (topic_id, number), mine in chosen.items()
        for start, part in _parts(mine)
    ]


def _parts(
    messages: list[tuple[bytes, bytes, Headers]],
) -> list[tuple[int, list[tuple[bytes, bytes, Headers]]]]:
    parts, start, size = [], 0, 0
    for position, (key, value, _) in enumerate(messages):
        size += len(key) + len(value)
        if position > start and (position - start >= _ROW_MESSAGES or size > _ROW_BYTES):
            parts.append((start, messages[start:position]))
            start, size = position, len(key) + len(value)
    parts.append((start, messages[start:]))
    return parts


def _refuse_gaps(quotas: Mapping[TopicPartition, tuple[int, int]], reached: Offsets) -> None:
    for partition, (offset, _) in quotas.items():
        if reached[partition] == offset:
            raise OffsetLost(f"{partition.topic}[{partition.partition}] no longer has offset {offset}")
