"""What a process shows of itself: alive, ready, and its figures."""

from collections.abc import Mapping

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
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

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    app = Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])
    app.router.redirect_slashes = False  # the redirect would name whatever Host the request says
    return app
