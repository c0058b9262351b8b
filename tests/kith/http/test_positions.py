"""Who has written reads what it wrote: here at once, and what is learnt from events once they have come."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contacts.service import SERVICE as CONTACTS
from kith.consumer.positions import keep_watermarks
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.envelope import Envelope
from kith.http import positions
from kith.ids import new_id
from kith.outbox.relay import Watermark
from kith.runtime.service import Service
from kith.testing import Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
LATER = "2100-01-01T00:00:00Z"


@pytest.fixture
async def sales(serve: Serve, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(await serve(SALES), issuer, tenant)


@pytest.fixture
async def worker(sales: Tenant, postgres: EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(postgres.url("kith_sales"), role=WORKER_ROLE, pool_size=1, application="test worker")
    yield engine
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM watermarks"))
    await engine.dispose()


async def has_read(worker: AsyncEngine, source: str, up_to: str) -> None:
    async with worker.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO watermarks (source, up_to, ends) VALUES ($1, $2::text::timestamptz, '{}')", (source, up_to)
        )


async def test_the_newest_hundred_watermarks_are_kept(worker: AsyncEngine) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    marks = [
        Envelope(
            id=new_id(), source="contacts", type=Watermark.type, subject=new_id(), time=start + timedelta(minutes=n),
            tenant_id="", customer_id=None, aggregate_version=0, recorded_at=start, traceparent=None,
            data=msgspec.json.encode(Watermark([])),
        )
        for n in range(105)
    ]  # fmt: skip
    async with worker.begin() as connection:
        await keep_watermarks(connection, marks)
        kept = await connection.execute(text("SELECT count(*), min(up_to), max(up_to) FROM watermarks"))
        assert tuple(kept.one()) == (100, marks[5].time, marks[-1].time)


async def asked(tenant: Tenant, wait_for: str) -> httpx.Response:
    return await tenant.client.get("/v1/orders", headers={**tenant._authorized(), "Kith-Wait-For": wait_for})


async def test_a_service_has_seen_what_it_wrote_itself(serve: Serve, issuer: Issuer, tenant: str) -> None:
    contacts = Tenant(await serve(CONTACTS), issuer, tenant)
    made = await contacts.post("/v1/customers", {"kind": "person", "name": "Ann"})
    position = made.headers["kith-position"]
    headers = {**contacts._authorized(), "Kith-Wait-For": f"{position}, sales@{LATER}"}
    answer = await contacts.client.get("/v1/customers", headers=headers)
    assert (answer.status_code, answer.headers["kith-reached"]) == (200, "contacts=yes")
    assert "kith-reached" not in (await contacts.get("/v1/customers")).headers


async def test_a_mutation_says_where_it_stands(sales: Tenant) -> None:
    answer = await sales.client.post(
        "/graphql",
        json={"query": 'mutation { createTask(input: {title: "Call"}) { __typename } }'},
        headers=sales._authorized(),
    )
    assert answer.json()["data"] == {"createTask": {"__typename": "Task"}}
    service, _, instant = answer.headers["kith-position"].partition("@")
    assert service == "sales"
    assert positions.Position.of(f"sales@{instant}").recorded_at.timestamp() == pytest.approx(time.time(), abs=60)


async def test_who_waits_is_answered_as_soon_as_it_is_there(sales: Tenant, worker: AsyncEngine) -> None:
    await has_read(worker, "contacts", "2026-05-01T12:00:00Z")
    assert (await asked(sales, "contacts@2026-05-01T12:00:00Z")).headers["kith-reached"] == "sales=yes"

    waiting = asyncio.create_task(asked(sales, "contacts@2026-05-01T12:00:01Z"))
    done, _ = await asyncio.wait([waiting], timeout=4 * positions.EVERY)
    assert not done
    await has_read(worker, "contacts", "2026-05-01T12:00:02Z")
    answer = await waiting
    assert (answer.status_code, answer.headers["kith-reached"]) == (200, "sales=yes")


async def test_what_does_not_come_is_not_waited_for_for_ever(
    sales: Tenant, worker: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "SECONDS", 0.1)
    await has_read(worker, "contacts", "2026-05-01T12:00:00Z")
    for position in (f"contacts@{LATER}", f"contacts@2026-05-01T12:00:00Z,analytics@{LATER}"):
        answer = await asked(sales, position)
        assert (answer.status_code, answer.headers["kith-reached"]) == (200, "sales=no")


async def test_many_who_wait_keep_nobody_waiting(
    sales: Tenant, worker: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have no slot meanwhile, and look it up together."""
    waiting = [asyncio.create_task(asked(sales, f"contacts@{LATER}")) for _ in range(150)]
    await asyncio.sleep(0)
    began = time.monotonic()
    for _ in range(20):
        assert (await sales.get("/v1/orders")).status_code == 200
    assert not any(each.done() for each in waiting), time.monotonic() - began
    await has_read(worker, "contacts", LATER)
    answers = await asyncio.gather(*waiting)
    assert {each.headers["kith-reached"] for each in answers} == {"sales=yes"}

    monkeypatch.setattr(positions, "MOST_WAITING", 0)
    at_once = await asked(sales, "contacts@2100-01-01T00:00:01Z")
    assert at_once.headers["kith-reached"] == "sales=no"


@pytest.mark.parametrize(
    "sent",
    ["", "sales", "sales@yesterday", "@2026-05-01T12:00:00Z", "Sales@2026-05-01T12:00:00Z", ",".join(["a@b"] * 9)],
)
async def test_what_is_no_position_is_refused(sales: Tenant, sent: str) -> None:
    answer = await asked(sales, sent)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Kith-Wait-For"
