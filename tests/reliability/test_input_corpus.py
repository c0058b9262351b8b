"""Whatever is sent to any operation, over REST, as a row of a bulk, or over GraphQL, is taken or refused by a rule: it
is no fault of ours. And what is taken can be read, listed, exported, published, folded and asked about afterwards."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from tests.reliability.corpus import Call, Graph, Rest

from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.service import Service
from kith.testing import Issuer, Tenant
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
AT_ONCE = 12
SLOW = Counter()


async def answered(service: Tenant, calls: Iterable[Call]) -> Counter[int]:
    """How often each status was answered. Fails for each call that was no success and no refusal."""
    transport = service.client._transport
    assert isinstance(transport, httpx.ASGITransport)
    token = service.issuer.token(service.name)
    import time as tt
    import faulthandler

    faulthandler.dump_traceback_later(3000, file=open("/tmp/team/door/fh.txt", "w"))
    began = tt.time()
    statuses: Counter[int] = Counter()
    faults: list[str] = []
    waiting = iter(calls)

    async def ask() -> None:
        for call in waiting:
            import time
            import re

            t = time.perf_counter()
            try:
                status, answer = await asyncio.wait_for(sent(transport.app, call, token), 8)
            except TimeoutError:
                status, answer = 599, b"hangs"
                print("HANGS", str(call)[:200], flush=True)
            SLOW[re.sub("=.*", "", call.method + " " + call.path)] += time.perf_counter() - t
            statuses[status] += 1
            n = sum(statuses.values())
            if n % 1000 == 0:
                print(n, round(tt.time() - began, 1), dict(statuses), SLOW.most_common(3), flush=True)
            if status >= 500 or status == 429 or b"fault of ours" in answer or b'"fault"' in answer:
                faults.append(f"{status} {call}\n    {answer[:300]!r}")

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults[:25])
    return statuses


async def sent(app: Any, call: Call, token: str) -> tuple[int, bytes]:
    """Without a client between, which would refuse half of it itself."""
    path, _, query = call.path.partition("?")
    body = b"" if call.body is None else call.body.encode("utf-8", "surrogateescape")
    headers = [("authorization", f"Bearer {token}"), ("content-type", "application/json"), *call.headers]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": call.method, "scheme": "http",
        "path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(name.encode(), value.encode("utf-8", "surrogatepass")) for name, value in headers]
        + [(b"content-length", b"%d" % len(body))],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    status, answer = 0, b""

    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        if (message := next(messages, None)) is None:
            await asyncio.Event().wait()  # the client stays
        assert message is not None
        return message

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, answer
        status, answer = message.get("status", status), answer + message.get("body", b"")

    await app(scope, receive, send)
    return status, answer


@pytest.fixture
def known() -> dict[str, Any]:
    return {}


async def test_x(serve: Serve, issuer: Issuer, tenant: str) -> None:
    import os
    import time

    for service in (CONTACTS, SALES, SERVICE_DESK, ANALYTICS):
        if os.environ.get("ONLY", service.name) != service.name:
            continue
        client = Tenant(await serve(service), issuer, tenant)
        known = {"customer_id": "019ca000-0000-7000-8000-000000000002", "zone": "UTC"}
        for kind, make in (("rest", Rest), ("graphql", Graph)):
            calls = list(make(service.name, known).calls())
            started = time.perf_counter()
            print(service.name, kind, len(calls), flush=True)
            try:
                print(await answered(client, calls))
            except AssertionError as error:
                print(str(error)[:12000])
            print(time.perf_counter() - started, SLOW.most_common(12), flush=True)
