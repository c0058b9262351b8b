"""An id of another service is accepted on sight, and confirmed by the other's event."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from tests.conftest import FreshDatabase
from tests.playbooks import Hearing, hearing, of_customer

from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.contacts import CustomerAmended, CustomerCreated, CustomerErased, CustomerLifecycleMoved
from kith.events.event import Event
from kith.events.people import UserInvited
from kith.ids import new_id
from kith.nouns.unconfirmed_reads import confirming
from kith.runtime.service import Service
from kith.testing import Issuer, Tenant, serving
from kith_local.postgres import EmbeddedPostgres
from sales.resources import RESOURCES
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
ORDER = {"value": "10", "currency": "EUR"}
CASE = {"subject": "No light", "channel": "phone"}
LIST = "/v1/unconfirmed-references"
both = pytest.mark.parametrize(
    ("service", "path", "body"),
    [(SALES, "/v1/orders", ORDER), (SERVICE_DESK, "/v1/cases", CASE)],
    ids=["sales", "desk"],
)


class House:
    def __init__(self, here: Tenant, worker: Hearing) -> None:
        self.here, self.worker = here, worker

    async def hears(self, customer: UUID, *events: Event) -> None:
        await self.worker.hears(*(of_customer(self.here.name, customer, each) for each in events))
        assert await self.worker.reasons() == []

    async def grows_old(self) -> None:
        async with self.worker.engine.begin() as connection:
            await connection.execute(
                text("UPDATE unconfirmed_references SET noted_at = noted_at - interval '2 min' WHERE tenant_id = :t"),
                {"t": self.here.name},
            )

    async def listed(self) -> list[Any]:
        answer = await self.here.get(LIST)
        assert answer.status_code == 200, answer.text
        return [(each["noun"], each["id"], each["named_by"], each["record_id"]) for each in answer.json()["items"]]


@pytest.fixture
async def house(
    serve: Serve, issuer: Issuer, tenant: str, service: Service, postgres: EmbeddedPostgres
) -> AsyncIterator[House]:
    async with hearing(service, postgres) as worker:
        yield House(Tenant(await serve(service), issuer, tenant), worker)


@both
async def test_a_customer_that_is_not_known_is_listed_after_a_minute_until_its_event_comes(
    house: House, path: str, body: dict[str, Any]
) -> None:
    customer = new_id()
    made = await house.here.made(path, **body, customer_id=str(customer))
    await house.here.made(path, **body, customer_id=str(customer))
    await house.here.made(path, **body)
    assert await house.listed() == [], "its event may be on its way"
    await house.grows_old()
    assert await house.listed() == [("customer", str(customer), path[4:-1], made["id"])]
    await house.hears(customer, CustomerCreated(kind="person"))
    assert await house.listed() == []
    await house.here.made(path, **body, customer_id=str(customer))
    await house.grows_old()
    assert await house.listed() == [], "it is known"


@both
async def test_rows_of_bulk_requests_are_noted_as_single_ones_and_refused_ones_are_not(
    house: House, path: str, body: dict[str, Any]
) -> None:
    accepted, refused = str(new_id()), str(new_id())
    rows = [
        body | {"customer_id": customer, "external_id": customer, "occurred_at": f"{year}-01-01T00:00:00Z"}
        for customer, year in ((accepted, 2025), (refused, 2199))
    ]
    verb = "place" if "orders" in path else "open"
    answer = await house.here.post(f"{path}:bulk", {"rows": [each | {"command": verb} for each in rows]})
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text
    await house.grows_old()
    assert [each[1] for each in await house.listed()] == [accepted]


@pytest.mark.parametrize("service", [SALES])
async def test_pages_go_on_by_key_and_tenants_see_their_own(house: House, other_tenant: str) -> None:
    customers = sorted(str(new_id()) for _ in range(3))
    for each in customers:
        await house.here.made("/v1/orders", **ORDER, customer_id=each)
    await house.grows_old()
    page = (await house.here.get(LIST, first=2)).json()
    rest = (await house.here.get(LIST, first=2, after=page["next"])).json()
    assert [[each["id"] for each in found["items"]] for found in (page, rest)] == [customers[:2], customers[2:]]
    assert rest["next"] is None
    stranger = Tenant(house.here.client, house.here.issuer, other_tenant)
    assert (await stranger.get(LIST)).json()["items"] == []
    wrong = await house.here.get(LIST, after="x")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "after")


@both
async def test_lists_are_filtered_by_the_facts_of_customers(house: House, path: str, body: dict[str, Any]) -> None:
    mine, other = new_id(), new_id()
    of_mine = await house.here.made(path, **body, customer_id=str(mine))
    await house.here.made(path, **body, customer_id=str(other))
    await house.here.made(path, **body)

    async def found(query: str) -> list[str]:
        answer = await house.here.get(path, **dict(each.split("=") for each in query.split("&")))
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["items"]]

    assert await found("customer.segment=retail") == []
    await house.hears(mine, CustomerCreated(kind="person", segment="retail", tier="gold"))
    await house.hears(other, CustomerCreated(kind="person", segment="public", tier="gold"))
    assert await found("customer.segment=retail") == [of_mine["id"]]
    assert len(await found("customer.tier=gold")) == 2
    await house.hears(mine, CustomerAmended(changed=["segment"], segment="public"), CustomerErased())
    await house.hears(other, CustomerLifecycleMoved(stage="loyal"))
    assert await found("customer.segment=retail") == []
    assert len(await found("customer.segment=public&customer.tier=gold")) == 2
    assert len(await found("customer.stage=loyal&customer.segment=public")) == 1
    await house.hears(mine, CustomerAmended(changed=["segment"]))
    assert len(await found("customer.segment=public")) == 1


@pytest.mark.parametrize(
    ("service", "path", "body", "by"),
    [(SALES, "/v1/tasks", {"title": "Call"}, "owner"), (SERVICE_DESK, "/v1/cases", CASE, "assignee")],
    ids=["sales", "desk"],
)
async def test_an_owner_is_confirmed_and_lists_are_filtered_by_its_team(
    house: House, path: str, body: dict[str, Any], by: str
) -> None:
    user, team = new_id(), new_id()
    made = await house.here.made(path, **body, **{f"{by}_id": str(user)})
    await house.here.made(path, **body)
    await house.grows_old()
    assert await house.listed() == [("user", str(user), path[4:-1], made["id"])]
    await house.hears(user, UserInvited(state="invited", team_id=team))
    assert await house.listed() == []
    found = (await house.here.get(path, **{f"{by}.team_id": str(team)})).json()["items"]
    assert [each["id"] for each in found] == [made["id"]]


async def test_workers_forget_what_is_known_and_count_the_rest(
    fresh_database: FreshDatabase, issuer: Issuer, tenant: str
) -> None:
    url = await fresh_database(SALES)
    engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="test worker")
    known, unknown = new_id(), new_id()
    async with serving(SALES, url, issuer) as client:
        here = Tenant(client, issuer, tenant)
        for each in (known, unknown):
            await here.made("/v1/orders", **ORDER, customer_id=str(each))
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE unconfirmed_references SET noted_at = noted_at - interval '2 min'"))
        # Came between the command's look and its commit: the event's handler cannot have seen what was noted.
        await connection.execute(text("INSERT INTO known_customers (tenant_id, id) VALUES (:t, :c)"),
                                 {"t": tenant, "c": known})  # fmt: skip
    assert await confirming(RESOURCES).step(engine) is False
    async with engine.begin() as connection:
        left = list(await connection.scalars(text("SELECT id FROM unconfirmed_references")))
    await engine.dispose()
    assert left == [unknown]
    assert REGISTRY.get_sample_value("kith_unconfirmed_references", {"noun": "customer"}) == 1
    assert REGISTRY.get_sample_value("kith_unconfirmed_references", {"noun": "run"}) == 0
