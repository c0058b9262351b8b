"""Recomputes a tenant's read models from all its events at once, in memory. The live fold comes to the same, event by
event and in whatever order they arrive."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias
from uuid import UUID

from analytics.projections.facts import Fact, RecordedEvent, fact_of, facts_of
from analytics.projections.lines import FACT, line_of_fact
from analytics.projections.merging import Merged

CountedFact: TypeAlias = tuple[Fact, UUID | None]
"""A fact, of the customer for whom it counts, and the customer it was published of, where that one was merged."""


class Recomputation:
    """A recomputation of a tenant's rows of a table from its facts, in memory: lines for COPY (see
    projections.lines)."""

    table: str
    columns: tuple[str, ...]
    event_types: frozenset[str] = frozenset()
    """The event types that the rows depend on, beside the projection's own."""
    parts: frozenset[str] = frozenset()
    """The parts to recompute, of a table whose parts can be recomputed separately."""
    unready: frozenset[str] = frozenset()
    """Parts whose live rows are not complete yet."""

    def take(self, facts: Sequence[CountedFact]) -> Iterable[str]:  # noqa: ARG002 - of those that look at them
        """Takes more facts, each aggregate's together. Returns the rows that are complete by now."""
        return ()

    def rest(self) -> Iterable[str]:
        """Returns the remaining rows, after the last facts."""
        return ()


class FactRows(Recomputation):
    table, columns = "facts", FACT

    def take(self, facts: Sequence[CountedFact]) -> Iterable[str]:
        return (line_of_fact(fact, origin) for fact, origin in facts)


class FoldedFacts:
    """Folds the events of an aggregate one after the other, by version; aggregates come in any order."""

    def __init__(self, merged: Iterable[Merged]) -> None:
        self._survivors = {each.customer_id: each.survivor for each in merged if each.survivor != each.customer_id}
        self._course: list[RecordedEvent] = []

    def take(self, events: Iterable[RecordedEvent]) -> list[CountedFact]:
        """Takes one event. Returns the facts that are complete by now."""
        made: list[CountedFact] = []
        course = self._course
        for event in events:
            if course and event.subject != course[0].subject:
                made += self._fold(course)
                course = []
            course.append(event)
        self._course = course
        return made

    def rest(self) -> list[CountedFact]:
        """Returns the facts of the last aggregate, which no other follows."""
        course, self._course = self._course, []
        return self._fold(course)

    def _fold(self, course: list[RecordedEvent]) -> list[CountedFact]:
        if len(course) == 1:
            return [self._counted(fact_of(course[0]))]
        return [self._counted(fact) for fact in facts_of(course)]

    def _counted(self, fact: Fact) -> CountedFact:
        customer = fact.customer_id
        if customer is not None and self._survivors and customer in self._survivors:
            return fact._replace(customer_id=self._survivors[customer]), customer
        return fact, None
