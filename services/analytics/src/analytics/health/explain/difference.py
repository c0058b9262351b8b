"""The difference between two instants: each measure's part, and the events that came in or left. The parts add up to
the change of the score.

Where another model came to score the customer in between, its effect is a part of its own: the score by the new model
less the score by the old one, both at the instant from which the new one is in force. The rest is due to events, or to
time, under the model that was in force.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import numpy as np

from analytics.health.engine.base import Ints
from analytics.health.engine.facts import HealthFacts
from analytics.health.explain.contributions import Contribution, Explanation, explained, explained_by
from analytics.health.model.definition import Absence, Measure


class ChangeKind(StrEnum):
    """How a measure changed."""

    SAME = "same"
    CHANGED = "changed"
    CAME = "came"
    """It was absent before, and is present now."""
    WENT = "went"
    """It is absent now."""
    ADDED = "added"
    """The model did not have it before, and has now."""
    DROPPED = "dropped"
    """The model has it no more."""


class MeasureChange(NamedTuple):
    """The change of one measure. `by_input + by_share + by_model` is the change of its contribution."""

    measure: Measure
    course: ChangeKind
    before: Contribution | None
    """None: the model did not have the measure then."""
    after: Contribution | None
    by_input: float
    """Because its own points rose or fell."""
    by_share: float
    """Because its weight became a greater or smaller share of the total, as others came or went."""
    by_model: float
    """Because another model came to score the customer."""
    came_in: tuple[UUID, ...]
    fell_out: tuple[UUID, ...]

    @property
    def change(self) -> float:
        return self.by_input + self.by_share + self.by_model


class Group(NamedTuple):
    """The measures of one group together."""

    group: str
    before: float
    after: float

    @property
    def change(self) -> float:
        return self.after - self.before


class Swapped(NamedTuple):
    """Another model came to score the customer."""

    before: Explanation
    """By the old model."""
    after: Explanation
    """By the new one, at the same instant: the first at which it is in force."""

    @property
    def change(self) -> float:
        return (self.after.score or 0.0) - (self.before.score or 0.0)


class Difference(NamedTuple):
    before: Explanation
    after: Explanation
    swaps: tuple[Swapped, ...]
    """In order of time."""
    changes: tuple[MeasureChange, ...]
    """The greatest first."""

    @property
    def change(self) -> float:
        """The change of the score. An unknown score counts as 0."""
        return (self.after.score or 0.0) - (self.before.score or 0.0)

    @property
    def by_model(self) -> float:
        """The part of the change that is due to other models."""
        return sum(each.change for each in self.swaps)

    @property
    def groups(self) -> list[Group]:
        """The groups in the order of the measures. Measures without a group are together under ''."""
        names = dict.fromkeys(each.measure.group for each in (*self.after.contributions, *self.before.contributions))
        return [Group(name, _of(self.before, name), _of(self.after, name)) for name in names]


def differences(facts: HealthFacts, starts_at: int, ends_at: int, some: Ints) -> list[Difference]:
    """Returns the differences of these customers between two instants."""
    before, after = explained(facts, starts_at, some), explained(facts, ends_at, some)
    swapped: list[list[Swapped]] = [[] for _ in range(len(some))]
    for (at, old, new), numbers in facts.swapped(starts_at, ends_at, some).items():
        customers = some[np.array(numbers)]
        by_both = explained_by(facts, old, at, customers), explained_by(facts, new, at, customers)
        for number, was, is_now in zip(numbers, *by_both, strict=True):
            swapped[number].append(Swapped(was, is_now))
    return [difference(*each) for each in zip(before, after, swapped, strict=True)]


def difference(before: Explanation, after: Explanation, swaps: Sequence[Swapped] = ()) -> Difference:
    """Returns the difference. Measures are matched by their id, across models."""
    ends = [before, *(each for swap in swaps for each in swap), after]
    legs = [_Leg.between(was, is_now) for was, is_now in zip(ends[::2], ends[1::2], strict=True)]
    were, are = _by_id(before.contributions), _by_id(after.contributions)
    ids = dict.fromkeys(part.measure.id for each in (after, before, *ends) for part in each.contributions)
    by_model = {id: sum(_part_of(swap.after, id) - _part_of(swap.before, id) for swap in swaps) for id in ids}
    measures = {part.measure.id: part.measure for each in (*ends, before, after) for part in each.contributions}
    changes = [_change(measures[id], were.get(id), are.get(id), legs, by_model[id]) for id in ids]
    return Difference(before, after, tuple(swaps), tuple(sorted(changes, key=lambda each: -abs(each.change))))


class _Leg(NamedTuple):
    """The way from one instant to another under one model."""

    before: Mapping[str, Contribution]
    after: Mapping[str, Contribution]
    shares_before: Mapping[str, float]
    shares_after: Mapping[str, float]

    @classmethod
    def between(cls, before: Explanation, after: Explanation) -> "_Leg":
        return cls(_by_id(before.contributions), _by_id(after.contributions), shares(before), shares(after))

    def by_share(self, id: str) -> float:
        was, is_now = self.before.get(id), self.after.get(id)
        share_before, share_after = self.shares_before.get(id, 0.0), self.shares_after.get(id, 0.0)
        if not (was and is_now and share_before and share_after):
            return 0.0
        # A change that is due to both is split in halves.
        return (share_after - share_before) * (was.score + is_now.score) / 2

    def change(self, id: str) -> float:
        return _part(self.after.get(id)) - _part(self.before.get(id))

    def came_in(self, id: str) -> tuple[UUID, ...]:
        return _without(_events(self.after.get(id)), _events(self.before.get(id)))

    def fell_out(self, id: str) -> tuple[UUID, ...]:
        return _without(_events(self.before.get(id)), _events(self.after.get(id)))


def counts(contribution: Contribution) -> bool:
    """Whether it counts in the score: it is present, or the model defines points for its absence."""
    return contribution.present or contribution.measure.absence is not Absence.LEFT_OUT


def shares(explanation: Explanation) -> dict[str, float]:
    """Returns by measure the share of its weight in the total. Without any known input no weight counts."""
    counting = [each for each in explanation.contributions if counts(each)] if explanation.score is not None else []
    whole = sum(each.measure.weight for each in counting)
    return {each.measure.id: each.measure.weight / whole for each in counting}


def _change(
    measure: Measure,
    before: Contribution | None,
    after: Contribution | None,
    legs: Sequence[_Leg],
    by_model: float,
) -> MeasureChange:
    by_share = sum(each.by_share(measure.id) for each in legs)
    came_in = [id for each in legs for id in each.came_in(measure.id)]
    fell_out = [id for each in legs for id in each.fell_out(measure.id)]
    return MeasureChange(
        measure,
        _course(before, after),
        before,
        after,
        sum(each.change(measure.id) for each in legs) - by_share,
        by_share,
        by_model,
        _without(came_in, fell_out),
        _without(fell_out, came_in),
    )


def _course(before: Contribution | None, after: Contribution | None) -> ChangeKind:
    if after is None:
        return ChangeKind.DROPPED
    if before is None:
        return ChangeKind.ADDED
    if before.present != after.present:
        return ChangeKind.CAME if after.present else ChangeKind.WENT
    same = (before.contribution, before.input) == (after.contribution, after.input)
    return ChangeKind.SAME if same else ChangeKind.CHANGED


def _part(contribution: Contribution | None) -> float:
    return contribution.contribution if contribution is not None else 0.0


def _part_of(explanation: Explanation, id: str) -> float:
    return _part(next((each for each in explanation.contributions if each.measure.id == id), None))


def _events(contribution: Contribution | None) -> tuple[UUID, ...]:
    return contribution.events if contribution is not None else ()


def _of(explanation: Explanation, group: str) -> float:
    return sum(each.contribution for each in explanation.contributions if each.measure.group == group)


def _by_id(contributions: Iterable[Contribution]) -> dict[str, Contribution]:
    return {each.measure.id: each for each in contributions}


def _without(some: Sequence[UUID], others: Sequence[UUID]) -> tuple[UUID, ...]:
    left_out = frozenset(others)
    return tuple(each for each in some if each not in left_out)
