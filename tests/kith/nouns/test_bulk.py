"""Ten thousand rows: split whatever is in them, and no one else waits for them."""

import asyncio
import gc
import json
import time
from asyncio.events import Handle
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from time import thread_time
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from kith.db.connections import Transaction
from kith.errors import Invalid
from kith.nouns import bulk
from kith.nouns.batch import Batch, carry_out
from kith.nouns.bulk import MAX_ROWS, rows_of
from kith.nouns.calls import Call
from kith.runtime.service import Service
from kith.runtime.slices import SLICE_SECONDS, in_slices
from sales.service import SERVICE

Headers = dict[str, str]


@pytest.fixture
async def sales(serve: Callable[[Service], Awaitable[httpx.AsyncClient]]) -> httpx.AsyncClient:
    return await serve(SERVICE)


@pytest.fixture(params=["in one go", "piece by piece"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of splitting rows."""
    if request.param == "piece by piece":
        monkeypatch.setattr(bulk, "_MOST_COMMAS", -1)


ROWS = [
    {"name": 'a "quoted" text, with [brackets] and {braces} and a \\ at its end\\'},
    {"deep": [[{"er": [1, 2, {}]}]], "empty": []},
    7,
    None,
    "a text",
    {},
]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("indent", [None, 2])
async def test_rows_are_split_whatever_is_in_them(indent: int | None) -> None:
    body = json.dumps({"rows": ROWS}, indent=indent).encode()
    assert [json.loads(row) for row in await rows_of(body)] == ROWS
    assert await rows_of(b' {"rows" : [ ] } ') == []


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b'{"rows": null}',
        b'{"rows": [1, 2}',
        b'{"rows": [1, 2]',
        b'{"rows": [1,, 2]}',
        b'{"rows": [1, 2,]}',
        b'{"rows": [,]}',
        b'{"rows": [1]} more',
        b'{"rows": [1], "more": 1}',
        b'{"more": 1, "rows": [1]}',
        b'{"rows": ["a text without an end]}',
        b'{"rows": [1]]}',
    ],
)
async def test_what_is_no_list_of_rows_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        await rows_of(body)


@pytest.mark.usefixtures("way")
async def test_there_are_only_so_many() -> None:
    most = b'{"rows": [' + b",".join([b"1"] * MAX_ROWS) + b"]}"
    assert len(await rows_of(most)) == MAX_ROWS
    with pytest.raises(Invalid, match="at most"):
        await rows_of(most.replace(b"[", b"[1,"))


@contextmanager
def turns() -> Iterator[list[float]]:
    """How long each turn of the event loop took of the processor, while this is open. What earlier tests have left is
    not collected meanwhile."""
    took: list[float] = []
    run = Handle._run

    def timed(handle: Handle) -> None:
        begun = thread_time()
        run(handle)
        took.append(thread_time() - begun)

    Handle._run = timed  # type: ignore[method-assign, assignment]
    gc.disable()
    try:
        yield took
    finally:
        gc.enable()
        Handle._run = run  # type: ignore[method-assign]


async def test_work_in_slices_gives_everyone_else_a_turn() -> None:
    others = 0

    async def other() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    def busy() -> Iterator[None]:
        end = thread_time() + 10 * SLICE_SECONDS
        while thread_time() < end:
            yield None

    task = asyncio.create_task(other())
    async for _ in in_slices(busy()):
        pass
    task.cancel()
    assert others >= 5


async def send(client: httpx.AsyncClient, path: str, body: bytes, headers: Headers) -> httpx.Response:
    return await client.post(path, content=body, headers={**headers, "Content-Type": "application/json"})


def orders(tag: str) -> Iterator[dict[str, Any]]:
    for n in range(MAX_ROWS):
        yield {"external_id": f"{tag}{n}", "occurred_at": "2026-01-01T00:00:00Z", "value": "12.50", "currency": "EUR"}


async def while_probing(client: httpx.AsyncClient, path: str, body: bytes, headers: Headers) -> httpx.Response:
    """The answer to what is sent, while others ask whether the process is alive; that none of them waited for long."""
    await client.get(path.removesuffix(":bulk"), headers=headers)  # by the first one the tests' own filter is made
    alive = 0
    with turns() as took:
        sending = asyncio.create_task(send(client, path, body, headers))
        while not sending.done():
            assert (await client.get("/livez")).status_code == 200
            alive += 1
            await asyncio.sleep(0)
    assert alive >= 10
    answer = await sending
    assert answer.status_code == 200
    # A tenth of the work, however fast the machine is; of what is refused there is hardly any but the answer itself.
    assert max(took) < sum(took) / (10 if answer.json()["rejected"] == 0 else 5)
    return answer


@pytest.mark.parametrize("sent", ["new", "again", "refused", "not to be read"])
async def test_ten_thousand_rows_do_not_block_the_loop(sales: httpx.AsyncClient, mine: Headers, sent: str) -> None:
    rows = [row | ({"value": "much"} if sent == "refused" else {}) for row in orders(sent)]
    body = json.dumps({"rows": rows}).encode()
    if sent == "again":
        await send(sales, "/v1/orders:bulk", body, mine)
    if sent == "not to be read":
        body = body.replace(b'"much"', b'"\\ud800"').replace(b"EUR", b"\xff")
    await while_probing(sales, "/v1/orders:bulk", body, mine)


async def test_ten_thousand_changes_do_not_block_the_loop(sales: httpx.AsyncClient, mine: Headers) -> None:
    opened = [{"external_id": f"{n}", "occurred_at": "2026-01-01T00:00:00Z", "title": "Call"} for n in range(MAX_ROWS)]
    await send(sales, "/v1/tasks:bulk", json.dumps({"rows": opened}).encode(), mine)
    done = [
        {"command": "complete", "external_id": f"{n}", "occurred_at": "2026-01-02T00:00:00Z"} for n in range(MAX_ROWS)
    ]
    body = json.dumps({"rows": done}).encode()
    assert (await while_probing(sales, "/v1/tasks:bulk", body, mine)).json()["accepted"] == MAX_ROWS
    assert (await while_probing(sales, "/v1/tasks:bulk", body, mine)).json()["unchanged"] == MAX_ROWS


async def test_ten_thousand_returns_of_orders_do_not_block_the_loop(sales: httpx.AsyncClient, mine: Headers) -> None:
    placed = await send(sales, "/v1/orders:bulk", json.dumps({"rows": list(orders("o"))}).encode(), mine)
    returned = [
        {"external_id": f"{n}", "occurred_at": "2026-01-02T00:00:00Z", "value": "1", "order_id": result["id"]}
        for n, result in enumerate(placed.json()["results"])
    ]
    answer = await while_probing(sales, "/v1/returns:bulk", json.dumps({"rows": returned}).encode(), mine)
    assert answer.json()["accepted"] == MAX_ROWS


async def test_of_a_tenants_long_requests_one_is_carried_out_at_a_time(
    sales: httpx.AsyncClient, mine: Headers, theirs: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Side by side each would take as long as all of them, in a transaction that is idle while others are at work."""
    running: list[str] = []
    seen: list[list[str]] = []

    async def noted(transaction: Transaction, *args: Any, **more: Any) -> Any:
        running.append(transaction.tenant)
        await asyncio.sleep(0.01)  # all that may be under way is by then
        seen.append(sorted(running))
        try:
            return await carry_out(transaction, *args, **more)
        finally:
            running.remove(transaction.tenant)

    monkeypatch.setattr("kith.nouns.commands.carry_out", noted)
    monkeypatch.setattr("kith.nouns.commands._LONG", 1)
    bodies = [json.dumps({"rows": list(islice(orders(f"{n}-"), 2))}).encode() for n in range(3)]
    for asking in ([mine], [mine, theirs]):
        seen.clear()
        sent = [send(sales, "/v1/orders:bulk", body, who) for body in bodies for who in asking]
        assert {each.status_code for each in await asyncio.gather(*sent)} == {200}
        assert max(map(len, seen)) == len(asking)
        assert all(len(each) == len(set(each)) for each in seen)


async def test_the_database_hears_of_a_long_request_while_it_is_at_work(
    sales: httpx.AsyncClient, mine: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends a transaction that is idle for some seconds."""
    monkeypatch.setattr("kith.nouns.batch.ALIVE_SECONDS", 0.2)
    create = Batch._create

    def slow(self: Batch, call: Call) -> Any:
        time.sleep(0.1)
        return create(self, call)

    monkeypatch.setattr(Batch, "_create", slow)

    async def impatient(transaction: Transaction, *args: Any, **more: Any) -> Any:
        await transaction.connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '800ms'"))
        return await carry_out(transaction, *args, **more)

    monkeypatch.setattr("kith.nouns.commands.carry_out", impatient)
    body = json.dumps({"rows": list(islice(orders("slow"), 10))}).encode()
    assert (await send(sales, "/v1/orders:bulk", body, mine)).json()["accepted"] == 10
