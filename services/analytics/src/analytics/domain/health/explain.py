"""Why: what each measure brought to a customer's score, and the events it was read from."""

from typing import NamedTuple
from uuid import UUID

import numpy as np

from analytics.domain.health.base import FAR, Base, Ids, Ints
from analytics.domain.health.courses import Reader
from analytics.domain.health.inputs import Kind
from analytics.domain.health.model import DAY, Band, HealthModel, Measure, band_of
from analytics.domain.health.scoring import Scored, Scorer

TREND_DAYS = 30
HALF_LIVES = 7
"""What is older than so many half-lives counts for less than a hundredth: it is not named."""


class Contribution(NamedTuple):
    """What one measure brought to the score. The contributions add up to it."""

    measure: Measure
    present: bool
    input: float | None
    score: float
    """What the curve makes of the input, 0 to 100; what absence counts for, if it is absent."""
    contribution: float
    events: tuple[UUID, ...]
    """Newest last."""


class Explanation(NamedTuple):
    model: HealthModel
    at: int
    score: float | None
    """None if nothing is known of the customer."""
    band: Band | None
    coverage: float
    contributions: tuple[Contribution, ...]
    trend: float | None = None
    """Points, over TREND_DAYS before. None if nothing was known of it then."""
    drivers: tuple[tuple[Measure, float], ...] = ()
    """By how much the measures' parts changed over those days, most first."""


def explain(model: HealthModel, base: Base, at: int) -> list[Explanation]:
    """Of every customer of the base."""
    scorer = Scorer(model, base)
    scored, bands, earlier = scorer.score(at), scorer.bands(at), scorer.score(at - TREND_DAYS * DAY)
    found = []
    for place in range(len(base)):
        known = bool(scored.present[:, place].any())
        contributions = tuple(
            Contribution(
                measure,
                present := bool(scored.present[number, place]),
                float(scored.inputs[number, place]) if present else None,
                float(scored.points[number, place]),
                float(scored.contribution[number, place]),
                tuple(UUID(bytes=id) for id in events_behind(scorer.readers[number], place, at)) if present else (),
            )
            for number, measure in enumerate(model.measures)
        )
        score = float(scored.score[place]) if known else None
        band, coverage = band_of(int(bands[place])), float(scored.coverage[place])
        trend, drivers = _trend(model, scored, earlier, place)
        found.append(Explanation(model, at, score, band, coverage, contributions, trend, drivers))
    return found


def _trend(
    model: HealthModel, now: Scored, before: Scored, place: int
) -> tuple[float | None, tuple[tuple[Measure, float], ...]]:
    trend = float(now.score[place] - before.score[place])
    if np.isnan(trend):
        return None, ()
    moves = (now.contribution[:, place] - before.contribution[:, place]).tolist()
    parts = [(measure, move) for measure, move in zip(model.measures, moves, strict=True) if move]
    return trend, tuple(sorted(parts, key=lambda part: -abs(part[1])))


def events_behind(reader: Reader, place: int, at: int) -> list[bytes]:
    """Ids of the events that made the input what it is."""
    whose = np.array([place])
    series = reader.standing if reader.input.kind is Kind.STANDING else reader.series
    begin, end = int(series.first[place]), int(series.before(whose, np.array([at]))[0])

    def since(window: float) -> int:
        return int(series.before(whose, np.array([at - min(int(window), int(FAR // 2))]))[0])

    kind = reader.input.kind
    if kind is Kind.STANDING:
        return _ids(series.event, np.flatnonzero(series.end[begin:end] >= at) + begin)
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
    return _ids(series.event, np.arange(begin, end))


def _ids(events: Ids, places: Ints) -> list[bytes]:
    # numpy cuts trailing zero bytes off what it takes for text
    return [bytes(events[place]).ljust(16, b"\0") for place in places]
