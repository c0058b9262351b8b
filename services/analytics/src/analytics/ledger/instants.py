"""Checks of instants that must lie in the past, such as `knownAt`."""

from datetime import UTC, datetime

from kith.errors import Invalid
from kith.nouns.inputs import CLOCK_SKEW


def ensure_past(**given: datetime | None) -> None:
    """Raises Invalid for instants that are yet to come, by their names in the API."""
    latest = datetime.now(UTC) + CLOCK_SKEW
    for name, at in given.items():
        if at is not None and at > latest:
            raise Invalid("It is yet to come.", field=name)
