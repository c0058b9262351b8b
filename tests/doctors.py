"""What a service's doctor finds, by check."""

from typing import NamedTuple

from kith.doctor.check import Severity
from kith.doctor.cli import examine
from kith.runtime.service import Service
from kith.runtime.settings import Settings


class Cause(NamedTuple):
    """What a test does to a database in good order, and what is to be found then."""

    check: str
    statement: str
    severity: Severity
    words: str
    remedy: str


async def found(service: Service, settings: Settings) -> dict[str, list[tuple[Severity, str, str]]]:
    """The problems of each check: severity, finding, remedy."""
    return {
        result.check: [(each.severity, each.finding, each.remedy) for each in result.problems]
        for result in await examine(service, settings)
    }


async def assert_finds(service: Service, settings: Settings, cause: Cause) -> None:
    (problem,) = (await found(service, settings))[cause.check]
    severity, words, remedy = problem
    assert severity is cause.severity
    assert cause.words in words
    assert cause.remedy in remedy
