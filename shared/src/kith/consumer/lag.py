"""The lag of a consumer in seconds: how long ago the oldest message was recorded that it has not applied."""

from collections.abc import Iterable, Mapping, Sequence

from kith.bus.port import TopicPartition
from kith.consumer.delivery import Delivery


class Lag:
    """Of one membership of a group. Times are seconds since the epoch, as `recorded_at` is.

    Of messages in hand it knows the time. Of those it has not polled it knows only that they were recorded after the
    last one applied of their partition, and after the consumer last had nothing left: so it may say a little too much,
    never too little.
    """

    def __init__(self, now: float) -> None:
        self._began = now
        self._caught_up: float | None = None
        self._in_hand: float | None = None
        self._applied: dict[TopicPartition, float] = {}

    def take(self, deliveries: Iterable[Delivery]) -> None:
        """A batch is in hand."""
        oldest = min((each.envelope.recorded_at for each in deliveries if each.envelope is not None), default=None)
        self._in_hand = oldest.timestamp() if oldest is not None else None

    def apply(self, deliveries: Sequence[Delivery]) -> None:
        """A batch took effect."""
        last = {
            (each.message.topic, each.message.partition): each.envelope.recorded_at
            for each in deliveries
            if each.envelope is not None
        }
        self._applied |= {TopicPartition(*partition): recorded.timestamp() for partition, recorded in last.items()}
        self._in_hand = None

    def lose(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            self._applied.pop(partition, None)

    def note(self, left: Mapping[TopicPartition, int], now: float) -> None:
        """No batch is in hand, and so many messages are `left` on the bus."""
        self._in_hand = None
        if not any(left.values()):
            self._caught_up = now

    def seconds(self, left: Mapping[TopicPartition, int], now: float) -> float:
        since = [self._since(partition) for partition, number in left.items() if number]
        if self._in_hand is not None:
            since.append(self._in_hand)
        return max(0.0, now - min(since, default=now))

    def _since(self, partition: TopicPartition) -> float:
        known = [each for each in (self._applied.get(partition), self._caught_up) if each is not None]
        return max(known, default=self._began)
