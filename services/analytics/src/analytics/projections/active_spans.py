"""Builds activity spans in memory, from all facts at once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from analytics.projections.activity import ActivityRule, Span
from analytics.projections.lines import moment, quoted
from analytics.projections.replay import CountedFact, Recomputation

_KEPT = 64
"""The moments of a customer that are buffered before they become spans: memory grows with spans, not with events."""


class SpanRows(Recomputation):
    table = "activity_spans"
    columns = ("tenant_id", "rule", "customer_id", "starts_at", "ends_at")

    def __init__(self, tenant: str, rules: Iterable[ActivityRule], unready: Iterable[str] = ()) -> None:
        """Builds spans by these rules; `unready` has the ids of the rules whose live spans are not complete yet."""
        self._tenant = tenant
        self._active = {rule.id: _Active(rule) for rule in rules}
        self.parts, self.unready = frozenset(self._active), frozenset(unready)
        self._of_type: dict[str, list[_Active]] = defaultdict(list)
        for active in self._active.values():
            for type in active.rule.types:
                self._of_type[type].append(active)
        self.event_types = frozenset(self._of_type)

    def take(self, facts: Sequence[CountedFact]) -> Iterable[str]:
        of_type = self._of_type
        for fact, _ in facts:
            if fact.type in of_type and fact.customer_id is not None:
                for active in of_type[fact.type]:
                    active.add(fact.customer_id, fact.time)
        return ()

    def rest(self) -> Iterator[str]:
        tenant = quoted(self._tenant)
        for id, active in self._active.items():
            rule = quoted(id)
            for customer, spans in active.spans():
                for starts_at, ends_at in spans:
                    yield f"{tenant}\t{rule}\t{customer}\t{moment(starts_at)}\t{moment(ends_at)}\n"


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
