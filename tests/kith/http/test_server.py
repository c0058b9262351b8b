"""What one connection may cost: over a socket, as a client that means harm would speak."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from tests.conftest import free_ports

from kith.http.server import BOUNDS, Bounds, serve

PATIENCE = 20
QUICK = Bounds(head_seconds=0.2, body_seconds=0.2, unread_seconds=0.2, keep_alive_seconds=1)

Open = Callable[[], AbstractAsyncContextManager[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    request = Request(scope, receive)
    if scope["path"] == "/endless":
        answer: Response = StreamingResponse(_endless())
    else:
        try:
            answer = PlainTextResponse(f"{scope['method']} {len(await request.body())} {len(request.headers)}")
        except ClientDisconnect:
            return
    await answer(scope, receive, send)


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 65_536
        await asyncio.sleep(0)


@asynccontextmanager
async def served(bounds: Bounds) -> AsyncIterator[Open]:
    (port,) = free_ports(1)
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(app, "127.0.0.1", port, stop=stop, drain=1, bounds=bounds, lifespan="off"))

    @asynccontextmanager
    async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                async with connected():
                    break
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
    try:
        yield connected
    finally:
        stop.set()
        await serving


@pytest.fixture
async def ordinary() -> AsyncIterator[Open]:
    async with served(BOUNDS) as connected:
        yield connected


@pytest.fixture
async def quick() -> AsyncIterator[Open]:
    async with served(QUICK) as connected:
        yield connected


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of an answer after which the connection is closed."""
    async with asyncio.timeout(PATIENCE):
        whole = await reader.read()
    head, _, body = whole.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


async def answered(connected: Open, *pieces: bytes) -> tuple[int, bytes]:
    async with connected() as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            with suppress(ConnectionError):
                await writer.drain()
        return await answer_of(reader)


async def is_closed(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(PATIENCE):
        with suppress(ConnectionError):
            while await reader.read(2**20):
                pass
    return True


async def test_headers_within_bounds_are_taken(ordinary: Open) -> None:
    headers = b"".join(b"x-%d: %s\r\n" % (n, b"y" * 200) for n in range(90))
    request = b"GET / HTTP/1.1\r\nhost: kith\r\nconnection: close\r\n" + headers + b"\r\n"
    assert await answered(ordinary, request) == (200, b"GET 0 92")


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        (b"", b"Host"),
        (b"host: kith\r\nHost: elsewhere\r\n", b"Host"),
        (b"host: kith\r\nauthorization: Bearer a\r\nAuthorization: Bearer b\r\n", b"Authorization"),
        (b"host: kith\r\nidempotency-key: a\r\nidempotency-key: a\r\n", b"Idempotency-Key"),
        (b"host: kith\r\ncontent-type: text/plain\r\ncontent-type: application/json\r\n", b"Content-Type"),
        (b"host: kith\r\norigin: https://a.example\r\norigin: https://b.example\r\n", b"Origin"),
        (b'host: kith\r\nif-match: "1"\r\nif-match: "2"\r\n', b"If-Match"),
    ],
)
async def test_a_header_that_is_missing_or_there_twice_is_not_guessed(
    ordinary: Open, headers: bytes, named: bytes
) -> None:
    status, body = await answered(ordinary, b"GET / HTTP/1.1\r\n" + headers + b"\r\n")
    assert (status, json.loads(body)["detail"]) == (400, f"A request has one header {named.decode()}.")


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"chunked, chunked", b"identity"])
async def test_a_body_in_another_transfer_coding_is_not_taken_for_what_it_is_not(ordinary: Open, coding: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: kith\r\nConnection: close\r\nTransfer-Encoding: "
    chunk = b"5\r\nhello\r\n0\r\n\r\n"
    status, _ = await answered(ordinary, head + coding + b"\r\n\r\n" + chunk)
    assert status == 400
    assert (await answered(ordinary, head + b"Chunked\r\n\r\n" + chunk)) == (200, b"POST 5 3")


async def test_a_client_of_before_http_1_1_names_no_host(ordinary: Open) -> None:
    assert await answered(ordinary, b"GET / HTTP/1.0\r\n\r\n") == (200, b"GET 0 0")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(101)) + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: %s\r\n" % (n, b"y" * 9000) for n in range(5)) + b"\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 400_000,  # and it never ends
        b"GET /" + b"y" * 40_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /?" + b"y" * 400_000,
    ],
    ids=["many", "large", "one large", "one without an end", "a long path", "a query without an end"],
)
async def test_headers_beyond_bounds_are_refused(ordinary: Open, head: bytes) -> None:
    status, body = await answered(ordinary, head)
    assert (status, json.loads(body)["code"]) == (431, "headers-too-large")


async def test_headers_do_not_come_after_the_body_either(ordinary: Open) -> None:
    body = b"POST / HTTP/1.1\r\nhost: kith\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    async with ordinary() as (reader, writer):
        writer.write(body + b"trailer: " + b"y" * 400_000)
        assert await is_closed(reader)


async def test_what_is_no_http_is_a_problem(ordinary: Open) -> None:
    status, body = await answered(ordinary, b"GET / HTTP/1.1\r\n\x00\r\n\r\n")
    assert (status, json.loads(body)["code"]) == (400, "bad-request")


@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\nx: y"], ids=["nothing", "a byte", "half"])
async def test_who_does_not_go_on_is_closed(quick: Open, begun: bytes) -> None:
    async with quick() as (reader, writer):
        writer.write(begun)
        assert await is_closed(reader)


async def test_half_a_request_is_answered_that_it_took_too_long(quick: Open) -> None:
    status, body = await answered(quick, b"GET / HTTP/1.1\r\nx: y")
    assert (status, json.loads(body)["code"]) == (408, "request-timeout")


async def test_a_body_that_does_not_come_is_not_waited_for(quick: Open) -> None:
    status, body = await answered(quick, b"POST / HTTP/1.1\r\nhost: kith\r\ncontent-length: 10\r\n\r\nx")
    assert (status, json.loads(body)["code"]) == (408, "request-timeout")


async def test_an_answer_that_nobody_reads_is_not_kept(quick: Open) -> None:
    async with quick() as (reader, writer):
        writer.write(b"GET /endless HTTP/1.1\r\nhost: kith\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            await reader.readexactly(1)
            transport = writer.transport
            transport.pause_reading()  # type: ignore[attr-defined]  # a socket's can
            loop, closed = asyncio.get_running_loop(), asyncio.Event()
            loop.call_later(1, closed.set)  # five times what it waits for us
            await closed.wait()
            transport.resume_reading()  # type: ignore[attr-defined]
        assert await is_closed(reader)


async def test_a_connection_is_kept_for_the_next_request_and_not_for_ever(quick: Open) -> None:
    async with quick() as (reader, writer):
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nhost: kith\r\n\r\n")
            async with asyncio.timeout(PATIENCE):
                assert (await reader.readuntil(b"GET 0 1")).startswith(b"HTTP/1.1 200")
        assert await is_closed(reader)


async def test_requests_one_after_the_other_in_one_piece_are_all_answered(ordinary: Open) -> None:
    async with ordinary() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: kith\r\n\r\n" * 3)
        async with asyncio.timeout(PATIENCE):
            for _ in range(3):
                await reader.readuntil(b"GET 0 1")
