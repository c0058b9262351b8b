"""`/docs`: the service's REST API to read and to try, by Swagger UI. Everything it loads comes from the service itself:
it is there without internet, and its policy lets nothing else in."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import fastapi_offline
from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.routing import Route

PATH = "/docs"

_FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null});
"""
_HEADERS = {
    # Swagger UI styles elements and shows icons as data; it runs nothing of the kind.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def routes(app: FastAPI) -> Sequence[Route]:
    static = Path(str(files(fastapi_offline) / "static"))

    async def page(_: object) -> Response:
        return Response(_PAGE.format(title=app.title), media_type="text/html", headers=_HEADERS)

    async def start(_: object) -> Response:
        return Response(_START, media_type="text/javascript", headers=_HEADERS)

    def file(name: str, kind: str) -> Route:
        async def serve(_: object) -> Response:
            return FileResponse(static / name, media_type=kind, headers=_HEADERS)

        return Route(f"{PATH}/{name}", serve, name=name)

    return [Route(PATH, page), Route(f"{PATH}/start.js", start), *(file(*each) for each in _FILES.items())]
