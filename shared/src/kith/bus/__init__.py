"""The message log between the services: one port, two adapters."""

from kith.bus.port import Bus
from kith.bus.settings import BusSettings

__all__ = ["open_bus"]


def open_bus(
    kafka_bootstrap: str | None, embedded_url: str | None, settings: BusSettings | None = None, *, session: float = 10.0
) -> Bus:
    """The bus that the settings name, to be entered with `async with`: Kafka if there is a bootstrap address
    ("host:port,host:port"), reached as the settings say; else the embedded bus in the database of that URL.

    Raises ValueError if neither is given.
    """
    if kafka_bootstrap:
        from kith.bus.kafka import KafkaBus  # noqa: PLC0415 - who reads events only should not load a driver

        return KafkaBus(kafka_bootstrap, settings, session=session)
    if embedded_url:
        from kith.bus.embedded import EmbeddedBus  # noqa: PLC0415 - the same

        return EmbeddedBus(embedded_url, session=session)
    raise ValueError("neither a Kafka bootstrap address nor the embedded bus's database URL is set")
