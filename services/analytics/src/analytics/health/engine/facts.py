"""The facts of some customers, and the models that score them over time: everything that their health is computed from,
at any instant. It is read once (see health.engine.reads); this module does no I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from analytics.health.engine.base import FAR, Bools, CustomerBase, Floats, Ints, Series
from analytics.health.engine.columns import Unread
from analytics.health.engine.scoring import NO_BAND, Bands, Scorer
from analytics.health.model.assignment import Assignment, Models, Record, attributes_at
from analytics.health.model.definition import Cause, HealthModel

CAUSES = (Cause.EVENT, Cause.SILENCE, Cause.MODEL)
"""The causes of a band change, by the numbers that stand for them in columns."""
_EVENT, _SILENCE, _MODEL = range(3)


class BandChanges(NamedTuple):
    """Band changes, one element each, by customer and then time."""

    customer: Ints
    """Its index among the customers."""
    at: Ints
    """The first instant in the new band."""
    from_band: Bands
    band: Bands
    cause: NDArray[np.int8]
    """Its index in CAUSES."""


class Swap(NamedTuple):
    """A change of the model that scores a customer; `at` is the first instant at which the new one does."""

    at: int
    before: HealthModel | None
    after: HealthModel | None


class Needed(NamedTuple):
    models: list[HealthModel]
    """The models that score any of the customers."""
    customers: list[UUID]
    """The customers that any of them scores. One that stands for many may have more facts than all others."""


class _Table(NamedTuple):
    """The assignments of customers to models, with their beginnings."""

    models: list[HealthModel | None]
    since: Series
    """By customer; the values are indexes among the models."""


class _Spans(NamedTuple):
    """The spans in which one model scores a customer, from `since` to `until`, both included. An element each."""

    customer: Ints
    since: Ints
    until: Ints
    followed: Bools
    """Whether another span comes after."""


class _Ends(NamedTuple):
    """The bands at the ends of such spans."""

    customer: Ints
    since: Ints
    first: Bands
    last: Bands
    next: Bands
    """The bands an instant later, if the model went on scoring; for spans that another one follows."""
    event: Bools
    """Whether an event happened just before that instant."""


@dataclass(frozen=True)
class HealthFacts:
    customers: Sequence[UUID]
    """In order of their ids."""
    models: Models
    records: Mapping[UUID, Sequence[Record]] = field(default_factory=dict)
    merged: Mapping[UUID, UUID] = field(default_factory=dict)
    """Maps customers that were merged into another one to it: no model scores them."""
    bases: Mapping[tuple[str, int], CustomerBase] = field(default_factory=dict)
    """By id and version of the model; each is of all the customers."""
    _scorers: dict[tuple[str, int], Scorer] = field(default_factory=dict, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return HealthFacts, (self.customers, self.models, self.records, self.merged, self.bases)

    @classmethod
    def by(cls, model: HealthModel, base: CustomerBase) -> "HealthFacts":
        """Returns the facts with one model for all customers at every instant."""
        return cls(base.customers, Models.only(model), bases={(model.id, model.version): base})

    def scorer(self, model: HealthModel) -> Scorer:
        key = model.id, model.version
        if key not in self._scorers:
            self._scorers[key] = Scorer(model, self.bases[key])
        return self._scorers[key]

    def everybody(self) -> Ints:
        return np.arange(len(self.customers))

    def assignments(self, index: int, starts_at: int, ends_at: int) -> list[Assignment]:
        """Returns the assignments of the customer at that index over `[starts_at, ends_at]`, one after the other
        without a gap."""
        customer = self.customers[index]
        if customer in self.merged:
            return [Assignment(starts_at, ends_at, None)]
        return self.models.assignments(self.records.get(customer, ()), starts_at, ends_at)

    def model_with(self, index: int, at: int, *, tier: str) -> HealthModel | None:
        """Returns the model that the customer would have if its record named another tier."""
        attributes = attributes_at(self.records.get(self.customers[index], ()), at)
        return self.models.choice(at, attributes._replace(tier=tier))

    def swapped(self, starts_at: int, ends_at: int, some: Ints) -> dict[Swap, list[int]]:
        """Returns all swaps in `(starts_at, ends_at]`, in order of time, with their customers: indexes within
        `some`."""
        models, table = self._table
        first = table.before(some, np.full(len(some), starts_at) + 1)
        last = table.before(some, np.full(len(some), ends_at) + 1)
        found: dict[Swap, list[int]] = {}
        for number in np.flatnonzero(last > first).tolist():
            for index in range(int(first[number]), int(last[number])):
                swap = Swap(int(table.time[index]), models[table.value[index - 1]], models[table.value[index]])
                found.setdefault(swap, []).append(number)
        return dict(sorted(found.items(), key=lambda each: each[0].at))

    def by_models(self, starts_at: int, ends_at: int, some: Ints) -> Floats:
        """Returns the part of the change of these customers' scores over `(starts_at, ends_at]` that is due to other
        models: at each swap the score by the new one less that by the old one. An unknown score counts as 0."""
        found = np.zeros(len(some))
        for (at, *models), numbers in self.swapped(starts_at, ends_at, some).items():
            for model, sign in zip(models, (-1, 1), strict=True):
                if model is not None:
                    found[numbers] += sign * np.nan_to_num(self.scorer(model).score(at, some[numbers]).score)
        return found

    def assigned(self, at: int | Ints, some: Ints | None = None) -> list[tuple[HealthModel | None, Ints]]:
        """Returns the model of each of these customers, each at an instant of its own: indexes within `some`."""
        some, at = self._spread(at, some)
        models, table = self._table
        by = table.value[table.before(some, at + 1) - 1]
        return [(models[number], np.flatnonzero(by == number)) for number in np.unique(by).tolist()]

    def scores(self, at: int | Ints, some: Ints | None = None) -> Floats:
        """Returns the scores; NaN where nothing is known, or no model is for the customer."""
        some, at = self._spread(at, some)
        found = np.full(len(some), np.nan)
        for model, numbers in self.assigned(at, some):
            if model is not None:
                found[numbers] = self.scorer(model).score(at[numbers], some[numbers]).score
        return found

    def bands(self, at: int | Ints, some: Ints | None = None) -> Bands:
        some, at = self._spread(at, some)
        found = np.full(len(some), NO_BAND, np.int8)
        for model, numbers in self.assigned(at, some):
            if model is not None:
                found[numbers] = self.scorer(model).bands(at[numbers], some[numbers])
        return found

    def changes(self, starts_at: int | Ints, ends_at: int | Ints, some: Ints | None = None) -> BandChanges:
        """Returns all changes in `(starts_at, ends_at]`, each by the model that scored the customer then. Where another
        model came to score it, that is the cause, unless the band would have changed at that very instant without
        it."""
        some, starts = self._spread(starts_at, some)
        _, ends = self._spread(ends_at, some)
        within, at_ends = [], []
        for model, spans in self._spans(some, starts, ends):
            if model is None:
                no_band = np.full(len(spans.since), NO_BAND, np.int8)
                at_ends.append(_Ends(spans.customer, spans.since, no_band, no_band, no_band, no_band > 0))
                continue
            changes, of_spans = self._within(self.scorer(model), spans)
            within.append(changes)
            at_ends.append(of_spans)
        if at_ends:
            within.append(_between(_Ends._make(np.concatenate(column) for column in zip(*at_ends, strict=True))))
        whole = [np.concatenate(column) for column in zip(*(_NONE, *within), strict=True)]
        order = np.lexsort((whole[1], whole[0]))
        return BandChanges._make(column[order] for column in whole)

    def since(self, starts_at: int, ends_at: int, some: Ints) -> Ints:
        """Returns since when they have been in the bands they have at the end; the beginning, if longer."""
        found = np.full(len(some), ends_at)
        spans = [list(self.assignments(index, starts_at, ends_at)) for index in some.tolist()]
        bands, open_ = self.bands(ends_at, some), np.arange(len(some))
        while open_.size:
            last = [spans[index].pop() for index in open_.tolist()]
            begun, until = (np.array([each[i] for each in last], np.int64) for i in (0, 1))
            same = self.bands(until, some[open_]) == bands[open_]
            for model, numbers in self.assigned(until, some[open_]):
                mine = numbers[same[numbers]]
                indexes = open_[mine]
                entered = begun[mine]
                if model is not None:
                    entered = np.maximum(self.scorer(model).since(until[mine], bands[indexes], some[indexes]), entered)
                found[indexes] = entered
            more = same & (found[open_] == begun) & np.array([len(spans[index]) > 0 for index in open_.tolist()])
            open_ = open_[more]
        return found

    def parts(self, at: Ints, some: Ints) -> list[dict[str, float]]:
        """Returns each measure's part of these customers' scores, each at an instant of its own, by its id."""
        found: list[dict[str, float]] = [{} for _ in range(len(some))]
        for model, numbers in self.assigned(at, some):
            if model is not None:
                rows = self.scorer(model).score(at[numbers], some[numbers]).contribution.T.tolist()
                for number, row in zip(numbers.tolist(), rows, strict=True):
                    found[number] = dict(zip((each.id for each in model.measures), row, strict=True))
        return found

    def scored_by(self, model: HealthModel, starts_at: Ints, ends_at: int) -> set[UUID]:
        """Returns the customers that this model scores at any instant of `[starts_at, ends_at]`."""
        return {
            customer
            for index, customer in enumerate(self.customers)
            if any(each.model == model for each in self.assignments(index, int(starts_at[index]), ends_at))
        }

    def needed(self, starts_at: int | Ints, ends_at: int | Ints) -> "Needed":
        """Returns the facts needed to score `[starts_at, ends_at]`."""
        some, starts = self._spread(starts_at, None)
        _, ends = self._spread(ends_at, None)
        spans = [(model, span) for model, span in self._spans(some, starts, ends) if model is not None]
        scored = np.unique(np.concatenate([some[:0], *(span.customer for _, span in spans)]))
        return Needed([model for model, _ in spans], [self.customers[index] for index in scored.tolist()])

    @cached_property
    def _table(self) -> "_Table":
        models: dict[tuple[str, int] | None, HealthModel | None] = {}
        numbers: dict[tuple[str, int] | None, int] = {}
        columns: list[tuple[int, int]] = []
        first = [0]
        for index in range(len(self.customers)):
            for since, _, model in self.assignments(index, int(-FAR), int(FAR)):
                key = None if model is None else (model.id, model.version)
                models.setdefault(key, model)
                columns.append((since, numbers.setdefault(key, len(numbers))))
            first.append(len(columns))
        begins, by = np.array(columns, np.int64).reshape(-1, 2).T
        return _Table(list(models.values()), Series(np.array(first), begins, begins, by, np.zeros(0, np.bytes_)))

    def _spread(self, at: int | Ints, some: Ints | None) -> tuple[Ints, Ints]:
        some = self.everybody() if some is None else some
        return some, np.broadcast_to(np.asarray(at, np.int64), some.shape)

    def _spans(self, some: Ints, starts: Ints, ends: Ints) -> Iterator[tuple[HealthModel | None, _Spans]]:
        """Returns the spans by model."""
        models, table = self._table
        first, last = table.before(some, starts + 1) - 1, table.before(some, ends + 1) - 1
        length = last - first + 1
        row = np.repeat(np.arange(len(some)), length)
        index = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length) + first[row]
        followed = index < last[row]
        since = np.maximum(table.time[index], starts[row])
        until = np.where(followed, table.time_at(index + 1, some[row]) - 1, ends[row])
        for number in np.unique(table.value[index]).tolist():
            its = np.flatnonzero(table.value[index] == number)
            yield models[number], _Spans(some[row[its]], since[its], until[its], followed[its])

    @staticmethod
    def _within(scorer: Scorer, spans: _Spans) -> tuple[BandChanges, _Ends]:
        """Returns the changes while the model scored them, after its first instant; and the bands at the ends."""
        index, since, until, followed = spans
        first = scorer.bands(since, index)
        found = scorer.changes_from(first, since, until, index)
        last = first.copy()
        last[found.customer] = found.band  # of several changes in a span the last one stays
        next_, event = last.copy(), np.zeros(len(index), np.bool_)
        if (then := np.flatnonzero(followed)).size:
            at, some = until[then] + 1, index[then]
            moved = scorer.next_change(until[then], last[then], at, some) == at
            next_[then[moved]] = scorer.moved(at[moved], last[then[moved]], some[moved])
            event[then] = scorer.entered(some, at)
        cause = np.where(found.silent, _SILENCE, _EVENT).astype(np.int8)
        return (
            BandChanges(index[found.customer], found.at, found.from_band, found.band, cause),
            _Ends(index, since, first, last, next_, event),
        )


class UnreadFacts(NamedTuple):
    """The facts of some customers in the form in which they were sent: parsed, and computed with, off the event
    loop."""

    found: HealthFacts
    """Without bases."""
    models: Sequence[HealthModel]
    unread: Unread

    def read(self) -> HealthFacts:
        bases = zip(self.models, self.unread.bases(), strict=True)
        return replace(self.found, bases={(model.id, model.version): base for model, base in bases})


_NONE = BandChanges(
    np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0, np.int8), np.zeros(0, np.int8)
)


def _between(ends: _Ends) -> BandChanges:
    """Returns the changes from one model's span to the next."""
    order = np.lexsort((ends.since, ends.customer))
    a, b = order[:-1], order[1:]
    turned = (ends.customer[a] == ends.customer[b]) & (ends.last[a] != ends.first[b])
    a, b = a[turned], b[turned]
    without = np.where(ends.event[a], _EVENT, _SILENCE)
    cause = np.where(ends.next[a] == ends.first[b], without, _MODEL).astype(np.int8)
    return BandChanges(ends.customer[b], ends.since[b], ends.last[a], ends.first[b], cause)
