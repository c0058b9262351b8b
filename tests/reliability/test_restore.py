"""A backup of two services, taken while they are written to, is restored to an instant; their events went on. What they
published since is withdrawn, people who were erased stay erased, and all agree again while writing goes on."""

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from tests.conftest import KAFKA_JARS, UNSAFE, FreshDatabase, free_ports, scratch
from tests.reliability.processes import PATIENCE, keys_of, running
from tests.reliability.test_rolling_restart import connected

import analytics.service
import contacts.service
import sales.service
from analytics.projections.rebuild import rebuild
from kith.bus import open_bus
from kith.db import migrations
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.ids import new_id
from kith.recovery.cli import restored
from kith.recovery.restored import NotRestored
from kith.runtime.service import Service
from kith.testing import Issuer
from kith_local.postgres import SETTINGS, EmbeddedPostgres
from kith_local.postgres_backup import archiving, prepare_archive, put_back, recover, take_base

CONTACTS, SALES, ANALYTICS = contacts.service.SERVICE, sales.service.SERVICE, analytics.service.SERVICE
WRITERS = 4

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kith-test-", dir=scratch(), ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # for the server's user
        yield Path(folder)


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def bus(request: pytest.FixtureRequest, postgres: EmbeddedPostgres, folder: Path) -> Iterator[dict[str, str]]:
    """A bus of the test's own: what the topics have of other tests is not in these databases."""
    if request.param == "embedded":
        name = f"bus_{new_id().hex}"
        postgres.create_databases(name)
        yield {"KITH_DATABASE_URL_BUS": postgres.url(name)}
        return
    request.getfixturevalue("kafka_bootstrap")  # skips where there is none
    from kith_local.kafka import EmbeddedKafka

    kafka = EmbeddedKafka(folder / "kafka", *free_ports(2), jars=KAFKA_JARS)
    kafka.start()
    yield {"KITH_KAFKA_BOOTSTRAP": kafka.bootstrap}
    kafka.stop()


@dataclass
class House:
    """The services as processes; contacts and sales are in a PostgreSQL of their own."""

    folder: Path
    server: EmbeddedPostgres
    issuer: Issuer
    tenant: str
    settings: dict[str, str]
    """Of all: the bus, and analytics' database."""
    named: list[str] = field(default_factory=list)
    """Contacts that are not erased."""
    contacts: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)
    sales: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)

    def of(self, service: Service) -> dict[str, str]:
        urls = {
            f"KITH_DATABASE_URL_{each.package.upper()}": self.server.url(each.package) for each in (CONTACTS, SALES)
        }
        erasures = {"KITH_ERASURES_FILE": str(self.folder / "erasures.jsonl")} if service is CONTACTS else {}
        return {**self.settings, **urls, **erasures}

    @asynccontextmanager
    async def up(self, keys: str) -> AsyncIterator[None]:
        """Contacts and sales; analytics runs all the while."""
        async with AsyncExitStack() as stack:
            processes = []
            for service in (CONTACTS, SALES):
                for what in ("api", "worker"):
                    (at := self.folder / f"{service.name}-{what}").mkdir(exist_ok=True)
                    url = self.of(service)[f"KITH_DATABASE_URL_{service.package.upper()}"]
                    started = running(service, url, keys, at, what, **self.of(service))
                    processes.append(await stack.enter_async_context(started))
            headers = {"Authorization": f"Bearer {self.issuer.token(self.tenant)}"}
            self.contacts, self.sales = [
                await stack.enter_async_context(httpx.AsyncClient(base_url=api.url, headers=headers, timeout=30))
                for api in processes[::2]
            ]
            try:
                yield
            finally:
                for process in processes:
                    assert process.child is not None
                    process.child.kill()

    async def restored(self, service: Service, *, dry_run: bool = False) -> list[str]:
        settings = service.settings(**_fields(self.of(service), service))  # type: ignore[arg-type]
        engine = create_engine(settings.database, role=WORKER_ROLE, pool_size=2, application="test restored")
        try:
            async with open_bus(settings.kafka_bootstrap, settings.bus_database, settings) as bus:
                return await restored(service, settings, engine, bus, dry_run=dry_run)
        finally:
            await engine.dispose()


def _fields(environment: dict[str, str], service: Service) -> dict[str, str]:
    suffix = f"_{service.package.upper()}"
    names = {name.removeprefix("KITH_").removesuffix(suffix).lower(): value for name, value in environment.items()}
    return {name: value for name, value in names.items() if name in service.settings.model_fields}


async def made(client: httpx.AsyncClient, path: str, **body: object) -> str:
    answer = await client.post(path, json=body)
    assert answer.is_success, answer.text
    id: str = answer.json()["id"]
    return id


async def write(house: House, number: int, stop: asyncio.Event, erased: list[str]) -> None:
    """Makes customers, contacts and orders, changes what is there, and erases a contact now and then."""
    chance = random.Random(number)
    customers: list[str] = []
    while not stop.is_set():
        if len(customers) < 5 or chance.random() < 0.2:
            customers.append(await made(house.contacts, "/v1/customers", kind="organisation", name=f"Shop {number}"))
        customer = chance.choice(customers)
        await made(house.sales, "/v1/orders", customer_id=customer, value=str(chance.randrange(1, 999)), currency="EUR")
        segment = f"s{chance.randrange(10**6)}"
        answer = await house.contacts.post(f"/v1/customers/{customer}:amend", json={"segment": segment})
        assert answer.is_success, answer.text
        house.named.append(await made(house.contacts, "/v1/contacts", customer_id=customer, name=f"Ann {number}"))
        if chance.random() < 0.3:  # the oldest: those of before a restore, too
            contact = house.named.pop(0)
            answer = await house.contacts.post(f"/v1/contacts/{contact}:erase", json={})
            assert answer.is_success or answer.status_code == 404, answer.text
            erased.append(contact)


@asynccontextmanager
async def written_to(house: House) -> AsyncIterator[list[str]]:
    """Yields the contacts that are erased meanwhile."""
    stop, erased = asyncio.Event(), list[str]()
    writing = [asyncio.create_task(write(house, number, stop, erased)) for number in range(WRITERS)]
    try:
        yield erased
        stop.set()
        await asyncio.gather(*writing)
    finally:
        for each in writing:
            each.cancel()


async def until(url: str, question: str, *values: object) -> None:
    async with asyncio.timeout(PATIENCE), connected(url) as connection:
        while True:
            if await connection.fetchval(question, *values):
                return
            await asyncio.sleep(0.05)


COUNTED = "SELECT count(*) > $2 FROM ledger WHERE tenant_id = $1 AND recorded_at > $3"
LONG_AGO = datetime.fromisoformat("2020-01-01T00:00:00Z")


async def ensure_all_agree(house: House, analytics_url: str) -> None:
    """Holds the ledger and the facts to the services' own rows: each record has all its versions once, and no other."""
    for service, table in ((CONTACTS, "customers"), (CONTACTS, "contacts"), (SALES, "orders")):
        async with connected(house.server.url(service.package)) as connection:
            rows = await connection.fetch(f"SELECT id, version FROM {table}")  # noqa: S608
            versions = sorted((row["id"], version) for row in rows for version in range(1, row["version"] + 1))
            amount = await connection.fetchval("SELECT sum(value) FROM orders") if service is SALES else None
        noun = f"{service.name}.{table.removesuffix('s')}.%"
        have = "SELECT {} FROM {} WHERE tenant_id = $1 AND type LIKE $2 ORDER BY 1, 2"
        async with connected(analytics_url) as connection:
            for at in (("subject, aggregate_version", "ledger"), ("subject, version", "facts")):
                found = [tuple(row) for row in await connection.fetch(have.format(*at), house.tenant, noun)]
                assert found == versions
            if amount is not None:
                counted = "SELECT sum(amount) FROM facts WHERE tenant_id = $1 AND type LIKE $2"
                assert await connection.fetchval(counted, house.tenant, noun) == amount


async def test_a_restored_service_and_its_readers_agree(
    bus: dict[str, str], folder: Path, fresh_database: FreshDatabase, issuer: Issuer, tenant: str
) -> None:
    analytics_url = await fresh_database(ANALYTICS)
    await asyncio.to_thread(prepare_archive, folder / "archive")
    first = EmbeddedPostgres(folder / "first", SETTINGS | UNSAFE | archiving(folder / "archive"))
    second = EmbeddedPostgres(folder / "second")
    house = House(folder, first, issuer, tenant, {**bus, "KITH_DATABASE_URL_ANALYTICS": analytics_url})
    await asyncio.to_thread(first.start)
    try:
        await asyncio.to_thread(first.create_databases, CONTACTS.package, SALES.package)
        for service in (CONTACTS, SALES):
            await migrations.migrate(first.url(service.package), service.package, service.after_migrations)
        async with keys_of(issuer) as keys:
            (folder / "analytics").mkdir()
            async with running(ANALYTICS, analytics_url, keys, folder / "analytics", "worker", **house.settings):
                restore_to, before, after = await backed_up(house, analytics_url, keys)
                await asyncio.to_thread(first.stop)
                put_back(folder / "base", second.data, archive=folder / "archive", to=restore_to)
                reached = await asyncio.to_thread(recover, second)
                assert reached is not None
                assert reached <= restore_to
                house.server = second
                await brought_in_line(house, before, after)
                async with house.up(keys):
                    async with written_to(house) as later:
                        withdrawn = "SELECT count(*) > 0 FROM withdrawn_events WHERE tenant_id = $1"
                        await until(analytics_url, withdrawn, tenant)
                    await until_published(house)
                    await until_agreed(house, analytics_url)
                    assert await names_of(house, [*before, *after, *later]) == 0
        assert (await rebuild(analytics_url, compare_only=True)).differences == []
        async with connected(analytics_url) as connection:
            assert await connection.fetchval("SELECT count(*) FROM dead_letters") == 0
    finally:
        for server in (first, second):
            await asyncio.to_thread(server.stop)


async def backed_up(house: House, analytics_url: str, keys: str) -> tuple[datetime, list[str], list[str]]:
    """Takes a base backup while the services are written to. Returns the instant to restore to, after which they went
    on, and the contacts that were erased before it and after it."""
    tenant = house.tenant
    async with house.up(keys):
        async with written_to(house) as before:
            await until(analytics_url, COUNTED, tenant, 20, LONG_AGO)
            await asyncio.to_thread(take_base, house.server, house.folder / "base")
            await until(analytics_url, COUNTED, tenant, 100, LONG_AGO)
        async with connected(house.server.url("postgres")) as connection:
            restore_to: datetime = await connection.fetchval("SELECT clock_timestamp()")
        async with written_to(house) as after:
            await until(analytics_url, COUNTED, tenant, 60, restore_to)
            with pytest.raises(NotRestored, match="Stop all"):
                await house.restored(SALES)
        await until_written(house, {*before, *after})
    return restore_to, before, after


async def brought_in_line(house: House, before: list[str], after: list[str]) -> None:
    assert await names_of(house, before) == 0
    assert await names_of(house, after) > 0, "what was erased later has its name again"
    for service in (CONTACTS, SALES):
        planned = await house.restored(service, dry_run=True)
        done = await house.restored(service)
        assert not planned[1].endswith(": 0")
        assert done[1] == planned[1].replace("to be ", "")
        assert (await house.restored(service))[1].endswith(": 0"), "it is done once"


async def names_of(house: House, contacts: list[str]) -> int:
    """How many of these contacts have a name."""
    async with connected(house.server.url(CONTACTS.package)) as connection:
        named = "SELECT count(*) FROM contacts WHERE id = ANY($1::uuid[]) AND num_nonnulls(name, email, phone) > 0"
        found: int = await connection.fetchval(named, contacts)
        return found


async def until_written(house: House, erased: set[str]) -> None:
    """Every erasure is in the file outside of the database."""
    file = house.folder / "erasures.jsonl"
    async with asyncio.timeout(PATIENCE):
        while True:
            written = file.read_text() if file.exists() else ""
            if all(id in written for id in erased):
                return
            await asyncio.sleep(0.05)


async def until_published(house: House) -> None:
    for service in (CONTACTS, SALES):
        await until(house.server.url(service.package), "SELECT count(*) = 0 FROM outbox WHERE published_at IS NULL")


async def until_agreed(house: House, analytics_url: str) -> None:
    """What is published is counted soon: until then the last comparison is what counts."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(AssertionError):
                return await ensure_all_agree(house, analytics_url)
            await asyncio.sleep(0.2)
