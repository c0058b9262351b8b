"""The house on either bus: started once for all tests on it, and stopped whatever became of them."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import KAFKA_JARS
from tests.e2e.collector import Collector
from tests.e2e.house import House, Tenant

from kith.ids import new_id


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    with Collector.listening() as collector:
        yield collector


@pytest.fixture(scope="package", params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def house(
    request: pytest.FixtureRequest, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    if request.param == "kafka":
        _require_kafka()
    # A short path: the name of a Unix socket has 107 characters at most.
    with (
        tempfile.TemporaryDirectory(prefix="kith-e2e-", ignore_cleanup_errors=True) as folder,
        House.standing(
            Path(folder).resolve() / "home",
            tmp_path_factory.mktemp(f"logs-{request.param}"),
            request.param,
            KITH_OTLP_ENDPOINT=collector.url,
            OTEL_BSP_SCHEDULE_DELAY="200",
        ) as house,
    ):
        yield house


def _require_kafka() -> None:
    from kith_local.kafka import KafkaUnavailable, fetch

    try:
        fetch(KAFKA_JARS)
    except KafkaUnavailable as reason:
        if os.environ.get("CI", "").lower() == "true":
            raise
        pytest.skip(f"no Kafka on this machine: {reason}")


@pytest.fixture
def ours(house: House) -> Tenant:
    return house.tenant(f"t-{new_id().hex}")


@pytest.fixture
def theirs(house: House) -> Tenant:
    return house.tenant(f"t-{new_id().hex}")
