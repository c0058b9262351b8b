"""The door of a service: who asks is known, and may ask so much, before anything is done for them.

In this order, each cheaper than what comes after: the token, the tenant's rate, the size and kind of the body, the body
itself, what the request says it waits for, a slot, and what the tenant lets the actor do. A request holds its slot
until its answer begins: by then the work is done, or it is a stream, and what that holds is limited where it is held.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client import Counter, Gauge
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kith.http.auth import Actor, Authenticator
from kith.http.bodies import (
    check_content_type,
    check_media_type,
    check_size,
    declared_bytes,
    is_content,
    most_bytes,
    read_body,
)
from kith.http.positions import WAIT_FOR
from kith.runtime.fairness import Allowance, FairQueue, QueueFull, Rates
from kith.runtime.settings import Settings

REFUSED = Counter(
    "kith_requests_refused_total",
    "Requests refused for how many there were: with 429 (`rate`, `queue`, `wait`) or 503 (`overload`: all tenants)",
    ["reason"],
)
QUEUED = Counter("kith_requests_queued_total", "Requests that waited for others of their tenant")
WAITING = Gauge("kith_requests_waiting", "Requests that wait now")

ACTOR = "kith.actor"
"""Where in the scope the actor stands for whom the request was let in."""

SMALL_BODY = 64 * 1024
"""So much the server reads ahead anyway. Larger bodies are read a few at a time."""
UPLOADS = 8
UPLOAD_SECONDS = 60.0
FILES = 8
FILES_OF_TENANT = 2
"""A file is read as fast as it is sent, which may be slowly: some at a time, and beside all else."""


@dataclass(frozen=True)
class Limits:
    """Of one process."""

    slots: int = 10
    beside: int = 1
    """Slots of a tenant that sends many requests, while others send some: one thread serves all, and all wait for what
    is in hand."""
    queue: int = 500
    queue_seconds: float = 10.0
    rate: float = 2000.0
    burst: int = 4000
    proxies: int = 0
    """In front, each of which adds to X-Forwarded-For from where it was asked."""

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        return cls(
            settings.pool_size,
            settings.tenant_beside,
            settings.tenant_queue,
            settings.tenant_queue_seconds,
            settings.tenant_rate,
            settings.tenant_burst,
            settings.trusted_proxies,
        )


class Admission:
    """Lets requests in. `is_public` says by the path what anybody may have at any time."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticator: Authenticator,
        admitted: Callable[[Actor], Awaitable[Actor]],
        waited_for: Callable[[str, str], Awaitable[dict[str, str]]],
        limits: Limits,
        is_public: Callable[[str], bool],
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._admitted = admitted
        self._waited_for = waited_for
        self._is_public = is_public
        self._rates = Rates(limits.rate, limits.burst)
        self._slots = FairQueue(limits.slots, waiting=limits.queue, seconds=limits.queue_seconds, beside=limits.beside)
        self._uploads = FairQueue(UPLOADS, waiting=limits.queue, seconds=UPLOAD_SECONDS)
        self._files = FairQueue(FILES, waiting=limits.queue, seconds=limits.queue_seconds, share=FILES_OF_TENANT)
        self._policy = f'"tenant";q={limits.burst};w={max(1, round(limits.burst / limits.rate))}'
        WAITING.set_function(lambda: self._slots.waiting + self._uploads.waiting + self._files.waiting)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_public(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        actor = await self._authenticator.authenticate(headers.get("authorization"))
        allowance = self._rates.take(actor.tenant)
        rates = self._rate_headers(allowance)
        if not allowance.allowed:
            REFUSED.labels("rate").inc()
            raise _too_many(f"A tenant may ask {self._rates.rate:g} times a second.", allowance.retry, rates)
        if is_content(scope["method"], scope["path"]):
            check_content_type(scope["method"], headers)
            async with self._slot(self._files, actor.tenant, rates) as give_back:
                scope[ACTOR] = await self._admitted(actor)
                await self._app(scope, receive, _with_headers(send, rates, give_back))
            return
        limit, size = most_bytes(scope["path"]), declared_bytes(headers)
        check_size(size or 0, limit)
        check_media_type(headers)
        body = await self._body(actor.tenant, limit, size, receive)
        said = rates
        if (position := headers.get(WAIT_FOR)) is not None:
            said = rates | await self._waited_for(actor.tenant, position)
        async with self._slot(self._slots, actor.tenant, rates) as give_back:
            scope[ACTOR] = await self._admitted(actor)
            await self._app(scope, _replayed(body, receive), _with_headers(send, said, give_back))

    async def _body(self, tenant: str, limit: int, size: int | None, receive: Receive) -> bytes:
        if size is not None and size <= SMALL_BODY:
            return await read_body(receive, limit)
        async with self._slot(self._uploads, tenant, {}):
            return await read_body(receive, limit)

    @asynccontextmanager
    async def _slot(self, queue: FairQueue, tenant: str, headers: dict[str, str]) -> AsyncIterator[Callable[[], None]]:
        """Raises HTTPException: 429 if the tenant has too many in the queue, 503 if all tenants together have."""
        try:
            if await queue.enter(tenant):
                QUEUED.inc()
        except TimeoutError:
            REFUSED.labels("wait").inc()
            raise _too_many("Too many requests of the tenant are in hand.", 1, headers) from None
        except QueueFull as full:
            REFUSED.labels("queue" if full.of_tenant else "overload").inc()
            if full.of_tenant:
                raise _too_many("Too many requests of the tenant wait.", 1, headers) from None
            raise HTTPException(
                HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests wait.", {**headers, "Retry-After": "1"}
            ) from None
        held = True

        def give_back() -> None:
            nonlocal held
            if held:
                held = False
                queue.leave(tenant)

        try:
            yield give_back
        finally:
            give_back()

    def _rate_headers(self, allowance: Allowance) -> dict[str, str]:
        """https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/"""
        return {
            "RateLimit-Policy": self._policy,
            "RateLimit": f'"tenant";r={allowance.remaining};t={allowance.reset}',
        }


def _too_many(detail: str, retry: int, headers: dict[str, str]) -> HTTPException:
    return HTTPException(
        HTTPStatus.TOO_MANY_REQUESTS, f"{detail} Try again in {retry} s.", {**headers, "Retry-After": str(retry)}
    )


def _replayed(body: bytes, receive: Receive) -> Receive:
    read = False

    async def replayed() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _with_headers(send: Send, headers: dict[str, str], give_back: Callable[[], None]) -> Send:
    fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            give_back()
            message["headers"] = [*message.get("headers", ()), *fields]
        await send(message)

    return send_with_headers
