"""A group member in a process of its own, for tests that kill it: `member.py ADAPTER URL GROUP TOPIC...`

Says how many partitions it holds, whenever that changes.
"""

import asyncio
import sys
from collections.abc import Mapping

from kith.bus import open_bus
from kith.bus.port import TopicPartition


async def main(adapter: str, url: str, session: str, group: str, *topics: str) -> None:
    held: set[TopicPartition] = set()

    async def assigned(partitions: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        held.update(partitions)
        print(len(held), flush=True)  # noqa: T201 - this is how it reports to the test
        return {}

    async def revoked(partitions: frozenset[TopicPartition]) -> None:
        held.difference_update(partitions)

    kafka, embedded = (url, None) if adapter == "kafka" else (None, url)
    async with (
        open_bus(kafka, embedded, session=float(session)) as bus,
        bus.consumer(group=group, topics=topics, on_assigned=assigned, on_revoked=revoked) as consumer,
    ):
        while True:
            await consumer.poll(max_messages=100, wait=0.1)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
