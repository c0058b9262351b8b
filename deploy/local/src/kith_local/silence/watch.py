"""What is seen of it from outside: changes of health at the gateway, and what goes over the bus in their trace."""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from kith.bus import open_bus
from kith.bus.generations import of_generation
from kith.bus.port import Bus, Consumer, Incoming, TopicPartition
from kith.outbox.relay import topic_of
from kith_local.layout import Layout
from kith_local.live import subscribe
from kith_local.ports import ports_of
from kith_local.topology import DATABASES

HEALTH_CHANGED = """subscription { healthChanged(filter: {bands: [AT_RISK]}) { cursor change {
    customerId at recordedAt cause fromBand band score traceId } } }"""
GENERATION = int(os.environ.get("KITH_TOPIC_GENERATION", "1"))
TOPICS = tuple(of_generation(topic_of(service), GENERATION) for service in ("analytics", "sales", "service-desk"))


class Watch:
    """Begun before it happens; what cut it off is raised when its result is read."""

    def __init__(self) -> None:
        self.changes: dict[str, Any] = {}
        """By customer."""
        self.types: dict[str, list[str]] = defaultdict(list)
        """Of the events on the bus, by trace."""
        self._subscribed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    @asynccontextmanager
    async def begun(cls, layout: Layout, gateway: str, token: str) -> AsyncIterator["Watch"]:
        watch = cls()
        async with _reader(layout) as consumer:
            watch._tasks = [
                asyncio.create_task(watch._follow_changes(gateway, token)),
                asyncio.create_task(watch._follow_bus(consumer)),
            ]
            try:
                while not watch._subscribed.is_set():
                    watch.check()
                    await asyncio.sleep(0.05)
                yield watch
            finally:
                for task in watch._tasks:
                    task.cancel()
                await asyncio.gather(*watch._tasks, return_exceptions=True)

    def check(self) -> None:
        for task in self._tasks:
            if task.done():
                task.result()

    async def _follow_changes(self, gateway: str, token: str) -> None:
        async for data in subscribe(gateway, token, HEALTH_CHANGED):
            self._subscribed.set()  # the first message says at once how far it is
            if (change := data["healthChanged"]["change"]) is not None:
                self.changes[change["customerId"]] = change

    async def _follow_bus(self, consumer: Consumer) -> None:
        while True:
            for message in await consumer.poll(max_messages=1000, wait=0.2):
                self._note(message)

    def _note(self, message: Incoming) -> None:
        headers = dict(message.headers)
        if traceparent := headers.get("ce_traceparent", b"").decode():
            self.types[traceparent.split("-")[1]].append(headers["ce_type"].decode())


@asynccontextmanager
async def _reader(layout: Layout) -> AsyncIterator[Consumer]:
    """Of what is published from now on."""
    async with _bus(layout) as bus:
        ends: dict[TopicPartition, int] = {}
        async with bus.producer() as producer:
            for topic in TOPICS:
                for number, end in enumerate(await producer.end_offsets(topic)):
                    ends[TopicPartition(topic, number)] = end

        async def assigned(partitions: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
            return {each: ends[each] for each in partitions}

        async def revoked(_: frozenset[TopicPartition]) -> None:
            pass

        group = f"silence-{uuid4().hex}"
        async with bus.consumer(group=group, topics=TOPICS, on_assigned=assigned, on_revoked=revoked) as consumer:
            yield consumer


def _bus(layout: Layout) -> Bus:
    """That of the running house."""
    if layout.bus == "kafka":
        return open_bus(os.environ.get("KITH_KAFKA_BOOTSTRAP") or f"127.0.0.1:{ports_of()['kafka'].number}", None)
    if url := os.environ.get("KITH_DATABASE_URL_BUS"):
        return open_bus(None, url)
    from kith_local.postgres import EmbeddedPostgres  # noqa: PLC0415 - it takes a while, and is not always needed

    running = EmbeddedPostgres(layout.data / "postgres").start()
    return open_bus(None, running.url(DATABASES["KITH_DATABASE_URL_BUS"]))
