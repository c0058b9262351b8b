"""aiokafka's errors as the port's."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import ConsumerStoppedError, KafkaError, OffsetOutOfRangeError

from kith.bus.port import BusError, OffsetLost


@contextmanager
def as_bus_errors() -> Iterator[None]:
    try:
        yield
    except OffsetOutOfRangeError as error:
        raise OffsetLost(f"Kafka no longer has, or does not have yet, the offset to go on from: {error}") from error
    except (KafkaError, ConsumerStoppedError, OSError, TimeoutError) as error:
        raise BusError(f"Kafka failed: {error!r}") from error
