"""The HTTP side of a service: one application with REST, GraphQL, probes, problems and limits."""

import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
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

from kith.attachments.receiving import Contents
from kith.audit.disclosures import AuditWriter, Disclosure
from kith.db.connections import Database
from kith.errors import Invalid
from kith.graphql.limits import GraphQLLimits
from kith.http import docs_page, methods, openapi, problems, public
from kith.http.admission import ACTOR, Admission, Limits
from kith.http.answers import json_response, problem_response
from kith.http.auth import Actor, Authenticator
from kith.http.faults import Faults, refusal
from kith.http.limits import SubscriptionLimiter
from kith.http.origins import Origins
from kith.http.positions import Positions
from kith.http.probes import readiness
from kith.nouns.commands import Commands
from kith.people.gate import Gate
from kith.runtime.telemetry import TelemetryMiddleware


class _Segment(StringConvertor):
    """Matches a path segment without the verb that may follow: `{id:segment}:win` is another path than
    `{id:segment}`."""

    regex = "(?:(?!:[a-z_]+$)[^/])+"


__all__ = [
    "Context",
    "actor_of",
    "actor_reaching",
    "actor_who",
    "actor_with",
    "context_of",
    "create_app",
    "json_response",
    "only_known_parameters",
]

register_url_convertor("segment", _Segment())

PUBLIC = frozenset({"/livez", "/readyz", "/openapi.json", "/docs"})


@dataclass(frozen=True)
class Context:
    """What a request handler of a service may use; see kith.api."""

    service: str
    database: Database
    commands: Commands
    audit: AuditWriter
    authenticator: Authenticator
    positions: Positions
    gate: Gate | None = None
    subscription_limiter: SubscriptionLimiter = field(default_factory=SubscriptionLimiter)
    limits: Limits = field(default_factory=Limits)
    graphql_limits: GraphQLLimits = field(default_factory=GraphQLLimits)
    origins: Sequence[str] = ()
    """The origins whose pages may call the API (CORS)."""
    contents: Contents | None = None
    """The content of attachments; None: there is no store for it."""

    async def admitted(self, actor: Actor) -> Actor:
        """Returns the actor with the scopes that it has here. Raises UserSuspended and TenantRemoved."""
        return actor if self.gate is None else await self.gate.admitted(actor)

    @property
    def look_again_seconds(self) -> float:
        """How long what it has admitted may go on without being admitted again."""
        return math.inf if self.gate is None else self.gate.seconds

    def disclosure_to(self, actor: Actor) -> Disclosure | None:
        """Returns where it is noted which personal fields of the service's nouns the actor was shown; None if they are
        hidden from it."""
        return Disclosure(self.audit, actor.tenant, actor.id) if actor.sees_personal(self.service) else None

    async def close(self) -> None:
        if self.contents is not None:
            await self.contents.store.close()
        await self.audit.close()
        await self.database.close()

    def position(self, recorded_at: Any) -> dict[str, str]:
        """Returns the header with the position that a reader of another service must have reached to see this write."""
        return {"Kith-Position": f"{self.service}@{recorded_at.isoformat()}"}


def context_of(request: HTTPConnection) -> Context:
    context: Context = request.app.state.context
    return context


def address_of(request: HTTPConnection) -> str:
    """Returns from where a request comes, as far as the proxies in front say so that the settings trust."""
    trusted = context_of(request).limits.proxies
    passed = [each.strip() for each in request.headers.get("x-forwarded-for", "").split(",")]
    if 0 < trusted <= len(passed) and passed[-trusted]:
        return passed[-trusted]
    return "" if request.client is None else request.client.host


def actor_of(request: HTTPConnection) -> Actor:
    """Returns the actor that the request was authenticated as."""
    actor: Actor = request.scope[ACTOR]
    return actor


def actor_with(scope: str | None) -> Any:
    """Returns a dependency that yields the actor, if it has the scope; None: whatever scopes it has."""

    return actor_who(lambda actor: None if scope is None else actor.require(scope))


def actor_reaching(scope: str) -> Any:
    """Returns a dependency that yields the actor, if it has the scope or a narrow form of it. What the operation reads
    goes by the actor's reach."""
    return actor_who(lambda actor: actor.reach(scope))


def actor_who(check: Callable[[Actor], object]) -> Any:
    """Returns a dependency that yields the actor, unless `check` raises Forbidden."""

    async def checked(
        request: Request, _: Annotated[object, Depends(HTTPBearer(auto_error=False, bearerFormat="JWT"))]
    ) -> Actor:
        actor = actor_of(request)
        check(actor)
        return actor

    return Depends(checked)


def only_known_parameters(request: Request) -> None:
    """Refuses query parameters that the operation does not have: a misspelt one would have no effect."""
    known = sorted(_parameters(request.scope["route"].dependant))
    for name in request.query_params:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise Invalid(f"There is no parameter {name!r}. There are: {allowed}.", field=name)


def _parameters(dependant: Dependant) -> Iterator[str]:
    """Returns the parameters of an operation and of its dependencies."""
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
    """Creates the application. `models` are the request bodies that the routers name in their OpenAPI, `tags` the
    descriptions of their tags."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await context.close()

    app = FastAPI(
        title=f"Kith {context.service}",
        version="1",
        lifespan=lifespan,
        default_response_class=JSONResponse,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the request's Host header
        separate_input_output_schemas=False,
        # TelemetryMiddleware has the span and the metrics of a request. FastAPI's own would be a second span with the
        # path and query of the request, and three spans inside: together a fifth of the time of a read.
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
        admitted=context.admitted,
        waited_for=context.positions.waited_for,
        limits=context.limits,
        is_public=lambda path: path in PUBLIC or path.startswith(("/docs/", public.PUBLIC)),
    )
    app.add_middleware(methods.Methods)
    app.add_middleware(Faults)
    app.add_middleware(Origins, allowed=context.origins)
    app.add_middleware(TelemetryMiddleware, service=context.service)
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
    """Handles the errors that FastAPI would otherwise answer itself; all others reach kith.http.faults."""

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
