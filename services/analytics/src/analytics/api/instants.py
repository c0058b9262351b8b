"""Instants as they are asked for: with a zone, and of a year that a calendar in use reaches."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime
from pydantic_core import PydanticCustomError

from kith.domain import Invalid

FIRST_YEAR, LAST_YEAR = 1900, 2200
_RULE = f"An instant lies between the years {FIRST_YEAR} and {LAST_YEAR}."


def _in_use(at: datetime) -> bool:
    return FIRST_YEAR <= at.year <= LAST_YEAR


def _checked(at: datetime) -> datetime:
    if not _in_use(at):
        raise PydanticCustomError("instant", _RULE)
    return at


Instant = Annotated[AwareDatetime, AfterValidator(_checked)]
"""Of a request over REST: what is wrong is told of the field by the name it has there."""


def must_be_in_use(**given: datetime | None) -> None:
    """Of GraphQL's arguments, by name. Raises Invalid; a trailing underscore is no part of the name."""
    for name, at in given.items():
        if at is not None and not _in_use(at):
            raise Invalid(_RULE, field=name.rstrip("_"))
