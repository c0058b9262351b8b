"""The facts of some customers, and the models that score them over time: all that their health is computed from, at
any instant. It is read once (see storage.health); nothing here reads anything."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from analytics.domain.health.assignment import Assignment, Models, Record
from analytics.domain.health.base import Base, Bools, Floats, Ints
from analytics.domain.health.model import Cause, HealthModel
from analytics.domain.health.scoring import NOBODYS, Bands, Scorer

CAUSES = (Cause.EVENT, Cause.SILENCE, Cause.MODEL)
"""Of a band change, by the numbers they have in columns."""
_EVENT, _SILENCE, _MODEL = range(3)


class BandChanges(NamedTuple):
    """One element each, by customer and then time."""

    customer: Ints
    """Its place among the customers."""
    at: Ints
    """The first instant in the new band."""
    from_band: Bands
    band: Bands
    cause: NDArray[np.int8]
    """Its place in CAUSES."""


class Swap(NamedTuple):
    """Another model comes to score a customer, and `at` is the first instant at which it does."""

    at: int
    before: HealthModel | None
    after: HealthModel | None


class Needed(NamedTuple):
    models: list[HealthModel]
    """Those that score anybody."""
    customers: list[UUID]
    """Those that any of them scores. One that stands for many may have more facts than all others."""


class _Spans(NamedTuple):
    """One model scores a customer from `since` to `until`, both included. An element each."""

    customer: Ints
    since: Ints
    until: Ints
    followed: Bools
    """Whether another one comes after."""


class _Ends(NamedTuple):
    """The bands at the ends of such spans."""

    customer: Ints
    since: Ints
    first: Bands
    last: Bands
    next: Bands
    """As it would be an instant later, if the model went on scoring it; of those that another one follows."""
    event: Bools
    """Whether something happened just before that instant."""


@dataclass(frozen=True)
class HealthFacts:
    customers: Sequence[UUID]
    """In order of their ids."""
    models: Models
    records: Mapping[UUID, Sequence[Record]] = field(default_factory=dict)
    merged: AbstractSet[UUID] = frozenset()
    """Into another customer: no model scores them."""
    bases: Mapping[tuple[str, int], Base] = field(default_factory=dict)
    """By id and version of the model; each is of all the customers."""
    _scorers: dict[tuple[str, int], Scorer] = field(default_factory=dict, compare=False)

    def scorer(self, model: HealthModel) -> Scorer:
        key = model.id, model.version
        if key not in self._scorers:
            self._scorers[key] = Scorer(model, self.bases[key])
        return self._scorers[key]

    def everybody(self) -> Ints:
        return np.arange(len(self.customers))

    def assignments(self, place: int, starts_at: int, ends_at: int) -> list[Assignment]:
        """Of the customer at that place, over `[starts_at, ends_at]`."""
        customer = self.customers[place]
        if customer in self.merged:
            return [Assignment(starts_at, ends_at, None)]
        return self.models.assignments(self.records.get(customer, ()), starts_at, ends_at)

    def swaps(self, place: int, starts_at: int, ends_at: int) -> list[Swap]:
        """In `(starts_at, ends_at]`."""
        found = self.assignments(place, starts_at, ends_at)
        return [Swap(b.since, a.model, b.model) for a, b in pairwise(found)]

    def assigned(self, at: int | Ints, some: Ints | None = None) -> list[tuple[HealthModel | None, Ints]]:
        """Of these customers, each at an instant of its own, which model scores whom: places within `some`."""
        some = self.everybody() if some is None else some
        found: dict[tuple[str, int] | None, tuple[HealthModel | None, list[int]]] = {}
        instants = np.broadcast_to(np.asarray(at, np.int64), some.shape).tolist()
        for number, (place, instant) in enumerate(zip(some.tolist(), instants, strict=True)):
            model = self.assignments(place, instant, instant)[0].model
            found.setdefault(_key(model), (model, []))[1].append(number)
        return [(model, np.array(numbers, np.int64)) for model, numbers in found.values()]

    def scores(self, at: int | Ints, some: Ints | None = None) -> Floats:
        """NaN where nothing is known, or no model is for the customer."""
        some, at = self._spread(at, some)
        found = np.full(len(some), np.nan)
        for model, numbers in self.assigned(at, some):
            if model is not None:
                found[numbers] = self.scorer(model).score(at[numbers], some[numbers]).score
        return found

    def bands(self, at: int | Ints, some: Ints | None = None) -> Bands:
        some, at = self._spread(at, some)
        found = np.full(len(some), NOBODYS, np.int8)
        for model, numbers in self.assigned(at, some):
            if model is not None:
                found[numbers] = self.scorer(model).bands(at[numbers], some[numbers])
        return found

    def changes(self, starts_at: int | Ints, ends_at: int | Ints, some: Ints | None = None) -> BandChanges:
        """All in `(starts_at, ends_at]`, each by the model that scored the customer then. Where another model came to
        score it, that is the cause, unless the band would have changed so at that very instant without."""
        some, starts = self._spread(starts_at, some)
        _, ends = self._spread(ends_at, some)
        within, at_ends = [], []
        for model, spans in self._spans(some, starts, ends):
            if model is None:
                nobodys = np.full(len(spans.since), NOBODYS, np.int8)
                at_ends.append(_Ends(spans.customer, spans.since, nobodys, nobodys, nobodys, nobodys > 0))
                continue
            changes, of_spans = self._within(self.scorer(model), spans)
            within.append(changes)
            at_ends.append(of_spans)
        if at_ends:
            within.append(_between(_Ends._make(np.concatenate(column) for column in zip(*at_ends, strict=True))))
        whole = [np.concatenate(column) for column in zip(*(_NONE, *within), strict=True)]
        order = np.lexsort((whole[1], whole[0]))
        return BandChanges._make(column[order] for column in whole)

    def parts(self, at: Ints, some: Ints, as_of: Ints) -> list[dict[str, float]]:
        """What each measure brings to these customers' scores, each at an instant of its own, by its id; by the models
        in force at the instants `as_of`."""
        found: list[dict[str, float]] = [{} for _ in range(len(some))]
        for model, numbers in self.assigned(as_of, some):
            if model is not None:
                rows = self.scorer(model).score(at[numbers], some[numbers]).contribution.T.tolist()
                for number, row in zip(numbers.tolist(), rows, strict=True):
                    found[number] = dict(zip((each.id for each in model.measures), row, strict=True))
        return found

    def needed(self, starts_at: int | Ints, ends_at: int | Ints) -> "Needed":
        """To tell of `[starts_at, ends_at]`."""
        some, starts = self._spread(starts_at, None)
        _, ends = self._spread(ends_at, None)
        models, scored = dict[tuple[str, int], HealthModel](), list[UUID]()
        for place, start, end in zip(some.tolist(), starts.tolist(), ends.tolist(), strict=True):
            its = [each.model for each in self.assignments(place, start, end) if each.model is not None]
            models |= {(model.id, model.version): model for model in its}
            if its:
                scored.append(self.customers[place])
        return Needed(list(models.values()), scored)

    def _spread(self, at: int | Ints, some: Ints | None) -> tuple[Ints, Ints]:
        some = self.everybody() if some is None else some
        return some, np.broadcast_to(np.asarray(at, np.int64), some.shape)

    def _spans(self, some: Ints, starts: Ints, ends: Ints) -> Iterator[tuple[HealthModel | None, _Spans]]:
        """By model."""
        found: dict[tuple[str, int] | None, list[tuple[int, int, int, bool]]] = defaultdict(list)
        models: dict[tuple[str, int] | None, HealthModel | None] = {}
        for place, start, end in zip(some.tolist(), starts.tolist(), ends.tolist(), strict=True):
            for since, until, model in self.assignments(place, start, end):
                models[_key(model)] = model
                found[_key(model)].append((place, since, until, until < end))
        for key, rows in found.items():
            place_, since_, until_, followed = np.array(rows, np.int64).T
            yield models[key], _Spans(place_, since_, until_, followed.astype(np.bool_))

    @staticmethod
    def _within(scorer: Scorer, spans: _Spans) -> tuple[BandChanges, _Ends]:
        """The changes while the model scored them, after its first instant; and the bands at the ends."""
        place, since, until, followed = spans
        first = scorer.bands(since, place)
        found = scorer.changes_from(first, since, until, place)
        last = first.copy()
        last[found.customer] = found.band  # of several changes in a span the last one stays
        next_, event = last.copy(), np.zeros(len(place), np.bool_)
        if (then := np.flatnonzero(followed)).size:
            at, some = until[then] + 1, place[then]
            moved = scorer.next_change(until[then], last[then], at, some) == at
            next_[then[moved]] = scorer.moved(at[moved], last[then[moved]], some[moved])
            event[then] = scorer.entered(some, at)
        cause = np.where(found.silent, _SILENCE, _EVENT).astype(np.int8)
        return (
            BandChanges(place[found.customer], found.at, found.from_band, found.band, cause),
            _Ends(place, since, first, last, next_, event),
        )


_NONE = BandChanges(
    np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0, np.int8), np.zeros(0, np.int8)
)


def _between(ends: _Ends) -> BandChanges:
    """From one model's span to the next."""
    order = np.lexsort((ends.since, ends.customer))
    a, b = order[:-1], order[1:]
    turned = (ends.customer[a] == ends.customer[b]) & (ends.last[a] != ends.first[b])
    a, b = a[turned], b[turned]
    without = np.where(ends.event[a], _EVENT, _SILENCE)
    cause = np.where(ends.next[a] == ends.first[b], without, _MODEL).astype(np.int8)
    return BandChanges(ends.customer[b], ends.since[b], ends.last[a], ends.first[b], cause)


def _key(model: HealthModel | None) -> tuple[str, int] | None:
    return None if model is None else (model.id, model.version)
