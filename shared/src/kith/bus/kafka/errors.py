"""aiokafka's errors as the port's."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import (
    ConsumerStoppedError,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    PolicyViolationError,
    RecordListTooLargeError,
    RecordTooLargeError,
    UnsupportedForMessageFormatError,
)

from kith.bus.port import BusError, MessageRefused, OffsetLost

REFUSALS = (
    InvalidTimestampError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    RecordTooLargeError,
    UnsupportedForMessageFormatError,
)
"""What a broker says of a batch that it will never take. It may well take a smaller one."""


@contextmanager
def as_bus_errors() -> Iterator[None]:
    try:
        yield
    except OffsetOutOfRangeError as error:
        raise OffsetLost(f"Kafka no longer has, or does not have yet, the offset to go on from: {error}") from error
    except REFUSALS as error:
        raise MessageRefused(f"Kafka refused it: {error!r}") from error
    except (KafkaError, ConsumerStoppedError, OSError, TimeoutError) as error:
        raise BusError(f"Kafka failed: {error!r}") from error
