"""Contacts written before they had lists: rows that are migrated, and rows of code of before that still runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.upgrade.house import new_database, upgrade

from contacts.service import SERVICE
from kith.ids import new_id
from kith.testing import Issuer, Tenant, serving
from kith_local.postgres import EmbeddedPostgres

BEFORE, AFTER = "0012", "head"
CUSTOMER = """
    INSERT INTO customers (tenant_id, id, version, created_at, updated_at, kind, name, tags)
    VALUES ($1, $2, 1, now(), now(), 'organisation', 'Works', '{}')
"""
CONTACT = """
    INSERT INTO contacts (tenant_id, id, version, created_at, updated_at, name, email, phone, role, customer_id)
    VALUES ($1, $2, 1, now(), now(), 'Ada', $3, $4, $5, $6)
"""


class FormerCode:
    """Writes as the code of before does."""

    def __init__(self, connection: asyncpg.Connection, tenant: str) -> None:
        self.connection, self.tenant, self.customer = connection, tenant, new_id()

    async def creates_customer(self) -> None:
        await self.connection.execute(CUSTOMER, self.tenant, self.customer)

    async def creates(self, email: str | None, phone: str | None, role: str | None) -> UUID:
        id = new_id()
        await self.connection.execute(CONTACT, self.tenant, id, email, phone, role, self.customer)
        return id

    async def amends(self, id: UUID, assignments: str) -> None:
        statement = f"UPDATE contacts SET {assignments} WHERE tenant_id = $1 AND id = $2"  # noqa: S608 - of the tests
        await self.connection.execute(statement, self.tenant, id)


@pytest.fixture
async def url(postgres: EmbeddedPostgres) -> str:
    url = await new_database(postgres, "before")
    await upgrade(url, SERVICE, BEFORE)
    return url


@asynccontextmanager
async def former_code(url: str, tenant: str) -> AsyncIterator[FormerCode]:
    connection = await asyncpg.connect(url)
    try:
        yield FormerCode(connection, tenant)
    finally:
        await connection.close()


@asynccontextmanager
async def code_of_today(url: str, issuer: Issuer, tenant: str) -> AsyncIterator[Tenant]:
    async with serving(SERVICE, url, issuer) as client:
        yield Tenant(client, issuer, tenant)


async def seen(mine: Tenant, id: UUID) -> dict[str, Any]:
    found: dict[str, Any] = (await mine.get(f"/v1/contacts/{id}")).json()
    return found


async def test_rows_of_before_have_lists_and_answer_as_they_did(url: str, issuer: Issuer, tenant: str) -> None:
    async with former_code(url, tenant) as former:
        await former.creates_customer()
        one = await former.creates("Ada@Example.org", "+43 1 5125 0", "buyer")
        two = await former.creates(None, "020-7946/0958", None)
        await upgrade(url, SERVICE, AFTER)
        async with code_of_today(url, issuer, tenant) as mine:
            ada, bob = await seen(mine, one), await seen(mine, two)
            amended = (await mine.post(f"/v1/contacts/{one}:amend", {"name": "Ada King"})).json()
    assert (ada["email"], ada["phone"], ada["role"]) == ("Ada@Example.org", "+43 1 5125 0", "buyer")
    assert [(each["address"], each["primary"]) for each in ada["emails"]] == [("Ada@Example.org", True)]
    assert [(each["number"], each["written"]) for each in ada["phones"]] == [("+43151250", "+43 1 5125 0")]
    assert [(each["customer_id"], each["role"]) for each in ada["roles"]] == [(str(former.customer), "buyer")]
    assert (bob["email"], bob["emails"], bob["phone"]) == (None, [], "020-7946/0958")
    assert [(each["number"], each["written"]) for each in bob["phones"]] == [("020-7946/0958", None)]
    assert {**amended, "updated_at": 0} == {**ada, "name": "Ada King", "version": 2, "updated_at": 0}


async def test_the_lists_follow_what_code_of_before_writes(url: str, issuer: Issuer, tenant: str) -> None:
    await upgrade(url, SERVICE, AFTER)
    async with former_code(url, tenant) as former, code_of_today(url, issuer, tenant) as mine:
        await former.creates_customer()
        id = await former.creates("a@example.org", None, None)
        assert [each["address"] for each in (await seen(mine, id))["emails"]] == ["a@example.org"]
        await former.amends(id, "email = 'b@example.org', phone = '+43 1 5125 0', role = 'buyer'")
        ada = await seen(mine, id)
        assert ([each["address"] for each in ada["emails"]], ada["phones"][0]["number"]) == (
            ["b@example.org"],
            "+43151250",
        )
        assert ada["roles"][0]["role"] == "buyer"
        await former.amends(id, "name = 'Ada King'")
        assert (await seen(mine, id))["emails"] == ada["emails"], "what it does not touch stays"


async def test_what_code_of_before_erases_is_erased_from_the_lists(url: str, issuer: Issuer, tenant: str) -> None:
    await upgrade(url, SERVICE, AFTER)
    async with former_code(url, tenant) as former, code_of_today(url, issuer, tenant) as mine:
        await former.creates_customer()
        made = await mine.made(
            "/v1/contacts",
            customer_id=str(former.customer),
            name="Ada",
            title="Head of beans",
            emails=[{"address": "ada@gone.example"}],
            phones=[{"number": "+43 1 5125 0"}],
            addresses=[{"street": "Ring 1", "city": "Wien", "country": "AT"}],
            preferred_times=[{"begins": "09:00", "ends": "12:00"}],
        )
        await former.amends(UUID(made["id"]), "name = NULL, email = NULL, phone = NULL, erased_at = now()")
        ada = await seen(mine, UUID(made["id"]))
    lists = ("emails", "phones", "addresses", "preferred_times")
    assert {name: ada[name] for name in lists} == {name: [] for name in lists}
    assert (ada["title"], ada["country"]) == (None, None)


async def test_a_request_that_code_of_before_remembered_is_answered(url: str, issuer: Issuer, tenant: str) -> None:
    """Its answer lacks the fields that contacts have gained: the record is shown as it is now."""
    await upgrade(url, SERVICE, AFTER)
    async with former_code(url, tenant) as former, code_of_today(url, issuer, tenant) as mine:
        await former.creates_customer()
        body = {"customer_id": str(former.customer), "name": "Ada", "email": "ada@example.org"}
        first = await mine.post("/v1/contacts", body, **{"Idempotency-Key": "once"})
        remembered = "convert_to((convert_from(outcome, 'UTF8')::jsonb - 'emails' - 'roles')::text, 'UTF8')"
        await former.connection.execute(f"UPDATE idempotency SET outcome = {remembered}")  # noqa: S608 - a constant
        again = await mine.post("/v1/contacts", body, **{"Idempotency-Key": "once"})
        other = await mine.post("/v1/contacts", body | {"name": "Bob"}, **{"Idempotency-Key": "once"})
    assert (again.status_code, again.json()) == (201, first.json())
    assert other.json()["code"] == "idempotency-key-reused"


async def test_what_code_of_before_erases_of_a_customer_is_erased_whole(url: str, issuer: Issuer, tenant: str) -> None:
    await upgrade(url, SERVICE, AFTER)
    async with former_code(url, tenant) as former, code_of_today(url, issuer, tenant) as mine:
        made = await mine.made(
            "/v1/customers",
            kind="person",
            name="Ada",
            website="https://ada.example",
            addresses=[{"street": "Ring 1", "city": "Wien", "country": "AT"}],
        )
        erasing = "UPDATE customers SET name = NULL, erased_at = now() WHERE tenant_id = $1 AND id = $2"
        await former.connection.execute(erasing, tenant, UUID(made["id"]))
        ada = (await mine.get(f"/v1/customers/{made['id']}")).json()
    assert (ada["website"], ada["addresses"]) == (None, [])
