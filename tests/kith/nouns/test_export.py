"""A whole collection as a stream: all of a tenant's rows as of one instant, and a proof that they are all there."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

import analytics.app
import contacts.app
import kith.nouns.export
import sales.app
import service_desk.app
from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.db.connections import SNAPSHOTS
from kith.ids import new_id
from kith.nouns.export import Incomplete, rows_of
from kith.nouns.queries import BATCH
from kith.runtime.service import Service
from kith.testing import ALL_SCOPES, Answer, Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

PATH = "/v1/products"
Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def acme(serve: Serve, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(await serve(SALES), issuer, tenant)


@pytest.fixture
async def other(serve: Serve, issuer: Issuer, other_tenant: str) -> Tenant:
    return Tenant(await serve(SALES), issuer, other_tenant)


async def exported(tenant: Tenant, path: str = PATH, **query: str) -> list[Answer]:
    answer = await tenant.get(f"{path}:export", **query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    *rows, end = [json.loads(line) for line in answer.content.split(b"\n")[:-1]]
    assert end == {"end": {"rows": len(rows)}}
    return rows


async def product(tenant: Tenant, name: str = "Board") -> Answer:
    return await tenant.made(PATH, name=name, price="12.50", currency="EUR")


async def fill(postgres: EmbeddedPostgres, tenant: str, rows: int) -> None:
    connection = await asyncpg.connect(postgres.url("kith_sales"))
    await connection.execute(
        """INSERT INTO products (tenant_id, id, version, created_at, updated_at, name, price, currency)
        SELECT $1, gen_random_uuid(), 1, now(), now(), 'Board ' || n, n, 'EUR' FROM generate_series(1, $2::int) n""",
        tenant,
        rows,
    )
    await connection.close()


class Reader:
    """An export read piece by piece, by a client that takes the next one only when the test lets it."""

    def __init__(self, tenant: Tenant, path: str = f"{PATH}:export") -> None:
        transport = tenant.client._transport
        assert isinstance(transport, httpx.ASGITransport)
        token = tenant.issuer.token(tenant.name, ALL_SCOPES)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},  # as uvicorn has it
            "http_version": "1.1",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "headers": [(b"authorization", f"Bearer {token}".encode())],
            "client": ("127.0.0.1", 1),
            "server": ("sales", 80),
        }
        self._room, self._sent = asyncio.Semaphore(0), asyncio.Queue[Any]()
        self._gone = asyncio.Event()
        self._asked = False
        self.running = asyncio.ensure_future(transport.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self._room.acquire()
        self._sent.put_nowait(message)

    async def next(self) -> Any:
        self._room.release()
        return await self._sent.get()

    async def begin(self) -> int:
        """The status. The first rows wait then."""
        return int((await self.next())["status"])

    async def rest(self) -> AsyncIterator[bytes]:
        while True:
            message = await self.next()
            yield message["body"]
            if not message["more_body"]:
                break
        await self.running

    async def leave(self) -> None:
        self._gone.set()
        await self.running


async def in_transaction(postgres: EmbeddedPostgres) -> int:
    """How many exports of sales hold a snapshot now."""
    connection = await asyncpg.connect(postgres.url("kith_sales"))
    count: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kith sales api export' AND state <> 'idle'"
        " AND datname = 'kith_sales'"
    )
    await connection.close()
    return count


async def until_snapshots(postgres: EmbeddedPostgres, count: int) -> None:
    while await in_transaction(postgres) != count:  # noqa: ASYNC110 - the database shows it, and sends no event
        await asyncio.sleep(0.01)


async def test_each_row_is_a_line_as_it_is_seen_one_by_one_in_the_order_of_ids(acme: Tenant) -> None:
    made = [await product(acme, f"No {n}") for n in range(3)]
    assert await exported(acme) == sorted(made, key=lambda each: UUID(each["id"]))
    assert await exported(acme) == [(await acme.get(f"{PATH}/{each['id']}")).json() for each in made]


async def test_a_collection_of_nothing_is_exported_whole(acme: Tenant) -> None:
    assert await exported(acme) == []


@pytest.mark.parametrize(
    ("service", "api"),
    [
        (CONTACTS, contacts.app.API),
        (SALES, sales.app.API),
        (SERVICE_DESK, service_desk.app.API),
        (ANALYTICS, analytics.app.API),
    ],
    ids=["contacts", "sales", "service-desk", "analytics"],
)
async def test_every_collection_has_one(serve: Serve, issuer: Issuer, tenant: str, service: Service, api: Any) -> None:
    someone = Tenant(await serve(service), issuer, tenant)
    collections = [each.path for each in api.resources if each.singleton is None]
    assert collections
    for path in collections:
        assert await exported(someone, f"/v1/{path}") == []


async def test_no_other_tenants_row_is_among_them(acme: Tenant, other: Tenant) -> None:
    mine, theirs = await product(acme), await product(other)
    assert [each["id"] for each in await exported(acme)] == [mine["id"]]
    assert [each["id"] for each in await exported(other)] == [theirs["id"]]


async def test_it_needs_the_scope_to_read(acme: Tenant) -> None:
    assert (await acme.without("sales:read").get(f"{PATH}:export")).status_code == 403
    assert (await acme.client.get(f"{PATH}:export")).status_code == 401


async def test_it_goes_on_after_the_last_row_that_came(acme: Tenant) -> None:
    for n in range(4):
        await product(acme, f"No {n}")
    rows = await exported(acme)
    for n, row in enumerate(rows):
        assert await exported(acme, after=row["id"]) == rows[n + 1 :]
    refused = await acme.get(f"{PATH}:export", after="seven")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "after")


async def test_many_rows_come_in_pieces_and_no_sooner_than_they_are_taken(
    acme: Tenant, postgres: EmbeddedPostgres
) -> None:
    await fill(postgres, acme.name, 20_000)
    reader = Reader(acme)
    assert await reader.begin() == 200
    pieces = [piece async for piece in reader.rest()]
    assert max(piece.count(b"\n") for piece in pieces) == BATCH
    lines = b"".join(pieces).split(b"\n")
    assert json.loads(lines[-2]) == {"end": {"rows": 20_000}}
    ids = [json.loads(line)["id"] for line in lines[:-2]]
    assert len(set(ids)) == 20_000
    assert ids == sorted(ids)


async def test_what_is_changed_meanwhile_is_not_seen(acme: Tenant, postgres: EmbeddedPostgres) -> None:
    await fill(postgres, acme.name, 3 * BATCH)
    reader = Reader(acme)
    await until_snapshots(postgres, 1)
    await product(acme, "Afterthought")
    connection = await asyncpg.connect(postgres.url("kith_sales"))
    await connection.execute("UPDATE products SET version = 2 WHERE tenant_id = $1", acme.name)
    await connection.close()
    begun = await reader.next()
    rows = [row async for row in rows_of(reader.rest())]
    assert len(rows) == 3 * BATCH
    assert {row["version"] for row in rows} == {1}
    assert len(await exported(acme)) == 3 * BATCH + 1
    position = dict(begun["headers"])[b"kith-position"].decode()
    later = (await acme.get(f"{PATH}:export")).headers["Kith-Position"]
    assert position.startswith("sales@")
    assert position < later


async def test_a_client_that_leaves_gives_its_connection_back(acme: Tenant, postgres: EmbeddedPostgres) -> None:
    await fill(postgres, acme.name, 3 * BATCH)
    for _ in range(2 * SNAPSHOTS):
        reader = Reader(acme)
        assert await reader.begin() == 200
        await reader.next()
        assert await in_transaction(postgres) == 1
        await reader.leave()
        await until_snapshots(postgres, 0)
    assert len(await exported(acme)) == 3 * BATCH


async def test_who_leaves_before_it_begins_gives_it_back_too(acme: Tenant, postgres: EmbeddedPostgres) -> None:
    for _ in range(2 * SNAPSHOTS):
        reader = Reader(acme)
        await until_snapshots(postgres, 1)
        await reader.leave()
    await until_snapshots(postgres, 0)


async def test_exports_leave_other_requests_their_connections_and_are_refused_beyond_their_number(
    acme: Tenant, postgres: EmbeddedPostgres
) -> None:
    await fill(postgres, acme.name, 3 * BATCH)
    readers = [Reader(acme) for _ in range(SNAPSHOTS // 2)]
    assert [await reader.begin() for reader in readers] == [200] * (SNAPSHOTS // 2)
    refused = await acme.get(f"{PATH}:export")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    answers = await asyncio.gather(*(acme.get(PATH) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    for reader in readers:
        assert len([row async for row in rows_of(reader.rest())]) == 3 * BATCH


async def test_who_takes_too_long_is_cut_off(
    acme: Tenant, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kith.nouns.export, "LONGEST_SECONDS", 0.1)
    await fill(postgres, acme.name, 3 * BATCH)
    reader = Reader(acme)
    assert await reader.begin() == 200
    with pytest.raises(TimeoutError):
        await reader.running
    await until_snapshots(postgres, 0)


async def test_an_export_that_dies_has_no_end(acme: Tenant, postgres: EmbeddedPostgres) -> None:
    await fill(postgres, acme.name, 3 * BATCH)
    reader = Reader(acme)
    assert await reader.begin() == 200
    connection = await asyncpg.connect(postgres.url("kith_sales"))
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kith sales api export'"
    )
    await connection.close()
    seen = []

    async def until_it_ends() -> AsyncIterator[bytes]:
        rest = reader.rest()
        while not reader.running.done():
            piece = asyncio.ensure_future(anext(rest))
            await asyncio.wait([piece, reader.running], return_when=asyncio.FIRST_COMPLETED)
            if not piece.done():
                piece.cancel()
                return
            seen.append(await piece)
            yield seen[-1]

    with pytest.raises(Incomplete):
        _ = [row async for row in rows_of(until_it_ends())]
    assert reader.running.exception() is not None
    assert b'"end"' not in b"".join(seen)
    assert len(await exported(acme)) == 3 * BATCH, "and the next one has a fresh connection"


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for each in given:
        yield each


async def test_rows_are_read_wherever_the_pieces_are_cut() -> None:
    row = {"id": str(new_id()), "name": "What some take for the end of a line: \u2028 \x85"}
    line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
    body = line * 2 + b'{"end":{"rows":2}}\n'
    for cut in range(len(body)):
        assert [each async for each in rows_of(pieces(body[:cut], body[cut:]))] == [row] * 2


@pytest.mark.parametrize(
    "body", [b"", b'{"id":1}\n', b'{"id":1}\n{"end":{"rows":2}}\n', b'{"id":1}\n{"end":{"rows":1}}']
)
async def test_what_is_not_all_there_is_reported(body: bytes) -> None:
    with pytest.raises(Incomplete):
        _ = [each async for each in rows_of(pieces(body))]
