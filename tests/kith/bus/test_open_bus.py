"""Choosing the bus by the settings."""

import pytest

from kith.bus import open_bus
from kith.bus.embedded import EmbeddedBus
from kith.bus.kafka import KafkaBus


def test_kafka_is_taken_if_it_is_named() -> None:
    assert isinstance(open_bus("127.0.0.1:9092", "postgresql:///bus"), KafkaBus)


def test_else_the_embedded_bus() -> None:
    assert isinstance(open_bus(None, "postgresql:///bus"), EmbeddedBus)


def test_neither_is_a_fault_of_the_settings() -> None:
    with pytest.raises(ValueError, match="neither"):
        open_bus(None, "")
