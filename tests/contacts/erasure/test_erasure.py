"""Who is erased stays without a name; what happened stays; and the ledger of it is kept outside of the database."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import FreshDatabase
from tests.kith.tenants.filled import tables_with
from tests.statements import statements

from contacts.erasure.ledger import Erasure, File, apply_again, erasures, read_file, told
from contacts.service import SERVICE
from contacts.settings import ContactsSettings
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.envelope import Envelope
from kith.ids import new_id
from kith.runtime.settings import SettingsInvalid, from_environment
from kith.testing import Issuer, Tenant, serving

AT = datetime(2026, 1, 1, tzinfo=UTC)
PERSON = {"name": "Ann Gone", "email": "ann@gone.example", "phone": "+43 1 51250"}


@pytest.fixture
async def url(fresh_database: FreshDatabase) -> str:
    return await fresh_database(SERVICE)


@pytest.fixture
async def worker(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=2, application="test worker")
    yield engine
    await engine.dispose()


@pytest.fixture
async def mine(url: str, issuer: Issuer, tenant: str) -> AsyncIterator[Tenant]:
    async with serving(SERVICE, url, issuer) as client:
        yield Tenant(client, issuer, tenant)


async def person(mine: Tenant) -> dict[str, str]:
    customer = await mine.made("/v1/customers", kind="person", name="Ann Gone")
    contact = await mine.made("/v1/contacts", customer_id=customer["id"], role="buyer", **PERSON)
    return {"customers": customer["id"], "contacts": contact["id"]}


async def erase(mine: Tenant, ids: dict[str, str]) -> None:
    for path, id in ids.items():
        answer = await mine.post(f"/v1/{path}/{id}:erase", {})
        assert answer.status_code == 200, answer.text


async def test_what_says_who_it_is_goes_and_the_rest_stays(mine: Tenant, worker: AsyncEngine) -> None:
    ids = await person(mine)
    await erase(mine, ids)
    contact = (await mine.get(f"/v1/contacts/{ids['contacts']}")).json()
    assert {name: contact[name] for name in (*PERSON, "role", "version")} == dict.fromkeys(PERSON) | {
        "role": "buyer",
        "version": 2,
    }
    assert contact["erased_at"] == contact["updated_at"]
    assert (await mine.get(f"/v1/customers/{ids['customers']}")).json()["name"] is None
    async with worker.connect() as connection:
        events = await connection.execute(text("SELECT type, data FROM outbox WHERE type LIKE '%erased%' ORDER BY seq"))
        assert [tuple(each) for each in events] == [
            ("contacts.customer.erased.v1", b"{}"),
            ("contacts.contact.erased.v1", b"{}"),
        ]


async def test_nothing_is_written_about_who_was_erased(mine: Tenant) -> None:
    ids = await person(mine)
    await erase(mine, ids)
    for path, id in ids.items():
        for command, body in (("amend", {"name": "Ann again"}), ("erase", {})):
            refused = await mine.post(f"/v1/{path}/{id}:{command}", body)
            assert (refused.status_code, refused.json()["code"]) == (409, "already-erased")


async def test_remembered_answers_forget_it_too(mine: Tenant, worker: AsyncEngine) -> None:
    customer = await mine.made("/v1/customers", kind="person", name="Ann Gone")
    ids = {}
    for email in (PERSON["email"], "bob@stays.example"):
        body = {"customer_id": customer["id"], **PERSON, "email": email}
        made = await mine.post("/v1/contacts", body, **{"Idempotency-Key": email})
        ids[email] = made.json()["id"]
    await erase(mine, {"contacts": ids[PERSON["email"]]})
    body = {"customer_id": customer["id"], **PERSON}
    again = await mine.post("/v1/contacts", body, **{"Idempotency-Key": PERSON["email"]})
    assert (again.status_code, again.json()["id"], again.json()["email"]) == (201, ids[PERSON["email"]], None)
    async with worker.connect() as connection:
        kept = await connection.execute(text("SELECT convert_from(outcome, 'UTF8') FROM idempotency"))
        found = sorted(("ann@" in outcome, "bob@" in outcome) for outcome in kept.scalars())
    assert found == [(False, False), (False, True)], "hers is gone, and his is not"


async def test_histories_forget_it_too(mine: Tenant, url: str) -> None:
    ids = await person(mine)
    amended = await mine.post(f"/v1/contacts/{ids['contacts']}:amend", {"email": "canary@gone.example", "role": "user"})
    assert amended.status_code == 200, amended.text
    again = await mine.post(f"/v1/contacts/{ids['contacts']}:amend", {"email": "new@gone.example"})
    assert again.status_code == 200, again.text
    owner = await asyncpg.connect(url)
    try:
        assert await tables_with(owner, "canary@gone.example") == {"public.history"}
        await erase(mine, ids)
        for value in ("canary@gone.example", "new@gone.example", PERSON["email"], PERSON["name"]):
            assert await tables_with(owner, value) == set()
    finally:
        await owner.close()
    page = (await mine.get(f"/v1/contacts/{ids['contacts']}/history")).json()
    told = [(each["command"], [change["field"] for change in each["changes"]]) for each in page["items"]]
    assert told == [("erase", ["erased_at"]), ("amend", []), ("amend", ["role", "roles"]), ("create", [])]


async def test_an_erasure_does_not_look_at_all_that_is_remembered(
    mine: Tenant, tenant: str, url: str, worker: AsyncEngine
) -> None:
    """Of each row of a bulk request there is a key, for good: a statement that reads them all is cut after 5 s."""
    ids = await person(mine)
    async with worker.begin() as connection:
        await connection.execute(
            text("""
                INSERT INTO idempotency (tenant_id, key, fingerprint, subject, outcome, recorded_at)
                SELECT :tenant, 'key ' || n, 0, gen_random_uuid(), CASE WHEN n % 2 = 0 THEN '{}'::bytea END, now()
                FROM generate_series(1, 50000) n
            """),
            {"tenant": tenant},
        )
    owner = create_engine(url, role="postgres", pool_size=1, application="test owner")
    async with owner.begin() as connection:
        await connection.execute(text("ANALYZE idempotency"))
    with statements() as sent:
        await erase(mine, ids)
    (forgotten,) = {each for each in sent if each.startswith("UPDATE idempotency")}
    async with owner.connect() as connection:
        plan = await connection.exec_driver_sql(f"EXPLAIN {forgotten}", ([new_id()], [b"{}"], tenant))
        said = "".join(plan.scalars())
    assert "idempotency_answers" in said
    assert "subject = erased.subject" in said.partition("Index Cond:")[2]
    await owner.dispose()


async def test_the_worker_keeps_each_erasure_in_the_file_once(
    mine: Tenant, worker: AsyncEngine, tmp_path: Path
) -> None:
    path = tmp_path / "erasures.jsonl"
    first, second = await person(mine), await person(mine)
    await erase(mine, first)
    await File(path).keep(worker)
    with path.open("ab") as cut:
        cut.write(b'{"tenant":"cu')  # its writer died
    await erase(mine, second)
    file = File(path)
    await file.keep(worker)
    await file.keep(worker)
    kept = read_file(path)
    assert sorted(str(each.id) for each in kept) == sorted([*first.values(), *second.values()])
    async with worker.connect() as connection:
        assert sorted(kept, key=str) == sorted(await erasures(connection), key=str)
    assert path.stat().st_mode & 0o777 == 0o600


async def test_what_the_file_took_in_part_is_written_again(
    mine: Tenant, worker: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the disk is full: the call says how much it took, and does not fail."""
    ids, file = await person(mine), File(tmp_path / "erasures.jsonl")
    await erase(mine, ids)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda to, lines: write(to, lines[:-40]))
        with pytest.raises(OSError, match="a part only"):
            await file.keep(worker)
    await file.keep(worker)
    assert {str(each.id) for each in read_file(tmp_path / "erasures.jsonl")} == set(ids.values())


async def test_what_a_backup_brought_back_is_erased_again_and_once(
    mine: Tenant, tenant: str, worker: AsyncEngine
) -> None:
    ids, other = await person(mine), await person(mine)
    wanted = [
        Erasure(tenant, noun, UUID(id), AT)
        for noun, id in (("contact", ids["contacts"]), ("customer", ids["customers"]), ("contact", str(new_id())))
    ]
    for erased in (2, 0):
        async with worker.begin() as connection:
            assert await apply_again(connection, [*wanted, *wanted]) == erased
    contact = (await mine.get(f"/v1/contacts/{ids['contacts']}")).json()
    assert (contact["name"], contact["version"]) == (None, 2)
    assert (await mine.get(f"/v1/contacts/{other['contacts']}")).json()["name"] == PERSON["name"]


async def test_a_tenant_whose_removal_was_under_way_keeps_no_other_from_it(
    mine: Tenant, tenant: str, worker: AsyncEngine
) -> None:
    """Nothing may be written of it any more, and some of its rows are still there."""
    ids, theirs = await person(mine), new_id()
    async with worker.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO customers (tenant_id, id, version, created_at, updated_at, kind, name, tags) "
                "VALUES ('t-gone', :id, 1, now(), now(), 'person', 'Bob', '{}')"
            ),
            {"id": theirs},
        )
        await connection.execute(text("INSERT INTO removed_tenants (tenant_id, removed_at) VALUES ('t-gone', now())"))
    wanted = [Erasure("t-gone", "customer", theirs, AT), Erasure(tenant, "customer", UUID(ids["customers"]), AT)]
    async with worker.begin() as connection:
        assert await apply_again(connection, wanted) == 1


async def test_another_tenants_record_is_not_erased(mine: Tenant, worker: AsyncEngine) -> None:
    ids = await person(mine)
    contact = UUID(ids["contacts"])
    async with worker.begin() as connection:
        wrong = Erasure("t-other", "contact", contact, AT)
        assert await apply_again(connection, [wrong]) == 0
    assert (await mine.get(f"/v1/contacts/{ids['contacts']}")).json()["name"] == PERSON["name"]


def test_what_is_no_erasure_is_passed_over_in_the_file(tmp_path: Path) -> None:
    """One line that somebody spoilt must not keep all others from being applied."""
    good = Erasure("demo", "contact", new_id(), AT)
    line = msgspec.json.encode(good)
    poison = [
        line[:20],
        b"\x00\xff",
        b"[" * 20_000,
        line.replace(b"contact", b"invoice"),
        line.replace(b"demo", b"De mo"),
        line.replace(b"demo", b"de\\u0000mo"),
        line.replace(b"2026-01-01", b"0000-01-01"),
    ]
    (tmp_path / "erasures.jsonl").write_bytes(b"\n".join([*poison, line, b""]))
    assert read_file(tmp_path / "erasures.jsonl") == [good]


def test_an_erasure_is_read_from_its_event() -> None:
    event = Envelope(
        id=new_id(),
        source="contacts",
        type="contacts.contact.erased.v1",
        subject=new_id(),
        time=AT,
        tenant_id="demo",
        customer_id=new_id(),
        aggregate_version=2,
        recorded_at=AT,
        traceparent=None,
        data=b"{}",
    )
    amended = msgspec.structs.replace(event, type="contacts.contact.amended.v1")
    assert told([amended, event]) == [Erasure("demo", "contact", event.subject, event.time)]


def test_the_file_must_be_writable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KITH_DATABASE_URL_CONTACTS", "postgresql://nowhere/kith")
    monkeypatch.setenv("KITH_ERASURES_FILE", str(tmp_path / "new.jsonl"))
    assert from_environment(ContactsSettings).erasures_file == tmp_path / "new.jsonl"
    monkeypatch.setenv("KITH_ERASURES_FILE", str(tmp_path / "no folder" / "new.jsonl"))
    with pytest.raises(SettingsInvalid, match="KITH_ERASURES_FILE"):
        from_environment(ContactsSettings)
