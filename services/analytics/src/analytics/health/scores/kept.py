"""Scores as they are kept, and changes as they are published: of customers as they were last scored, what is to be
written of them now.

Nothing here reads or writes: it is handed what was read, and computed beside the event loop (see
health.scores.rescoring).
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
"""Points: by more nothing moves from one microsecond to the next but by what happened."""
LAG = DAY // 24
"""What happened so short before the last score, and came in after it, is no correction."""


class Stored(NamedTuple):
    """A customer as it was last scored; with no instant, if it never was."""

    customer_id: UUID
    version: int
    model: str | None
    model_version: int | None
    band: str | None
    scored_at: datetime | None
    band_since: datetime | None


class Row(NamedTuple):
    """What is kept of a customer's score."""

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
    """A measure, and by how much its part of the score moved."""

    measure: str
    change: float


class NewBandChange(NamedTuple):
    """A band change, before it is published."""

    customer_id: UUID
    version: int
    """Of the customer's score, after it."""
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
    """Up to when its changes were published."""
    looked_at: Ints
    """From when on its facts are looked at."""


class Rescored(NamedTuple):
    rows: list[Row]
    changes: list[NewBandChange]
    """Of each customer in the order of time."""


class _Driven(NamedTuple):
    """A change, as the model sees it that scored the customer then."""

    model: HealthModel | None
    score: float | None
    coverage: float
    moves: list[Moved]


def looked_at(facts: HealthFacts, stored: Sequence[Stored], at: int) -> Since:
    """From when on it is looked for changes. Of what was scored by a model that was not in force any more, as its
    successor came late: from when that came."""
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
    # Who is scored for the first time may have been in its band for long.
    new = np.array([_is_new(each) for each in stored], np.bool_)
    return Since(published, np.where(new, at - AHEAD, published - LAG))


def rescored(unread: UnreadFacts, stored: Sequence[Stored], since: Since, now: datetime) -> Rescored:
    """Scores of all customers of the facts, of whom it is said in the same order how they were last scored."""
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
        """No model is for it, or not any more."""
        since = changed or before.band_since or self.now
        version = self.versions[before.customer_id]
        return Row(before.customer_id, version, None, None, None, None, 0.0, since, None, None)

    def _since_when(self, bands: Bands) -> dict[int, datetime]:
        """Returns since when those scored for the first time have been in their band, which may be long."""
        new = [index for index, each in enumerate(self.stored) if _is_new(each) and bands[index] >= 0]
        since = self.facts.since(self.at - AHEAD, self.at, np.array(new, np.int64))
        return {index: moment(at) for index, at in zip(new, since.tolist(), strict=True)}

    def _changed(self, since: Ints, bands: Bands) -> dict[int, datetime]:
        """Adds the changes since each was last scored. Returns when the last one of each was."""
        facts, stored = self.facts, self.stored
        before = np.array([number_of(each.band) for each in stored], np.int8)
        # What came late may have changed the past: then what was published does not lead to what is now.
        led = facts.bands(since) == before
        some: Ints = np.flatnonzero(led)
        walked = facts.changes(since[some], self.at, some)
        changes = [(int(p), int(at), int(a), int(b), CAUSES[cause]) for p, at, a, b, cause in zip(*walked, strict=True)]
        # With the usual delay it is published like all else, at its own instant. Else the score was wrong for a while:
        # that is corrected.
        some = np.flatnonzero(~led)
        lagged = facts.changes(since[some] - LAG, self.at, some)
        recent = {int(p): (int(at), CAUSES[cause]) for p, at, _, _, cause in zip(*lagged, strict=True)}
        for index in some.tolist():
            if before[index] == bands[index]:
                continue
            at, cause = self.at, Cause.EVENT
            if index in recent:
                at, cause = recent[index][0], Cause.MODEL if recent[index][1] is Cause.MODEL else Cause.EVENT
            elif not _is_new(stored[index]):  # of whom nothing was published, nothing is corrected
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
        """Returns the model that scored at each change, the score and the coverage then, and what moved it: what made
        it jump at that instant, the swap of models among it; if nothing did, what has been moving it."""
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
    """No band of it was ever published."""
    return stored.version == 0


def _named(model: HealthModel | None) -> tuple[str | None, int | None]:
    return (None, None) if model is None else (model.id, model.version)


def _moved(moves: Iterable[tuple[str, float]]) -> list[Moved]:
    """The measures whose parts moved, most first."""
    found = [Moved(id, round(move, 4)) for id, move in sorted(moves, key=lambda each: -abs(each[1]))[:DRIVERS]]
    return [each for each in found if each.change]
