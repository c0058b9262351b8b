"""Fixtures every test may ask for. Each test has tenants of its own: that is what keeps tests apart."""

import asyncio
import fcntl
import functools
import gc
import os
import random
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import hypothesis
import psutil
import pytest
import structlog
from tests.proved import is_whole_run, left_to_prove
from tests.tenant_filter import unfiltered, watch

from kith.db.migrations import migrate
from kith.ids import new_id
from kith.runtime.service import Service
from kith.testing import ALL_SCOPES, Issuer, serving
from kith_local.ports import _is_free
from kith_local.postgres import SETTINGS, EmbeddedPostgres

# A session holds recorded data by the million objects: to look through them so often takes a tenth of all its time.
gc.set_threshold(100_000, 50, 100)

# A fault that a test provokes is logged in plain lines. Rich ones, with every variable, take seconds each.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

# A client reads some hundred certificates as it is made, for connections that no test makes.
_transports: Any = httpx._transports.default
_transports.create_ssl_context = functools.cache(_transports.create_ssl_context)

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("unhurried", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("unhurried")

watch()

Headers = dict[str, str]
FreshDatabase = Callable[..., Awaitable[str]]

UNSAFE = {"fsync": "off", "full_page_writes": "off", "checkpoint_timeout": "1h", "max_wal_size": "256MB"}
"""Nobody needs what a test wrote after the machine has lost its power."""


def scratch() -> str | None:
    """Where what is thrown away at once need not go to a disk: in memory, if there is plenty."""
    memory = Path("/dev/shm")  # noqa: S108 - only for folders of random names
    plenty = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 8 * 2**30
    return str(memory) if plenty else None


KAFKA_JARS = Path(__file__).parent.parent / ".kith" / "kafka"
"""Where Kafka's jars stay from one run to the next."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.parallel import ByNeed

    return ByNeed(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if is_whole_run(config) and (left := left_to_prove(items)):
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]
    if hasattr(config, "workerinput"):
        from tests.parallel import longest_first

        items.sort(key=lambda item: longest_first(item.nodeid))


@pytest.fixture(autouse=True)
def every_statement_names_the_tenant() -> Iterator[None]:
    yield
    found = sorted(unfiltered)
    unfiltered.clear()
    assert found == []


OWNER = "owner"
"""A file that is locked for as long as the session lives that has the folder."""


def clear_leftovers(among: Path) -> None:
    """Of test sessions that were killed: their server goes on, and what it holds fills the memory."""
    for owner in among.glob(f"kith-test-*/{OWNER}"):
        with suppress(OSError, ValueError, psutil.Error), owner.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            data = owner.parent / "pg"
            with suppress(FileNotFoundError, psutil.NoSuchProcess):
                server = psutil.Process(int((data / "postmaster.pid").read_text().split("\n", 1)[0]))
                if server.cwd() == str(data):
                    server.send_signal(signal.SIGQUIT)
                    server.wait(10)
            shutil.rmtree(owner.parent, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server of this test session's own."""
    clear_leftovers(Path(scratch() or tempfile.gettempdir()))
    with (
        tempfile.TemporaryDirectory(prefix="kith-test-", dir=scratch(), ignore_cleanup_errors=True) as folder,
        Path(folder, "locked").open("wb") as owner,
    ):
        fcntl.flock(owner, fcntl.LOCK_EX)
        Path(owner.name).rename(Path(folder, OWNER))
        server = EmbeddedPostgres(Path(folder) / "pg", SETTINGS | UNSAFE).start()
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
def fresh_database(postgres: EmbeddedPostgres) -> FreshDatabase:
    """Makes a migrated database of a service, for tests of what is done for all tenants at once; returns its URL.
    Migrations take some seconds, so they run once, and what they made is copied."""
    migrated: set[str] = set()

    async def make(service: Service, name: str | None = None) -> str:
        template = f"template_{service.package}"
        if template not in migrated:
            await asyncio.to_thread(postgres.create_databases, template)
            await migrate(postgres.url(template), service.package, service.after_migrations)
            migrated.add(template)
        name = name or f"{service.package}_{new_id().hex}"
        connection = await asyncpg.connect(postgres.url("postgres"))
        try:
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        finally:
            await connection.close()
        return postgres.url(name)

    return make


@pytest.fixture(scope="session")
def attachments_folder() -> Iterator[Path]:
    """Where the services of this test session keep what is attached."""
    with tempfile.TemporaryDirectory(prefix="kith-test-", dir=scratch(), ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
async def serve(
    fresh_database: FreshDatabase, issuer: Issuer, attachments_folder: Path
) -> AsyncIterator[Callable[[Service], Awaitable[httpx.AsyncClient]]]:
    """A client of a service on a migrated database of its own; one per service and test session."""
    clients: dict[str, httpx.AsyncClient] = {}
    async with AsyncExitStack() as stack:

        async def start(service: Service) -> httpx.AsyncClient:
            if service.name not in clients:
                url = await fresh_database(service, f"kith_{service.package}")
                clients[service.name] = await stack.enter_async_context(
                    serving(service, url, issuer, attachments_folder)
                )
            return clients[service.name]

        yield start


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


class _Ports:
    """Ports that no other process of tests on this machine takes, in this run or in another.

    Between finding a port free and listening on it, anybody may take it: the system, which hands out ports from 32768
    on to outgoing connections, and another process that looks for one at the same time. So these lie below, and each is
    locked, as a byte of one file, until this process ends.
    """

    def __init__(self) -> None:
        self._locks = os.open(
            Path(tempfile.gettempdir()) / f"kith-test-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600
        )
        self._tried: set[int] = set()

    def take(self) -> int:
        while True:
            port = random.randrange(10_000, 20_000)
            if port not in self._tried:
                self._tried.add(port)  # a process is not kept out by its own locks
                if self._lock(port) and _is_free(port):
                    return port

    def _lock(self, port: int) -> bool:
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            return False
        return True


_PORTS = _Ports()


def take_port() -> int:
    return _PORTS.take()


def free_ports(count: int) -> list[int]:
    return [take_port() for _ in range(count)]


@pytest.fixture
def free_port() -> Callable[[], int]:
    return take_port
