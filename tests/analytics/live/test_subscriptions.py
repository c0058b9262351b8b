"""Live subscriptions over a real socket: nothing is lost, nothing comes twice, and no more than is allowed."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy import delete, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from tests.analytics.conftest import Fold, happened
from tests.conftest import free_ports
from tests.statements import statements
from tests.subscriber import PROTOCOL, Client, connected
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from analytics.health.scores.tables import health_changes
from analytics.ledger.ledger import record
from analytics.live import api as live_graphql
from analytics.live import feed as live
from analytics.live import reads as live_queries
from analytics.live.reads import Cursor
from analytics.metrics import parameters as metrics
from analytics.metrics import question
from analytics.service import SERVICE
from analytics.tables import people
from kith.api import api_of, context_for
from kith.db.connections import Database
from kith.db.login import sqlalchemy_url
from kith.events.actors import user_id
from kith.events.contacts import CustomerAmended, CustomerCreated, CustomerMerged
from kith.events.sales import OrderPlaced
from kith.http.auth import LEEWAY_SECONDS
from kith.http.server import serve
from kith.ids import new_id
from kith.runtime.settings import Settings
from kith.testing import Issuer
from kith_local.postgres import EmbeddedPostgres

NOW = datetime.now(UTC)
BOUGHT = OrderPlaced(value=Decimal(10), currency="EUR")
TIMELINE = """subscription ($of: UUID!, $after: String) { timeline(customerId: $of, after: $after) {
    cursor event { id type data } } }"""
ORDERS = """subscription ($after: String) { metricChanged(id: "orders", days: 30, after: $after) {
    cursor figure { value } } }"""


@asynccontextmanager
async def api(url: str, issuer: Issuer, **limits: Any) -> AsyncIterator[int]:
    """The API on a port of its own, as a process serves it."""
    settings = Settings(database_url=url, port=0, pool_size=5, **limits)
    context = context_for(SERVICE, settings, issuer.authenticator())
    (port,), stop = free_ports(1), asyncio.Event()
    serving = asyncio.create_task(serve(api_of(SERVICE).create(context), "127.0.0.1", port, stop=stop, drain=5))
    async with httpx.AsyncClient() as probe:
        while not serving.done():
            try:
                await probe.get(f"http://127.0.0.1:{port}/livez")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.02)
    try:
        yield port
    finally:
        stop.set()
        await serving


@pytest.fixture(scope="module")
def url(worker: AsyncEngine, postgres: EmbeddedPostgres) -> str:
    return postgres.url("kith_analytics")


@pytest.fixture(scope="module")
async def port(url: str, issuer: Issuer) -> AsyncIterator[int]:
    async with api(url, issuer) as port:
        yield port


@pytest.fixture
async def client(port: int, issuer: Issuer, tenant: str) -> AsyncIterator[Client]:
    async with connected(port, issuer.token(tenant)) as client:
        yield client


async def test_what_arrives_for_a_customer_is_sent(client: Client, tenant: str, other_tenant: str, fold: Fold) -> None:
    customer, other = new_id(), new_id()
    await fold(happened(BOUGHT, tenant, NOW, customer))
    await client.subscribe(TIMELINE, of=str(customer))
    assert (await client.next())["event"] is None, "a cursor to go on from, though nothing has come yet"
    first, second = (happened(BOUGHT, tenant, NOW, customer) for _ in range(2))
    await fold(first, happened(BOUGHT, tenant, NOW, other), happened(BOUGHT, other_tenant, NOW, customer))
    await fold(second)
    updates = [await client.event(), await client.event()]
    assert [each["event"]["id"] for each in updates] == [str(first.id), str(second.id)]
    assert updates[0]["event"]["data"] == {"value": "10", "currency": "EUR"}


async def test_a_transaction_that_commits_late_is_not_passed_over(
    client: Client, worker: AsyncEngine, tenant: str, fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.1)
    customer = new_id()
    slow, fast = (happened(BOUGHT, tenant, NOW, customer) for _ in range(2))
    await client.subscribe(TIMELINE, of=str(customer))
    await client.next()
    async with worker.begin() as connection:
        await record(connection, [slow])
        await fold(fast)
        for _ in range(5):  # each time it has looked again, or has sent how far it is
            assert (await client.next())["event"] is None
    assert [(await client.event())["event"]["id"] for _ in range(2)] == [str(slow.id), str(fast.id)]


async def test_who_was_cut_off_goes_on_after_the_last_cursor(
    url: str, issuer: Issuer, tenant: str, fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_queries, "PAGE", 3)
    customer = new_id()
    token = issuer.token(tenant)
    async with api(url, issuer) as port, connected(port, token) as client:
        await client.subscribe(TIMELINE, of=str(customer))
        cursor = (await client.next())["cursor"]
    events = [happened(BOUGHT, tenant, NOW, customer) for _ in range(8)]
    await fold(*events[:5])  # one transaction
    seen = []
    async with api(url, issuer) as port:
        for _ in events[:5]:
            async with connected(port, token) as client:
                await client.subscribe(TIMELINE, of=str(customer), after=cursor)
                update = await client.event()
                seen.append(update["event"]["id"])
                cursor = update["cursor"]
    for event in events[5:]:
        await fold(event)
    async with api(url, issuer) as port, connected(port, token) as client:
        await client.subscribe(TIMELINE, of=str(customer), after=cursor)
        seen += [(await client.event())["event"]["id"] for _ in events[5:]]
        assert (await client.next())["event"] is None, "it has caught up"
    assert sorted(seen) == sorted(str(each.id) for each in events)
    assert seen[5:] == [str(each.id) for each in events[5:]], "in the order in which they arrived"


async def test_events_of_an_absorbed_customer_are_sent_too(client: Client, tenant: str, fold: Fold) -> None:
    customer, absorbed = new_id(), new_id()
    await client.subscribe(TIMELINE, of=str(customer))
    await client.next()
    for event in (
        happened(CustomerMerged(into=customer), tenant, NOW, absorbed),
        happened(BOUGHT, tenant, NOW, absorbed),
    ):
        await fold(event)
        assert (await client.event())["event"]["id"] == str(event.id)


async def test_to_a_merged_customer_the_events_of_its_survivor_are_sent(
    client: Client, tenant: str, fold: Fold
) -> None:
    merged, other, survivor = (new_id() for _ in range(3))
    await fold(
        happened(CustomerMerged(into=survivor), tenant, NOW, merged),
        happened(CustomerMerged(into=survivor), tenant, NOW, other),
    )
    await client.subscribe(TIMELINE, of=str(merged))
    await client.next()
    for customer in (survivor, other, merged):
        event = happened(BOUGHT, tenant, NOW, customer)
        await fold(event)
        assert (await client.event())["event"]["id"] == str(event.id)


async def test_a_cursor_is_of_one_subscription_and_one_database(
    client: Client, worker: AsyncEngine, issuer: Issuer, port: int, tenant: str, other_tenant: str
) -> None:
    customer, other = str(new_id()), str(new_id())
    await client.subscribe(TIMELINE, of=customer)
    cursor = (await client.next())["cursor"]
    ours = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=="))

    def forged(**parts: Any) -> str:
        return str(Cursor(**{**dict(zip(Cursor.__struct_fields__, ours, strict=True)), **parts}))

    refused = [
        ("invalid", other, cursor),
        ("invalid", customer, "nonsense"),
        ("invalid", customer, ""),
        ("invalid", customer, forged(kind="metric/1")),
        ("invalid", customer, forged(arrived=ours[3] + 1_000_000)),
        ("invalid", customer, forged(row=-1)),
        ("cursor-lost", customer, forged(state="another")),
    ]
    for number, (code, of, after) in enumerate(refused):
        id = f"refused {number}"
        await client.subscribe(TIMELINE, id, of=of, after=after)
        error = await client.error(id)
        assert (error["code"], error["problem"]["errors"][0]["field"]) == (code, "after"), after
    async with connected(port, issuer.token(other_tenant)) as stranger:
        await stranger.subscribe(TIMELINE, of=customer, after=cursor)
        assert (await stranger.error())["code"] == "invalid"


async def test_a_failover_ends_who_watches_with_the_reason(client: Client, tenant: str, postgres: Any) -> None:
    owner = create_async_engine(sqlalchemy_url(postgres.url("kith_analytics")))
    move = text("UPDATE live_epoch SET epoch = gen_random_uuid()")
    await client.subscribe(TIMELINE, of=str(new_id()))
    await client.next()
    async with owner.begin() as connection:
        await connection.execute(move)
    assert (await client.error())["code"] == "cursor-lost"
    await owner.dispose()


async def test_a_figure_is_sent_when_it_became_another(client: Client, tenant: str, fold: Fold) -> None:
    await client.subscribe(ORDERS)
    assert (await client.next())["figure"]["value"] == 0
    await fold(happened(BOUGHT, tenant, NOW, new_id()))
    one = await client.next()
    assert one["figure"]["value"] == 1
    await client.subscribe(ORDERS, "again", after=one["cursor"])
    await fold(happened(CustomerMerged(into=new_id()), tenant, NOW, new_id()))  # which changes nothing
    await fold(*(happened(BOUGHT, tenant, NOW, new_id()) for _ in range(2)))
    assert (await client.next())["figure"]["value"] == 3
    assert (await client.next("again"))["figure"]["value"] == 3, "and not 1, which it knew"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ('id: "orders"', "from"),
        ('id: "orders", from: "2026-01-01T00:00:00Z"', "to"),
        ('id: "orders", days: 0', "days"),
        ('id: "orders", days: 7, to: "2026-01-01T00:00:00Z"', "days"),
        ('id: "nonsense", days: 7', "id"),
        ('id: "orders", days: 7, filter: ["nonsense"]', "filter"),
        ('id: "orders", days: 7, filter: ["nonsense:1"]', "filter"),
        ('id: "orders", days: 7, zone: "Mars"', "zone"),
        ('id: "orders", days: 7, after: "nonsense"', "after"),
    ],
)
async def test_a_bad_question_is_refused_by_the_field(client: Client, arguments: str, field: str) -> None:
    await client.subscribe(f"subscription {{ metricChanged({arguments}) {{ cursor }} }}")
    message = await client.message()
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["problem"]["errors"][0]["field"] == field


async def test_a_figure_of_an_instant_to_come_is_sent_when_that_has_come(
    client: Client, tenant: str, fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_graphql, "TRAILING_SECONDS", 0.1)
    monkeypatch.setattr(question, "CLOCK_SKEW", timedelta(0))
    await fold(happened(BOUGHT, tenant, NOW, new_id()))
    soon = datetime.now(UTC) + timedelta(seconds=2)
    await client.subscribe(
        """subscription ($from: DateTime!, $to: DateTime!) {
           metricChanged(id: "customers.active", from: $from, to: $to) { figure { value } } }""",
        **{"from": (soon - timedelta(days=7)).isoformat(), "to": soon.isoformat()},
    )
    assert [(await client.next())["figure"]["value"] for _ in range(2)] == [None, 1]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ metrics { id } }", "bad-request"),
        ("mutation { stopPlaybook(id: 1) { __typename } }", "bad-request"),
        ("query A { metrics { id } } query B { metrics { id } }", "bad-request"),
        ("", "bad-request"),
        ("{", "invalid-query"),
        ("subscription { nothing }", "invalid-query"),
        ("subscription {" + " a" * 50 + " }", "query-too-costly"),
        ("subscription { ...A } fragment A on Subscription { ...A }", "invalid-query"),
    ],
)
async def test_what_is_no_subscription_is_refused_and_the_others_go_on(
    client: Client, query: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await client.subscribe(TIMELINE, of=str(new_id()))
    await client.next()
    await client.subscribe(query, "2")
    assert (await client.error("2"))["code"] == code
    await client.subscribe(TIMELINE, "3", of=str(new_id()))
    assert (await client.next("3"))["event"] is None
    assert "fault" not in capsys.readouterr().out


async def test_who_does_not_say_who_it_is_gets_nothing(port: int, issuer: Issuer, tenant: str) -> None:
    async with connected(port) as client:
        await client.subscribe(TIMELINE, of=str(new_id()))
        assert (await client.closed())[0] == 4401
    for payload in (None, {}, {"authorization": "Bearer nonsense"}, {"authorization": 1}):
        async with connected(port) as client:
            await client.say(type="connection_init", payload=payload)
            code, reason = await client.closed()
            assert code == 4403
            assert "token" in reason.lower()
    async with connected(port, issuer.token(tenant, "sales:read")) as client:
        for query in (TIMELINE, ORDERS):
            await client.subscribe(query, of=str(new_id()))
            assert (await client.error())["code"] == "forbidden"


async def test_the_header_will_do_where_a_client_can_send_one(port: int, token: Any, tenant: str) -> None:
    url, headers = f"ws://127.0.0.1:{port}/graphql", token(tenant)
    async with connect(url, subprotocols=[Subprotocol(PROTOCOL)], additional_headers=headers) as socket:
        await socket.send('{"type": "connection_init"}')
        assert json.loads(await socket.recv())["type"] == "connection_ack"


@pytest.mark.parametrize(
    "message",
    [
        "nonsense",
        "[]",
        "{}",
        '{"type": 1}',
        '{"type": "start", "id": "1", "payload": {"query": "{ metrics { id } }"}}',
        '{"type": "subscribe", "id": ["1"], "payload": {"query": "{ metrics { id } }"}}',
        '{"type": "subscribe", "id": "1", "payload": "{ metrics { id } }"}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 1}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ metrics { id } }", "variables": []}}',
        '{"type": "complete", "id": {}}',
        '{"type": "connection_init", "payload": []}',
    ],
)
async def test_what_is_no_message_of_the_protocol_ends_the_connection(client: Client, message: str) -> None:
    await client.socket.send(message)
    assert (await client.closed())[0] == 4400


async def test_there_is_one_protocol_and_it_carries_subscriptions_only(
    client: Client, port: int, issuer: Issuer, tenant: str, mine: dict[str, str]
) -> None:
    await client.subscribe("{ metrics { id } }")
    assert (await client.message())["type"] == "error"
    async with connected(port, protocol="graphql-ws") as old:
        assert (await old.closed())[0] == 4406
    query = 'subscription { metricChanged(id: "orders", days: 1) { cursor } }'
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=mine) as http:
        for accept in ('multipart/mixed; subscriptionSpec="1.0"', "text/event-stream", "application/json"):
            for answer in (
                await http.get("/graphql", params={"query": query}, headers={"accept": accept}),
                await http.post("/graphql", json={"query": query}, headers={"accept": accept}),
            ):
                assert answer.status_code == 400, (accept, answer.text)


async def test_no_more_than_is_allowed_at_a_time(url: str, issuer: Issuer, tenant: str, other_tenant: str) -> None:
    limits = {"live_connections": 3, "live_subscriptions_per_connection": 2, "live_subscriptions_per_tenant": 3}
    customer, token = str(new_id()), issuer.token(tenant)
    async with api(url, issuer, **limits) as port, connected(port, token) as first, connected(port, token) as second:
        for client, id in ((first, "1"), (first, "2"), (second, "1")):
            await client.subscribe(TIMELINE, id, of=customer)
            await client.next(id)
        await first.subscribe(TIMELINE, "3", of=customer)
        assert (await first.error("3"))["code"] == "too-many-subscriptions", "of a connection"
        await second.subscribe(TIMELINE, "2", of=customer)
        assert (await second.error("2"))["code"] == "too-many-subscriptions", "of a tenant"
        async with connected(port, issuer.token(other_tenant)) as stranger:
            await stranger.subscribe(TIMELINE, of=customer)
            await stranger.next()
            async with connected(port) as fourth:
                assert (await fourth.closed())[0] == 1013
        await first.say(type="complete", id="1")
        await first.subscribe(TIMELINE, "4", of=customer)
        assert (await first.next("4"))["event"] is None, "the slot was given back"


async def test_no_tenant_takes_all_connections_and_strangers_make_room(
    url: str, issuer: Issuer, tenant: str, other_tenant: str
) -> None:
    limits = {"live_connections": 3, "live_connections_per_tenant": 2}
    async with (
        api(url, issuer, **limits) as port,
        connected(port, issuer.token(tenant)),
        connected(port, issuer.token(tenant)) as second,
    ):
        async with connected(port) as third:
            await third.say(type="connection_init", payload={"authorization": f"Bearer {issuer.token(tenant)}"})
            assert (await third.closed())[0] == 1013
        async with connected(port) as stranger, connected(port, issuer.token(other_tenant)) as other:
            assert (await stranger.closed())[0] == 1013
            await other.subscribe(TIMELINE, of=str(new_id()))
            assert (await other.next())["event"] is None
            async with connected(port) as another:
                assert (await another.closed())[0] == 1013, "nobody who has said who it is makes room"
        await second.socket.close()
        async with asyncio.timeout(20):
            while not await is_let_in(port, issuer.token(tenant)):
                pass


async def is_let_in(port: int, token: str) -> bool:
    async with connected(port) as client:
        await client.say(type="connection_init", payload={"authorization": f"Bearer {token}"})
        try:
            return "connection_ack" in await client.socket.recv(decode=True)
        except ConnectionClosed:
            return False


async def test_who_connects_and_says_nothing_is_shown_out(url: str, issuer: Issuer) -> None:
    async with api(url, issuer, live_init_seconds=0.1) as port, connected(port) as client:
        assert (await client.closed())[0] == 4408


async def test_it_ends_with_the_token(port: int, issuer: Issuer, tenant: str) -> None:
    almost = int(time.time()) - LEEWAY_SECONDS + 2
    async with connected(port, issuer.token(tenant, exp=almost)) as client:
        await client.subscribe(TIMELINE, of=str(new_id()))
        await client.next()
        assert await client.closed() == (4403, "The token has expired"), "clients connect again by themselves after it"


async def test_it_ends_with_what_its_user_may_do(port: int, issuer: Issuer, tenant: str, worker: AsyncEngine) -> None:
    async def is_now(state: str, role: UUID) -> None:
        known = {"tenant_id": tenant, "id": UUID(int=1), "actor_id": user_id(tenant, "ann"), "state": state}
        async with worker.begin() as connection:
            await connection.execute(delete(people.users).where(people.users.c.tenant_id == tenant))
            await connection.execute(insert(people.users), known | {"role_ids": [role]})

    reader, writer = new_id(), new_id()
    async with worker.begin() as connection:
        for role, scope in ((reader, "analytics:read"), (writer, "analytics:write")):
            await connection.execute(insert(people.roles), {"tenant_id": tenant, "id": role, "scopes": [scope]})
    await is_now("active", reader)
    bearer = issuer.token(tenant, sub="ann")
    async with connected(port, bearer) as client:
        await client.subscribe(TIMELINE, of=str(new_id()))
        await client.next()
        await is_now("active", writer)
        assert await client.closed() == (4403, "What the user's roles allow has changed: connect again")
    async with connected(port, bearer) as client:
        await client.subscribe(TIMELINE, of=str(new_id()))
        assert (await client.error())["code"] == "forbidden"
        await is_now("suspended", reader)
        code, reason = await client.closed()
        assert (code, reason[:22]) == (4403, "The user is suspended.")
    with pytest.raises(ConnectionClosed, match="suspended"):
        async with connected(port, bearer):
            pass


HEALTH = """subscription ($filter: HealthChangeFilter, $after: String) { healthChanged(filter: $filter, after: $after) {
    cursor change { customer { id } at cause fromBand band score coverage model modelVersion
        drivers { measure change } } } }"""


async def changed(
    connection: AsyncConnection, tenant: str, customer: UUID, band: str = "at_risk", cause: str = "silence"
) -> None:
    """As health.scores.rescoring writes it."""
    row = {
        "tenant_id": tenant,
        "id": new_id(),
        "customer_id": customer,
        "at": NOW,
        "recorded_at": NOW,
        "cause": cause,
        "model": "default",
        "model_version": 1,
        "from_band": "steady",
        "band": band,
        "score": 38.5,
        "coverage": 1.0,
        "drivers": [{"measure": "recency", "change": -4.5}],
    }
    await connection.execute(insert(health_changes), row)


async def test_a_change_of_health_is_sent_with_what_it_came_from(
    client: Client, worker: AsyncEngine, tenant: str, other_tenant: str
) -> None:
    customer, other = new_id(), new_id()
    await client.subscribe(HEALTH)
    await client.subscribe(HEALTH, "one", filter={"customerIds": [str(other)], "bands": ["HEALTHY"]})
    for id in ("1", "one"):
        assert (await client.next(id))["change"] is None
    async with worker.begin() as connection:
        await changed(connection, tenant, customer)
        await changed(connection, other_tenant, customer)
        await changed(connection, tenant, other)
        await changed(connection, tenant, other, band="healthy", cause="event")
    updates = [(await client.next())["change"] for _ in range(3)]
    assert updates[0] == {
        "customer": {"id": str(customer)},
        "at": NOW.isoformat(),
        "cause": "SILENCE",
        "fromBand": "STEADY",
        "band": "AT_RISK",
        "score": 38.5,
        "coverage": 1.0,
        "model": "default",
        "modelVersion": 1,
        "drivers": [{"measure": "recency", "change": -4.5}],
    }
    assert [each["customer"]["id"] for each in updates[1:]] == [str(other)] * 2
    assert (await client.next("one"))["change"]["band"] == "HEALTHY"


@pytest.mark.parametrize("kept", [2, 5, 1000], ids=["from the table", "from both", "from what is at hand"])
async def test_changes_of_health_come_once_each_however_many_and_after_any_of_them(
    client: Client, worker: AsyncEngine, tenant: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "TAIL", kept)
    monkeypatch.setattr(live, "PAGE", 3)
    monkeypatch.setattr(live_queries, "PAGE", 3)
    customers = [new_id() for _ in range(14)]
    await client.subscribe(HEALTH)
    first = await client.next()
    updates = []
    for start in range(0, len(customers), 3):
        async with worker.begin() as connection:
            for customer in customers[start : start + 3]:
                await changed(connection, tenant, customer)
        updates += [await client.next() for _ in customers[start : start + 3]]
    assert [each["change"]["customer"]["id"] for each in updates] == [str(each) for each in customers]
    for number, after in enumerate([first, *updates]):
        id = f"after {number}"
        await client.subscribe(HEALTH, id, after=after["cursor"])
        again = [(await client.next(id))["change"]["customer"]["id"] for _ in customers[number:]]
        assert again == [str(each) for each in customers[number:]]
        assert (await client.next(id))["change"] is None
        await client.say(type="complete", id=id)


async def test_trouble_with_the_database_is_reported_so_that_a_client_goes_on_after_it(
    client: Client, tenant: str, fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise OSError("the database is away")

    customer = new_id()
    monkeypatch.setattr(live, "RETRY_SECONDS", 0.01)
    await client.subscribe(TIMELINE, of=str(customer))
    cursor = (await client.next())["cursor"]
    await client.subscribe(ORDERS, "orders")
    figure = await client.next("orders")
    event = happened(BOUGHT, tenant, NOW, customer)
    with monkeypatch.context() as broken:
        broken.setattr(live_graphql, "timeline_after", away)
        broken.setattr(metrics, "figures", away)
        await fold(event)
        for id in ("1", "orders"):
            assert (await client.error(id))["code"] == "interrupted"
    await client.subscribe(TIMELINE, "again", of=str(customer), after=cursor)
    assert (await client.event("again"))["event"]["id"] == str(event.id)
    await client.subscribe(ORDERS, "orders again", after=figure["cursor"])
    assert (await client.next("orders again"))["figure"]["value"] == 1


async def test_who_reads_its_own_customers_is_sent_of_no_others(
    port: int, issuer: Issuer, tenant: str, worker: AsyncEngine, fold: Fold
) -> None:
    ann, bob, mine, kept, other = (new_id() for _ in range(5))
    known = {"tenant_id": tenant, "id": ann, "actor_id": user_id(tenant, "ann"), "state": "active", "role_ids": []}
    async with worker.begin() as connection:
        await connection.execute(insert(people.users), known)
    for customer, owner in ((mine, ann), (kept, ann), (other, bob)):
        await fold(
            happened(CustomerCreated(kind="person", owner_id=owner), tenant, NOW - timedelta(days=1), customer),
            happened(BOUGHT, tenant, NOW - timedelta(hours=1), customer),
        )
    async with connected(port, issuer.token(tenant, "analytics:read:own", sub="ann")) as client:
        for id, customer in (("other", other), ("none", new_id())):
            await client.subscribe(TIMELINE, id, of=str(customer))
            assert (await client.error(id))["code"] == "not-found"
        await client.subscribe(TIMELINE, "timeline", of=str(mine))
        await client.subscribe(ORDERS, "orders")
        await client.subscribe(HEALTH, "health")
        assert (await client.next("timeline"))["event"] is (await client.next("health"))["change"] is None
        assert (await client.next("orders"))["figure"]["value"] == 2
        async with connected(port, issuer.token(tenant)) as whole:  # the same figure, of everybody
            await whole.subscribe(ORDERS)
            assert (await whole.next())["figure"]["value"] == 3
        async with worker.begin() as connection:
            for customer in (other, mine):
                await changed(connection, tenant, customer)
        assert await next_change(client) == str(mine)
        bought = happened(BOUGHT, tenant, NOW, mine)
        await fold(happened(BOUGHT, tenant, NOW, other), bought)
        assert (await client.event("timeline"))["event"]["id"] == str(bought.id)
        given = CustomerAmended(changed=["owner"], owner_id=bob)
        await fold(happened(given, tenant, NOW, mine, aggregate_version=2))
        assert (await client.error("timeline"))["code"] == "not-found", "it is Bob's by now"
        async with worker.begin() as connection:
            for customer in (mine, kept):
                await changed(connection, tenant, customer)
        assert await next_change(client) == str(kept)


async def next_change(client: Client) -> Any:
    while (change := (await client.next("health"))["change"]) is None:
        pass
    return change["customer"]["id"]


async def test_owners_are_read_once_for_all_who_watch_and_anew_when_something_arrives(
    url: str, tenant: str, fold: Fold
) -> None:
    ann, bob, customer = (new_id() for _ in range(3))
    database = Database(url, pool_size=2, application="test")
    feed = live.Feed(database, tenant, asyncio.Semaphore(1))
    created = CustomerCreated(kind="person", owner_id=ann)
    await fold(happened(created, tenant, NOW, customer))
    try:
        async with feed.watch(lambda _: True) as watch:
            await watch.notified(20)
            found = await asyncio.gather(*(feed.owners([customer, customer]) for _ in range(20)))
            assert [each[customer] for each in found] == [ann] * 20
            with statements() as sent:
                await feed.owners([customer])
            assert [each for each in sent if "customer_owners" in each] == []
            given = CustomerAmended(changed=["owner"], owner_id=bob)
            await fold(happened(given, tenant, NOW, customer, aggregate_version=2))
            await watch.notified(20)
            assert (await feed.owners([customer]))[customer] == bob
    finally:
        await database.close()
