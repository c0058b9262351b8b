"""What a log says of an exception holds nothing that a caller may have sent."""

import ast
from pathlib import Path

import asyncpg
import pytest
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import DBAPIError

import kith
from kith.runtime.redaction import described, said

CANARY = "canary-4711"
ROOT = Path(kith.__file__).parents[3]


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:  # noqa: BLE001 - it is what is looked at
        return caught


def invalid() -> ValidationError:
    try:
        TypeAdapter(int).validate_python(CANARY)
    except ValidationError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"invalid literal for int(): {CANARY!r}"),
        KeyError(CANARY),
        invalid(),
        asyncpg.DataError(f"invalid input for query argument $1: {CANARY!r}"),
        asyncpg.UniqueViolationError(f"Key (name)=({CANARY}) already exists"),
        asyncpg.PostgresSyntaxError(f'syntax error at or near "{CANARY}"'),
        asyncpg.RaiseError(CANARY),
        DBAPIError("SELECT 1", None, asyncpg.CheckViolationError(CANARY)),
        ExceptionGroup(CANARY, [ValueError(CANARY), KeyError(CANARY)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_message_is_logged_that_may_quote_what_was_sent(error: Exception) -> None:
    for each in (raised(error), raised(RuntimeError(CANARY), error), raised(OSError("away"), error)):
        assert CANARY not in f"{said(each)} {described(each)}"
        assert type(error).__name__ in said(each)


def test_where_it_was_raised_and_by_what_is_logged() -> None:
    error = raised(RuntimeError("x"), asyncpg.UniqueViolationError("y"))
    assert said(error) == "RuntimeError <- UniqueViolationError [23505]"
    assert "test_redaction.py" in str(described(error)[0]["frames"])
    assert "raised" in str(described(error)[0]["frames"])


def test_what_an_operator_needs_is_logged() -> None:
    assert said(ConnectionRefusedError(111, "Connect call failed")) == (
        "ConnectionRefusedError: [Errno 111] Connect call failed"
    )
    assert said(asyncpg.TooManyConnectionsError("sorry, too many clients already")) == (
        "TooManyConnectionsError [53300]: sorry, too many clients already"
    )


def test_exceptions_that_cause_each_other_come_to_an_end() -> None:
    a, b = ValueError("a"), KeyError("b")
    a.__cause__, b.__cause__ = b, a
    assert said(a) == "ValueError <- KeyError"


def test_no_log_call_makes_a_text_of_an_exception_itself() -> None:
    """It passes the exception, and the redaction decides what may be logged."""
    for path in (*ROOT.glob("shared/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")):
        tree = list(ast.walk(ast.parse(path.read_text())))
        caught = {each.name for each in tree if isinstance(each, ast.ExceptHandler) and each.name}
        for call in tree:
            if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("log."):
                given = {ast.unparse(each.value) for each in call.keywords}
                assert not {f"str({name})" for name in caught} & given, f"{path}: {ast.unparse(call)}"
