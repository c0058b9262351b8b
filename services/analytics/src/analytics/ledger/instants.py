"""Instants that only what has been can have: what was known then, what came of it."""

from datetime import UTC, datetime

from kith.errors import Invalid
from kith.nouns.inputs import CLOCK_SKEW


def must_have_come(**given: datetime | None) -> None:
    """By their names in the API. Raises Invalid."""
    latest = datetime.now(UTC) + CLOCK_SKEW
    for name, at in given.items():
        if at is not None and at > latest:
            raise Invalid("It is yet to come.", field=name)
