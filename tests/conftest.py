"""Fixtures every test may ask for. Each test has tenants of its own: that is what keeps tests apart."""

import asyncio
import gc
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from kith.ids import new_id
from kith.migrations import migrate
from kith.service import Service
from kith.testing import ALL_SCOPES, Issuer, serving
from kith_local.postgres import EmbeddedPostgres

# A session holds recorded data by the million objects: to look through them so often takes a tenth of all its time.
gc.set_threshold(100_000, 50, 100)

Headers = dict[str, str]

KAFKA_JARS = Path(__file__).parent.parent / ".kith" / "kafka"
"""Where Kafka's jars stay from one run to the next."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server of this test session's own."""
    with tempfile.TemporaryDirectory(prefix="kith-test-", ignore_cleanup_errors=True) as folder:
        server = EmbeddedPostgres(Path(folder) / "pg").start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def tenant() -> str:
    return f"t-{new_id().hex}"


@pytest.fixture
def other_tenant() -> str:
    return f"t-{new_id().hex}"


@pytest.fixture
def token(issuer: Issuer) -> Callable[..., Headers]:
    """The Authorization header of a tenant, with all scopes or with these."""

    def header(tenant: str, scopes: str = ALL_SCOPES) -> Headers:
        return {"Authorization": f"Bearer {issuer.token(tenant, scopes)}"}

    return header


@pytest.fixture
def mine(token: Callable[..., Headers], tenant: str) -> Headers:
    return token(tenant)


@pytest.fixture
def theirs(token: Callable[..., Headers], other_tenant: str) -> Headers:
    return token(other_tenant)


@pytest.fixture(scope="session")
async def serve(
    postgres: EmbeddedPostgres, issuer: Issuer
) -> AsyncIterator[Callable[[Service], Awaitable[httpx.AsyncClient]]]:
    """A client of a service on a migrated database of its own; one per service and test session."""
    clients: dict[str, httpx.AsyncClient] = {}
    async with AsyncExitStack() as stack:

        async def start(service: Service) -> httpx.AsyncClient:
            if service.name not in clients:
                url = await database(postgres, service)
                clients[service.name] = await stack.enter_async_context(serving(service, url, issuer))
            return clients[service.name]

        yield start


async def database(postgres: EmbeddedPostgres, service: Service) -> str:
    """The URL of the service's migrated database on the test server."""
    name = f"kith_{service.package}"
    await asyncio.to_thread(postgres.create_databases, name)
    await migrate(postgres.url(name), service.package, service.after_migrations)
    return postgres.url(name)


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """A real Kafka of this test session's own. Its jars are fetched once into the checkout's .kith folder."""
    from kith_local.kafka import EmbeddedKafka, KafkaUnavailable

    with tempfile.TemporaryDirectory(prefix="kith-test-", ignore_cleanup_errors=True) as folder:
        kafka = EmbeddedKafka(Path(folder), *free_ports(2), jars=KAFKA_JARS)
        try:
            kafka.start()
        except KafkaUnavailable as reason:
            if os.environ.get("CI", "").lower() == "true":
                raise
            pytest.skip(f"no Kafka on this machine: {reason}")
        try:
            yield kafka.bootstrap
        finally:
            kafka.stop()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
