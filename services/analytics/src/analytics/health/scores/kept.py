"""Computes the rows and changes to write for customers that are scored again, from how they were last scored.

It does no I/O: its arguments were read, and it runs off the event loop (see health.scores.rescoring).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np

from analytics.health.engine.base import FAR, Ints, micros, moment
from analytics.health.engine.facts import CAUSES, HealthFacts, UnreadFacts
from analytics.health.engine.scoring import AHEAD, Bands, Scorer
from analytics.health.model.definition import DAY, Cause, HealthModel, band_of, number_of

DRIVEN_OVER = 30 * DAY
DRIVERS = 3
JUMP = 0.01
"""Points: a greater change from one microsecond to the next is due to an event."""
LAG = DAY // 24
"""An event that happened this short before the last score, and arrived after it, is no correction."""


class Stored(NamedTuple):
    """The last score of a customer; without an instant, if it was never scored."""

    customer_id: UUID
    version: int
    model: str | None
    model_version: int | None
    band: str | None
    scored_at: datetime | None
    band_since: datetime | None


class Row(NamedTuple):
    """The row of a customer's score."""

    customer_id: UUID
    version: int
    model: str | None
    model_version: int | None
    score: float | None
    band: str | None
    coverage: float
    band_since: datetime
    due_at: datetime | None
    due_band: str | None


class Moved(NamedTuple):
    """A measure, and the change of its part of the score."""

    measure: str
    change: float


class NewBandChange(NamedTuple):
    """A band change, before it is published."""

    customer_id: UUID
    version: int
    """The version of the customer's score after the change."""
    at: datetime
    cause: str
    model: str | None
    model_version: int | None
    from_band: str | None
    band: str | None
    score: float | None
    coverage: float
    drivers: list[Moved]


class Since(NamedTuple):
    """An instant for each customer."""

    published: Ints
    """The instant up to which its changes were published."""
    facts_from: Ints
    """The instant from which its facts are read."""


class Rescored(NamedTuple):
    rows: list[Row]
    changes: list[NewBandChange]
    """In the order of time, for each customer."""


class _Driven(NamedTuple):
    """The drivers of a change, by the model that scored the customer then."""

    model: HealthModel | None
    score: float | None
    coverage: float
    moves: list[Moved]


def search_from(facts: HealthFacts, stored: Sequence[Stored], at: int) -> Since:
    """Returns the instants from which changes are searched for. For a customer last scored by a model that was no
    longer in force, because its successor's event came late: from when the successor came into force."""
    published = np.array([at if each.scored_at is None else micros(each.scored_at) for each in stored], np.int64)
    for model, indexes in facts.assigned(published):
        for index in indexes.tolist():
            before = stored[index]
            by = (before.model, before.model_version)
            if before.model is None or before.scored_at is None or by == _named(model):
                continue
            past = facts.assignments(index, int(-FAR), int(published[index]))
            ends = [each.until for each in past if _named(each.model) == by]
            published[index] = max(ends, default=published[index])
    # A customer that had no band may have been in the one it has now for long: it is scored for the first time, or was
    # merged into another one until now.
    without = np.array([each.band is None for each in stored], np.bool_)
    return Since(published, np.where(without, at - AHEAD, published - LAG))


def rescored(unread: UnreadFacts, stored: Sequence[Stored], since: Since, now: datetime) -> Rescored:
    """Returns the scores of all customers of the facts; `stored` has their last scores in the same order."""
    return _Scoring(unread.read(), stored, now, micros(now)).scored(since)


@dataclass
class _Scoring:
    facts: HealthFacts
    stored: Sequence[Stored]
    now: datetime
    at: int
    rows: list[Row] = field(default_factory=list)
    changes: list[NewBandChange] = field(default_factory=list)
    versions: dict[UUID, int] = field(default_factory=dict)

    def scored(self, since: Since) -> Rescored:
        facts, bands = self.facts, self.facts.bands(self.at)
        self.versions = {each.customer_id: each.version for each in self.stored}
        changed = self._changed(since.published, bands) | self._since_when(bands)
        for model, indexes in facts.assigned(self.at):
            if model is None:
                self.rows += [self._unscored(self.stored[index], changed.get(index)) for index in indexes.tolist()]
            else:
                self._score_by(facts.scorer(model), indexes, bands[indexes], changed)
        return Rescored(self.rows, self.changes)

    def _score_by(self, scorer: Scorer, indexes: Ints, bands: Bands, changed: Mapping[int, datetime]) -> None:
        scored = scorer.score(self.at, indexes)
        due = scorer.next_change(self.at, bands, self.at + AHEAD, indexes)
        will = np.flatnonzero(due < FAR)
        moved = scorer.moved(due[will], bands[will], indexes[will])
        due_bands = dict(zip(will.tolist(), moved.tolist(), strict=True))
        for number, index in enumerate(indexes.tolist()):
            before, known = self.stored[index], not np.isnan(scored.score[number])
            self.rows.append(
                Row(
                    customer_id=before.customer_id,
                    version=self.versions[before.customer_id],
                    model=scorer.model.id,
                    model_version=scorer.model.version,
                    score=float(scored.score[number]) if known else None,
                    band=band_of(int(bands[number])),
                    coverage=float(scored.coverage[number]),
                    band_since=changed.get(index) or before.band_since or self.now,
                    due_at=moment(min(int(due[number]), self.at + AHEAD)) if known or number in due_bands else None,
                    due_band=band_of(due_bands[number]) if number in due_bands else None,
                )
            )

    def _unscored(self, before: Stored, changed: datetime | None) -> Row:
        """Returns the row of a customer without a model."""
        since = changed or before.band_since or self.now
        version = self.versions[before.customer_id]
        return Row(before.customer_id, version, None, None, None, None, 0.0, since, None, None)

    def _since_when(self, bands: Bands) -> dict[int, datetime]:
        """Returns since when the customers that had no band have been in theirs, which may be long."""
        new = [index for index, each in enumerate(self.stored) if each.band is None and bands[index] >= 0]
        since = self.facts.since(self.at - AHEAD, self.at, np.array(new, np.int64))
        return {index: moment(at) for index, at in zip(new, since.tolist(), strict=True)}

    def _changed(self, since: Ints, bands: Bands) -> dict[int, datetime]:
        """Adds the changes since each was last scored. Returns when the last one of each was."""
        facts, stored = self.facts, self.stored
        before = np.array([number_of(each.band) for each in stored], np.int8)
        # A late event may have changed the past: then the published changes do not lead to the current band.
        led = facts.bands(since) == before
        some: Ints = np.flatnonzero(led)
        walked = facts.changes(since[some], self.at, some)
        changes = [(int(p), int(at), int(a), int(b), CAUSES[cause]) for p, at, a, b, cause in zip(*walked, strict=True)]
        # With the usual delay the change is published at its own instant. With a longer one the score was wrong for a
        # while:
        # then a correction is published.
        some = np.flatnonzero(~led)
        lagged = facts.changes(since[some] - LAG, self.at, some)
        recent = {int(p): (int(at), CAUSES[cause]) for p, at, _, _, cause in zip(*lagged, strict=True)}
        for index in some.tolist():
            if before[index] == bands[index]:
                continue
            at, cause = self.at, Cause.EVENT
            if index in recent:
                at, cause = recent[index][0], Cause.MODEL if recent[index][1] is Cause.MODEL else Cause.EVENT
            elif not _is_new(stored[index]):  # without a published band there is nothing to correct
                by = stored[index].model, stored[index].model_version
                now_by = _named(facts.assignments(index, self.at, self.at)[0].model)
                cause = Cause.CORRECTION if by == now_by else Cause.MODEL
            changes.append((index, at, int(before[index]), int(bands[index]), cause))
        found = dict[int, datetime]()
        for (index, at, from_band, band, cause), (model, score, coverage, moves) in zip(
            changes, self._driven(changes), strict=True
        ):
            customer = stored[index].customer_id
            self.versions[customer] += 1
            change = NewBandChange(
                customer,
                self.versions[customer],
                moment(at),
                cause,
                model.id if model else None,
                model.version if model else None,
                band_of(from_band),
                band_of(band),
                score,
                coverage,
                moves,
            )
            self.changes.append(change)
            found[index] = change.at
        return found

    def _driven(self, changes: Sequence[tuple[int, int, int, int, Cause]]) -> list[_Driven]:
        """Returns the model that scored at each change, the score and the coverage then, and its drivers: those of the
        jump at that instant, a swap of models included; without a jump, the measures that have been moving the
        score."""
        facts = self.facts
        found = [_Driven(None, None, 0.0, [])] * len(changes)
        indexes = np.array([each[0] for each in changes], np.int64)
        instants = np.array([each[1] for each in changes], np.int64)
        for model, numbers in facts.assigned(instants, indexes):
            if model is None:
                continue
            scorer, at, some = facts.scorer(model), instants[numbers], indexes[numbers]
            then = scorer.score(at, some)
            moves = then.contribution - scorer.score(at - 1, some).contribution
            slow = np.abs(moves).max(axis=0) < JUMP
            moves[:, slow] = (then.contribution - scorer.score(at - DRIVEN_OVER, some).contribution)[:, slow]
            ids = [each.id for each in model.measures]
            for index, number in enumerate(numbers.tolist()):
                score = None if np.isnan(then.score[index]) else float(then.score[index])
                of_measures = _moved(zip(ids, moves[:, index].tolist(), strict=True))
                found[number] = _Driven(model, score, float(then.coverage[index]), of_measures)
        swapped = np.array([n for n, each in enumerate(changes) if each[4] is Cause.MODEL], np.int64)
        at, some = instants[swapped], indexes[swapped]
        swaps = zip(facts.parts(at - 1, some), facts.parts(at, some), strict=True)
        for number, (were, are) in zip(swapped.tolist(), swaps, strict=True):
            names = dict.fromkeys((*are, *were))
            of_swap = _moved((each, are.get(each, 0.0) - were.get(each, 0.0)) for each in names)
            found[number] = found[number]._replace(moves=of_swap)
        return found


def _is_new(stored: Stored) -> bool:
    """Whether no band of it was ever published."""
    return stored.version == 0


def _named(model: HealthModel | None) -> tuple[str | None, int | None]:
    return (None, None) if model is None else (model.id, model.version)


def _moved(moves: Iterable[tuple[str, float]]) -> list[Moved]:
    """Returns the measures whose parts moved, the greatest change first."""
    found = [Moved(id, round(move, 4)) for id, move in sorted(moves, key=lambda each: -abs(each[1]))[:DRIVERS]]
    return [each for each in found if each.change]
