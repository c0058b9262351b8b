"""A real Kafka on this machine."""

import hashlib
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.conftest import KAFKA_JARS, free_ports

from kith.bus.kafka import KafkaBus
from kith.bus.port import Outgoing
from kith_local import kafka_jars
from kith_local.kafka import EmbeddedKafka, JarMismatch, KafkaUnavailable, fetch

JARS = {"one.jar": b"one", "two.jar": b"two"}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Path]:
    """Two jars to fetch, and their pins."""
    found: dict[str, Path] = {}
    for name, content in JARS.items():
        found[name] = tmp_path / "source" / name
        found[name].parent.mkdir(exist_ok=True)
        found[name].write_bytes(content)
    pins = {name: hashlib.sha256(content).hexdigest() for name, content in JARS.items()}
    monkeypatch.setattr(kafka_jars, "_pins", lambda: pins)
    monkeypatch.setattr(kafka_jars, "_download", lambda _cache, _progress: found)
    return found


def test_jars_are_fetched_once(source: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jars = fetch(tmp_path / "kafka")
    assert {path.name: path.read_bytes() for path in jars.iterdir()} == JARS
    monkeypatch.delattr(kafka_jars, "_download")
    assert fetch(tmp_path / "kafka") == jars


def test_two_who_fetch_at_the_same_time_fetch_once(
    source: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met, downloads = threading.Barrier(2), []

    def download(_cache: Path, _progress: object) -> Mapping[str, Path]:
        downloads.append(source)
        with suppress(threading.BrokenBarrierError):
            met.wait(0.2)  # where the other one would be, if nothing kept it out
        return source

    monkeypatch.setattr(kafka_jars, "_download", download)
    with ThreadPoolExecutor() as two:
        one, other = two.map(fetch, [tmp_path / "kafka"] * 2)
    assert one == other
    assert len(downloads) == 1


def test_a_jar_that_is_not_the_pinned_one_is_refused(source: Mapping[str, Path], tmp_path: Path) -> None:
    source["two.jar"].write_bytes(b"another")
    with pytest.raises(JarMismatch, match=r"two\.jar"):
        fetch(tmp_path / "kafka")
    assert not list(tmp_path.glob("kafka/jars-*/*.jar"))


def test_a_jar_nobody_pinned_is_refused(source: dict[str, Path], tmp_path: Path) -> None:
    source["three.jar"] = source["one.jar"]
    with pytest.raises(JarMismatch, match=r"three\.jar"):
        fetch(tmp_path / "kafka")


def test_a_jar_that_changed_since_is_refused(source: Mapping[str, Path], tmp_path: Path) -> None:
    (fetch(tmp_path / "kafka") / "one.jar").write_bytes(b"changed")
    with pytest.raises(JarMismatch, match=r"one\.jar"):
        fetch(tmp_path / "kafka")


def test_a_machine_that_cannot_fetch_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jgo.maven

    def refuse(*_: object) -> None:
        raise ConnectionError("no way out")

    monkeypatch.setattr(jgo.maven.MavenContext, "create_dependency", refuse)
    with pytest.raises(KafkaUnavailable, match="no way out"):
        fetch(tmp_path)


def test_every_jar_is_pinned_by_a_hash() -> None:
    pins = kafka_jars._pins()
    assert f"kafka_2.13-{kafka_jars.KAFKA_VERSION}.jar" in pins
    assert f"kafka-clients-{kafka_jars.KAFKA_VERSION}.jar" in pins
    assert all(len(digest) == 64 for digest in pins.values())


@pytest.mark.kafka
async def test_what_it_keeps_outlives_it_and_its_parent(kafka_bootstrap: str, tmp_path: Path) -> None:
    before = EmbeddedKafka(tmp_path, *free_ports(2), jars=KAFKA_JARS).start()
    assert before.pid is not None
    left_behind = psutil.Process(before.pid)
    try:
        async with KafkaBus(before.bootstrap) as bus:
            await bus.create_topics({"kept": 1})
            async with bus.producer() as producer:
                await producer.publish([Outgoing("kept", b"", b"")] * 5)
        # Its parent is killed, and starts again on other ports.
        after = EmbeddedKafka(tmp_path, *free_ports(2), jars=KAFKA_JARS).start()
    finally:
        before.stop()
    try:
        assert not left_behind.is_running()
        async with KafkaBus(after.bootstrap) as bus, bus.producer() as producer:
            assert await producer.end_offsets("kept") == [5]
        assert after.pid is not None
        running = psutil.Process(after.pid)
    finally:
        after.stop()
    assert not running.is_running()
    assert after.pid is None


@pytest.mark.kafka
def test_a_broker_that_cannot_start_says_where_to_look(kafka_bootstrap: str, tmp_path: Path) -> None:
    taken = int(kafka_bootstrap.rpartition(":")[2])
    (port,) = free_ports(1)
    kafka = EmbeddedKafka(tmp_path, port, taken, jars=KAFKA_JARS)
    with pytest.raises(KafkaUnavailable, match=r"kafka\.log"):
        kafka.start()
    assert kafka.pid is None
