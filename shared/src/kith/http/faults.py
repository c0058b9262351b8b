"""What an error is to the caller: one mapping, for REST and GraphQL alike.

A refusal says which rule was broken. What cannot be done just now is `unavailable`, and may be tried again. Everything
else is an internal error: it is logged under an id, and the answer has the id and nothing more.
"""

from http import HTTPStatus
from typing import NamedTuple
from uuid import uuid4

from asyncpg import InterfaceError, InternalClientError, PostgresError
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kith.attachments.store import StoreFault
from kith.db.sqlstates import sqlstate
from kith.error_codes import ErrorCode
from kith.errors import DomainError
from kith.http import problems
from kith.http.answers import problem_response
from kith.http.auth import IssuerUnavailable, Unauthenticated
from kith.http.problems import ProblemDetails
from kith.runtime.fairness import QueueFull
from kith.runtime.telemetry import log

RETRY_SECONDS = 1

_TOO_LONG = "57014"
_TRANSIENT = {
    _TOO_LONG,
    "25P03",  # idle in a transaction for too long
    "25P04",  # in a transaction for too long
    "55P03",  # a lock that was not to be had in time
    "57P01",  # the server stops, ..
    "57P02",  # .. has crashed, ..
    "57P03",  # .. or is just starting
    "57P05",
}
_TRANSIENT_CLASSES = (
    "08",  # the connection
    "40",  # serialization failure, deadlock
    "53",  # connections, memory or disk have run out
)

_CODES = {
    HTTPStatus.BAD_REQUEST: ErrorCode.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED: ErrorCode.UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: ErrorCode.FORBIDDEN,
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorCode.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.CONTENT_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.TOO_MANY_REQUESTS: ErrorCode.TOO_MANY_REQUESTS,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ErrorCode.HEADERS_TOO_LARGE,
    HTTPStatus.SERVICE_UNAVAILABLE: ErrorCode.UNAVAILABLE,
}


class Refusal(NamedTuple):
    problem: ProblemDetails
    headers: dict[str, str]


def refusal(error: BaseException) -> Refusal | None:
    """Returns the response to a refusal, or to an error that may be gone the next time; None for an internal error."""
    match error:
        case DomainError():
            return Refusal(problems.of_domain_error(error), {})
        case ValidationError():
            return Refusal(problems.of_validation_error(error), {})
        case Unauthenticated():
            details = problems.problem(HTTPStatus.UNAUTHORIZED, ErrorCode.UNAUTHENTICATED, str(error))
            return Refusal(details, {"WWW-Authenticate": "Bearer"})
        case HTTPException():
            status = HTTPStatus(error.status_code)
            details = problems.problem(status, _CODES.get(status, ErrorCode.BAD_REQUEST), str(error.detail))
            return Refusal(details, dict(error.headers or {}))
        case _ if is_transient(error):
            took_long = sqlstate(error) == _TOO_LONG
            log.warning("unavailable", error=error)
            return unavailable(
                "It took longer than a request may. Ask for less at a time, or try again."
                if took_long
                else "Something this needs is not available now; try again."
            )
    return None


def unavailable(detail: str) -> Refusal:
    details = problems.problem(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, detail)
    return Refusal(details, {"Retry-After": str(RETRY_SECONDS)})


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed the next time, with nothing mended by anybody."""
    match error:
        case IssuerUnavailable() | StoreFault() | QueueFull() | PoolTimeoutError() | ConnectionError() | TimeoutError():
            return True
        case DBAPIError() if error.connection_invalidated:
            return True
        case DBAPIError() if error.orig is not None and not isinstance(error.orig, PostgresError):
            return _is_transient_state(sqlstate(error)) or is_transient(error.orig.__cause__ or error.orig)
        case InternalClientError():  # of the driver, about a session that was cut
            return True
        case InterfaceError():  # of the driver: a connection that has ended has no code
            return "closed" in str(error)
    return _is_transient_state(sqlstate(error))


def _is_transient_state(state: object) -> bool:
    return isinstance(state, str) and (state in _TRANSIENT or state.startswith(_TRANSIENT_CLASSES))


def fault(error: BaseException, **where: object) -> ProblemDetails:
    """Logs an internal error, and returns the problem to send: where to find it in the log."""
    id = uuid4()
    log.error("fault", id=str(id), exc_info=error, **where)
    detail = f"This is an internal error; it has been logged as {id}."
    return {
        **problems.problem(HTTPStatus.INTERNAL_SERVER_ERROR, ErrorCode.INTERNAL, detail),
        "instance": f"urn:uuid:{id}",
    }


class Faults:
    """Turns every error into a problem. A handler for Exception would do so too, but then raise it once more, and the
    server would cut the connection that the client believes to be kept alive."""

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
        except ClientDisconnect:
            pass  # nobody is there to be answered, and nothing is wrong
        except Exception as error:
            if scope["type"] != "http" or started:
                raise
            found = refusal(error)
            details, headers = found or (fault(error, route=route_of(scope)), {})
            await problem_response(details, headers)(scope, receive, send)


def route_of(scope: Scope) -> str:
    """The route and not the path: a caller can write anything into a path."""
    return str(getattr(scope.get("route"), "path", "unmatched"))
