"""The HTTP side of a service: one application with REST, GraphQL, probes, problems and limits."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.security import HTTPBearer
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.json_schema import models_json_schema
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kith import problems
from kith.auth import Actor, Authenticator, IssuerUnavailable, Unauthenticated
from kith.commands import Commands
from kith.db import Database
from kith.domain import DomainError, Invalid
from kith.live import Seats
from kith.probes import readiness
from kith.telemetry import TelemetryMiddleware, log

MAX_BODY = 32 * 1024 * 1024
JSON, PROBLEM_JSON = "application/json", "application/problem+json"


@dataclass(frozen=True)
class Context:
    """What a request handler of a service may use; see kith.api."""

    service: str
    database: Database
    commands: Commands
    authenticator: Authenticator
    consumes: bool = False
    """Whether the service has subscriptions, so that it may have dead letters."""
    seats: Seats = field(default_factory=Seats)

    def position(self, recorded_at: Any) -> dict[str, str]:
        """The header that tells how far a reader elsewhere must have got to see this write."""
        return {"Kith-Position": f"{self.service}@{recorded_at.isoformat()}"}


def context_of(request: HTTPConnection) -> Context:
    context: Context = request.app.state.context
    return context


async def actor_of(request: Request) -> Actor:
    return await context_of(request).authenticator.authenticate(request.headers.get("authorization"))


def actor_with(scope: str) -> Any:
    """A dependency: the actor, if the token carries the scope."""

    async def check(
        request: Request, _: Annotated[object, Depends(HTTPBearer(auto_error=False, bearerFormat="JWT"))]
    ) -> Actor:
        actor = await actor_of(request)
        actor.require(scope)
        return actor

    return Depends(check)


def only_known_parameters(request: Request) -> None:
    """A dependency: a parameter in the query that the operation has not is refused. Misspelt, it would do nothing."""
    known = sorted(_parameters(request.scope["route"].dependant))
    for name in request.query_params:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise Invalid(f"There is no parameter {name!r}. There are: {allowed}.", field=name)


def _parameters(dependant: Dependant) -> Iterator[str]:
    """Of an operation, and of what it depends on."""
    yield from (each.alias for each in dependant.query_params)
    for each in dependant.dependencies:
        yield from _parameters(each)


def json_response(content: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type=JSON, headers=headers)


def create_app(
    context: Context,
    *,
    routers: Sequence[APIRouter],
    models: Sequence[type[BaseModel]],
) -> FastAPI:
    """`models` are the request bodies that the routers name in their OpenAPI."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await context.database.close()

    app = FastAPI(
        title=f"Kith {context.service}",
        version="1",
        lifespan=lifespan,
        default_response_class=JSONResponse,
        docs_url="/docs",
        redoc_url=None,
        separate_input_output_schemas=False,
        responses={
            status.value: {"description": status.phrase, "content": {PROBLEM_JSON: {"schema": _PROBLEM_REF}}}
            for status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY)
        },
    )
    app.state.context = context
    app.state.not_ready = {}
    for router in routers:
        app.include_router(router)
    _add_probes(app)
    _add_problems(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Faults)
    app.add_middleware(TelemetryMiddleware)
    app.openapi = lambda: _openapi(app, models)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return app


def _add_probes(app: FastAPI) -> None:
    @app.get("/livez", include_in_schema=False)
    async def livez() -> Response:
        return PlainTextResponse("ok")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        return readiness(app.state.not_ready)


_PROBLEM_REF = {"$ref": "#/components/schemas/ProblemDetails"}


def _openapi(app: FastAPI, models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        template = "#/components/schemas/{model}"
        _, bodies = models_json_schema([(model, "validation") for model in models], ref_template=template)
        details = TypeAdapter(problems.ProblemDetails).json_schema(ref_template=template)
        components = schema.setdefault("components", {}).setdefault("schemas", {})
        components |= bodies.get("$defs", {}) | details.pop("$defs") | {"ProblemDetails": details}
        for unused in ("HTTPValidationError", "ValidationError"):
            components.pop(unused, None)
        app.openapi_schema = schema
    return app.openapi_schema


def _problem_response(body: problems.ProblemDetails, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), body["status"], headers, PROBLEM_JSON)


def _add_problems(app: FastAPI) -> None:
    @app.exception_handler(DomainError)
    async def domain_error(_: Request, error: DomainError) -> Response:
        return _problem_response(problems.of_domain_error(error))

    @app.exception_handler(ValidationError)
    async def invalid_body(_: Request, error: ValidationError) -> Response:
        return _problem_response(problems.of_validation_error(error))

    @app.exception_handler(RequestValidationError)
    async def invalid_request(_: Request, error: RequestValidationError) -> Response:
        return _problem_response(problems.of_field_errors(error.errors(), skip=1))

    @app.exception_handler(Unauthenticated)
    async def unauthenticated(_: Request, error: Unauthenticated) -> Response:
        return _problem_response(
            problems.problem(HTTPStatus.UNAUTHORIZED, "unauthenticated", str(error)), {"WWW-Authenticate": "Bearer"}
        )

    @app.exception_handler(IssuerUnavailable)
    @app.exception_handler(PoolTimeoutError)
    async def unavailable(_: Request, error: Exception) -> Response:
        log.warning("unavailable", reason=str(error))
        detail = "Something this needs is not available now; try again."
        return _problem_response(
            problems.problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail), {"Retry-After": "1"}
        )

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        code = status.phrase.lower().replace(" ", "-")
        return _problem_response(problems.problem(status, code, str(error.detail)), dict(error.headers or {}))


class Faults:
    """Answers a fault of ours as a problem. A handler for Exception would do so too, but then raise it once more, and
    the server would cut the connection that the client believes to be kept alive."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if scope["type"] != "http" or started:
                raise
            log.error("fault", path=scope["path"], exc_info=error)
            detail = "This is a fault of ours; it has been logged."
            answer = _problem_response(problems.problem(HTTPStatus.INTERNAL_SERVER_ERROR, "fault", detail))
            await answer(scope, receive, send)


class BodyLimit:
    """Refuses a body over the limit before it is all in memory."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has at most {self._limit} bytes.")
            return message

        await self._app(scope, limited, send)
