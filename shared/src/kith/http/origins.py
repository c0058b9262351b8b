"""Which pages in a browser may send requests: the origins of one list, and none unless it names some.

Tokens are sent by the page itself, so no credentials are allowed: a cookie says nothing here.
"""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from kith.http.public import is_public

METHODS = ("GET", "HEAD", "POST", "PUT")
ASKED_WITH = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Kith-File-Name", "Kith-Wait-For", "Range"),
    "traceparent",
)
SHOWN = ("ETag", "Location", "Kith-Position", "Kith-Reached", "Retry-After", "RateLimit", "RateLimit-Policy", "Allow")


class Origins:
    """CORS over HTTP. A WebSocket, which a browser opens to any site without asking, is refused to other origins."""

    def __init__(self, app: ASGIApp, *, allowed: Sequence[str]) -> None:
        self._app = app
        self._allowed = frozenset(allowed)
        self._http: ASGIApp = app
        if allowed:
            self._http = CORSMiddleware(
                app, allow_origins=allowed, allow_methods=METHODS, allow_headers=ASKED_WITH, expose_headers=SHOWN
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            origin = Headers(scope=scope).get("origin")
            if origin is not None and origin not in self._allowed:
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": "This origin may not connect"})
                return
            await self._app(scope, receive, send)
        elif is_public(scope):
            await self._app(scope, receive, send)  # which pages send there, who serves it knows
        else:
            await self._http(scope, receive, send)
