"""A lead is converted across two services: all of it comes about, or nothing does, whatever happens on the way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import FreshDatabase

from contacts.service import SERVICE as CONTACTS
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.http.scopes import SCOPES
from kith.ids import new_id
from kith.peers.calls import Peers
from kith.peers.credentials import claim_of
from kith.processes.declared import LocalCommand, Process, Run
from kith.processes.runner import Processes
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant, serving
from sales.leads.conversion import LEAD_CONVERSION
from sales.service import SERVICE as SALES
from sales.tables import idempotency, outbox

pytestmark = pytest.mark.own_database
IDA: Answer = {
    "name": "Ida Huber",
    "email": "ida@huber.example",
    "phone": "+43 1 5125 0",
    "company": "Huber",
    "title": "Chef",
}
DEAL: Answer = {"opportunity_name": "Beans", "value": "1200.50", "currency": "EUR", "expected_close": "2027-01-31"}


class Killed(BaseException):
    """As `kill -9`: nobody handles it."""


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """Contacts, and what goes wrong on the way to it."""

    contacts: httpx.AsyncClient
    before: Callable[[httpx.Request], Awaitable[httpx.Response | None]] | None = None
    after: Callable[[httpx.Request], Awaitable[None]] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.before is not None and (answer := await self.before(request)) is not None:
            return answer
        answer = await self.contacts._transport.handle_async_request(request)
        await answer.aread()
        if self.after is not None:
            await self.after(request)
        return answer


class Tokens:
    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    def forget(self, _: str) -> None:
        pass

    async def token(self, tenant: str) -> str:
        return self._issuer.token(tenant, "contacts:read contacts:write contacts:personal", sub="sales-worker")


@pytest.fixture(scope="module")
async def url(fresh_database: FreshDatabase) -> str:
    return await fresh_database(SALES)


@pytest.fixture(scope="module")
async def sales(url: str, issuer: Issuer) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(SALES, url, issuer) as client:
        yield client


@pytest.fixture(scope="module")
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=6, application="test")
    yield engine
    await engine.dispose()


@pytest.fixture(scope="module")
async def rows(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.fixture
async def wire(serve: Callable[[Service], Awaitable[httpx.AsyncClient]]) -> Wire:
    return Wire(await serve(CONTACTS))


@dataclass
class House:
    """Both services as one tenant, and the worker of sales."""

    sales: Tenant
    contacts: Tenant
    wire: Wire
    engine: AsyncEngine
    rows: asyncpg.Connection
    issuer: Issuer

    def worker(self, process: Process = LEAD_CONVERSION, *, reaches: bool = True) -> Processes:
        clients = {"contacts": httpx.AsyncClient(transport=self.wire, base_url="http://contacts")} if reaches else {}
        peers = Peers(clients, Tokens(self.issuer))  # type: ignore[arg-type]
        tables: dict[str, Any] = {"outbox": outbox, "idempotency": idempotency}
        return Processes((process,), source="sales", peers=lambda: peers, **tables)

    async def work(self, worker: Processes | None = None) -> None:
        """Until nothing is due."""
        worker = worker or self.worker()
        for _ in range(100):
            if not await worker.step(self.engine):
                return
        raise AssertionError("there is always more to do")

    async def due(self, minutes: int = 0) -> None:
        """As if the time had come, so many minutes after they began."""
        await self.rows.execute(
            "UPDATE processes SET next_at = now(), started_at = started_at - make_interval(mins => $1)"
            " WHERE next_at IS NOT NULL",
            minutes,
        )

    async def begun(self, *, lead: Answer | None = None, **asked: Any) -> tuple[Answer, Answer]:
        lead = lead or await self.sales.made("/v1/leads", **IDA)
        answer = await self.sales.post(f"/v1/leads/{lead['id']}:convert", asked)
        assert answer.status_code == 200, answer.text
        lead = answer.json()
        return lead, await self.process(lead)

    async def process(self, lead: Answer) -> Answer:
        answer: Answer = (await self.sales.get(f"/v1/processes/{lead['conversion_id']}")).json()
        return answer

    async def lead(self, lead: Answer) -> Answer:
        answer: Answer = (await self.sales.get(f"/v1/leads/{lead['id']}")).json()
        return answer

    async def there_is(self) -> dict[str, int]:
        """How much there is of each, of what is not archived."""
        nouns = {"customers": self.contacts, "contacts": self.contacts, "opportunities": self.sales}
        return {noun: len((await of.get(f"/v1/{noun}")).json()["items"]) for noun, of in nouns.items()}

    async def ask(self, process: Answer, verb: str) -> httpx.Response:
        return await self.sales.post(f"/v1/processes/{process['id']}:{verb}", {})


@pytest.fixture
def house(
    sales: httpx.AsyncClient, wire: Wire, engine: AsyncEngine, rows: asyncpg.Connection, issuer: Issuer, tenant: str
) -> House:
    return House(Tenant(sales, issuer, tenant), Tenant(wire.contacts, issuer, tenant), wire, engine, rows, issuer)


NOTHING = {"customers": 0, "contacts": 0, "opportunities": 0}
ALL = {"customers": 1, "contacts": 1, "opportunities": 1}


async def test_all_of_it_comes_about(house: House) -> None:
    lead = await house.sales.made("/v1/leads", **IDA, source="fair", campaign="spring")
    lead, process = await house.begun(lead=lead, **DEAL)
    assert (lead["state"], process["state"], process["params"]["value"]) == ("converting", "running", "1200.5000")
    assert "Beans" not in str(process), "it may name somebody"
    await house.work()
    lead, process = await house.lead(lead), await house.process(lead)
    assert (lead["state"], process["state"], process["reason"]) == ("converted", "done", None)
    assert (process["done"], process["total"]) == (3, 3)
    customer = (await house.contacts.get(f"/v1/customers/{lead['customer_id']}")).json()
    contact = (await house.contacts.get(f"/v1/contacts/{lead['contact_id']}")).json()
    deal = (await house.sales.get(f"/v1/opportunities/{lead['opportunity_id']}")).json()
    assert (customer["kind"], customer["name"]) == ("organisation", "Huber")
    assert (contact["name"], contact["email"], contact["title"]) == ("Ida Huber", "ida@huber.example", "Chef")
    assert contact["customer_id"] == deal["customer_id"] == customer["id"]
    assert (deal["name"], deal["value"], deal["expected_close"]) == ("Beans", "1200.5000", "2027-01-31")
    assert (deal["source"], deal["campaign"], customer["source"]) == ("fair", "spring", "fair")
    kept = await house.rows.fetchval("SELECT held FROM processes WHERE about_id = $1", lead["id"])
    assert kept is None, "what names people is not kept"


async def test_a_person_becomes_a_customer_of_its_own_without_a_deal(house: House) -> None:
    lead, _ = await house.begun(lead=await house.sales.made("/v1/leads", name="Ida Huber"))
    await house.work()
    lead = await house.lead(lead)
    customer = (await house.contacts.get(f"/v1/customers/{lead['customer_id']}")).json()
    assert (customer["kind"], customer["name"], lead["opportunity_id"]) == ("person", "Ida Huber", None)


async def test_one_of_a_customer_that_is_there_gets_a_contact(house: House) -> None:
    huber = await house.contacts.made("/v1/customers", kind="organisation", name="Huber")
    lead, _ = await house.begun(existing_customer_id=huber["id"], **DEAL)
    await house.work()
    lead, process = await house.lead(lead), await house.process(lead)
    assert (lead["customer_id"], process["made"]["customer"]) == (huber["id"], None)
    assert await house.there_is() == ALL


async def test_it_is_converted_into_a_contact_that_is_there(house: House) -> None:
    huber = await house.contacts.made("/v1/customers", kind="organisation", name="Huber")
    ida = await house.contacts.made("/v1/contacts", customer_id=huber["id"], name="Ida Huber")
    lead, _ = await house.begun(existing_customer_id=huber["id"], existing_contact_id=ida["id"], **DEAL)
    await house.work()
    lead, process = await house.lead(lead), await house.process(lead)
    assert (lead["customer_id"], lead["contact_id"]) == (huber["id"], ida["id"])
    assert process["made"] == {"customer": None, "contact": None}
    assert await house.there_is() == ALL


async def test_a_contact_that_is_there_is_somebodys(house: House) -> None:
    lead = await house.sales.made("/v1/leads", **IDA)
    answer = await house.sales.post(f"/v1/leads/{lead['id']}:convert", {"existing_contact_id": str(new_id())})
    assert answer.json()["errors"][0]["field"] == "existing_customer_id"


async def test_values_of_custom_fields_go_along(house: House) -> None:
    for noun, code in (("customer", "size"), ("contact", "nick")):
        made = {"of_noun": noun, "code": code, "label": code, "value_type": "text", "required": True}
        await house.contacts.made("/v1/field-definitions", **made, personal=noun == "contact")
    lead, process = await house.begun(
        customer_custom={"size": "Large"}, contact_custom_personal={"nick": "Idi"}, **DEAL
    )
    assert "Idi" not in str(process)
    await house.work()
    lead = await house.lead(lead)
    customer = (await house.contacts.get(f"/v1/customers/{lead['customer_id']}")).json()
    contact = (await house.contacts.get(f"/v1/contacts/{lead['contact_id']}")).json()
    assert (customer["custom"], contact["custom_personal"]) == ({"size": "Large"}, {"nick": "Idi"})


async def test_the_deal_goes_through_the_pipeline_that_was_named(house: House) -> None:
    stages = [{"key": "call", "name": "Call", "probability_percent": 10}]
    pipeline = await house.sales.made("/v1/pipelines", name="Machines", stages=stages)
    lead, _ = await house.begun(**DEAL, pipeline_id=pipeline["id"])
    await house.work()
    deal = (await house.sales.get(f"/v1/opportunities/{(await house.lead(lead))['opportunity_id']}")).json()
    assert (deal["pipeline_id"], deal["stage"]) == (pipeline["id"], "call")


async def test_what_sales_refuses_of_the_deal_undoes_it_and_says_why(house: House) -> None:
    stages = [{"key": "call", "name": "Call", "probability_percent": 10}]
    pipeline = await house.sales.made("/v1/pipelines", name="Machines", stages=stages)
    lead, _ = await house.begun(**DEAL, pipeline_id=pipeline["id"])
    await house.sales.post(f"/v1/pipelines/{pipeline['id']}:archive", {})
    await house.work()
    process = await house.process(lead)
    assert (process["state"], "pipeline" in process["reason"], await house.there_is()) == ("undone", True, NOTHING)


async def test_it_is_not_changed_meanwhile(house: House) -> None:
    lead, _ = await house.begun()
    for verb, body in {"amend": {"name": "Ada"}, "work": {}, "archive": {}, "convert": {}}.items():
        answer = await house.sales.post(f"/v1/leads/{lead['id']}:{verb}", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "lead-converting")


async def test_one_that_is_converted_is_not_converted_again(house: House) -> None:
    lead, _ = await house.begun()
    await house.work()
    answer = await house.sales.post(f"/v1/leads/{lead['id']}:convert", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "lead-move-not-allowed")
    assert await house.there_is() == ALL | {"opportunities": 0}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"opportunity_name": "Beans"}, "currency"),
        ({"value": "1.00"}, "value"),
        ({"currency": "EUR"}, "currency"),
        ({"opportunity_name": "Beans", "currency": "JPY", "value": "1.50"}, "value"),
        ({"existing_customer_id": "x"}, "existing_customer_id"),
        ({"existing_customer_id": str(new_id()), "customer_custom": {"size": "Large"}}, "customer_custom"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(house: House, asked: dict[str, str], field: str) -> None:
    lead = await house.sales.made("/v1/leads", **IDA)
    answer = await house.sales.post(f"/v1/leads/{lead['id']}:convert", asked)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert (await house.lead(lead))["state"] == "new"


async def test_who_may_not_make_customers_does_not_by_converting(house: House) -> None:
    lead = await house.sales.made("/v1/leads", **IDA)
    for scope, asked in (("contacts:write", {}), ("contacts:personal", {"refuse_duplicates": True})):
        answer = await house.sales.without(scope).post(f"/v1/leads/{lead['id']}:convert", asked)
        assert answer.status_code == 403
        assert scope in answer.json()["detail"]


async def test_what_contacts_refuses_undoes_it_and_says_why(house: House) -> None:
    lead, _ = await house.begun(lead=await house.sales.made("/v1/leads", **{**IDA, "phone": "0664 1234567"}), **DEAL)
    await house.work()
    process = (await house.sales.get("/v1/processes", state="undone")).json()["items"][0]
    assert process["reason"].startswith("contacts: phone: ")
    assert (process["made"], process["next_at"]) == ({}, None)
    lead = await house.lead(lead)
    assert (lead["state"], lead["conversion_id"], lead["converted_by"]) == ("new", None, None)
    assert await house.there_is() == NOTHING
    await house.sales.post(f"/v1/leads/{lead['id']}:amend", {"phone": None})
    await house.begun(lead=lead, **DEAL)
    await house.work()
    assert await house.there_is() == ALL, "it is converted once that is mended"


async def test_what_may_be_there_already_is_refused_if_that_is_asked_for(house: House) -> None:
    huber = await house.contacts.made("/v1/customers", kind="organisation", name="Huber")
    known = await house.contacts.made("/v1/contacts", customer_id=huber["id"], name=IDA["name"], email=IDA["email"])
    _, process = await house.begun(refuse_duplicates=True, existing_customer_id=huber["id"])
    await house.work()
    process = (await house.sales.get(f"/v1/processes/{process['id']}")).json()
    assert process["state"] == "undone"
    assert known["id"] in process["reason"]


async def test_what_sales_refuses_at_the_end_undoes_it(house: House) -> None:
    """And nothing of the transaction that was to end it is there: not the opportunity, which came first."""

    def ends(run: Run) -> list[LocalCommand]:
        calls = [*LEAD_CONVERSION.ends(run)]
        return [*calls, calls[-1]._replace(id=new_id())]

    lead, _ = await house.begun(**DEAL)
    await house.work(house.worker(replace(LEAD_CONVERSION, ends=ends)))
    process = await house.process(lead)
    assert (process["state"], process["reason"].startswith("There is no lead")) == ("undone", True)
    assert (await house.lead(lead))["state"] == "new"
    assert await house.there_is() == NOTHING


@pytest.mark.parametrize("step", ["customers", "contacts"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_it_goes_on_after_a_kill_at_a_step(house: House, step: str, when: str) -> None:
    """Whether contacts has done it or not, it is done once."""
    lead, _ = await house.begun(**DEAL)

    async def kill(request: httpx.Request) -> None:
        if request.url.path == f"/v1/{step}":
            raise Killed

    setattr(house.wire, when, kill)
    worker = house.worker()
    await worker.step(house.engine)
    await asyncio.wait(worker._in_hand.values())
    assert [type(each.exception()) for each in worker._in_hand.values()] == [Killed]
    assert not await house.worker().step(house.engine), "it is in the hand of the one that was killed"
    setattr(house.wire, when, None)
    await house.due()
    await house.work()
    assert (await house.lead(lead))["state"] == "converted"
    assert await house.there_is() == ALL


@pytest.mark.parametrize("step", ["customers", "contacts"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_one_that_was_killed_at_a_step_is_undone_whole(house: House, step: str, when: str) -> None:
    lead, process = await house.begun(**DEAL)

    async def kill(request: httpx.Request) -> None:
        if request.url.path == f"/v1/{step}":
            raise Killed

    setattr(house.wire, when, kill)
    worker = house.worker()
    await worker.step(house.engine)
    await asyncio.wait(worker._in_hand.values())
    [each.exception() for each in worker._in_hand.values()]
    setattr(house.wire, when, None)
    assert (await house.ask(process, "cancel")).json()["state"] == "undoing"
    assert not await house.worker().step(house.engine), "its last step may be under way"
    await house.due()
    await house.work()
    assert (await house.process(lead))["state"] == "undone"
    assert (await house.lead(lead))["state"] == "new"
    assert await house.there_is() == NOTHING


async def test_one_is_undone_that_is_called_off_while_a_step_is_under_way(house: House) -> None:
    lead, process = await house.begun(**DEAL)

    async def cancel(request: httpx.Request) -> None:
        if request.url.path == "/v1/customers" and request.method == "POST":
            assert (await house.ask(process, "cancel")).status_code == 200

    house.wire.after = cancel
    await house.work()
    assert (await house.process(lead))["state"] == "undone"
    assert await house.there_is() == NOTHING


async def down(_: httpx.Request) -> httpx.Response:
    return httpx.Response(503)


async def test_while_contacts_is_down_it_is_tried_again_until_its_time_is_over(house: House) -> None:
    lead, process = await house.begun(**DEAL)
    house.wire.before = down
    await house.work()
    process = await house.process(lead)
    assert (process["state"], process["failures"], process["failure"]) == ("running", 1, "contacts answered 503.")
    await house.due(16)
    await house.work()
    process = await house.process(lead)
    assert process["state"] == "undoing"
    assert process["reason"] == "It had not ended within 15 minutes. contacts answered 503."
    house.wire.before = None
    assert not await house.worker().step(house.engine), "its last step may have been done, though it was not answered"
    await house.due()
    await house.work()
    assert (await house.process(lead))["state"] == "undone"


async def stuck(house: House) -> tuple[Answer, Answer]:
    """One whose customer was made and cannot be archived."""

    async def fails(request: httpx.Request) -> httpx.Response | None:
        is_step = request.url.path.endswith(":archive")
        return httpx.Response(500) if is_step or request.url.path == "/v1/contacts" else None

    house.wire.before = fails
    lead, process = await house.begun(**DEAL)
    await house.work()
    assert (await house.ask(process, "cancel")).status_code == 200
    for _ in range(9):
        await house.due()
        await house.work()
    return lead, await house.process(lead)


async def test_what_cannot_be_undone_is_stuck_and_listed_and_tried_still(house: House) -> None:
    lead, process = await stuck(house)
    assert (process["state"], process["reason"]) == ("stuck", "It was called off.")
    assert process["failure"] == "contacts answered 500.", "that is what is to be mended"
    kept = await house.rows.fetchval("SELECT held FROM processes WHERE about_id = $1", lead["id"])
    assert kept is None, "what names people is not needed any more"
    listed = (await house.sales.get("/v1/processes", state="stuck")).json()["items"]
    assert [each["id"] for each in listed] == [process["id"]]
    assert (await house.lead(lead))["state"] == "converting"
    house.wire.before = None
    assert (await house.ask(process, "retry")).status_code == 200
    await house.work()
    assert (await house.process(lead))["state"] == "undone"
    assert await house.there_is() == NOTHING


async def test_what_is_left_of_one_that_is_abandoned_is_named(house: House) -> None:
    lead, process = await stuck(house)
    assert (await house.ask(process, "abandon")).status_code == 200
    await house.work()
    process = await house.process(lead)
    left = (await house.contacts.get("/v1/customers")).json()["items"]
    wanted = {"customer": left[0]["id"], "contact": None}
    assert (process["state"], process["left"]) == ("abandoned", wanted), "of the contact nobody knows"
    assert (await house.lead(lead))["state"] == "new"
    for verb in ("retry", "cancel", "abandon"):
        assert (await house.ask(process, verb)).status_code == 409


async def test_one_that_runs_is_not_abandoned(house: House) -> None:
    _, process = await house.begun()
    answer = await house.ask(process, "abandon")
    assert (answer.status_code, "cancel it first" in answer.json()["detail"]) == (409, True)
    assert (await house.ask({"id": "019dcb03-9f00-7000-8000-000000000000"}, "cancel")).status_code == 404


async def test_without_a_way_to_contacts_it_is_undone_and_says_so(house: House) -> None:
    lead, _ = await house.begun(**DEAL)
    await house.work(house.worker(reaches=False))
    process = await house.process(lead)
    assert (process["state"], "not set where contacts is" in process["reason"]) == ("undone", True)


async def test_a_lead_that_is_erased_meanwhile_is_not_converted(house: House) -> None:
    lead, _ = await house.begun(**DEAL)
    assert (await house.sales.post(f"/v1/leads/{lead['id']}:erase", {})).status_code == 200
    await house.work()
    process = await house.process(lead)
    assert (process["state"], await house.there_is()) == ("undone", NOTHING)


async def test_neither_one_that_does_not_come_back_nor_a_flood_holds_up_others(house: House, other_tenant: str) -> None:
    theirs, released = replace(house.sales, name=other_tenant), asyncio.Event()
    for _ in range(9):
        lead = await theirs.made("/v1/leads", **IDA)
        assert (await theirs.post(f"/v1/leads/{lead['id']}:convert", {})).status_code == 200
    lead, _ = await house.begun(**DEAL)
    asked = list[str]()

    async def hang(request: httpx.Request) -> None:
        if claim_of(request.headers["authorization"].partition(" ")[2], "tenant") == other_tenant:
            asked.append(request.url.path)
            await released.wait()

    house.wire.before = hang
    worker = house.worker()
    async with asyncio.timeout(30):
        while (await house.lead(lead))["state"] != "converted":
            await worker.step(house.engine)
    for _ in range(2):
        await worker.step(house.engine)
    assert len(asked) == 4, "of the other tenant there are some in hand, and no more"
    house.wire.before = None
    released.set()
    await house.work(worker)
    states = {each["state"] for each in (await theirs.get("/v1/processes")).json()["items"]}
    assert states == {"done"}


async def test_what_was_undone_leaves_the_lead_as_it_was(house: House) -> None:
    """Also where the customer that was named is not there: the next time it gets one of its own."""
    lead, _ = await house.begun(existing_customer_id=str(new_id()))
    await house.work()
    process = await house.process(lead)
    assert (process["state"], process["reason"].startswith("contacts: customer_id: ")) == ("undone", True)
    lead = await house.lead(lead)
    assert (lead["state"], lead["customer_id"]) == ("new", None)
    await house.begun(lead=lead)
    await house.work()
    assert (await house.lead(lead))["state"] == "converted"


async def test_a_lead_that_is_erased_at_the_last_moment_is_not_converted(house: House) -> None:
    lead, _ = await house.begun(**DEAL)

    async def erase(request: httpx.Request) -> None:
        if request.url.path == "/v1/contacts":
            assert (await house.sales.post(f"/v1/leads/{lead['id']}:erase", {})).status_code == 200

    house.wire.after = erase
    await house.work()
    assert (await house.process(lead))["state"] == "undone"
    assert await house.there_is() == NOTHING


async def test_what_somebody_has_changed_meanwhile_is_left_and_named(house: House) -> None:
    """Another customer may have been merged into it, which would be out of sight with it."""
    lead, process = await house.begun(**DEAL)
    old = await house.contacts.made("/v1/customers", kind="organisation", name="Old one")

    async def merge(request: httpx.Request) -> None:
        if request.url.path == "/v1/contacts" and request.method == "POST":
            made = (await house.contacts.get("/v1/customers", external_id=f"process:{process['id']}:customer")).json()
            body = {"into": made["items"][0]["id"]}
            assert (await house.contacts.post(f"/v1/customers/{old['id']}:merge", body)).status_code == 200
            assert (await house.contacts.post(f"/v1/customers/{body['into']}:amend", {"tier": "a"})).status_code == 200
            assert (await house.ask(process, "cancel")).status_code == 200

    house.wire.after = merge
    await house.work()
    process = await house.process(lead)
    (customer,) = (await house.contacts.get("/v1/customers")).json()["items"]
    assert (process["state"], process["left"]) == ("undone", {"customer": customer["id"]})
    assert await house.there_is() == NOTHING | {"customers": 1}


async def test_one_that_is_abandoned_while_it_is_undone_is_undone(house: House) -> None:
    lead, process = await stuck(house)
    house.wire.before = None

    async def abandon(request: httpx.Request) -> None:
        if request.url.path.endswith(":archive"):
            assert (await house.ask(process, "abandon")).status_code == 200

    house.wire.after = abandon
    await house.due()
    await house.work()
    process = await house.process(lead)
    assert (process["state"], process["left"], await house.there_is()) == ("undone", None, NOTHING)


async def test_whoever_may_not_write_changes_no_process(house: House) -> None:
    _, process = await house.begun()
    reader = replace(house, sales=house.sales.without("sales:write"))
    for verb in ("retry", "cancel", "abandon"):
        assert (await reader.ask(process, verb)).status_code == 403
    own = replace(house.sales, scopes=house.sales.scopes.replace("contacts:write", "contacts:write:own"))
    lead = await house.sales.made("/v1/leads", **IDA)
    answer = await own.post(f"/v1/leads/{lead['id']}:convert", {})
    assert (answer.status_code, "contacts:write" in answer.json()["detail"]) == (403, True)


async def test_a_state_that_there_is_not_is_refused_by_its_field(house: House) -> None:
    answer = await house.sales.get("/v1/processes", state="failed")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "state")


@pytest.mark.parametrize(
    "said", [httpx.Response(404, text="<html>"), httpx.Response(401, json={"code": "x", "detail": "y"})]
)
async def test_what_is_not_answered_by_contacts_is_tried_again(house: House, said: httpx.Response) -> None:
    lead, _ = await house.begun()

    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(said.status_code, content=said.content)

    house.wire.before = answer
    await house.work()
    process = await house.process(lead)
    assert (process["state"], process["failure"]) == ("running", f"contacts answered {said.status_code}.")


async def test_another_tenant_sees_none_of_it(house: House, other_tenant: str) -> None:
    _, process = await house.begun()
    theirs = replace(house.sales, name=other_tenant)
    assert (await theirs.get(f"/v1/processes/{process['id']}")).status_code == 404
    assert (await theirs.post(f"/v1/processes/{process['id']}:cancel", {})).status_code == 404
    narrow = replace(house.sales, scopes=" ".join(SCOPES).replace("sales:read", "sales:read:own"), subject="somebody")
    assert (await narrow.get("/v1/processes")).json()["items"] == []
