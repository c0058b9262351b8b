"""The two adapters, as the contract sees them."""

from collections.abc import AsyncIterator
from typing import NamedTuple
from uuid import uuid4

import pytest

from kith.bus import open_bus
from kith.bus.port import Bus
from kith_local.postgres import EmbeddedPostgres

SESSION = 2.0
"""Seconds of silence after which a member is taken for dead: short, for the tests' sake."""


class Adapter(NamedTuple):
    name: str
    url: str

    def bus(self) -> Bus:
        if self.name == "kafka":
            return open_bus(self.url, None, session=SESSION)
        return open_bus(None, self.url, session=SESSION)


@pytest.fixture(scope="session")
def embedded_bus_url(postgres: EmbeddedPostgres) -> str:
    name = f"bus_{uuid4().hex}"
    postgres.create_databases(name)
    return postgres.url(name)


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def adapter(request: pytest.FixtureRequest) -> Adapter:
    url = request.getfixturevalue("kafka_bootstrap" if request.param == "kafka" else "embedded_bus_url")
    return Adapter(request.param, url)


@pytest.fixture
async def bus(adapter: Adapter) -> AsyncIterator[Bus]:
    async with adapter.bus() as bus:
        yield bus
