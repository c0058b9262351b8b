"""The HTTP side of a service: one application with REST, GraphQL, probes, problems and limits."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, Response

from kith.db.connections import Database
from kith.errors import Invalid
from kith.graphql.limits import GraphQLLimits
from kith.http import docs_page, methods, openapi, problems
from kith.http.admission import ACTOR, Admission, Limits
from kith.http.answers import json_response, problem_response
from kith.http.auth import Actor, Authenticator
from kith.http.faults import Faults, refusal
from kith.http.limits import SubscriptionLimiter
from kith.http.origins import Origins
from kith.http.probes import readiness
from kith.nouns.commands import Commands
from kith.runtime.telemetry import TelemetryMiddleware


class _Segment(StringConvertor):
    """Of a path, without the verb that may follow: `{id:segment}:win` is another path than `{id:segment}`."""

    regex = "(?:(?!:[a-z_]+$)[^/])+"


__all__ = ["Context", "actor_of", "actor_with", "context_of", "create_app", "json_response", "only_known_parameters"]

register_url_convertor("segment", _Segment())

PUBLIC = frozenset({"/livez", "/readyz", "/openapi.json", "/docs"})


@dataclass(frozen=True)
class Context:
    """What a request handler of a service may use; see kith.api."""

    service: str
    database: Database
    commands: Commands
    authenticator: Authenticator
    subscription_limiter: SubscriptionLimiter = field(default_factory=SubscriptionLimiter)
    limits: Limits = field(default_factory=Limits)
    graphql_limits: GraphQLLimits = field(default_factory=GraphQLLimits)
    origins: Sequence[str] = ()
    """Of the pages that a browser may let ask."""

    def position(self, recorded_at: Any) -> dict[str, str]:
        """The header that says how far a reader elsewhere must have got to see this write."""
        return {"Kith-Position": f"{self.service}@{recorded_at.isoformat()}"}


def context_of(request: HTTPConnection) -> Context:
    context: Context = request.app.state.context
    return context


def actor_of(request: HTTPConnection) -> Actor:
    """For whom the request was let in."""
    actor: Actor = request.scope[ACTOR]
    return actor


def actor_with(scope: str) -> Any:
    """A dependency: the actor, if the token carries the scope."""

    async def check(
        request: Request, _: Annotated[object, Depends(HTTPBearer(auto_error=False, bearerFormat="JWT"))]
    ) -> Actor:
        actor = actor_of(request)
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


def create_app(
    context: Context,
    *,
    routers: Sequence[APIRouter],
    models: Sequence[type[BaseModel]],
    tags: Mapping[str, str],
) -> FastAPI:
    """`models` are the request bodies that the routers name in their OpenAPI, `tags` the words for each of theirs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await context.database.close()

    app = FastAPI(
        title=f"Kith {context.service}",
        version="1",
        lifespan=lifespan,
        default_response_class=JSONResponse,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # the redirect would name whatever Host the request says
        separate_input_output_schemas=False,
        # TelemetryMiddleware has the span and the metrics of a request. FastAPI's own would be a second span with the
        # path and the query that the caller sent, and three spans inside: together a fifth of the time of a read.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.context = context
    app.state.not_ready = {}
    for router in routers:
        app.include_router(router)
    app.router.routes += docs_page.routes(app)
    _add_probes(app)
    _add_problems(app)
    # From the innermost to the outermost.
    app.add_middleware(
        Admission,
        authenticator=context.authenticator,
        limits=context.limits,
        is_public=lambda path: path in PUBLIC or path.startswith("/docs/"),
    )
    app.add_middleware(methods.Methods)
    app.add_middleware(Faults)
    app.add_middleware(Origins, allowed=context.origins)
    app.add_middleware(TelemetryMiddleware)
    app.openapi = cache(lambda: openapi.document(app, models, tags))  # type: ignore[method-assign]  # its own way
    return app


def _add_probes(app: FastAPI) -> None:
    @app.get("/livez", include_in_schema=False)
    async def livez() -> Response:
        return PlainTextResponse("ok")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        return readiness(app.state.not_ready)


def _add_problems(app: FastAPI) -> None:
    """Of the errors that FastAPI would else answer by itself; all others come to kith.http.faults as they are."""

    @app.exception_handler(RequestValidationError)
    async def invalid_request(_: Request, error: RequestValidationError) -> Response:
        return problem_response(problems.of_field_errors(error.errors(), skip=1))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        found = refusal(error)
        assert found is not None
        details, headers = found
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = methods.allowed(request.scope) or ""
        return problem_response(details, headers)
