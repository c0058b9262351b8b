"""The bus port: what Kith needs of a message log, and no more.

Two adapters implement it, `kith.bus.kafka` and `kith.bus.embedded`; one contract suite holds both to it
(tests/kith/bus/). A topic has a fixed number of partitions; the key chooses the partition, the same way in both
adapters (murmur2, as Kafka's own clients do); within a partition the order of publishing is kept.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol, Self

Headers = tuple[tuple[str, bytes], ...]


class Outgoing(NamedTuple):
    """A message to publish."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers = ()


class TopicPartition(NamedTuple):
    topic: str
    partition: int


class Incoming(NamedTuple):
    """A message as a consumer gets it. `offset` grows by at least one per message of a partition."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Headers


Offsets = Mapping[TopicPartition, int]
"""Per partition the *next* offset to read."""

Lag = Mapping[TopicPartition, int]

OnAssigned = Callable[[frozenset[TopicPartition]], Awaitable[Offsets]]
"""Called with the partitions just assigned to this member; returns the offset to start reading each from.
A partition left out starts at the oldest message the log still has.
If it raises, so does poll, and the next poll calls again; so it may be called twice for the same partitions."""

OnRevoked = Callable[[frozenset[TopicPartition]], Awaitable[None]]
"""Called before the partitions go to another member: finish and commit what was read of them. It is also called for
partitions already lost, after this member was silent for longer than its session."""


class BusError(Exception):
    """The bus could not do it now: try again."""


class NoTopic(BusError):
    """There is no topic of that name yet."""


class MessageRefused(Exception):
    """The bus does not take a message for what it is: sent again, it is refused again. Which of several it was shows
    when fewer of them are sent; others of them may have been taken."""


class OffsetLost(BusError):
    """The log no longer holds the offset a consumer must go on from. Reading on would skip events: halt and refill."""

    loggable = True


class Producer(Protocol):
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *_: object) -> None: ...

    async def publish(self, messages: Iterable[Outgoing]) -> None:
        """Publishes in order; returns once all are durable. Raises BusError if any is in doubt: publish all again; and
        MessageRefused.

        Of many a generator is best: each is packed as it comes, and none has to be kept."""

    async def end_offsets(self, topic: str) -> list[int]:
        """Per partition of the topic the offset that the next message will get. Raises NoTopic or BusError."""


class Consumer(Protocol):
    """One member of a consumer group. The group's partitions are shared among its members by range, so that of
    co-partitioned topics one member holds the same partition numbers. Used by one task at a time."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *_: object) -> None: ...

    async def poll(self, *, max_messages: int, wait: float) -> list[Incoming]:
        """Up to max_messages, of all partitions held, waiting at most `wait` seconds for the first one.

        Rebalances are reported by the callbacks, which run inside poll and nowhere else (on_revoked also when the
        member leaves in order): between two polls the partitions held do not change hands, unless the member is
        silent for too long. With max_messages=0 it takes none, but still lets rebalances happen while it waits.
        Raises OffsetLost or BusError."""

    def lag(self) -> Lag:
        """Per partition held, how many messages the log had beyond the ones polled when it was last looked up. Free."""

    async def commit(self, offsets: Offsets) -> None:
        """Tell the broker how far the group has got. A hint for tools and lag figures: the truth is the offset
        that the consumer keeps in its own transaction."""


class Bus(Protocol):
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *_: object) -> None: ...

    async def create_topics(self, topics: Mapping[str, int]) -> None:
        """Creates the topics (name -> partitions) that do not exist. Raises ValueError if one exists with another
        number of partitions: co-partitioning would break silently."""

    async def prune(self, age: timedelta) -> int:
        """Deletes what was published longer ago than `age`, read or not, if the log does not do so by itself. Returns
        how many rows went. Raises BusError."""

    def history(self, topic: str, since: datetime) -> AsyncIterator[Sequence[Incoming]]:
        """Yields what was published to the topic since then and up to now, partition by partition and in order; a
        little of what was published before may be among it. It is read in no group. Raises NoTopic or BusError."""

    def producer(self) -> Producer: ...

    def consumer(
        self, *, group: str, topics: Sequence[str], on_assigned: OnAssigned, on_revoked: OnRevoked
    ) -> Consumer: ...
