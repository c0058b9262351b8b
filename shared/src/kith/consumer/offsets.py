"""How far a group has read, kept in the same database as the effects."""

from collections.abc import Collection, Iterable

from sqlalchemy import and_, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.bus.port import Offsets, TopicPartition
from kith.consumer.tables import TABLES

_OFFSETS = TABLES.offsets


class Replaced(Exception):
    """Another consumer has moved one of the offsets: these partitions are not ours any more."""

    loggable = True


async def read_offsets(connection: AsyncConnection, group: str, partitions: Collection[TopicPartition]) -> Offsets:
    """Returns the next offsets of the partitions that were ever read."""
    if not partitions:
        return {}
    columns = _OFFSETS.c
    rows = await connection.execute(
        select(columns.topic, columns.partition, columns.next_offset).where(
            columns.group_name == group,
            or_(*(and_(columns.topic == each.topic, columns.partition == each.partition) for each in partitions)),
        )
    )
    return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}


# In order, so that two consumers that both believe they own some partitions cannot deadlock.
_ADVANCE = text("""
    WITH due AS MATERIALIZED (
        SELECT o.topic, o.partition, v.next_offset
        FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS int[]),
                    CAST(:expected AS bigint[]), CAST(:next AS bigint[]))
            AS v (topic, partition, expected, next_offset)
        JOIN consumer_offsets o ON o.group_name = :group AND o.topic = v.topic AND o.partition = v.partition
        WHERE o.next_offset = v.expected
        ORDER BY o.topic, o.partition
        FOR UPDATE OF o
    )
    UPDATE consumer_offsets o SET next_offset = due.next_offset
    FROM due WHERE o.group_name = :group AND o.topic = due.topic AND o.partition = due.partition
""")


async def advance(connection: AsyncConnection, group: str, expected: Offsets, reached: Offsets) -> None:
    """Moves each partition from the offset that we know to the one reached; `expected` lacks partitions never read
    before.

    It comes first in the transaction: the rows' locks keep a second consumer of the same partitions from doing any of
    the work, and a replay from overtaking us. Raises Replaced if any of them is not where we know it to be.
    """
    moved = sorted(partition for partition in reached if partition in expected)
    if moved:
        result = await connection.execute(
            _ADVANCE,
            {
                "group": group,
                "topics": [each.topic for each in moved],
                "partitions": [each.partition for each in moved],
                "expected": [expected[each] for each in moved],
                "next": [reached[each] for each in moved],
            },
        )
        _check(result.rowcount, len(moved))
    begun = sorted(partition for partition in reached if partition not in expected)
    if begun:
        result = await connection.execute(
            insert(_OFFSETS)
            .values(
                [
                    {
                        "group_name": group,
                        "topic": each.topic,
                        "partition": each.partition,
                        "next_offset": reached[each],
                    }
                    for each in begun
                ]
            )
            .on_conflict_do_nothing()
        )
        _check(result.rowcount, len(begun))
    await _take_turns(connection, group, reached)


async def hold(connection: AsyncConnection, group: str, partitions: Collection[TopicPartition]) -> None:
    """Keeps the group's consumers off these partitions until the transaction ends."""
    columns = _OFFSETS.c
    await connection.execute(
        select(columns.next_offset)
        .where(
            columns.group_name == group,
            or_(*(and_(columns.topic == each.topic, columns.partition == each.partition) for each in partitions)),
        )
        .order_by(columns.topic, columns.partition)
        .with_for_update()
    )
    await _take_turns(connection, group, partitions)


async def _take_turns(connection: AsyncConnection, group: str, partitions: Iterable[TopicPartition]) -> None:
    """One at a time for partitions of the same number: of co-partitioned topics they have the same keys. That one
    member holds them all is not enough: a replaced one may have one of them in hand, or a replay."""
    await connection.execute(
        text(
            "SELECT pg_advisory_xact_lock(hashtextextended(:group, number)) "
            "FROM unnest(CAST(:numbers AS bigint[])) AS t(number)"
        ),
        {"group": group, "numbers": sorted({each.partition for each in partitions})},
    )


def _check(moved: int, expected: int) -> None:
    if moved != expected:
        raise Replaced(f"{expected - moved} of {expected} partitions were moved on by another consumer")
