"""A check of `doctor`: what it finds, in words, and what to do about it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from kith.runtime.settings import Settings


class Severity(StrEnum):
    WARNING = "warning"
    """It works, and will not for ever."""
    FAULT = "fault"
    """Requests fail, events do not move, or figures are wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    severity: Severity
    finding: str
    remedy: str


def warning(finding: str, remedy: str) -> Problem:
    return Problem(Severity.WARNING, finding, remedy)


def fault(finding: str, remedy: str) -> Problem:
    return Problem(Severity.FAULT, finding, remedy)


@dataclass(frozen=True, slots=True)
class Examined:
    """A service, as its checks see it."""

    name: str
    package: str
    settings: Settings
    consumes: Mapping[str, Sequence[str]]
    """The topics of each consumer group."""
    connection: AsyncConnection
    """Of the worker's role, which sees all tenants. Each statement is a transaction."""


@dataclass(frozen=True, slots=True)
class Check:
    title: str
    examine: Callable[[Examined], Awaitable[Sequence[Problem]]]
    """Returns the problems, none if all is well. What it raises is reported as a fault of its own."""
