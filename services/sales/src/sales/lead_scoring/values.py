"""The value objects of lead scoring, and what a lead's score comes to by them."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from kith.scalars import Code, Pattern, Whole
from kith.values import Value

MOST_RULES = 100
MOST_POINTS = 1000
RuleKey = Annotated[str, Pattern("[a-z][a-z0-9_]{0,63}", "It is a key in small letters, as in from_a_fair.")]
Points = Annotated[int, Whole(-MOST_POINTS, MOST_POINTS)]


class ScoringOperator(StrEnum):
    """As lists have them."""

    EQ = "eq"
    NE = "ne"
    IN = "in"
    NOT_IN = "not_in"
    PREFIX = "prefix"
    GTE = "gte"
    LTE = "lte"
    IS_NULL = "is_null"
    """`true` or `false`."""


SINGLE = frozenset(ScoringOperator) - {ScoringOperator.IN, ScoringOperator.NOT_IN}
"""Those that compare with one value."""
NUMERIC = frozenset({ScoringOperator.GTE, ScoringOperator.LTE})


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoringRule(Value):
    """What a lead gets points for."""

    key: RuleKey
    field: Code
    """Of the lead: `source`, or one of the tenant's own as `custom.size`."""
    operator: ScoringOperator = ScoringOperator.EQ
    values: list[Code] = dataclasses.field(default_factory=list)
    points: Points
    """Below zero they are taken off."""

    def matches(self, lead: Mapping[str, Any]) -> bool:
        """Given the lead's fields by their paths. One without a value is unequal to every value, and in no range."""
        held = lead.get(self.field)
        if self.operator is ScoringOperator.IS_NULL:
            return (held in (None, [])) is (self.values == ["true"])
        return _COMPARE[self.operator](_texts(held), self.values)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreReason(Value):
    """A rule that a lead matched when it was scored, and its points then."""

    rule: RuleKey
    points: Points


class Scoring(NamedTuple):
    """What a lead is scored by."""

    number: int
    """Of this version of the rules; 0: there are none."""
    rules: Sequence[ScoringRule] = ()
    most: int = MOST_POINTS
    threshold: int | None = None

    def score(self, lead: Mapping[str, Any]) -> tuple[int, list[ScoreReason]]:
        """Returns the sum of the points of the rules that match, from 0 to the most there is, and these rules."""
        reasons = [ScoreReason(rule=each.key, points=each.points) for each in self.rules if each.matches(lead)]
        return max(0, min(self.most, sum(each.points for each in reasons))), reasons

    def is_reached(self, score: int | None) -> bool:
        return score is not None and self.threshold is not None and score >= self.threshold


NOT_SCORED = Scoring(0)


def is_number(text: str) -> bool:
    return _number(text) is not None


def _number(text: str) -> Decimal | None:
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _texts(held: Any) -> list[str]:
    """Returns the values that a field has, as rules write them."""
    if isinstance(held, list):
        return [str(each) for each in held]
    if isinstance(held, bool):
        return ["true" if held else "false"]
    return [] if held is None else [str(held)]


def _in_range(held: Sequence[str], least: str | None = None, most: str | None = None) -> bool:
    numbers = [number for each in held if (number := _number(each)) is not None]
    return any(
        (least is None or each >= Decimal(least)) and (most is None or each <= Decimal(most)) for each in numbers
    )


def _any_of(held: Sequence[str], values: Sequence[str]) -> bool:
    return any(each in values for each in held)


_COMPARE: Mapping[ScoringOperator, Callable[[Sequence[str], Sequence[str]], bool]] = {
    ScoringOperator.EQ: _any_of,
    ScoringOperator.NE: lambda held, values: not _any_of(held, values),
    ScoringOperator.IN: _any_of,
    ScoringOperator.NOT_IN: lambda held, values: not _any_of(held, values),
    ScoringOperator.PREFIX: lambda held, values: any(each.startswith(values[0]) for each in held),
    ScoringOperator.GTE: lambda held, values: _in_range(held, least=values[0]),
    ScoringOperator.LTE: lambda held, values: _in_range(held, most=values[0]),
}
