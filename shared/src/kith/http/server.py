"""The HTTP server of a process: uvicorn, with bounds to what one connection may cost.

uvicorn's parser, httptools, keeps whatever headers come, and waits for the rest of a request for as long as it takes.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

import msgspec
import prometheus_client
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from kith.error_codes import ErrorCode
from kith.http import problems
from kith.http.answers import PROBLEM_JSON

CUT = prometheus_client.Counter(
    "kith_connections_cut_total",
    "HTTP connections closed on a client: `headers` too large, `slow` request, `unread` answer, `invalid` HTTP",
    ["reason"],
)

MAX_MESSAGE = 256 * 1024
"""Bytes that a client may send at once over a WebSocket: a subscription and its variables."""

SINGLE = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Origin")
"""Headers that a request has once or not at all, Host aside."""

NOTICE_SECONDS = 0.2
"""Between 'not ready' and closing the socket, for load balancers to notice."""


@dataclass(frozen=True)
class Bounds:
    """Of a connection."""

    head_bytes: int = 32 * 1024
    """Request line and headers."""
    headers: int = 100
    head_seconds: float = 10.0
    body_seconds: float = 20.0
    """That a body may take besides the time it has at the slowest rate."""
    body_rate: int = 16 * 1024
    """Bytes a second of the slowest body."""
    surplus_bytes: int = 64 * 1024 * 1024
    """Of bodies that were answered before they were all in."""
    linger_seconds: float = 1.0
    """That what a client still sends is read and thrown away, for it to read why it was refused."""
    unread_seconds: float = 60.0
    """That an answer may wait for a client that reads nothing."""
    keep_alive_seconds: int = 75
    """That an unused connection stays open. Clients that keep some (the gateway, proxies) have to be the first to close
    one: a request that meets a closing connection is lost."""


BOUNDS = Bounds()


class Protocol(HttpToolsProtocol):
    """One connection. A single timer watches the earliest of its deadlines."""

    bounds: ClassVar[Bounds] = BOUNDS
    _timer: asyncio.TimerHandle | None = None
    _deadline: float | None = None
    _unread_since: float | None = None
    _in_head = True
    _idle = False
    _head = 0
    _silent = 0
    """Bytes since the parser last made something of them."""
    _count = 0
    _surplus = 0
    _ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # it is a stream's
        self._expect(self.bounds.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            self._discard(len(data))
            return
        if self._idle:
            self._idle = False
            self._expect(self.bounds.head_seconds)
        self._silent += len(data)
        super().data_received(data)
        if not self._ended and self._silent > self.bounds.head_bytes:
            self._refuse_head()

    def handle_websocket_upgrade(self) -> None:
        if not self._ended:
            self._stop_watching()
            super().handle_websocket_upgrade()

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head, self._count, self._silent = True, 0, 0, 0
        self._expect(self.bounds.head_seconds)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._took(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count += 1
        self._took(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        self._silent = 0
        if self._is_head_too_large() or self._ended:
            # Nothing is begun for it. The parser goes on with what came in the same piece, and is not listened to.
            self._refuse_head()
            return
        if (name := self._repeated_or_missing()) is not None:
            self.send_400_response(f"A request has one header {name}.")
            return
        if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers):
            # The parser takes off the chunks, and would hand on what is compressed as if it were not.
            self.send_400_response("The only Transfer-Encoding is chunked.")
            return
        self._in_head = False
        super().on_headers_complete()
        self._expect(self.bounds.body_seconds)

    def on_body(self, body: bytes) -> None:
        self._silent = 0
        if self._ended:
            return
        if self.cycle is not None and self.cycle.response_complete:
            # The rest of a body that was refused is read, that the answer be read too; but not for ever.
            self._discard(len(body))
            return
        super().on_body(body)
        if self._deadline is not None:
            self._deadline += len(body) / self.bounds.body_rate

    def on_message_complete(self) -> None:
        self._silent = 0
        self._deadline = None
        if not self._ended:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # From now on it is uvicorn's keep-alive that waits, until the first byte of the next request.
        self._idle = not self.pipeline and not self._in_head

    def _discard(self, size: int) -> None:
        self._surplus += size
        if self._surplus > self.bounds.surplus_bytes:
            self._ended = True
            self.transport.abort()

    def _took(self, size: int) -> None:
        self._silent = 0
        self._head += size
        if self._is_head_too_large():
            self._refuse_head()

    def _repeated_or_missing(self) -> str | None:
        """A header of which there must be one, or one at most, and is not: which of two is meant would be a guess."""
        counts = Counter(name for name, _ in self.headers)
        if counts[b"host"] != 1 and (counts[b"host"] or self.parser.get_http_version() == "1.1"):
            return "Host"
        return next((name for name in SINGLE if counts[name.lower().encode()] > 1), None)

    def _is_head_too_large(self) -> bool:
        return self._head > self.bounds.head_bytes or self._count > self.bounds.headers

    def _refuse_head(self) -> None:
        self._end(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            ErrorCode.HEADERS_TOO_LARGE,
            f"A request has at most {self.bounds.headers} headers, of {self.bounds.head_bytes} bytes in all.",
            "headers",
        )

    # Deadlines

    def _expect(self, seconds: float) -> None:
        """The next thing is here by then, or the connection is closed."""
        self._deadline = self.loop.time() + seconds
        self._watch(seconds)

    def _watch(self, seconds: float) -> None:
        if self._timer is not None:
            if self._timer.when() <= self.loop.time() + seconds:
                return  # it looks again when it is due
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self.loop.time()
        if self._unread_since is not None and now >= self._unread_since + self.bounds.unread_seconds:
            CUT.labels("unread").inc()
            self.transport.abort()
            return
        if self._deadline is not None and self.flow.read_paused:
            self._deadline = now + self.bounds.body_seconds  # it is us who do not read
        if self._deadline is not None and now >= self._deadline:
            self._end(HTTPStatus.REQUEST_TIMEOUT, ErrorCode.REQUEST_TIMEOUT, "The request took too long.", "slow")
            return
        unread_by = None if self._unread_since is None else self._unread_since + self.bounds.unread_seconds
        if due := [each for each in (self._deadline, unread_by) if each is not None]:
            self._watch(max(0.0, min(due) - now))

    def _stop_watching(self) -> None:
        self._deadline = self._unread_since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_since = self.loop.time()
        self._watch(self.bounds.unread_seconds)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread_since = None

    # Ends

    def send_400_response(self, msg: str) -> None:
        self._end(HTTPStatus.BAD_REQUEST, ErrorCode.BAD_REQUEST, msg, "invalid")

    def _end(self, status: HTTPStatus, code: ErrorCode, detail: str, reason: str) -> None:
        """Answers, unless an answer is under way, and closes. A connection without a request gets no answer."""
        if self._ended:
            return
        self._ended = True
        self._deadline = None
        CUT.labels(reason).inc()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or self.pipeline or self._in_head:
                self.transport.abort()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        if self.scope is not None:
            body = msgspec.json.encode(problems.problem(status, code, detail))
            head = (
                b"content-type: " + PROBLEM_JSON.encode() + b"\r\n"
                b"content-length: " + str(len(body)).encode() + b"\r\n"
                b"connection: close\r\n\r\n"
            )
            self.transport.write(STATUS_LINE[status] + head + body)
        self._stop_watching()
        if self.transport.can_write_eof() and not self.transport.is_closing():
            # Closed with something unread, the client would see a broken connection and not read the answer.
            self.transport.write_eof()
            self._timer = self.loop.call_later(self.bounds.linger_seconds, self.transport.abort)
        else:
            self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: one stop for all parts of the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    app: ASGIApp, host: str, port: int, *, stop: asyncio.Event, drain: float, bounds: Bounds = BOUNDS, **options: Any
) -> None:
    """Until `stop`, and then for as long as requests in hand take, at most `drain` seconds."""
    server = _Server(
        uvicorn.Config(
            app,
            host,
            port,
            http=type("Protocol", (Protocol,), {"bounds": bounds}),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=int(drain),
            timeout_keep_alive=bounds.keep_alive_seconds,
            ws_max_size=MAX_MESSAGE,
            ws_per_message_deflate=False,  # a tenth of a megabyte per connection, for messages of some hundred bytes
            **options,
        )
    )
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not stop.is_set():
        stopping.cancel()
        raise OSError(f"cannot serve on {host}:{port}")
    await asyncio.sleep(NOTICE_SECONDS)
    server.should_exit = True
    await serving
