"""The embedded servers, as the supervisor wants them."""

import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kith_local.errors import LocalError
from kith_local.ports import Port
from kith_local.postgres import SETTINGS, EmbeddedPostgres
from kith_local.postgres_backup import NOT_ARCHIVING, archiving, prepare_archive

FETCHED_STEP = 10


class Postgres:
    name = "postgres"
    ports: tuple[Port, ...] = ()
    # Fast shutdown. SIGTERM would wait until the last client is gone.
    stop_signal = signal.SIGINT

    def __init__(self, data: Path, databases: Mapping[str, str], link: Path, archive: str | None) -> None:
        """`databases`: the environment variable that gets the URL -> the database's name. Its log is archived in the
        folder `archive`, and `link` leads there; without a folder it goes on where it did, unless that is `no`."""
        self.url = f"{len(databases)} databases, unix socket"
        self.log = data / "log"
        self._databases = databases
        self._link = link
        if archive is None and link.is_symlink():
            archive = str(link.readlink())
        self._archive = Path(archive).resolve() if archive and archive != "no" else None
        self._server = EmbeddedPostgres(data, SETTINGS | (archiving(self._archive) if self._archive else NOT_ARCHIVING))

    def start(self, report: Callable[[str], None]) -> Mapping[str, str]:
        self._link.unlink(missing_ok=True)
        is_new = not (self._server.data / "PG_VERSION").exists()
        if self._archive is not None:
            if is_new and self._archive.exists() and any(self._archive.iterdir()):
                # Its files would have the same names, and none would ever be archived.
                raise LocalError(
                    f"KITH_ARCHIVE={self._archive} has the log of another database, and a new one is to be made. "
                    "Restore a backup, or name an empty folder."
                )
            prepare_archive(self._archive)
            self._link.parent.mkdir(parents=True, exist_ok=True)
            self._link.symlink_to(self._archive)
        if is_new:
            report("makes a new database")
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

    def __init__(self, folder: Path, ports: Sequence[Port], *, jars: Path) -> None:
        self.ports = tuple(ports)
        from kith_local.kafka import EmbeddedKafka  # noqa: PLC0415 - brings the JDK; the embedded bus needs none

        port, controller = (p.number for p in ports)
        self.url = f"127.0.0.1:{port}"
        self.log = folder / "kafka.log"
        self._server = EmbeddedKafka(folder, port, controller, jars=jars)

    def start(self, report: Callable[[str], None]) -> Mapping[str, str]:
        def fetched(_: str, there: int, needed: int) -> None:
            if there % FETCHED_STEP == 1 or there == needed:
                report(f"fetches its jars, once: {there} of {needed}")

        self._server.start(fetched)
        return {"KITH_KAFKA_BOOTSTRAP": self._server.bootstrap}

    def stop(self) -> None:
        self._server.stop()

    @property
    def pid(self) -> int | None:
        return self._server.pid
