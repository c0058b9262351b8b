"""`python -m <service> doctor`: what is wrong with the service and what it needs, in words, and what to do."""

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from textwrap import wrap

from sqlalchemy.exc import SQLAlchemyError

from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.doctor import database, events
from kith.doctor.check import Check, Examined, Problem, Severity, fault
from kith.runtime.redaction import said
from kith.runtime.service import Service
from kith.runtime.settings import Settings, variable_of

WIDTH = 100
_TITLE, _SEVERITY = 22, 9


@dataclass(frozen=True, slots=True)
class Result:
    check: str
    problems: Sequence[Problem]


def run(service: Service, settings: Settings, words: Sequence[str]) -> None:
    """Exits with 1 if there is a fault."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {service.package} doctor",
        description=f"What is wrong with {service.name} and what it needs, and what to do. It changes nothing.",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args(words)
    results = asyncio.run(examine(service, settings))
    if arguments.json:
        print(json.dumps([asdict(result) for result in results]))  # noqa: T201 - that is what the command is for
    else:
        for line in report(results):
            print(line)  # noqa: T201
    if any(problem.severity is Severity.FAULT for result in results for problem in result.problems):
        raise SystemExit(1)


async def examine(service: Service, settings: Settings) -> list[Result]:
    """Does all checks, one after the other: one that fails is a fault, and hides no other."""
    engine = create_engine(settings.database, role=WORKER_ROLE, pool_size=1, application=f"kith {service.name} doctor")
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            examined = Examined(
                service.name,
                service.package,
                settings,
                {each.group: each.topics for each in service.subscriptions},
                connection,
            )
            checks = (*database.CHECKS, *events.CHECKS, *service.checks)
            return [Result(check.title, await _done(check, examined)) for check in checks]
    except (OSError, SQLAlchemyError) as error:
        return [Result("database server", [_unreachable(service, settings, error)])]
    finally:
        await engine.dispose()


async def _done(check: Check, examined: Examined) -> Sequence[Problem]:
    try:
        return await check.examine(examined)
    except Exception as error:  # noqa: BLE001 - whatever it was, the other checks go on
        return [fault(f"It could not be checked: {said(error)}.", "Mend what is named above first.")]


def _unreachable(service: Service, settings: Settings, error: Exception) -> Problem:
    variable = variable_of(type(settings), "database_url")
    return fault(
        f"The database cannot be reached: {said(error)}.",
        f"Start PostgreSQL, or put {variable} right. A database that is new needs python -m {service.package} migrate.",
    )


def report(results: Sequence[Result]) -> Iterator[str]:
    """A line for each check that found nothing; what was found, and what to do, for the others."""
    for result in results:
        if not result.problems:
            yield f"{'ok':{_SEVERITY}}{result.check}"
        for problem in result.problems:
            yield from _shown(result.check, problem)
    found = Counter(problem.severity for result in results for problem in result.problems)
    yield f"checks: {len(results)}, faults: {found[Severity.FAULT]}, warnings: {found[Severity.WARNING]}"


def _shown(title: str, problem: Problem) -> Iterator[str]:
    indent = " " * (_SEVERITY + _TITLE)
    begin = f"{problem.severity:{_SEVERITY}}{title:{_TITLE}}"
    yield from wrap(problem.finding, WIDTH, initial_indent=begin, subsequent_indent=indent)
    yield from wrap(problem.remedy, WIDTH, initial_indent=f"{indent}-> ", subsequent_indent=f"{indent}   ")
