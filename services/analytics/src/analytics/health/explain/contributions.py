"""Contributions: each measure's part of a customer's score, and the events it was read from."""

from typing import NamedTuple
from uuid import UUID

import numpy as np

from analytics.health.engine.base import FAR, CustomerBase, Ids, Ints, Series
from analytics.health.engine.facts import HealthFacts
from analytics.health.engine.scoring import Scored, Scorer
from analytics.health.engine.trajectories import Reader
from analytics.health.model.definition import DAY, Band, HealthModel, Measure, band_of
from analytics.health.model.inputs import Kind

TREND_DAYS = 30
HALF_LIVES = 7
"""The number of half-lives after which an event counts for less than a hundredth and is not listed."""


class Contribution(NamedTuple):
    """The contribution of one measure. The contributions add up to the score."""

    measure: Measure
    present: bool
    input: float | None
    score: float
    """The curve's value at the input, 0 to 100; the points of absence, if it is absent."""
    contribution: float
    events: tuple[UUID, ...]
    """Newest last."""
    last_at: int | None = None
    """When the last of them happened."""
    last_value: float | None = None
    """The value of the last of them."""
    against: float | None = None
    """What one more event is weighed against: for a mean the weight of the events in it, for a trend the window
    before."""


class Cases(NamedTuple):
    """The cases of a customer."""

    open: tuple[UUID, ...]
    """The events by which each was opened, the oldest first."""
    settled: int
    """The number that are closed, and might be reopened."""


class Explanation(NamedTuple):
    model: HealthModel | None
    """None: no model is for the customer, which stands for many."""
    at: int
    score: float | None
    """None if no input is known."""
    band: Band | None
    coverage: float
    contributions: tuple[Contribution, ...]
    trend: float | None = None
    """Points: the score less that of TREND_DAYS before, by the model that scored the customer then. None if either is
    unknown."""
    drivers: tuple[tuple[Measure, float], ...] = ()
    """The changes of the measures' parts over those days, the greatest first."""
    cases: Cases | None = None
    """Present if the model has acts on cases to evaluate."""


def explain(model: HealthModel, base: CustomerBase, at: int) -> list[Explanation]:
    """Explains every customer of the base, by one model."""
    return explained(HealthFacts.by(model, base), at)


def explained(facts: HealthFacts, at: int, some: Ints | None = None) -> list[Explanation]:
    """Explains these customers, each by the model that was for it at the instant."""
    some = facts.everybody() if some is None else some
    found: list[Explanation] = [_unscored(at) for _ in some.tolist()]
    for model, numbers in facts.assigned(at, some):
        for number, explanation in zip(numbers.tolist(), explained_by(facts, model, at, some[numbers]), strict=True):
            found[number] = explanation
    before = parts(facts, at - TREND_DAYS * DAY, some)
    return [_with_trend(explanation, then) for explanation, then in zip(found, before, strict=True)]


def explained_by(facts: HealthFacts, model: HealthModel | None, at: int, some: Ints) -> list[Explanation]:
    """Explains by this model, whichever one was for the customer then; without a trend."""
    if model is None:
        return [_unscored(at) for _ in some.tolist()]
    scorer = facts.scorer(model)
    scored = scorer.score(at, some)
    bands = scorer.bands(at, some, scored.score)
    return [
        Explanation(
            model,
            at,
            float(scored.score[number]) if scored.present[:, number].any() else None,
            band_of(int(bands[number])),
            float(scored.coverage[number]),
            _contributions(scorer, scored, number, index, at),
            cases=None if scorer.cases is None else _cases(scorer.cases, index, at),
        )
        for number, index in enumerate(some.tolist())
    ]


class Parts(NamedTuple):
    """Each measure's part of a score, by its id."""

    score: float | None
    of: dict[str, tuple[Measure, float]]


def parts(facts: HealthFacts, at: int, some: Ints) -> list[Parts]:
    """Returns the parts at an instant, by the models of then."""
    found = [Parts(None, {})] * len(some)
    for model, numbers in facts.assigned(at, some):
        if model is None:
            continue
        scored = facts.scorer(model).score(at, some[numbers])
        rows = zip(numbers.tolist(), scored.score.tolist(), scored.contribution.T.tolist(), strict=True)
        for number, score, row in rows:
            of = {each.id: (each, part) for each, part in zip(model.measures, row, strict=True)}
            found[number] = Parts(None if np.isnan(score) else score, of)
    return found


def _unscored(at: int) -> Explanation:
    return Explanation(None, at, None, None, 0.0, ())


def _contributions(scorer: Scorer, scored: Scored, number: int, index: int, at: int) -> tuple[Contribution, ...]:
    found = []
    for row, (measure, reader) in enumerate(zip(scorer.model.measures, scorer.readers, strict=True)):
        present = bool(scored.present[row, number])
        series, indexes = events_behind(reader, index, at) if present else (reader.series, np.zeros(0, np.int64))
        last = int(indexes[-1]) if indexes.size else None
        found.append(
            Contribution(
                measure,
                present,
                float(scored.inputs[row, number]) if present else None,
                float(scored.points[row, number]),
                float(scored.contribution[row, number]),
                tuple(UUID(bytes=id) for id in dict.fromkeys(_ids(series.event, indexes))),
                None if last is None else int(series.time[last]),
                None if last is None or np.isnan(series.amount[last]) else float(series.amount[last]),
                reader.against(index, at) if present else None,
            )
        )
    return tuple(found)


def _cases(reader: Reader, index: int, at: int) -> Cases:
    series, indexes = events_behind(reader, index, at)
    return Cases(tuple(UUID(bytes=id) for id in _ids(series.event, indexes)), reader.settled(index, at))


def _with_trend(explanation: Explanation, then: Parts) -> Explanation:
    if explanation.score is None or then.score is None:
        return explanation
    now = {each.measure.id: (each.measure, each.contribution) for each in explanation.contributions}
    moves = [
        (measure, now.get(id, (measure, 0.0))[1] - then.of.get(id, (measure, 0.0))[1])
        for id, (measure, _) in (then.of | now).items()
    ]
    drivers = sorted((each for each in moves if each[1]), key=lambda each: -abs(each[1]))
    return explanation._replace(trend=explanation.score - then.score, drivers=tuple(drivers))


def events_behind(reader: Reader, index: int, at: int) -> tuple[Series, Ints]:
    """Returns the events that the input was computed from: their indexes in the series, in order of time."""
    whose = np.array([index])
    series = reader.standing if reader.input.kind is Kind.STANDING else reader.series
    begin, end = int(series.first[index]), int(series.before(whose, np.array([at]))[0])

    def since(window: float) -> int:
        return int(series.before(whose, np.array([at - min(int(window), int(FAR // 2))]))[0])

    kind = reader.input.kind
    if kind is Kind.STANDING:
        return series, np.flatnonzero(series.end[begin:end] >= at) + begin
    if kind is Kind.GROWTH:
        return series, np.flatnonzero(series.end[begin:end] >= at - (reader.window or 0)) + begin
    if kind is Kind.SINCE_FIRST:
        end = min(begin + 1, end)
    elif kind in (Kind.SINCE_LAST, Kind.LATEST, Kind.AHEAD):
        begin = max(begin, end - 1)
    elif kind is Kind.TREND:
        begin = since(2 * (reader.window or 0))
    elif reader.measure.half_life_days:
        begin = since(HALF_LIVES * reader.half_life)
    elif reader.window is not None:
        begin = since(reader.window)
    return series, np.arange(begin, end)


def _ids(events: Ids, indexes: Ints) -> list[bytes]:
    # numpy strips trailing zero bytes from what it takes for text
    return [bytes(events[index]).ljust(16, b"\0") for index in indexes]
