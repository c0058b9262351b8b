"""What changed between two instants: each measure's part, and the events that came in or fell out. The parts add up to
the change of the score."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from analytics.domain.health.explain import Contribution, Explanation
from analytics.domain.health.model import Absence, Measure


class Course(StrEnum):
    """What became of a measure."""

    SAME = "same"
    CHANGED = "changed"
    CAME = "came"
    """It could not be read before, and can now."""
    WENT = "went"
    """It can be read no more."""


class Change(NamedTuple):
    """Of one measure. `by_input + by_share` is the change of its contribution."""

    measure: Measure
    course: Course
    before: Contribution | None
    """None: the model had no such measure then."""
    after: Contribution | None
    by_input: float
    """As its own points rose or fell."""
    by_share: float
    """As its weight became a greater or smaller share of all that counts: others came or went."""
    came_in: tuple[UUID, ...]
    fell_out: tuple[UUID, ...]

    @property
    def change(self) -> float:
        return self.by_input + self.by_share


class Group(NamedTuple):
    """Measures of one group together."""

    group: str
    before: float
    after: float

    @property
    def change(self) -> float:
        return self.after - self.before


class Difference(NamedTuple):
    before: Explanation
    after: Explanation
    changes: tuple[Change, ...]
    """The greatest first."""

    @property
    def change(self) -> float:
        """Of the score. Where nothing was known, it counts for 0."""
        return (self.after.score or 0.0) - (self.before.score or 0.0)

    @property
    def groups(self) -> list[Group]:
        """In the order of the measures. What has no group is together under ''."""
        names = dict.fromkeys(each.measure.group for each in (*self.after.contributions, *self.before.contributions))
        return [Group(name, _of(self.before, name), _of(self.after, name)) for name in names]


def difference(before: Explanation, after: Explanation) -> Difference:
    """Measures are the same by their id, also where another model came to be for the customer in between."""
    were, are = _by_id(before.contributions), _by_id(after.contributions)
    shares_before, shares_after = shares(before), shares(after)
    changes = [
        _change(were.get(id), are.get(id), shares_before.get(id, 0.0), shares_after.get(id, 0.0))
        for id in dict.fromkeys((*are, *were))
    ]
    return Difference(before, after, tuple(sorted(changes, key=lambda each: -abs(each.change))))


def counts(told: Contribution) -> bool:
    """Whether it counts for the score: it could be read, or the model says what its absence counts for."""
    return told.present or told.measure.absence is not Absence.LEFT_OUT


def shares(told: Explanation) -> dict[str, float]:
    """By measure, the share of its weight in all that counts. Nothing counts where nothing is known at all."""
    counting = [each for each in told.contributions if counts(each)] if told.score is not None else []
    whole = sum(each.measure.weight for each in counting)
    return {each.measure.id: each.measure.weight / whole for each in counting}


def _change(before: Contribution | None, after: Contribution | None, share_before: float, share_after: float) -> Change:
    told = after or before
    assert told is not None
    was, is_now = bool(before and before.present), bool(after and after.present)
    contribution_before, contribution_after = _part(before), _part(after)
    change = contribution_after - contribution_before
    if share_before and share_after and before and after:
        # Of what both changed together, each has half.
        by_share = (share_after - share_before) * (before.score + after.score) / 2
    else:
        by_share = 0.0
    events_before, events_after = before.events if before else (), after.events if after else ()
    return Change(
        told.measure,
        _course(was, is_now, same=_same(before, after)),
        before,
        after,
        change - by_share,
        by_share,
        _without(events_after, events_before),
        _without(events_before, events_after),
    )


def _course(was: bool, is_now: bool, *, same: bool) -> Course:
    if was != is_now:
        return Course.CAME if is_now else Course.WENT
    return Course.SAME if same else Course.CHANGED


def _same(before: Contribution | None, after: Contribution | None) -> bool:
    return _part(before) == _part(after) and (before and before.input) == (after and after.input)


def _part(told: Contribution | None) -> float:
    return told.contribution if told is not None else 0.0


def _of(told: Explanation, group: str) -> float:
    return sum(each.contribution for each in told.contributions if each.measure.group == group)


def _by_id(told: Iterable[Contribution]) -> dict[str, Contribution]:
    return {each.measure.id: each for each in told}


def _without(some: Sequence[UUID], others: Sequence[UUID]) -> tuple[UUID, ...]:
    known = frozenset(others)
    return tuple(each for each in some if each not in known)
