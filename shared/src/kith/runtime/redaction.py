"""What a log says of an exception: its kind, its SQLSTATE and where it was raised. Not its message, which may quote
what a caller sent: PostgreSQL quotes rows, pydantic inputs, Python keys and texts.

The message is there where it can hold nothing of the kind: errors of the operating system, some of PostgreSQL's, and
Kith's exceptions that say so by `loggable = True`.
"""

import traceback
from collections.abc import Iterator

from kith.db.sqlstates import sqlstate

_QUOTE_NOTHING = (
    "08",  # the connection
    "25",  # transactions
    "28",  # who logs in
    "3D",
    "40",  # serialization failure, deadlock
    "42",  # tables, columns and rights
    "53",  # what has run out
    "55",
    "57",  # cancelled, shut down
    "58",
)
_SYNTAX = "42601"
_LOGGABLE = (OSError, NameError, ImportError, NotImplementedError, ZeroDivisionError, RecursionError, MemoryError)


def said(error: BaseException) -> str:
    """In one line: `BusError <- ConnectionRefusedError: [Errno 111] ..`."""
    return " <- ".join(_words(each) for each in _chain(error))


def described(error: BaseException) -> list[dict[str, object]]:
    """Each exception of the chain with its frames, from the one that was raised last."""
    return [{"error": _words(each), "frames": _frames(each)} for each in _chain(error)]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
        if each.__cause__ is not None:
            waiting.append(each.__cause__)
        elif each.__context__ is not None and not each.__suppress_context__:
            waiting.append(each.__context__)


def _words(error: BaseException) -> str:
    state = sqlstate(error)
    kind = type(error).__qualname__ + (f" [{state}]" if state else "")
    if isinstance(error, _LOGGABLE) or getattr(error, "loggable", False) is True or _quotes_nothing(state):
        return f"{kind}: {str(getattr(error, 'orig', None) or error).partition(chr(10))[0]}"
    return kind


def _quotes_nothing(state: str | None) -> bool:
    return state is not None and state.startswith(_QUOTE_NOTHING) and state != _SYNTAX


def _frames(error: BaseException) -> list[str]:
    """Without their variables, which hold names, tokens and bodies."""
    frames = traceback.walk_tb(error.__traceback__)
    return [f"{frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}" for frame, line in frames]
