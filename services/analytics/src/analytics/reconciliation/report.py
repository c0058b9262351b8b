"""What a reconciliation found."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from analytics.reconciliation.figures import Difference
from analytics.reconciliation.records import Kind, Mismatch

SAMPLES = 100
"""So many of a collection's mismatches, and of a metric's differences, are listed one by one."""


@dataclass(slots=True)
class KindCount:
    kind: Kind
    count: int


@dataclass(slots=True)
class CollectionReport:
    service: str
    collection: str
    taken_at: datetime
    """All is compared as it was then."""
    records: int
    in_flight: int
    """Events that were being written just then, or came later: not compared."""
    mismatched: int
    """Records with at least one mismatch."""
    kinds: list[KindCount]
    samples: list[Mismatch]
    """The first of them, by id."""


@dataclass(slots=True)
class MetricReport:
    metric: str
    compared: int
    """Numbers: a component of a period each."""
    different: int
    note: str | None
    """Why some or all of its numbers were not compared."""
    differences: list[Difference]


@dataclass(slots=True)
class Report:
    compared_from: datetime
    """Figures are compared from here on: the last year by month, and all before it as one .."""
    compared_to: datetime
    """.. up to here: what happened before the exports, and before any event in flight."""
    activity_version: int
    collections: list[CollectionReport]
    metrics: list[MetricReport]

    @property
    def mismatches(self) -> int:
        return sum(each.mismatched for each in self.collections) + sum(each.different for each in self.metrics)


@dataclass
class Tally:
    """Of one collection, while it is compared."""

    records: int = 0
    in_flight: int = 0
    mismatched: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)
    samples: list[Mismatch] = field(default_factory=list)

    def add(self, mismatches: Iterable[Mismatch]) -> None:
        differs = False
        for each in mismatches:
            differs = True
            self.kinds[each.kind] += 1
            if len(self.samples) < SAMPLES:
                self.samples.append(each)
        self.mismatched += differs

    def report(self, service: str, collection: str, taken_at: datetime) -> CollectionReport:
        kinds = [KindCount(kind, self.kinds[kind]) for kind in Kind if kind in self.kinds]
        return CollectionReport(
            service, collection, taken_at, self.records, self.in_flight, self.mismatched, kinds, self.samples
        )
