"""What GraphQL returns where a request is refused or fails: problems, and errors with a code."""

import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any
from uuid import UUID

import strawberry
from graphql import FieldNode, GraphQLError
from pydantic import ValidationError
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import StreamExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.utils.str_converters import to_camel_case

from kith.error_codes import ErrorCode
from kith.errors import DomainError
from kith.http import problems
from kith.http.faults import fault, refusal

strawberry.enum(
    ErrorCode,
    description="What went wrong. In `extensions.code` of an error, and at the end of a problem's `type`, it is spelt"
    " `case-already-closed` for CASE_ALREADY_CLOSED.",
)


@strawberry.federation.type(shareable=True)
class FieldProblem:
    field: str
    rule: str


@strawberry.federation.type(shareable=True, description="A record that may be what was meant: how alike it is, of 100")
class ProblemCandidate:
    id: UUID
    score: int
    reasons: list[str]


@strawberry.federation.type(shareable=True, description="RFC 9457 problem details: why a command was refused")
class Problem:
    type: str
    code: ErrorCode
    title: str
    status: int
    detail: str | None
    errors: list[FieldProblem]
    candidates: list[ProblemCandidate]

    @classmethod
    def of(cls, details: problems.ProblemDetails, documents: Sequence[str] = ()) -> "Problem":
        """`documents`: the fields of the input that are JSON. Within them names are as they were sent."""
        errors = [FieldProblem(field=_camel(e["field"], documents), rule=e["rule"]) for e in details.get("errors", [])]
        return cls(
            type=details["type"],
            code=details["code"],
            title=details["title"],
            status=details["status"],
            detail=details.get("detail"),
            errors=errors,
            candidates=[
                ProblemCandidate(id=UUID(each["id"]), score=each["score"], reasons=each["reasons"])
                for each in details.get("candidates", ())
            ],
        )


class Errors(SchemaExtension):
    """A business error says what it is; an internal error is logged and says nothing more."""

    def on_operation(self) -> Iterator[None]:
        yield
        result = self.execution_context.result
        if result is not None and getattr(result, "errors", None):
            result.errors = [to_client_error(error) for error in result.errors or ()]

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        if getattr(result, "errors", None):
            result.errors = [to_client_error(error) for error in result.errors]  # type: ignore[union-attr]  # it has
        yield


async def with_client_errors(results: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    """The results of a subscription. A document that could not be read would end it without a word."""
    try:
        async for result in results:
            yield result
    except GraphQLError as error:
        yield PreExecutionError(data=None, errors=[to_client_error(error)])
    finally:
        await results.aclose()


_NOT_RUN = (InvalidOperationTypeError, CannotGetOperationTypeError, MissingQueryError)


def to_client_error(error: GraphQLError) -> GraphQLError:
    original = error.original_error
    if isinstance(original, _NOT_RUN):
        return GraphQLError(_why_not_run(original), extensions={"code": ErrorCode.BAD_REQUEST})
    found = refusal(original) if original is not None else None
    if found is None and (original is None or isinstance(original, GraphQLError) or _is_of_the_request(error)):
        error.extensions = {"code": ErrorCode.INVALID_QUERY, **(error.extensions or {})}
        error.message = _OF_A_VALUE.sub(r"\1.", error.message)
        return error
    if isinstance(original, DomainError | ValidationError):
        assert found is not None
        details = found.problem
        for each in details.get("errors", ()):
            each["field"] = _camel(each["field"])
        extensions = {"code": details["code"], "problem": details}
        rules = "; ".join(f"{each['field']}: {each['rule']}" for each in details.get("errors", ()))
        words = original.detail if isinstance(original, DomainError) else rules
        return GraphQLError(words, error.nodes, path=error.path, extensions=extensions)
    details = found.problem if found is not None else fault(original or error, field=_field_of(error))
    return GraphQLError(
        details["detail"], error.nodes, path=error.path, extensions={"code": details["code"], "problem": details}
    )


_OF_A_VALUE = re.compile(r"(cannot represent [^:]*value): .*", re.DOTALL)
"""GraphQL's own words of a value that is not of its type end with the value, which may be anybody's name."""


def _why_not_run(error: Exception) -> str:
    if isinstance(error, InvalidOperationTypeError):
        return "Over a WebSocket there are subscriptions only: send queries and mutations by POST."
    if isinstance(error, CannotGetOperationTypeError):
        return "operationName: It says which of its operations is to be run."
    return "query is missing."


def _is_of_the_request(error: GraphQLError) -> bool:
    """A variable or an argument that is not of its type: nothing was executed."""
    return error.path is None and bool(error.nodes)


def _field_of(error: GraphQLError) -> str:
    """As the schema names it: the path has the names that the caller gave."""
    return next((node.name.value for node in error.nodes or () if isinstance(node, FieldNode)), "unknown")


def _camel(name: str, documents: Sequence[str] = ()) -> str:
    first, *rest = name.split(".")
    return ".".join([to_camel_case(first), *(rest if first in documents else map(to_camel_case, rest))])
