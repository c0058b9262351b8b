"""The value objects of opportunities."""

from dataclasses import dataclass

from kith.scalars import Code, Instant
from kith.values import Value

MOST_VISITS = 100
"""Of one opportunity, the last ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageVisit(Value):
    """A time that an opportunity was in a stage, or won, or lost."""

    stage: Code
    entered_at: Instant
    left_at: Instant | None = None
