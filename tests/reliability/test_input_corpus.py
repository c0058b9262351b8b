"""Whatever is sent to any operation, over REST, as a row of a bulk, or over GraphQL, is taken, or refused by a rule: it
is no internal error. And what is taken can be read, listed, exported, published, counted and scored afterwards."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.contracts.examples import FILE
from tests.reliability.corpus import Call, Graph, Rest

from analytics.consumers import handle
from analytics.health.scores.rescoring import process_score_queue, score_due, score_everybody
from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.api import api_of
from kith.db.connections import SNAPSHOTS
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.envelope import Envelope
from kith.ids import new_id
from kith.nouns.parameters import pascal
from kith.runtime.service import Service
from kith.testing import Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
SERVICES = (CONTACTS, SALES, SERVICE_DESK, ANALYTICS)
EVERY = int(os.environ.get("KITH_CORPUS_EVERY", "40"))
"""Each field of a body gets every so many-th value, in turn, and so does a parameter that an operation before had: 1 is
all (`make prove`). Other parameters, and rows of bulk requests, get all of them always."""
AT_ONCE = 8
STREAMED = (":export", "/personal-data/")
"""What is read in a snapshot."""
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
async def acme(serve: Serve, issuer: Issuer, tenant: str) -> Callable[[Service], Awaitable[Tenant]]:
    async def speaking_to(service: Service) -> Tenant:
        return Tenant(await serve(service), issuer, tenant)

    return speaking_to


async def answered(service: Tenant, calls: Iterable[Call]) -> Counter[str]:
    """How often each status or code was answered. Fails for each call that was neither carried out nor refused."""
    transport = service.client._transport
    assert isinstance(transport, httpx.ASGITransport)
    token = service.issuer.token(service.name)
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    waiting, exports = iter(calls), asyncio.Semaphore(SNAPSHOTS // 2)  # a tenant has as many at a time

    async def ask() -> None:
        for call in waiting:
            async with exports if any(each in call.path for each in STREAMED) else nullcontext():
                status, answer = await sent(transport.app, call, token)
            found = [str(status)]
            if call.path == "/graphql" and status == 200:
                found = [error["extensions"]["code"] for error in json.loads(answer).get("errors", ())] or found
            outcomes.update(found)
            if status >= 500 or not {"429", "internal", "unavailable", "INTERNAL", "UNAVAILABLE"}.isdisjoint(found):
                faults.append(f"{call}\n    {status} {answer[:300]!r}")

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults[:25])
    return outcomes


async def sent(app: Any, call: Call, token: str) -> tuple[int, bytes]:
    """Without a client between, which would refuse half of it itself."""
    path, _, query = call.path.partition("?")
    body = b"" if call.body is None else call.body.encode("utf-8", "surrogateescape")
    headers = [("authorization", f"Bearer {token}"), ("content-type", "application/json"), *call.headers]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": call.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (b"content-length", b"%d" % len(body)),
            *((name.encode(), value.encode("utf-8", "surrogatepass")) for name, value in headers),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])
    status, answer = 0, b""

    async def receive() -> dict[str, Any]:
        if (message := next(messages, None)) is None:
            await asyncio.Event().wait()  # the client stays
        assert message is not None
        return message

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, answer
        status, answer = int(message.get("status", status)), answer + message.get("body", b"")

    await app(scope, receive, send)
    return status, answer


_OF_OTHER_TYPES = ("currency", "links_to", "choices", "default")
"""What a definition of a custom field does not have of every type."""


_OF_A_USER = {"owner_id": str(new_id()), "team_id": None}
_OF_NOUN = {
    "health_model": {"gallery": "retail"},
    "quote": {"lines": [{"quantity": "1", "unit_price": "1"}]},
    "quota": _OF_A_USER,
    "forecast_adjustment": _OF_A_USER,
}


async def what_there_is(acme: Callable[[Service], Awaitable[Tenant]], service: Service) -> dict[str, Any]:
    """One of each noun, and by which names requests name it."""
    known: dict[str, Any] = {"zone": "UTC", "currency": "EUR", "customer_id": str(new_id())}
    known["customers.id"] = known["customer_id"]
    known |= {"metrics.id": "revenue", "gallery": "retail", "code": f"code_{new_id().hex}", "language": "en"}
    known |= {"email": "ann@example.org", "scopes": ["sales:read"], "starts_on": "2026-03-01"}
    known |= {"base": "USD", "quote": "EUR", "takes": ["name", "email"]}
    if service is CONTACTS:
        known["customer_id"] = (await (await acme(CONTACTS)).made("/v1/customers", kind="person", name="Zoë"))["id"]
        sent = await (await acme(CONTACTS)).send("/v1/attachments/content", FILE)
        known |= {"content_id": sent.json()["id"], "media_type": "text/plain", "size": len(FILE)}
        known |= {"sha256": sent.json()["sha256"]}
    for resource in api_of(service).resources:
        if resource.singleton is not None:
            continue
        path = f"/v1/{resource.path}"
        body = Rest(service.name, known).created(path)
        body |= _OF_NOUN.get(resource.name, {})
        for name in _OF_OTHER_TYPES if resource.name == "field_definition" else ():
            body.pop(name, None)
        made = await (await acme(service)).made(path, **body)
        id = made["id"]
        known |= {f"{resource.path}.id": id, f"{resource.name}_id": id, f"{resource.name}.id": id, "version": 0}
        known |= {f"{command.name}{pascal(resource.name)}.id": id for command in resource.changes}
        known["code"] = f"code_{new_id().hex}"
    return known | {"customerId": known["customer_id"], "signalId": known.get("signal_id")}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_no_value_sent_over_rest_is_an_internal_error(
    acme: Callable[[Service], Awaitable[Tenant]], service: Service
) -> None:
    rest = Rest(service.name, await what_there_is(acme, service))
    outcomes = await answered(await acme(service), rest.calls(EVERY))
    assert outcomes["200"] > 50
    assert outcomes["422"] > 5000 // EVERY
    for path in rest.collections():
        await is_there(await acme(service), path)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_no_value_sent_over_graphql_is_an_internal_error(
    acme: Callable[[Service], Awaitable[Tenant]], service: Service
) -> None:
    graph = Graph(service.name, await what_there_is(acme, service))
    outcomes = await answered(await acme(service), graph.calls(EVERY))
    assert outcomes["200"] > 50
    assert outcomes["invalid"] > 500 // EVERY
    for path in Rest(service.name, {}).collections():
        await is_there(await acme(service), path)


async def is_there(service: Tenant, path: str) -> int:
    """How many there are: as many in the pages of the list as in the export."""
    listed, after = 0, dict[str, str]()
    while True:
        answer = await service.get(path, first=500, **after)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        listed += len(page["items"])
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    export = await service.get(f"{path}:export")
    *rows, end = export.text.splitlines()
    assert len(rows) == listed == json.loads(end)["end"]["rows"]
    return listed


async def test_what_is_taken_is_published_counted_and_scored(
    acme: Callable[[Service], Awaitable[Tenant]], postgres: EmbeddedPostgres, tenant: str
) -> None:
    known: dict[str, Any] = {}
    for service in SERVICES:
        known |= await what_there_is(acme, service)
    customer = known["customer_id"]
    known |= {"customers.id": customer, "customerId": customer}
    engines = [engine_of(postgres, service) for service in SERVICES]
    try:
        for service, engine in zip(SERVICES, engines, strict=True):
            rest = Rest(service.name, known)
            assert set(await answered(await acme(service), rest.bulks())) == {"200"}
            assert sum([await is_there(await acme(service), path) for path in rest.collections()]) > 100
            events = await published(engine, service, tenant)
            assert len(events) > 100
            async with engines[-1].begin() as connection:
                await handle(connection, events)
        for step in (process_score_queue, score_due, score_everybody):
            while await step(engines[-1]):
                pass
    finally:
        for engine in engines:
            await engine.dispose()
    await is_counted(await acme(ANALYTICS), customer)


def engine_of(postgres: EmbeddedPostgres, service: Service) -> AsyncEngine:
    url = postgres.url(f"kith_{service.package}")
    return create_engine(url, role=WORKER_ROLE, pool_size=2, application="test worker")


async def published(engine: AsyncEngine, service: Service, tenant: str) -> list[Envelope]:
    """The events in the outbox, as they come out of the bus."""
    o = service.outbox.c
    async with engine.connect() as connection:
        rows = await connection.execute(select(service.outbox).where(o.tenant_id == tenant).order_by(o.seq))
    names = set(Envelope.__struct_fields__)
    rows_kept = [{name: value for name, value in row.items() if name in names} for row in rows.mappings()]
    sent = [Envelope(**{**each, "source": service.name}) for each in rows_kept]
    return [Envelope.from_message(each.headers(), each.data) for each in sent]


async def is_counted(analytics: Tenant, customer: str) -> None:
    past = {"from": "1900-01-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"}
    for metric in (await analytics.get("/v1/metrics")).json()["metrics"]:
        for how in ({}, {"grain": "year", "from": "1950-01-01T00:00:00Z"}, {"zone": "Pacific/Kiritimati"}):
            answer = await analytics.get(f"/v1/metrics/{metric['id']}", **past | how)
            assert answer.status_code in (200, 409), (metric["id"], answer.text)
    for path in ("/health", "/health/path", "/value", "/timeline"):
        answer = await analytics.get(f"/v1/customers/{customer}{path}")
        assert answer.status_code in (200, 409), (path, answer.text)
    for path in ("/health/history", "/health/difference"):
        answer = await analytics.get(f"/v1/customers/{customer}{path}", **{"from": "2026-01-01T00:00:00Z"})
        assert answer.status_code == 200, (path, answer.text)
    for path in ("/v1/health-scores", "/v1/health/distribution", "/v1/health/upcoming"):
        assert (await analytics.get(path)).status_code == 200, path
    assert customer in (await analytics.get("/v1/health-scores", first=500)).text
