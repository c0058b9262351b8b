"""What a process shows of itself: alive, ready, and its figures."""

from collections.abc import Mapping

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


def readiness(reasons: Mapping[str, str], notes: Mapping[str, str] | None = None) -> Response:
    """`reasons` says by part of the process why it is not ready; empty when it is. `notes`: what somebody should look
    at though it is."""
    said = [f"{part}: {reason}" for part, reason in reasons.items()]
    lines = said or ["ok", *(f"{part}: {note}" for part, note in (notes or {}).items())]
    return PlainTextResponse("; ".join(lines), status_code=503 if said else 200)


def probes(not_ready: Mapping[str, str], notes: Mapping[str, str] | None = None) -> Starlette:
    """An application of these three alone, for a port of its own."""

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_: Request) -> Response:
        return readiness(not_ready, notes)

    async def metrics(request: Request) -> Response:
        # OpenMetrics for who asks for it: it alone has exemplars.
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(REGISTRY), headers={"content-type": content_type})

    app = Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])
    app.router.redirect_slashes = False  # the redirect would name whatever Host the request says
    return app
