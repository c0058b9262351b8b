"""A tenant that is removed is gone, stays gone, and is missed by nobody else."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import at, happened
from tests.conftest import FreshDatabase
from tests.kith.tenants.filled import fill, rows_of, tables_with

from analytics.consumers import SUBSCRIPTIONS
from analytics.metrics import rollups
from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.bus.embedded import EmbeddedBus
from kith.bus.port import Outgoing
from kith.consumer import Subscription, run
from kith.db.connections import Database
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith.runtime.service import Service
from kith.runtime.settings import Settings
from kith.tenants import cli, removal
from kith.tenants.removal import RemovalRefused, readmit_tenant, remove_tenant
from kith.testing import Issuer, Tenant, serving
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

PATIENCE = 30.0
PUT = text(
    "INSERT INTO idempotency (tenant_id, key, fingerprint, subject, recorded_at) "
    "VALUES (:tenant, 'key', 0, gen_random_uuid(), now())"
)
WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'removed_tenants'::regclass AND NOT granted)"


class House:
    """A service's database, as its owner and as its worker see it."""

    def __init__(self, service: Service, url: str, owner: asyncpg.Connection, engine: AsyncEngine) -> None:
        self.service, self.url, self.owner, self.engine = service, url, owner, engine


@pytest.fixture
async def house_of(fresh_database: FreshDatabase) -> AsyncIterator[Callable[[Service], Awaitable[House]]]:
    made: list[House] = []

    async def make(service: Service) -> House:
        url = await fresh_database(service)
        engine = create_engine(url, role=WORKER_ROLE, pool_size=3, application="kith test")
        made.append(House(service, url, await asyncpg.connect(url), engine))
        return made[-1]

    yield make
    for house in made:
        await house.engine.dispose()
        await house.owner.close()


@pytest.fixture
async def sales(house_of: Callable[[Service], Awaitable[House]]) -> House:
    return await house_of(SALES)


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("service", [CONTACTS, SALES, SERVICE_DESK, ANALYTICS], ids=lambda each: each.name)
async def test_nothing_is_left_of_it_and_all_of_the_others(
    service: Service,
    house_of: Callable[[Service], Awaitable[House]],
    tenant: str,
    other_tenant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(removal, "BATCH", 7)
    house = await house_of(service)
    tables = await fill(house.owner, tenant, 20)
    await fill(house.owner, other_tenant, 20)
    before = await rows_of(house.owner, other_tenant)
    assert all(before[name] for name in tables)
    mine = {name: len(rows) for name, rows in (await rows_of(house.owner, tenant)).items() if rows}
    assert mine.keys() == set(tables)
    removed = await remove_tenant(house.engine, tenant)
    assert await tables_with(house.owner, tenant) == {"public.removed_tenants"}
    assert await rows_of(house.owner, other_tenant) == before
    assert removed.receipt == mine


async def test_a_removal_that_is_killed_goes_on_where_it_was(sales: House, tenant: str) -> None:
    rows = 40_000
    await sales.owner.execute(
        "INSERT INTO known_runs (tenant_id, id, customer_id) "
        "SELECT $1, gen_random_uuid(), gen_random_uuid() FROM generate_series(1, $2::int)",
        tenant,
        rows,
    )
    command = [sys.executable, "-m", "sales", "tenant", "remove", "--tenant", tenant, "--confirm", tenant]
    environment = {**os.environ, "KITH_DATABASE_URL_SALES": sales.url}
    left = "SELECT count(*) FROM known_runs WHERE tenant_id = $1"
    killed = await asyncio.create_subprocess_exec(*command, env=environment, stderr=subprocess.DEVNULL)

    async def has_begun() -> bool:
        return bool(0 < await sales.owner.fetchval(left, tenant) < rows)

    await until(has_begun)
    killed.send_signal(signal.SIGKILL)
    await killed.wait()
    assert await sales.owner.fetchval(left, tenant) > 0
    assert await sales.owner.fetchval("SELECT finished_at IS NULL FROM removed_tenants")
    again = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert f"known_runs{rows:>{len(tenant) - len('known_runs') + 14},} rows" in again.stdout
    assert await sales.owner.fetchval(left, tenant) == 0


async def test_its_requests_are_refused_by_name_and_those_of_others_are_not(
    house_of: Callable[[Service], Awaitable[House]], issuer: Issuer, tenant: str, other_tenant: str
) -> None:
    house = await house_of(CONTACTS)
    async with serving(CONTACTS, house.url, issuer) as client:
        mine, theirs = (Tenant(client, issuer, name) for name in (tenant, other_tenant))
        customer = {"kind": "organisation", "name": "Acme"}
        found = {each.name: await each.made("/v1/customers", **customer) for each in (mine, theirs)}
        await remove_tenant(house.engine, tenant)

        def touch(name: str) -> dict[str, str]:
            return {"customer_id": found[name]["id"], "channel": "email", "direction": "inbound"}

        async def read_is_refused() -> bool:
            return (await mine.get("/v1/customers")).status_code == 403

        await until(read_is_refused)
        for answer in (
            await mine.get("/v1/customers"),
            await mine.get(f"/v1/customers/{found[tenant]['id']}"),
            await mine.get("/v1/customers:export"),
            await mine.post("/v1/customers", customer),
            await mine.post("/v1/touchpoints", touch(tenant)),
            await mine.post("/v1/customers:bulk", {"rows": [customer]}),
        ):
            assert answer.status_code == 403, answer.text
            assert answer.json()["code"] == "tenant-removed"
            assert "removed" in answer.json()["detail"]
        answer = (await mine.post("/graphql", {"query": "{customers {nodes {id}}}"})).json()
        assert answer["errors"][0]["extensions"]["code"] == "tenant-removed"
        assert (await theirs.post("/v1/touchpoints", touch(other_tenant))).status_code == 201
        assert len((await theirs.get("/v1/customers")).json()["items"]) == 1
    assert await tables_with(house.owner, tenant) == {"public.removed_tenants"}


@pytest.mark.parametrize("query", [{}, {"knownAt": "2026-01-01T00:00:00Z"}])
async def test_figures_are_not_asked_for_any_more(
    house_of: Callable[[Service], Awaitable[House]], issuer: Issuer, tenant: str, query: dict[str, str]
) -> None:
    house = await house_of(ANALYTICS)
    await remove_tenant(house.engine, tenant)
    async with serving(ANALYTICS, house.url, issuer) as client:
        figure = Tenant(client, issuer, tenant)
        question = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", **query}
        answer = await figure.get("/v1/metrics/orders", **question)
        assert answer.status_code == 403, answer.text
        assert answer.json()["code"] == "tenant-removed"


async def test_who_is_writing_is_waited_for_and_what_he_wrote_is_removed(sales: House, tenant: str) -> None:
    database = Database(sales.url, pool_size=1, application="kith test")
    async with database.write(tenant) as transaction:
        removing = asyncio.create_task(remove_tenant(sales.engine, tenant))

        async def waits() -> bool:
            return bool(await sales.owner.fetchval(WAITS))

        await until(waits)
        assert not await sales.owner.fetchval("SELECT count(*) FROM removed_tenants")
        await transaction.connection.execute(PUT, {"tenant": tenant})
    assert (await removing).receipt == {"idempotency": 1}
    await database.close()


async def test_no_worker_brings_a_row_back_and_those_of_others_are_let_in(
    sales: House, tenant: str, other_tenant: str
) -> None:
    await remove_tenant(sales.engine, tenant)
    async with sales.engine.begin() as connection:
        await connection.execute(PUT, {"tenant": other_tenant})
    with pytest.raises(ProgrammingError, match='policy "removed"'):
        async with sales.engine.begin() as connection:
            await connection.execute(PUT, {"tenant": tenant})


async def test_totals_that_are_being_added_up_do_not_come_after_it(
    house_of: Callable[[Service], Awaitable[House]], tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are of a snapshot of before: what guards all others does not see the removal."""
    house = await house_of(ANALYTICS)
    await fill(house.owner, tenant, 3)
    await house.owner.execute("UPDATE stale_days SET day = current_date - 1, batch = gen_random_uuid()")
    adding, go_on = asyncio.Event(), asyncio.Event()
    settle = rollups._settle

    async def slowly(*arguments: Any) -> None:
        adding.set()
        await go_on.wait()
        await settle(*arguments)

    monkeypatch.setattr(rollups, "_settle", slowly)
    settling = asyncio.create_task(rollups.settle_days(house.engine))
    await adding.wait()
    removing = asyncio.create_task(remove_tenant(house.engine, tenant))
    await asyncio.wait([removing], timeout=0.5)
    go_on.set()
    await settling
    await removing
    assert await tables_with(house.owner, tenant) == {"public.removed_tenants"}


async def test_what_other_services_go_on_publishing_of_it_comes_to_nothing(
    house_of: Callable[[Service], Awaitable[House]], embedded_bus: EmbeddedBus, tenant: str, other_tenant: str
) -> None:
    house, topic, stop = await house_of(ANALYTICS), f"kith.{new_id().hex}", asyncio.Event()
    subscription = Subscription("analytics", (topic,), SUBSCRIPTIONS[0].handle)
    facts = "SELECT count(*) FROM facts WHERE tenant_id = $1"

    async def publish(orders: int) -> None:
        async with embedded_bus.producer() as producer:
            await producer.publish(
                Outgoing(topic, each.key(), each.data, each.headers())
                for _ in range(orders)
                for name in (tenant, other_tenant)
                for each in [happened(OrderPlaced(Decimal(10), "EUR"), name, at("2026-01-01"), new_id())]
            )

    async def counted(orders: int) -> bool:
        return bool(await house.owner.fetchval(facts, other_tenant) >= orders)

    await embedded_bus.create_topics({topic: 3})
    consuming = asyncio.create_task(run(subscription, embedded_bus, house.engine, stop=stop, max_messages=50))
    await publish(200)
    await until(partial(counted, 50))
    assert await house.owner.fetchval(facts, tenant)
    removing = asyncio.create_task(remove_tenant(house.engine, tenant))
    await publish(200)
    await removing
    await publish(200)
    await until(partial(counted, 600))
    stop.set()
    await consuming
    assert await tables_with(house.owner, tenant) == {"public.removed_tenants"}
    assert await house.owner.fetchval(facts, other_tenant) == 600


async def test_it_is_let_in_again_on_request_without_anything_of_before(
    sales: House, issuer: Issuer, tenant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(database_url=sales.url, port=0)

    async def command(verb: str, confirm: str = tenant) -> str:
        await asyncio.to_thread(cli.run, SALES, settings, [verb, "--tenant", tenant, "--confirm", confirm])
        return capsys.readouterr().out

    with pytest.raises(RemovalRefused, match="was not removed"):
        await readmit_tenant(sales.engine, tenant)
    with pytest.raises(SystemExit, match="nothing was done"):
        await command("remove", "demo")
    async with serving(SALES, sales.url, issuer) as client:
        shop = Tenant(client, issuer, tenant)
        await shop.made("/v1/orders", value="10", currency="EUR")
        said = await command("remove")
        assert "orders" in said
        assert f"{tenant} is removed from sales: 2 rows" in said
        assert (await shop.post("/v1/orders", {"value": "10", "currency": "EUR"})).status_code == 403
        assert "is let in again" in await command("readmit")
        await shop.made("/v1/orders", value="20", currency="EUR")
        (order,) = (await shop.get("/v1/orders")).json()["items"]
        assert Decimal(order["value"]) == 20
        await command("remove")
        assert await tables_with(sales.owner, tenant) == {"public.removed_tenants"}


async def test_two_do_not_remove_at_once_and_what_a_rebuild_kept_is_named(sales: House, tenant: str) -> None:
    await sales.owner.execute("SELECT pg_advisory_lock(hashtextextended('remove ' || $1, 0))", tenant)
    with pytest.raises(RemovalRefused, match="another process"):
        await remove_tenant(sales.engine, tenant)
    await sales.owner.execute("SELECT pg_advisory_unlock_all()")
    await sales.owner.execute("CREATE SCHEMA kith_before_rebuild CREATE TABLE facts (tenant_id text)")
    with pytest.raises(RemovalRefused, match="kith_before_rebuild"):
        await remove_tenant(sales.engine, tenant)
    assert not await sales.owner.fetchval("SELECT count(*) FROM removed_tenants")


async def test_a_reader_of_minutes_is_not_waited_for_for_ever_and_nobody_queues_behind(
    sales: House, tenant: str, other_tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "TRIES", 3)
    async with sales.engine.begin() as connection:
        await connection.execute(text("SELECT FROM removed_tenants"))
        with pytest.raises(RemovalRefused, match="run this again"):
            await remove_tenant(sales.engine, tenant)
    assert not await sales.owner.fetchval("SELECT count(*) FROM removed_tenants")


async def test_others_are_served_meanwhile(sales: House, issuer: Issuer, tenant: str, other_tenant: str) -> None:
    await sales.owner.execute(
        "INSERT INTO idempotency (tenant_id, key, fingerprint, subject, recorded_at) "
        "SELECT $1, n, 0, gen_random_uuid(), now() FROM generate_series(1, 60000) n",
        tenant,
    )
    took: list[float] = []
    async with serving(SALES, sales.url, issuer) as client:
        shop = Tenant(client, issuer, other_tenant)
        removing = asyncio.create_task(remove_tenant(sales.engine, tenant))
        while not removing.done():
            begun = time.perf_counter()
            await shop.made("/v1/orders", value="10", currency="EUR")
            took.append(time.perf_counter() - begun)
        removed = await removing
    assert removed.receipt == {"idempotency": 60_000}
    assert len(took) > 20
    assert max(took) < timedelta(seconds=2).total_seconds()
    assert await sales.owner.fetchval("SELECT count(*) FROM orders WHERE tenant_id = $1", other_tenant) == len(took)


@pytest.mark.parametrize("service", [CONTACTS, SALES, SERVICE_DESK, ANALYTICS], ids=lambda each: each.name)
async def test_each_table_of_tenants_refuses_what_was_removed_and_each_foreign_key_has_an_index(
    service: Service, house_of: Callable[[Service], Awaitable[House]]
) -> None:
    """Without an index each row that is deleted costs a search through all that might name it."""
    house = await house_of(service)
    unguarded = await house.owner.fetch("""
        SELECT relname FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'tenant_id'
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
          AND NOT EXISTS (SELECT FROM pg_policy p WHERE polrelid = t.oid AND polname = 'removed' AND polcmd = 'a'
                          AND NOT polpermissive AND polroles @> ARRAY['kith_app'::regrole::oid, 'kith_worker'::regrole])
    """)
    assert [row["relname"] for row in unguarded] == ["removed_tenants"]
    searched = await house.owner.fetch("""
        SELECT conrelid::regclass::text AS name, conname FROM pg_constraint k
        WHERE contype = 'f' AND conparentid = 0
          AND NOT EXISTS (SELECT FROM pg_index i WHERE indrelid = conrelid
                          AND (indkey::int2[])[0:cardinality(conkey) - 1] @> conkey)
    """)
    assert searched == []
