"""What contacts has erased, the other services erase too, and each says so once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import at, happened
from tests.kith.tenants.filled import tables_with

from kith.customers import erasing
from kith.customers.erasing import Erasing
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.contacts import ContactErased, CustomerErased
from kith.events.event import Event
from kith.exports.run import Exporter
from kith.exports.tables import EXPORTS
from kith.ids import new_id
from kith.jobs.runner import Jobs
from kith.nouns.blinding import is_blinded
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres
from sales.erasing import ERASING as IN_SALES
from sales.resources import RESOURCES
from sales.service import SERVICE as SALES
from service_desk.erasing import ERASING as IN_SERVICE_DESK
from service_desk.service import SERVICE as SERVICE_DESK

KEY = "Idempotency-Key"
EXPORTS_OF_SALES = Jobs(EXPORTS, {each.name: Exporter("sales", RESOURCES).run for each in RESOURCES})
Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
CONFIRMED = (
    "SELECT data, aggregate_version, customer_id FROM outbox WHERE tenant_id = $1 AND type LIKE '%erasure.conf%'"
)


class One:
    """A service, and what its worker does when contacts has erased somebody."""

    def __init__(self, mine: Tenant, worker: AsyncEngine, owner: asyncpg.Connection, erasing: Erasing) -> None:
        self.mine, self.worker, self.owner = mine, worker, owner
        self._erasing, self._step = erasing, erasing.task().step

    async def hears(self, event: Event, subject: str, customer: str | None = None) -> None:
        of = UUID(customer or subject)
        told = happened(event, self.mine.name, at("2026-03-01"), of, subject=UUID(subject), aggregate_version=2)
        async with self.worker.begin() as connection:
            await self._erasing.handler(connection, [told])

    async def works(self) -> int:
        """Until nothing is due. Returns in how many steps."""
        steps = 0
        while await self._step(self.worker):
            steps += 1
        return steps

    async def confirmed(self) -> Sequence[Any]:
        rows = await self.owner.fetch(CONFIRMED, self.mine.name)
        return [(httpx.Response(200, content=row["data"]).json(), *list(row)[1:]) for row in rows]

    async def holds(self, word: str) -> set[str]:
        return await tables_with(self.owner, word) | await tables_with(self.owner, word.encode().hex())


@pytest.fixture
async def one(
    request: pytest.FixtureRequest, serve: Serve, postgres: EmbeddedPostgres, issuer: Issuer, tenant: str
) -> AsyncIterator[One]:
    service, erasing = request.param
    client, url = await serve(service), postgres.url(f"kith_{service.package}")
    worker = create_engine(url, role=WORKER_ROLE, pool_size=3, application="test worker")
    owner = await asyncpg.connect(url)
    yield One(Tenant(client, issuer, tenant), worker, owner, erasing)
    await owner.close()
    await worker.dispose()


in_sales = pytest.mark.parametrize("one", [(SALES, IN_SALES)], ids=["sales"], indirect=True)
in_service_desk = pytest.mark.parametrize("one", [(SERVICE_DESK, IN_SERVICE_DESK)], ids=["desk"], indirect=True)


async def deal(mine: Tenant, customer: str, word: str) -> Answer:
    key = {"Idempotency-Key": new_id().hex}
    made = await mine.post("/v1/opportunities", {"name": word, "currency": "EUR", "customer_id": customer}, **key)
    assert made.status_code == 201, made.text
    found: Answer = made.json()
    await mine.post(f"/v1/opportunities/{found['id']}:amend", {"name": f"{word} again"})
    return found


@in_sales
async def test_what_says_who_it_is_goes_from_all_that_sales_keeps_and_the_rest_stays(one: One) -> None:
    gone, stays = str(new_id()), str(new_id())
    word, other = f"ann{new_id().hex}", f"bob{new_id().hex}"
    erased, kept = await deal(one.mine, gone, word), await deal(one.mine, stays, other)
    assert await one.holds(word) == {
        f"public.{each}" for each in ("opportunities", "history", "search_entries", "idempotency")
    }
    await one.hears(CustomerErased(), gone)
    await one.works()
    assert await one.holds(word) == set()
    assert await one.holds(other) != set()
    shown = (await one.mine.get(f"/v1/opportunities/{erased['id']}")).json()
    assert (shown["name"], shown["stage"], shown["version"]) == (None, "prospecting", 2)
    assert (await one.mine.get(f"/v1/opportunities/{kept['id']}")).json()["name"] == f"{other} again"
    assert [each["id"] for each in (await one.mine.get("/v1/opportunities", q=other)).json()["items"]] == [kept["id"]]
    told = {"of_noun": "customer", "record_id": gone, "records": {"opportunities": 1}}
    assert await one.confirmed() == [(told, 1, None)]


@in_sales
async def test_a_checklist_goes_with_the_title_and_is_done_with(one: One) -> None:
    gone, word = str(new_id()), f"ann{new_id().hex}"
    task = {"title": word, "customer_id": gone, "checklist": [{"text": word}], "due_at": "2026-03-01T00:00:00Z"}
    made = await one.mine.made("/v1/tasks", **task, recurrence="FREQ=DAILY")
    await one.mine.post(f"/v1/tasks/{made['id']}:tick", {"item": 1})
    await one.hears(CustomerErased(), gone)
    await one.works()
    assert await one.holds(word) == set()
    done = (await one.mine.post(f"/v1/tasks/{made['id']}:complete", {})).json()
    assert (done["checklist"], done["next_id"]) == (None, None)  # nobody would know what to do
    await one.hears(CustomerErased(), gone)
    await one.works()


@in_sales
async def test_contents_of_exports_that_cover_its_records_go_with_it(one: One) -> None:
    gone = str(new_id())
    await deal(one.mine, gone, "Whale")
    jobs = [(await one.mine.post("/v1/exports", {"noun": each})).json()["id"] for each in ("opportunity", "product")]
    while await EXPORTS_OF_SALES.step(one.worker):
        pass
    contents = [f"/v1/exports/{each}/content" for each in jobs]
    assert "Whale again" in (await one.mine.get(contents[0])).text
    await one.hears(CustomerErased(), gone)
    await one.works()
    assert [(await one.mine.get(each)).status_code for each in contents] == [410, 200]


@in_sales
async def test_what_clients_have_named_it_is_known_again_and_found_nowhere(one: One) -> None:
    customer, ann = str(new_id()), f"ann{new_id().hex}@example.org"
    order = {"value": "10", "currency": "EUR", "customer_id": customer, "external_id": ann}
    task = {"title": "Call", "explanation": ann, "customer_id": customer, "external_id": f"{ann}/task"}
    task["occurred_at"] = "2026-01-01T00:00:00Z"
    done = {"command": "complete", "external_id": f"{ann}/task", "occurred_at": "2026-01-02T00:00:00Z"}

    async def sent() -> list[Any]:
        made = [
            await one.mine.post("/v1/orders", order),
            await one.mine.post("/v1/tasks", task, **{KEY: f"{ann}-task"}),
        ]
        made += [await one.mine.post("/v1/orders", order | {"external_id": None}, **{KEY: ann})]
        result = (await one.mine.post("/v1/tasks:bulk", {"rows": [done]})).json()["results"][0]
        return [*((each.status_code, each.json()["id"]) for each in made), (result["status"], result["id"])]

    *first, changed = await sent()
    assert changed == ("accepted", first[1][1])
    await one.hears(CustomerErased(), customer)
    await one.works()
    assert await one.holds(ann) == set()
    assert await sent() == [*first, ("unchanged", first[1][1])]
    other = await one.mine.post("/v1/tasks", {**task, "title": "Guess"})
    assert (other.status_code, other.json()["id"]) == (201, first[1][1]), "nobody learns what it was"
    assert await one.holds(ann) == set()
    assert len((await one.mine.get("/v1/orders", customer_id=customer)).json()["items"]) == 2
    shown = (await one.mine.get(f"/v1/orders/{first[0][1]}")).json()["external_id"]
    assert is_blinded(shown)
    assert ann not in shown


@in_sales
async def test_what_code_of_before_has_left_goes_and_is_not_confirmed_again(one: One, tenant: str) -> None:
    customer, word = str(new_id()), f"ann{new_id().hex}"
    await one.hears(CustomerErased(), customer)
    await one.works()
    await one.mine.made("/v1/tasks", title=word, customer_id=customer)
    assert await one.works() == 0
    await one.owner.execute("UPDATE erasures SET version = 0 WHERE tenant_id = $1", tenant)
    await one.works()
    assert await one.holds(word) == set()
    assert len(await one.confirmed()) == 1


@in_sales
async def test_it_is_done_some_at_a_time_and_confirmed_once(one: One, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "AT_A_TIME", 2)
    customer, word = str(new_id()), f"ann{new_id().hex}"
    for _ in range(5):
        await one.mine.made("/v1/tasks", title=word, customer_id=customer)
    await one.mine.made("/v1/opportunities", name=word, currency="EUR", customer_id=customer)
    for _ in range(2):
        await one.hears(CustomerErased(), customer)
    assert sum(await asyncio.gather(one.works(), one.works())) == 4
    await one.hears(CustomerErased(), customer)
    assert await one.works() == 0
    assert await one.holds(word) == set()
    (told,) = await one.confirmed()
    assert told[0]["records"] == {"opportunities": 1, "tasks": 5}


@in_sales
async def test_a_step_that_is_cut_off_is_done_again(one: One) -> None:
    customer, word = str(new_id()), f"ann{new_id().hex}"
    await one.mine.made("/v1/tasks", title=word, customer_id=customer)
    await one.hears(CustomerErased(), customer)
    for seconds in (0.0, 0.001, 0.005):
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await one.works()
    await one.works()
    assert await one.holds(word) == set()
    assert [told["records"] for told, *_ in await one.confirmed()] == [{"tasks": 1}]


@in_sales
async def test_another_tenants_records_of_the_same_customer_stay(one: One, issuer: Issuer, other_tenant: str) -> None:
    customer, word = str(new_id()), f"ann{new_id().hex}"
    theirs = Tenant(one.mine.client, issuer, other_tenant)
    made = await theirs.made("/v1/tasks", title=word, customer_id=customer)
    await one.hears(CustomerErased(), customer)
    await one.works()
    assert (await theirs.get(f"/v1/tasks/{made['id']}")).json()["title"] == word


@in_service_desk
async def test_of_a_contact_the_cases_that_name_it_lose_their_subject(one: One) -> None:
    customer, contact, word = str(new_id()), str(new_id()), f"ann{new_id().hex}"
    case = {"channel": "email", "customer_id": customer}
    hers = await one.mine.made("/v1/cases", subject=word, contact_id=contact, **case)
    whole = await one.mine.made("/v1/cases", subject="No light", **case)
    await one.hears(ContactErased(), contact, customer)
    await one.works()
    subjects = [(await one.mine.get(f"/v1/cases/{each['id']}")).json()["subject"] for each in (hers, whole)]
    assert (subjects, await one.holds(word)) == ([None, "No light"], set())
    (told,) = await one.confirmed()
    assert told[0] == {"of_noun": "contact", "record_id": contact, "records": {"cases": 1}}
