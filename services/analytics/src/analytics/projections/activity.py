"""Activity: when a customer was active, kept as spans.

A qualifying event at `t` makes its customer active for T in `(t, t + window]`: those T with `T - window <= t < T`. A
span is a union of such intervals that touch. The spans suffice to count the active customers at any instant, past or
present, without looking at an event.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from kith.events.catalogue import current
from kith.events.sales import OrderPlaced


class Span(NamedTuple):
    """Active for `starts_at < T <= ends_at`."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class ActivityRule:
    """Which events make a customer active, and for how long."""

    event_types: frozenset[str]
    window: timedelta
    contractual: bool = False
    """Whether who has had a subscription is active while one is in force, and by nothing else. It is applied at read
    time (see metrics.activity): the spans that are kept are those of events."""

    @cached_property
    def types(self) -> frozenset[str]:
        """Returns the current names of these event types."""
        return frozenset(map(current, self.event_types))

    @property
    def id(self) -> str:
        """Returns the id of the rule's spans. It follows from the events and the window, so equal ones share them."""
        return f"{self.window // timedelta(days=1)}d:{','.join(sorted(self.event_types))}"

    @classmethod
    def of(cls, event_types: Iterable[str], window_days: int, contractual: bool = False) -> "ActivityRule":
        return cls(frozenset(event_types), timedelta(days=window_days), contractual)

    def extend(self, spans: Iterable[Span], times: Iterable[datetime]) -> list[Span]:
        """Returns the spans with the events at `times` added, in any order; disjoint and sorted again.

        Adding is commutative and idempotent: late and repeated events come to the same spans.
        """
        merged: list[Span] = []
        for span in sorted([*spans, *(Span(t, t + self.window) for t in times)]):
            if merged and span.starts_at <= merged[-1].ends_at:
                last = merged[-1]
                merged[-1] = Span(last.starts_at, max(last.ends_at, span.ends_at))
            else:
                merged.append(span)
        return merged


@dataclass(frozen=True)
class ActivityPolicy:
    """A tenant's definition of activity: one rule, and others for some segments. A salon's month is no search engine's.

    Spans are kept for each rule and all customers; the customer's segment decides at read time which of them count.
    """

    version: int
    default: ActivityRule
    segments: Mapping[str, ActivityRule] = field(default_factory=dict, hash=False)

    @classmethod
    def of_event(cls, version: int, policy: Mapping[str, Any]) -> "ActivityPolicy":
        """Returns the policy of a settings event, from its JSON."""
        return cls(
            version,
            ActivityRule.of(**policy["default"]),
            {segment: ActivityRule.of(**rule) for segment, rule in policy.get("segments", {}).items()},
        )

    @property
    def rules(self) -> list[ActivityRule]:
        """Returns a rule for each id: those whose spans it needs."""
        return list({rule.id: rule for rule in (self.default, *self.segments.values())}.values())

    @property
    def is_contractual(self) -> bool:
        """Whether any of its rules is."""
        return any(rule.contractual for rule in (self.default, *self.segments.values()))


PURCHASES = ActivityRule.of({OrderPlaced.type}, 90)
DEFAULT_POLICY = ActivityPolicy(0, PURCHASES)
"""The policy of a tenant that has defined no other."""


def difference(old: Sequence[Span], new: Sequence[Span]) -> tuple[list[Span], list[Span]]:
    """Returns the spans to delete and the spans to write that turn the old spans into the new ones."""
    before, after = set(old), set(new)
    return sorted(before - after), sorted(after - before)
