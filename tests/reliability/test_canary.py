"""Nothing that a caller sends stands in a log: of APIs and workers as they run, whatever goes wrong."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests.conftest import FreshDatabase
from tests.reliability.processes import Process, keys_of, running
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

import analytics.service
import contacts.service
import sales.service
import service_desk.service
from kith.bus import open_bus
from kith.bus.port import Outgoing
from kith.ids import new_id
from kith.outbox.relay import topic_of
from kith.runtime.service import Service
from kith.testing import Issuer
from kith_local.postgres import EmbeddedPostgres

CANARY = "k4n4ry"
PATIENCE = 60


@dataclass(frozen=True)
class Place:
    """A noun of the service with a text in it."""

    service: Service
    path: str
    table: str
    field: str
    body: dict[str, Any]
    mutation: str

    @property
    def input_type(self) -> str:
        return f"{self.mutation[0].upper()}{self.mutation[1:]}Input"

    @property
    def graphql(self) -> dict[str, Any]:
        enums = ("kind", "channel")
        return {name: value.upper() if name in enums else value for name, value in self.body.items()}

    @property
    def row(self) -> dict[str, Any]:
        return {**self.body, "external_id": f"{CANARY}-row", "occurred_at": "2026-01-01T00:00:00Z"}


PLACES = [
    Place(
        contacts.service.SERVICE, "customers", "customers", "name", {"kind": "person", "name": CANARY}, "createCustomer"
    ),
    Place(
        sales.service.SERVICE,
        "products",
        "products",
        "name",
        {"name": CANARY, "price": "1", "currency": "EUR"},
        "createProduct",
    ),
    Place(
        service_desk.service.SERVICE, "cases", "cases", "subject", {"subject": CANARY, "channel": "email"}, "openCase"
    ),
    Place(
        analytics.service.SERVICE,
        "signals",
        "signals",
        "title",
        {"code": CANARY, "title": CANARY},
        "defineSignal",
    ),
]


async def quote_rows(url: str, place: Place, tenant: str) -> None:
    """From now on the database refuses this tenant's rows, in words that quote them."""
    connection = await asyncpg.connect(url)
    try:
        name = f"quotes_{new_id().hex}"
        await connection.execute(
            f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'refused: %', NEW.{place.field} USING DETAIL = NEW.{place.field}; END $$;
            CREATE TRIGGER {name} BEFORE INSERT ON {place.table} FOR EACH ROW
            WHEN (NEW.tenant_id = '{tenant}') EXECUTE FUNCTION {name}()"""
        )
    finally:
        await connection.close()


async def sing(process: Process, place: Place, token: Callable[..., str], tenant: str) -> None:
    """The canary wherever a caller can put a text."""
    mine = {"Authorization": f"Bearer {token(tenant)}"}
    path = f"/v1/{place.path}"
    async with httpx.AsyncClient(base_url=process.url, headers=mine, timeout=PATIENCE) as client:
        for headers in (
            {"Authorization": CANARY},
            {"Authorization": f"Bearer {CANARY}"},
            {"Authorization": f"Bearer {token(tenant, sub=CANARY, aud=CANARY)}"},
            {"Authorization": f"Bearer {token(tenant, iss=CANARY)}"},
            {"Authorization": f"Bearer {token(f'{CANARY} {CANARY}', sub=CANARY)}"},
            {"Authorization": f"Bearer {token(tenant, scope=CANARY, sub=CANARY, more=CANARY)}"},
            {"Origin": f"https://{CANARY}.example", "User-Agent": CANARY, "X-More": CANARY, "Cookie": CANARY},
            {"traceparent": CANARY, "tracestate": CANARY, "baggage": f"{CANARY}={CANARY};{CANARY}"},
            {"If-Match": CANARY, "Idempotency-Key": CANARY * 50},
        ):
            await client.get(path, headers=headers)
            await client.post(path, json=place.body, headers=headers)
            await client.post("/graphql", json={"query": f"{{ {CANARY} }}"}, headers=headers)
        for query in (CANARY, f"first={CANARY}", f"after={CANARY}", f"{CANARY}=1", f"external_id={CANARY}"):
            await client.get(f"{path}?{query}")
        for where in ("/", "/v1/", f"{path}/", f"{path}/{CANARY}:", f"{path}:"):
            for method in ("GET", "POST", "DELETE", "OPTIONS", "HEAD"):
                await client.request(method, where + CANARY)
        for body in (
            place.body,
            {**place.body, CANARY: CANARY},
            {name: [CANARY] for name in place.body},
            {CANARY: CANARY},
            [CANARY],
            CANARY,
        ):
            await client.post(path, json=body)
            await client.post(f"{path}:bulk", json={"rows": [body, {**place.row, CANARY: 1}]})
        await client.post(f"{path}:bulk", json={"rows": [place.row]})
        await client.post(path, content=f'{{"{CANARY}', headers={"Content-Type": "application/json"})
        await client.post(path, content=CANARY, headers={"Content-Type": CANARY})
        create = (
            f"mutation($input: {place.input_type}!) {{ {CANARY}: {place.mutation}(input: $input) {{ __typename }} }}"
        )
        for document, variables in (
            (f"{{ {CANARY} }}", {}),
            (f"# {CANARY}\n{{", {}),
            (f'{{ {CANARY}: __type(name: "{CANARY}") {{ name }} }}', {}),
            (f'{{ _entities(representations: [{{__typename: "{CANARY}", id: "{CANARY}"}}]) {{ __typename }} }}', {}),
            (f"query {CANARY}(${CANARY}: Int!) {{ __typename }}", {CANARY: CANARY}),
            (create, {"input": place.graphql}),
            (create, {"input": CANARY}),
        ):
            await client.post("/graphql", json={"query": document, "variables": variables, "operationName": CANARY})
            await client.post("/graphql", json={"query": document, "variables": variables})
    await sing_in_no_http(process)
    await sing_over_a_websocket(process, token(tenant))


async def sing_in_no_http(process: Process) -> None:
    for raw in (
        CANARY,
        f"{CANARY} / HTTP/1.1\r\n\r\n",
        f"GET /{CANARY} HTTP/1.1\r\n{CANARY}\r\n\r\n",
        f"GET /{CANARY} HTTP/1.1\r\nx: {CANARY * 20_000}\r\n\r\n",
        f"POST /v1/{CANARY} HTTP/1.1\r\ncontent-length: 100\r\n\r\n{CANARY}",
        f"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: {CANARY}\r\n\r\n",
    ):
        _, writer = await asyncio.open_connection("127.0.0.1", process.port)
        writer.write(raw.encode())
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def sing_over_a_websocket(process: Process, token: str) -> None:
    url = f"ws://127.0.0.1:{process.port}/graphql"
    init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}", CANARY: CANARY}}
    wrong = f'subscription {{ {CANARY}: metricChanged(id: "{CANARY}") {{ cursor }} }}'
    sent: list[tuple[str | None, list[Any]]] = [
        (f"https://{CANARY}.example", []),
        (None, [{"type": CANARY}]),
        (None, [CANARY]),
        (None, [{"type": "connection_init", "payload": {"authorization": CANARY}}]),
        (None, [init, {"type": "subscribe", "id": CANARY, "payload": {"query": CANARY}}]),
        (None, [init, {"type": "subscribe", "id": CANARY, "payload": {"query": wrong}}]),
    ]
    for origin, messages in sent:
        with suppress(WebSocketException, OSError, TimeoutError):
            async with connect(url, subprotocols=["graphql-transport-ws"], origin=origin) as socket:  # type: ignore[arg-type, list-item]
                for message in messages:
                    await socket.send(message if isinstance(message, str) else json.dumps(message))
                    async with asyncio.timeout(1):
                        await socket.recv()


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.service.name)
async def test_nothing_that_was_sent_is_logged(
    fresh_database: FreshDatabase, issuer: Issuer, tmp_path: Path, place: Place
) -> None:
    url, tenant = await fresh_database(place.service), f"t-{new_id().hex}"
    async with (
        keys_of(issuer) as keys,
        running(place.service, url, keys, tmp_path, KITH_LOG_LEVEL="DEBUG", PYTHONASYNCIODEBUG="1") as process,
    ):
        await sing(process, place, issuer.token, f"t-{new_id().hex}")
        await quote_rows(url, place, tenant)
        await sing(process, place, issuer.token, tenant)
    lines = process.logged.splitlines()
    faults = [json.loads(line) for line in lines if '"event":"fault"' in line.replace(" ", "")]
    assert len(faults) >= 3, "over REST, in bulk and in GraphQL the database did quote it"
    assert all("exception" in fault for fault in faults)
    assert [line for line in lines if CANARY in line] == []


async def quote_whatever_is_written(url: str, table: str, event: str) -> None:
    """From now on the database refuses it, in words that quote the row."""
    connection = await asyncpg.connect(url)
    name = f"quotes_{new_id().hex}"
    try:
        await connection.execute(
            f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION '{CANARY}: %', NEW USING DETAIL = '{CANARY}', HINT = '{CANARY}'; END $$;
            CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"""
        )
    finally:
        await connection.close()


async def leave_in_the_outbox(url: str, type: str, data: bytes) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "INSERT INTO outbox (id, tenant_id, type, subject, aggregate_version, customer_id, time, recorded_at, data)"
            " VALUES ($1, $2, $3, $1, 1, $1, now(), clock_timestamp(), $4)",
            new_id(), f"t-{new_id().hex}", type, data,
        )  # fmt: skip
    finally:
        await connection.close()


def poisons() -> list[tuple[bytes, bytes, tuple[tuple[str, bytes], ...]]]:
    """Keys, values and headers that are no events, or events that say what nobody can count."""
    canary, id, now = CANARY.encode(), str(new_id()).encode(), b"2026-03-01T12:00:00Z"
    sound = {
        "ce_specversion": b"1.0", "ce_id": id, "ce_source": b"sales", "ce_type": b"sales.order.placed.v1",
        "ce_time": now, "ce_recordedat": now, "ce_tenantid": b"t-x", "ce_subject": id, "ce_aggregateversion": b"1",
        "ce_customerid": id, "content-type": b"application/json",
    }  # fmt: skip
    wrong = [{**sound, name: canary} for name in sound] + [{**sound, CANARY: canary}]
    value = json.dumps({"value": CANARY, "currency": CANARY, CANARY: CANARY}).encode()
    return [(canary, canary, ())] + [(canary, value, tuple(headers.items())) for headers in (sound, *wrong)]


@pytest.mark.parametrize("service", [place.service for place in PLACES], ids=lambda service: service.name)
async def test_nor_does_a_worker_log_what_it_consumes(
    fresh_database: FreshDatabase, postgres: EmbeddedPostgres, issuer: Issuer, tmp_path: Path, service: Service
) -> None:
    url, name = await fresh_database(service), f"bus_{new_id().hex}"
    await asyncio.to_thread(postgres.create_databases, name)
    bus_url = postgres.url(name)
    settings = {"KITH_DATABASE_URL_BUS": bus_url, "KITH_LOG_LEVEL": "DEBUG", "PYTHONASYNCIODEBUG": "1"}
    topics = sorted({topic for each in service.subscriptions for topic in each.topics} | {topic_of(service.name)})
    async with (
        keys_of(issuer) as keys,
        open_bus(None, bus_url) as bus,
        running(service, url, keys, tmp_path, "worker", **settings) as worker,
        bus.producer() as producer,
    ):
        await bus.create_topics(dict.fromkeys(topics, 24))
        messages = [Outgoing(topic, *poison) for topic in topics for poison in poisons()]
        await producer.publish(messages)
        await leave_in_the_outbox(url, f"{service.name}.{CANARY}.v1", b"{")
        await logs(worker, "event set aside", *(["dead letter"] if service.subscriptions else []))
        await quote_whatever_is_written(url, "outbox", "UPDATE")
        await leave_in_the_outbox(url, f"{service.name}.{CANARY}.v1", json.dumps({CANARY: CANARY}).encode())
        await logs(worker, "relay interrupted")
        if service.subscriptions:
            await quote_whatever_is_written(url, "dead_letters", "INSERT")
            await producer.publish(messages)
            await logs(worker, "consumer halted")
        async with httpx.AsyncClient(base_url=worker.url) as client:
            assert CANARY not in (await client.get("/metrics")).raise_for_status().text
    assert [line for line in worker.logged.splitlines() if CANARY in line] == []


async def logs(process: Process, *words: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if all(each in process.logged for each in words):
                return
            await asyncio.sleep(0.05)


async def test_the_database_of_this_machine_does_not_log_it_either(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.url("postgres"))
    with pytest.raises(asyncpg.RaiseError):
        await connection.execute(f"DO $$ BEGIN RAISE EXCEPTION '{CANARY}'; END $$")
    await connection.close()
    logs = [each for each in postgres.data.parent.rglob("*log*") if each.is_file()]
    assert logs
    assert [each for each in logs if CANARY in each.read_text(errors="replace")] == []
