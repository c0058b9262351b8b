"""The embedded servers, as the supervisor wants them."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from kith_local.ports import Port
from kith_local.postgres import EmbeddedPostgres


class Postgres:
    name = "postgres"
    ports: tuple[Port, ...] = ()
    # Fast shutdown. SIGTERM would wait until the last client is gone.
    stop_signal = signal.SIGINT

    def __init__(self, data: Path, databases: Mapping[str, str]) -> None:
        """`databases`: the environment variable that gets the URL -> the database's name."""
        self.url = f"{len(databases)} databases, unix socket"
        self.log = data / "log"
        self._databases = databases
        self._server = EmbeddedPostgres(data)

    def start(self) -> Mapping[str, str]:
        self._server.start()
        self._server.create_databases(*self._databases.values())
        return {variable: self._server.url(name) for variable, name in self._databases.items()}

    def stop(self) -> None:
        self._server.stop()

    @property
    def pid(self) -> int | None:
        return self._server.pid


class Kafka:
    name = "kafka"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path, ports: Sequence[Port]) -> None:
        self.ports = tuple(ports)
        from kith_local.kafka import EmbeddedKafka  # noqa: PLC0415 - brings the JDK; the embedded bus needs none

        port, controller = (p.number for p in ports)
        self.log = folder / "kafka.log"
        self.url = f"127.0.0.1:{port}"
        self._server = EmbeddedKafka(folder, port, controller)

    def start(self) -> Mapping[str, str]:
        self._server.start()
        return {"KITH_KAFKA_BOOTSTRAP": self._server.bootstrap}

    def stop(self) -> None:
        self._server.stop()

    @property
    def pid(self) -> int | None:
        return self._server.pid
