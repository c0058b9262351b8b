"""Activity: when a customer was active, kept as spans.

A qualifying event at `t` makes its customer active for T in `(t, t + window]`: those T with `T - window <= t < T`. A
span is a union of such intervals that touch. Whoever has the spans can count the active at any instant, past or
present, without looking at an event.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from kith.events.sales import OrderPlaced


class Span(NamedTuple):
    """Active for `starts_at < T <= ends_at`."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class ActivityDefinition:
    """Which events make a customer active, and for how long."""

    id: str
    version: int
    event_types: frozenset[str]
    window: timedelta

    def extend(self, spans: Iterable[Span], times: Iterable[datetime]) -> list[Span]:
        """The spans with the events at `times` added, in any order; disjoint and sorted again.

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


PURCHASES = ActivityDefinition("purchases", 1, frozenset({OrderPlaced.type}), timedelta(days=90))
"""What holds for a tenant that has defined nothing else."""


def difference(old: Sequence[Span], new: Sequence[Span]) -> tuple[list[Span], list[Span]]:
    """What to delete and what to write, to come from the old spans to the new."""
    before, after = set(old), set(new)
    return sorted(before - after), sorted(after - before)
