"""Publishing to the embedded bus."""

from collections.abc import Iterable
from typing import Self

from kith.bus.embedded.log import Log
from kith.bus.embedded.notifier import Notifier
from kith.bus.port import NoTopic, Outgoing


class EmbeddedProducer:
    def __init__(self, log: Log, notifier: Notifier) -> None:
        self._log = log
        self._notifier = notifier

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def publish(self, messages: Iterable[Outgoing]) -> None:
        if batch := list(messages):
            await self._log.append(batch)
            self._notifier.notify({message.topic for message in batch})

    async def end_offsets(self, topic: str) -> list[int]:
        ends = await self._log.ends([topic])
        if not ends:
            raise NoTopic(f"there is no topic {topic}")
        return [end for _, end in sorted(ends.items())]
