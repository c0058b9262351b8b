"""Customers and contacts are merged at random, on top of each other, and separated again, while records of them are
made: each service lists a record by the customer and the contact that remain of those that it was told, and after all
is undone every list is what it would be had nobody been merged.

`make prove` does a thousand pairs; `make test` some dozens.
"""

import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from contacts.service import SERVICE as CONTACTS
from kith.customers.known import keeping_customers
from kith.customers.repointing import Repointing
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.envelope import Envelope
from kith.nouns.elsewhere import in_turn
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES
from sales.tables import known_customers as known_in_sales
from service_desk.consumers import keep_merged_contacts, note_contacts
from service_desk.service import SERVICE as SERVICE_DESK
from service_desk.tables import known_customers as known_in_service_desk

SERVICES = {"contacts": CONTACTS, "sales": SALES, "desk": SERVICE_DESK}
Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
PAIRS = int(os.environ.get("KITH_MERGED_PAIRS", "30"))
STEPS = ("merge", "merge_contacts", "unmerge", "record", "amend")
RISING, FALLING, TIDE = (45, 15, 5, 25, 10), (10, 5, 60, 15, 10), 50
"""How likely each is: for so many steps merges are stacked, and then most are undone, in any order."""
LOOKED = min(1.0, 100 / PAIRS)
"""How often all lists are looked at when the others have heard: they grow with the pairs."""
pytestmark = pytest.mark.timeout(60 + 5 * PAIRS)
CUSTOMERS = max(12, PAIRS // 25)
_NEW = "SELECT * FROM outbox WHERE tenant_id = $1 AND seq > $2 ORDER BY seq"
FIELDS = ("segment", "tier", "country", "source", "size", "industry")
MADE = {
    "/v1/contacts": {"name": "Ada"},
    "/v1/touchpoints": {"channel": "email", "direction": "inbound"},
    "/v1/orders": {"value": "10", "currency": "EUR"},
    "/v1/opportunities": {"name": "Lease", "currency": "EUR"},
    "/v1/tasks": {"title": "Call"},
    "/v1/cases": {"subject": "No light", "channel": "phone"},
}
NAME_CONTACTS = ("/v1/touchpoints", "/v1/cases")


class House:
    """Three services of one tenant, and what its customers and their records should be."""

    def __init__(
        self, tenants: dict[str, Tenant], workers: dict[str, AsyncEngine], url: str, chance: random.Random
    ) -> None:
        self.contacts = tenants["contacts"]
        self._tenants, self._workers, self._url, self._chance = tenants, workers, url, chance
        self._handlers = {
            "sales": keeping_customers(known_in_sales),
            "desk": in_turn(keeping_customers(known_in_service_desk), note_contacts, keep_merged_contacts),
        }
        self._heard = 0
        self.customers: dict[str, dict[str, Any]] = {}
        self.into: dict[str, str] = {}
        self.told: dict[str, dict[str, str]] = {path: {} for path in MADE}
        self.people: dict[str, dict[str, Any]] = {}
        """The contacts as they are when none is merged."""
        self.named: dict[str, dict[str, str]] = {path: {} for path in NAME_CONTACTS}
        """The contacts that records were told."""
        self.number = 0

    def of(self, path: str) -> Tenant:
        name = {"/v1/contacts": "contacts", "/v1/touchpoints": "contacts", "/v1/cases": "desk"}.get(path, "sales")
        return self._tenants[name]

    def end(self, customer: str) -> str:
        while customer in self.into:
            customer = self.into[customer]
        return customer

    async def customer(self) -> None:
        some = {name: f"{name}-{self._chance.randrange(3)}" for name in FIELDS if self._chance.random() < 0.5}
        tags = self._chance.sample(["a", "b", "c"], self._chance.randrange(3))
        more: dict[str, Any] = {"referred_by": self._any()} if self.customers and self._chance.random() < 0.5 else {}
        made = await self.contacts.made("/v1/customers", kind="organisation", name="N", tags=tags, **some, **more)
        self.customers[made["id"]] = {name: made[name] for name in (*FIELDS, "tags", "referred_by", "name")}

    def _any(self) -> str:
        return self._chance.choice([*self.customers])

    async def record(self) -> None:
        path, customer = self._chance.choice([*MADE]), self._any()
        contacts, more = self.told["/v1/contacts"], dict[str, Any]()
        if path in NAME_CONTACTS and contacts and self._chance.random() < 0.5:
            more["contact_id"] = self._chance.choice([*contacts])
            customer = contacts[more["contact_id"]]
        if path == "/v1/contacts":
            letters = self._chance.sample("abcd", self._chance.randrange(3))
            more["emails"] = [{"address": f"{each}@x.example"} for each in letters]
            more["title"] = self._chance.choice([None, "Dr", "Prof"])
            more["role"] = self._chance.choice([None, "buyer", "boss"])
        made = await self.of(path).made(path, **MADE[path], customer_id=customer, **more)
        self.told[path][made["id"]] = customer
        if path == "/v1/contacts":
            self.people[made["id"]] = {name: made[name] for name in ("title", "emails", "email", "role", "roles")}
        if "contact_id" in more:
            self.named[path][made["id"]] = more["contact_id"]
        if self.of(path) is self.contacts:
            assert made["customer_id"] == self.end(customer)

    async def merge(self) -> bool:
        one, other = self._chance.sample([*self.customers], 2)
        take = self._chance.sample([*FIELDS], self._chance.randrange(3))
        answer = await self.contacts.post(f"/v1/customers/{one}:merge", {"into": other, "take": take})
        if one in self.into or other in self.into:
            assert (answer.status_code, answer.json()["code"]) == (409, "customer-merged")
            return False
        assert (answer.status_code, answer.json()["merged_into"]) == (200, other), answer.text
        self.into[one] = other
        return True

    async def step(self, what: str) -> bool:
        """Returns whether customers were merged."""
        if what == "merge":
            return await self.merge()
        if what == "unmerge" and self.into:
            await self.unmerge(self._chance.choice([*self.into]))
        elif what != "unmerge":
            await getattr(self, what)()
        return False

    async def merge_contacts(self) -> None:
        contacts = [each for each in self.told["/v1/contacts"] if each not in self.into]
        if len(contacts) > 1:
            one, other = self._chance.sample(contacts, 2)
            answer = await self.contacts.post(f"/v1/contacts/{one}:merge", {"into": other})
            assert answer.status_code == 200, answer.text
            self.into[one] = other

    async def unmerge(self, one: str) -> None:
        noun = "contacts" if one in self.told["/v1/contacts"] else "customers"
        answer = await self.contacts.post(f"/v1/{noun}/{one}:unmerge", {})
        assert (answer.status_code, answer.json()["merged_into"]) == (200, None), answer.text
        del self.into[one]

    async def amend(self) -> None:
        customer, name = self._any(), self._chance.choice(FIELDS)
        self.number += 1
        value = f"new-{self.number}"
        answer = await self.contacts.post(f"/v1/customers/{customer}:amend", {name: value})
        if customer in self.into:
            assert (answer.status_code, answer.json()["code"]) == (409, "customer-merged")
        else:
            assert answer.status_code == 200
            self.customers[customer][name] = value

    async def hear(self) -> None:
        """The others hear what was published, of each customer in order, and of several in any order."""
        connection = await asyncpg.connect(self._url)
        try:
            rows = await connection.fetch(_NEW, self.contacts.name, self._heard)
        finally:
            await connection.close()
        told = self.told["/v1/touchpoints"] | self.told["/v1/contacts"]
        named = {str(row["subject"]): str(row["customer_id"]) for row in rows if str(row["subject"]) in told}
        assert named == {id: told[id] for id in named}, "an event names the customer that was told"
        names = set(Envelope.__struct_fields__)
        new = [Envelope(source="contacts", **{k: v for k, v in row.items() if k in names}) for row in rows]
        self._heard = max((row["seq"] for row in rows), default=self._heard)
        for name, handle in self._handlers.items():
            engine = self._workers[name]
            for batch in shuffled(new, self._chance):
                async with engine.begin() as transaction:
                    await handle(transaction, batch)
        for name, service in SERVICES.items():
            # Of a thousand records and more the rest is given by the worker.
            giving = Repointing(service.outbox.metadata).task()
            while await giving.step(self._workers[name]):
                pass

    async def look(self) -> None:
        if self._chance.random() < LOOKED:
            await self.check()

    async def check(self) -> None:
        for path, told in self.told.items():
            listed = {each["id"]: each["customer_id"] for each in await all_of(self.of(path), path)}
            assert listed == {id: self.end(customer) for id, customer in told.items() if id not in self.into}, path
        for path, told in self.named.items():
            rows = await all_of(self.of(path), path)
            named = {each["id"]: each["contact_id"] for each in rows if each["contact_id"] is not None}
            assert named == {id: self.end(contact) for id, contact in told.items()}, path
        customer = self._any()
        found = {each["id"] for each in await all_of(self.of("/v1/orders"), "/v1/orders", customer_id=customer)}
        assert found == {id for id, told in self.told["/v1/orders"].items() if self.end(told) == customer}

    async def check_customers(self) -> None:
        listed = {each["id"]: each for each in await all_of(self.contacts, "/v1/customers")}
        for id, fields in self.customers.items():
            assert {name: listed[id][name] for name in fields} == fields
            assert listed[id]["merged_into"] is None
        contacts = {each["id"]: each for each in await all_of(self.contacts, "/v1/contacts")}
        assert {id: {name: contacts[id][name] for name in each} for id, each in self.people.items()} == self.people


def shuffled(envelopes: Sequence[Envelope], chance: random.Random) -> list[list[Envelope]]:
    """Batches with the envelopes in another order, those of a customer in theirs."""
    rest: dict[UUID | None, list[Envelope]] = {}
    for each in envelopes:
        rest.setdefault(each.customer_id, []).append(each)
    order = [customer for customer, of_it in rest.items() for _ in of_it]
    chance.shuffle(order)
    mixed = [rest[customer].pop(0) for customer in order]
    size = chance.randrange(1, 8)
    return [mixed[start : start + size] for start in range(0, len(mixed), size)]


async def all_of(tenant: Tenant, path: str, **query: str) -> list[Answer]:
    rows: list[Answer] = []
    more = dict(query)
    while True:
        answer = await tenant.get(path, first=500, **more)
        assert answer.status_code == 200, answer.text
        rows += answer.json()["items"]
        if (after := answer.json()["next"]) is None:
            return rows
        more["after"] = after


@pytest.fixture
async def house(serve: Serve, issuer: Issuer, tenant: str, postgres: EmbeddedPostgres) -> AsyncIterator[House]:
    seed = int(os.environ.get("KITH_MERGES_SEED", random.randrange(2**32)))
    print(f"KITH_MERGES_SEED={seed}")  # noqa: T201 - shown if it fails
    tenants = {name: Tenant(await serve(service), issuer, tenant) for name, service in SERVICES.items()}
    workers = {
        name: create_engine(postgres.url(f"kith_{each.package}"), role=WORKER_ROLE, pool_size=1, application="worker")
        for name, each in SERVICES.items()
    }
    yield House(tenants, workers, postgres.url("kith_contacts"), random.Random(seed))
    for engine in workers.values():
        await engine.dispose()


async def test_after_all_is_undone_every_list_is_what_it_would_be_without_merges(house: House) -> None:
    chance, merges, steps = house._chance, 0, 0
    for _ in range(CUSTOMERS):
        await house.customer()
    for _ in range(2 * CUSTOMERS):
        await house.record()
    while merges < PAIRS:
        is_rising = steps // TIDE % 2 == 0
        steps += 1
        merges += await house.step(*chance.choices(STEPS, RISING if is_rising else FALLING))
        if chance.random() < 0.2:
            await house.hear()
            await house.look()
    await house.hear()
    await house.check()
    while house.into:
        await house.unmerge(chance.choice([*house.into]))
    await house.hear()
    await house.check()
    await house.check_customers()
