"""Who read personal data, and who administered, is in the audit log; and what is in it cannot be changed unseen."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import FreshDatabase

from contacts.service import SERVICE
from kith.api import api_of, context_for
from kith.audit import chain, disclosures, entries
from kith.audit.chain import Head, heads, seal, verify
from kith.db.sessions import create_engine
from kith.db.tenancy import APP_ROLE, TENANT_SETTING, WORKER_ROLE
from kith.events import actors
from kith.http.app import Context
from kith.ids import new_id
from kith.runtime.settings import Settings
from kith.tenants.removal import remove_tenant
from kith.testing import Answer, Issuer, Tenant

ANN = "ann@example.com"


@pytest.fixture
async def url(fresh_database: FreshDatabase) -> str:
    return await fresh_database(SERVICE)


@pytest.fixture
async def context(url: str, issuer: Issuer) -> AsyncIterator[Context]:
    context = context_for(SERVICE, Settings(database_url=url, port=0, pool_size=2), issuer.authenticator())
    yield context
    await context.close()


@pytest.fixture
async def ann(context: Context, issuer: Issuer, tenant: str) -> AsyncIterator[Tenant]:
    transport = httpx.ASGITransport(app=api_of(SERVICE).create(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://contacts") as client:
        yield Tenant(client, issuer, tenant, subject=ANN)


@pytest.fixture
async def worker(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="test worker")
    yield engine
    await engine.dispose()


@pytest.fixture
async def owner(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def log_of(tenant: Tenant, context: Context) -> list[Answer]:
    """Oldest first, once all is written."""
    await context.audit.close()
    found: list[Answer] = (await tenant.get("/v1/audit-log", first=100)).json()["items"]
    return found[::-1]


def told(log: list[Answer]) -> list[tuple[Any, ...]]:
    return [(each["action"], each["noun"], each["subjects"]) for each in log]


async def customer(tenant: Tenant) -> str:
    id: str = (await tenant.made("/v1/customers", kind="person", name="Bob"))["id"]
    return id


async def test_whoever_was_shown_personal_data_is_noted_with_what_it_was(ann: Tenant, context: Context) -> None:
    one, two = await customer(ann), await customer(ann)
    for read in (f"/v1/customers/{one}", "/v1/customers", f"/v1/customers/{two}/history", "/v1/customers:export"):
        assert (await ann.get(read)).status_code == 200
    await ann.ask(f'{{ customer(id: "{one}") {{ name }} }}')
    await ann.ask("{ customers(first: 1) { nodes { name contacts { nodes { name } } } } }")
    log = await log_of(ann, context)
    assert told(log) == [
        ("read", "customer", [one]),
        ("list", "customer", [two, one]),
        ("history", "customer", [two]),
        ("export", "customer", None),
        ("read", "customer", [one]),
        ("list", "customer", [two]),
    ]
    assert {each["actor"] for each in log} == {actors.user(ann.name, ANN)}


async def test_who_was_shown_none_is_not_noted(ann: Tenant, context: Context) -> None:
    id = await customer(ann)
    blind = ann.without("contacts:personal")
    for read in (f"/v1/customers/{id}", "/v1/customers", f"/v1/customers/{id}/history", "/v1/customers:export"):
        assert (await blind.get(read)).status_code == 200
    await blind.ask("{ customers { nodes { kind history { nodes { command } } } } }")
    assert (await ann.get("/v1/settings")).status_code == 200
    assert (await ann.get(f"/v1/customers/{new_id()}")).status_code == 404
    assert (await ann.get("/v1/contacts")).json()["items"] == []
    assert await log_of(ann, context) == []


async def test_erasures_and_administration_are_noted_in_their_transaction(ann: Tenant, context: Context) -> None:
    id = await customer(ann)
    assert (await ann.post(f"/v1/customers/{id}:erase", {})).status_code == 200
    assert (await ann.post(f"/v1/customers/{id}:erase", {})).status_code == 409
    changed = await ann.post("/v1/settings:amend", {"time_zone": "Europe/Vienna"})
    assert changed.status_code == 200
    assert told((await ann.get("/v1/audit-log")).json()["items"]) == [
        ("amend", "settings", [changed.json()["id"]]),
        ("erase", "customer", [id]),
    ]


async def test_the_log_is_for_auditors_of_the_tenant_and_goes_page_by_page(
    ann: Tenant, context: Context, other_tenant: str
) -> None:
    for _ in range(3):
        await ann.get(f"/v1/customers/{await customer(ann)}")
    whole = (await log_of(ann, context))[::-1]
    assert len(whole) == 3
    page = (await ann.get("/v1/audit-log", first=2)).json()
    rest = (await ann.get("/v1/audit-log", first=2, after=page["next"])).json()
    assert (page["items"] + rest["items"], rest["next"]) == (whole, None)
    assert (await ann.get("/v1/audit-log", after="x")).json()["errors"][0]["field"] == "after"
    assert (await ann.without("contacts:audit").get("/v1/audit-log")).status_code == 403
    stranger = Tenant(ann.client, ann.issuer, other_tenant)
    assert (await stranger.get("/v1/audit-log")).json()["items"] == []


async def test_what_cannot_be_written_refuses_to_show_more_and_is_written_later(
    ann: Tenant, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await customer(ann)
    tried = asyncio.Event()

    async def fail(*_: object) -> None:
        tried.set()
        raise ConnectionError("the database is away")

    monkeypatch.setattr(disclosures, "MOST_WAITING", 2)
    monkeypatch.setattr(disclosures, "_RETRY_SECONDS", 0.01)
    with monkeypatch.context() as away:
        away.setattr(disclosures, "add", fail)
        for _ in range(2):
            assert (await ann.get(f"/v1/customers/{id}")).status_code == 200
        refused = await ann.get(f"/v1/customers/{id}")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert (await ann.without("contacts:personal").get(f"/v1/customers/{id}")).status_code == 200
        await tried.wait()
    assert told(await log_of(ann, context)) == [("read", "customer", [id])] * 2


async def test_entries_of_one_tenant_that_cannot_be_written_stop_no_others(
    ann: Tenant, context: Context, other_tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = entries.add

    async def broken(connection: Any, added: Any) -> None:
        if added[0].tenant == other_tenant:
            raise ValueError("broken")
        await real(connection, added)

    monkeypatch.setattr(disclosures, "add", broken)
    lost = disclosures.LOST.labels("contacts")._value.get()
    other = Tenant(ann.client, ann.issuer, other_tenant)
    for tenant in (other, ann):
        await tenant.get(f"/v1/customers/{await customer(tenant)}")
    assert len(await log_of(ann, context)) == 1
    assert disclosures.LOST.labels("contacts")._value.get() == lost + 1


async def filled(ann: Tenant, context: Context, number: int) -> None:
    id = await customer(ann)
    for _ in range(number):
        await ann.get(f"/v1/customers/{id}")
    await log_of(ann, context)


async def sealed(worker: AsyncEngine) -> None:
    while await seal(worker):
        pass


async def faults(worker: AsyncEngine, tenant: str, *known: Head) -> list[str]:
    async with worker.connect() as connection:
        return list((await verify(connection, tenant, known)).faults)


async def test_a_chain_goes_on_over_seals_and_is_as_it_was_written(
    ann: Tenant, context: Context, worker: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "PIECE", 2)
    await filled(ann, context, 5)
    await sealed(worker)
    async with worker.connect() as connection:
        (head,) = await heads(connection)
    await filled(ann, context, 2)
    await sealed(worker)
    shown = [(each["position"], each["hash"]) for each in await log_of(ann, context)]
    assert [position for position, _ in shown] == list(range(1, 8))
    assert (head.tenant, head.position, head.hash) == (ann.name, *shown[4])
    assert await faults(worker, ann.name, head) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE audit_log SET actor = 'client:nobody' WHERE position = 2", "position 2: entry"),
        ("UPDATE audit_log SET at = at + interval '1 us' WHERE position = 2", "position 2: entry"),
        ("UPDATE audit_log SET subjects = NULL WHERE position = 2", "position 2: entry"),
        ("UPDATE audit_log SET hash = sha256('x') WHERE position = 4", "position 4: entry"),
        ("DELETE FROM audit_log WHERE position = 2", "position 2: missing"),
        ("DELETE FROM audit_log WHERE position IN (1, 2)", "position 1 to 2: missing"),
        ("DELETE FROM audit_log WHERE position = 4", "position 4: missing, and so is what follows 3"),
        ("UPDATE audit_log SET position = NULL, hash = NULL WHERE position = 3", "position 3: missing"),
    ],
)
async def test_what_the_owner_of_the_table_changes_is_found(
    ann: Tenant, context: Context, worker: AsyncEngine, owner: asyncpg.Connection, change: str, fault: str
) -> None:
    await filled(ann, context, 4)
    await sealed(worker)
    async with worker.connect() as connection:
        (head,) = await heads(connection)
    await owner.execute(change)
    found = await faults(worker, ann.name, head)
    assert [each for each in found if each.startswith(fault)], found


async def test_an_entry_that_is_altered_with_its_hash_breaks_the_chain_behind_it(
    ann: Tenant, context: Context, worker: AsyncEngine, owner: asyncpg.Connection
) -> None:
    await filled(ann, context, 3)
    await sealed(worker)
    await owner.execute("UPDATE audit_log SET actor = 'client:nobody' WHERE position = 2")
    async with worker.connect() as connection:
        first, second, _ = [row async for row in chain._chain(connection, ann.name)]
    forged = chain.hash_of(first.hash, 2, second)
    await owner.execute("UPDATE audit_log SET hash = $1 WHERE position = 2", forged)
    (found,) = await faults(worker, ann.name)
    assert found.startswith("position 3: entry")


async def test_a_chain_written_anew_is_not_the_one_that_was_kept(
    ann: Tenant, context: Context, worker: AsyncEngine, owner: asyncpg.Connection
) -> None:
    await filled(ann, context, 3)
    await sealed(worker)
    async with worker.connect() as connection:
        (head,) = await heads(connection)
    await owner.execute("UPDATE audit_log SET position = NULL, hash = NULL")
    await owner.execute("UPDATE audit_log SET actor = 'client:nobody'")
    await sealed(worker)
    assert await faults(worker, ann.name) == []
    (found,) = await faults(worker, ann.name, head)
    assert found.startswith("position 3: the hash is another one")


@pytest.mark.parametrize("role", [APP_ROLE, WORKER_ROLE])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_log SET actor = 'client:nobody'",
        "UPDATE audit_log SET position = NULL",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "INSERT INTO audit_log SELECT * FROM audit_log",
    ],
)
async def test_no_login_of_a_service_changes_or_deletes_an_entry(
    ann: Tenant, context: Context, worker: AsyncEngine, owner: asyncpg.Connection, role: str, change: str
) -> None:
    await filled(ann, context, 2)
    await sealed(worker)
    before = await owner.fetch("SELECT a::text FROM audit_log a ORDER BY id")
    async with owner.transaction():
        await owner.execute(f"SET LOCAL ROLE {role}")
        await owner.execute(f"SELECT set_config('{TENANT_SETTING}', '{ann.name}', true)")
        try:
            async with owner.transaction():
                await owner.execute(change)
        except asyncpg.InsufficientPrivilegeError:
            pass
    assert await owner.fetch("SELECT a::text FROM audit_log a ORDER BY id") == before


async def test_the_log_goes_with_a_tenant_that_is_removed(
    ann: Tenant, context: Context, worker: AsyncEngine, owner: asyncpg.Connection
) -> None:
    await filled(ann, context, 2)
    await sealed(worker)
    assert (await remove_tenant(worker, ann.name)).receipt["audit_log"] == 2
    assert await owner.fetchval("SELECT count(*) FROM audit_log") == 0


async def test_two_who_seal_at_once_make_one_chain(ann: Tenant, context: Context, url: str) -> None:
    await filled(ann, context, 20)
    engines = [create_engine(url, role=WORKER_ROLE, pool_size=1, application="test") for _ in range(3)]
    await asyncio.gather(*(seal(each) for each in engines))
    await sealed(engines[0])
    assert await faults(engines[0], ann.name) == []
    assert [each["position"] for each in await log_of(ann, context)] == list(range(1, 21))
    for each in engines:
        await each.dispose()
