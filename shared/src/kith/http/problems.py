"""Errors as RFC 9457 problem details: what is wrong, with which field, by which rule."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NotRequired, cast

from pydantic import ValidationError
from typing_extensions import TypedDict

from kith.error_codes import ErrorCode
from kith.errors import Conflict, DomainError, Forbidden, Gone, Invalid, NotFound, VersionMismatch

STATUS: dict[type[DomainError], HTTPStatus] = {
    NotFound: HTTPStatus.NOT_FOUND,
    Gone: HTTPStatus.GONE,
    Conflict: HTTPStatus.CONFLICT,
    Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    VersionMismatch: HTTPStatus.PRECONDITION_FAILED,
    Forbidden: HTTPStatus.FORBIDDEN,
}


class FieldError(TypedDict):
    field: str
    rule: str


class ProblemCandidate(TypedDict):
    """A record that may be what was meant: how alike it is, of 100, and why."""

    id: str
    score: int
    reasons: list[str]


class ProblemDetails(TypedDict):
    """https://www.rfc-editor.org/rfc/rfc9457"""

    type: str
    code: ErrorCode
    title: str
    status: int
    detail: NotRequired[str]
    instance: NotRequired[str]
    errors: NotRequired[list[FieldError]]
    candidates: NotRequired[list[ProblemCandidate]]


def problem(status: HTTPStatus, code: ErrorCode, detail: str, errors: Sequence[FieldError] = ()) -> ProblemDetails:
    body: ProblemDetails = {
        "type": f"urn:kith:problem:{code}",
        "code": code,
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
    }
    if errors:
        body["errors"] = list(errors)
    return body


def of_domain_error(error: DomainError) -> ProblemDetails:
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), HTTPStatus.UNPROCESSABLE_ENTITY)
    errors: list[FieldError] = [{"field": error.field, "rule": error.detail}] if error.field else []
    found = problem(status, error.code, error.detail, errors)
    if error.candidates:
        found["candidates"] = [cast("ProblemCandidate", each) for each in error.candidates]
    return found


def of_refusal(error: DomainError | ValidationError) -> ProblemDetails:
    return of_domain_error(error) if isinstance(error, DomainError) else of_validation_error(error)


def of_validation_error(error: ValidationError) -> ProblemDetails:
    return of_field_errors(error.errors(include_url=False, include_context=False, include_input=False))


def of_field_errors(found: Sequence[Any], *, skip: int = 0) -> ProblemDetails:
    """Of pydantic's errors; `skip` leaves out what the framework put before the field's own path."""
    errors: list[FieldError] = [
        {"field": ".".join(str(part) for part in each["loc"][skip:]) or "body", "rule": each["msg"]} for each in found
    ]
    names = ", ".join(dict.fromkeys(each["field"] for each in errors))
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, ErrorCode.INVALID, f"Not accepted: {names}.", errors)
