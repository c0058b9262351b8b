"""The methods of every path besides its own operations: HEAD where there is GET, and OPTIONS, which names them all."""

from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kith.http.public import is_public

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def allowed(scope: Scope) -> str | None:
    """The methods of the path, as Allow names them; None if there is no such path."""
    routes = scope["app"].router.routes
    found = [
        method
        for method in _METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    if not found:
        return None
    if "GET" in found:
        found.insert(1, "HEAD")
    return ", ".join([*found, "OPTIONS"])


class Methods:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope.get("method")
        if method == "HEAD":
            as_get = {**scope, "method": "GET"}
            await self._app(as_get, receive, _without_body(send))
            scope["route"] = as_get.get("route")
        elif method == "OPTIONS" and not is_public(scope) and (methods := allowed(scope)) is not None:
            await Response(status_code=204, headers={"Allow": methods})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _without_body(send: Send) -> Send:
    over = False

    async def bodiless(message: Message) -> None:
        nonlocal over
        if message["type"] != "http.response.body":
            await send(message)
        elif not over:
            # The rest of an answer that streams is not waited for: the server reports to it that nobody listens.
            over = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return bodiless
