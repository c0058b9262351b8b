"""A tenant's read models made from all its events at once, in memory. What the fold keeps live, event by event and in
whatever order they come, is the same."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from analytics.projections.activity import ActivityRule, Span
from analytics.projections.facts import Fact, RecordedEvent, fact_of, facts_of
from analytics.projections.merging import survivor_of
from kith.events.contacts import CustomerMerged, CustomerUnmerged

MERGES = frozenset({CustomerMerged.type, CustomerUnmerged.type})
_KEPT = 64
"""Moments of a customer that are kept before they become spans: memory goes by spans, not by events."""


class Merged(NamedTuple):
    """As in the table merged_customers."""

    customer_id: UUID
    into: UUID | None
    survivor: UUID
    version: int


class ActiveSpan(NamedTuple):
    rule: str
    customer_id: UUID
    starts_at: datetime
    ends_at: datetime


def merged_by(events: Iterable[RecordedEvent]) -> list[Merged]:
    """Who is whom after these merges and unmerges: of each customer the newest holds."""
    newest: dict[UUID, RecordedEvent] = {}
    for event in sorted(events, key=lambda each: each.version):
        newest[event.subject] = event
    told = {
        customer: UUID(event.body["into"]) if event.type == CustomerMerged.type else None
        for customer, event in newest.items()
    }
    return [Merged(id, told[id], survivor_of(id, told), event.version) for id, event in newest.items()]


class Replay:
    """Takes the events of an aggregate one after the other, by version; aggregates come in any order."""

    def __init__(self, rules: Iterable[ActivityRule], merged: Iterable[Merged]) -> None:
        self._survivors = {each.customer_id: each.survivor for each in merged if each.survivor != each.customer_id}
        self._course: list[RecordedEvent] = []
        self._active = {rule.id: _Active(rule) for rule in rules}
        self._of_type: dict[str, list[_Active]] = defaultdict(list)
        for active in self._active.values():
            for type in active.rule.types:
                self._of_type[type].append(active)

    def take(self, events: Iterable[RecordedEvent]) -> list[tuple[Fact, UUID | None]]:
        """The facts that are complete by now, each with the customer it was told of, if that one was merged."""
        made: list[tuple[Fact, UUID | None]] = []
        course = self._course
        for event in events:
            if course and event.subject != course[0].subject:
                made += self._fold(course)
                course = []
            course.append(event)
        self._course = course
        return made

    def rest(self) -> list[tuple[Fact, UUID | None]]:
        """The last aggregate's facts: nothing follows."""
        course, self._course = self._course, []
        return self._fold(course)

    def spans(self) -> Iterator[ActiveSpan]:
        """When the customers were active, by each rule. After `rest`."""
        for rule, active in self._active.items():
            for customer, spans in active.spans():
                for span in spans:
                    yield ActiveSpan(rule, customer, span.starts_at, span.ends_at)

    def _fold(self, course: list[RecordedEvent]) -> list[tuple[Fact, UUID | None]]:
        if len(course) == 1:
            return [self._counted(fact_of(course[0]))]
        return [self._counted(fact) for fact in facts_of(course)]

    def _counted(self, fact: Fact) -> tuple[Fact, UUID | None]:
        customer = fact.customer_id
        if customer is None:
            return fact, None
        origin = None
        if self._survivors and customer in self._survivors:
            origin, customer = customer, self._survivors[customer]
            fact = fact._replace(customer_id=customer)
        for active in self._of_type.get(fact.type, ()):
            active.add(customer, fact.time)
        return fact, origin


class _Active:
    """The customers' activity by one rule."""

    def __init__(self, rule: ActivityRule) -> None:
        self.rule = rule
        self._times: dict[UUID, list[datetime]] = defaultdict(list)
        self._spans: dict[UUID, list[Span]] = {}

    def add(self, customer: UUID, time: datetime) -> None:
        times = self._times[customer]
        times.append(time)
        if len(times) == _KEPT:
            self._spans[customer] = self._extended(customer)
            times.clear()

    def spans(self) -> Iterator[tuple[UUID, list[Span]]]:
        for customer in self._times:
            yield customer, self._extended(customer)

    def _extended(self, customer: UUID) -> list[Span]:
        return self.rule.extend(self._spans.get(customer, ()), self._times[customer])
