"""The path to other bands: for each measure the smallest step that can be taken and that crosses the next border, and
where it leads. If none crosses it, the one that comes nearest. A step is an act, done now, with all its effects: a
purchase is also one more order. Everything else stays as it is: arithmetic, not a promise.

The instant at which silence alone will have crossed the border is given beside it.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from analytics.health.engine.base import FAR, Ints
from analytics.health.engine.facts import HealthFacts
from analytics.health.engine.scoring import AHEAD
from analytics.health.explain.acts import (
    CLOSING,
    JUST_NOW,
    LEAST_AMOUNT,
    VALUED,
    Act,
    RepeatedAct,
    acts_on,
    inputs_after,
    most_times,
)
from analytics.health.explain.contributions import Contribution, Explanation, explained
from analytics.health.model.definition import BANDS, POINTS_OF_ABSENCE, Absence, Band, Measure, band_of, number_of
from analytics.health.model.inputs import Kind, input_of

FEW = 24
"""Up to this number every repetition is tried; above it only those about which a curve bends or the border is
crossed."""
MOST = 1_000
"""The greatest number of repetitions that is proposed."""
LEAST = 1e-9
"""Points: the least change of the score that counts as one."""
CENTS, MILLIONTHS = 100, 1_000_000
"""An amount has two decimals; a reading is kept to six."""


class Step(NamedTuple):
    """A step by one measure."""

    measure: Measure
    now: float | None
    """Its current input; None if it is absent."""
    points: float
    """The curve's value at the current input."""
    doing: RepeatedAct | None
    """The act; None if no act moves the score that way by this measure."""
    to: float | None = None
    """Its input after the act."""
    points_to: float | None = None
    score: float | None = None
    """The score after the act, with all its effects."""
    band: Band | None = None
    crosses: bool = False

    @property
    def change(self) -> float | None:
        return self.to - self.now if self.to is not None and self.now is not None else None


class Way(NamedTuple):
    """The way over one border, up or down."""

    band: Band
    """The band that it leads into."""
    border: float
    """The score to reach on the way up, and to fall below on the way down, hysteresis included."""
    points: float
    """The distance from the score to the border."""
    steps: tuple[Step, ...]
    """Steps that cross the border first, the smallest of them first; then those that come nearest."""
    silent_at: int | None
    """When time alone will have crossed it. None: not within the time searched."""

    @property
    def best(self) -> Step | None:
        """The smallest step that crosses it, or the one that comes nearest."""
        return next((each for each in self.steps if each.doing is not None), None)


class Path(NamedTuple):
    explanation: Explanation
    up: Way | None
    """None: it is healthy, or no input is known."""
    down: Way | None


class Silence(NamedTuple):
    """The next band change by time alone."""

    at: int
    band: Band | None


class Effect(NamedTuple):
    """The effect of an act, whichever measure it was proposed for and whichever border is aimed at."""

    inputs: Sequence[float | None]
    points: Sequence[float]
    score: float
    band: Band


def paths(facts: HealthFacts, at: int, some: Ints) -> list[Path]:
    """Returns the paths of these customers, each by the model that was for it at the instant."""
    explanation, silent = explained(facts, at, some), _silence(facts, at, some)
    found = []
    for index, each, silence in zip(some.tolist(), explanation, silent, strict=True):

        def same(tier: str, index: int = index, each: Explanation = each) -> bool:
            return facts.model_with(index, at, tier=tier) == each.model

        found.append(path(each, silence, same))
    return found


def _silence(facts: HealthFacts, at: int, some: Ints) -> list[Silence | None]:
    found: list[Silence | None] = [None] * len(some)
    for model, numbers in facts.assigned(at, some):
        if model is None:
            continue
        scorer, customers = facts.scorer(model), some[numbers]
        bands = scorer.bands(at, customers)
        change = scorer.next_change(at, bands, at + AHEAD, customers)
        comes = np.flatnonzero(change < FAR)
        after = scorer.moved(change[comes], bands[comes], customers[comes])
        for number, instant, band in zip(numbers[comes].tolist(), change[comes].tolist(), after.tolist(), strict=True):
            found[number] = Silence(instant, band_of(band))
    return found


def path(
    explanation: Explanation, silence: Silence | None = None, same: Callable[[str], bool] = lambda _: True
) -> Path:
    """Returns the path. `same` says whether a customer of a tier has the same model as now: tiers with another model
    are left out."""
    model = explanation.model
    if explanation.band is None or explanation.score is None or model is None:
        return Path(explanation, None, None)
    index, up, down = number_of(explanation.band), None, None
    effects: dict[Hashable, Effect] = {}
    if index < len(model.borders):
        border = model.borders[index] + model.hysteresis
        up = _way(_Aim(explanation, BANDS[index + 1], border, same, effects, {}), silence)
    if index > 0:
        border = model.borders[index - 1] - model.hysteresis
        down = _way(_Aim(explanation, BANDS[index - 1], border, same, effects, {}), silence)
    return Path(explanation, up, down)


def _way(aim: "_Aim", silence: Silence | None) -> Way:
    explanation = aim.explanation
    assert explanation.score is not None
    steps = sorted((aim.step(index) for index in range(len(explanation.contributions))), key=aim.order)
    silent_at = silence.at if silence is not None and silence.band is not None and aim.is_met(silence.band) else None
    return Way(aim.band, aim.border, aim.border - explanation.score, tuple(steps), silent_at)


class _Aim(NamedTuple):
    """The search for steps over one border."""

    explanation: Explanation
    band: Band
    border: float
    same: Callable[[str], bool]
    effects: dict[Hashable, Effect]
    """Computed effects: measures of one model often read the same event."""
    about: dict[Hashable, list[float]]
    """Computed results of `_about`."""

    @property
    def is_up(self) -> bool:
        return number_of(self.band) > number_of(self.explanation.band)

    def is_met(self, band: Band) -> bool:
        """Whether the band is this one, or lies beyond it."""
        here, there = number_of(band), number_of(self.band)
        return here >= there if self.is_up else here <= there

    def gain(self, score: float | None) -> float:
        """Returns the points gained in the right direction."""
        if score is None or self.explanation.score is None:
            return 0.0
        return score - self.explanation.score if self.is_up else self.explanation.score - score

    def step(self, index: int) -> Step:
        """Returns the step by the measure at that index: the smallest that crosses the border, or the one that comes
        nearest."""
        of = self.explanation.contributions[index]
        tried = [each for doing in self._candidates(of) if self.gain((each := self._tried(index, doing)).score) > LEAST]
        if crossing := [each for each in tried if each.crosses]:
            return min(crossing, key=_size)
        nothing = Step(of.measure, of.input, of.score, None)
        return min(tried, key=lambda each: (-self.gain(each.score), _size(each)), default=nothing)

    def order(self, step: Step) -> tuple[bool, bool, float, tuple[float, int]]:
        return step.doing is None, not step.crosses, 0.0 if step.crosses else -self.gain(step.score), _size(step)

    def _tried(self, index: int, doing: RepeatedAct) -> Step:
        of = self.explanation.contributions[index]
        key = doing.same, index if doing.act in CLOSING else None
        if (effect := self.effects.get(key)) is None:
            inputs = inputs_after(self.explanation, doing, of)
            score, points = scored(self.explanation, inputs)
            effect = self.effects[key] = Effect(inputs, points, score, moved(self.explanation, score))
        to = effect.inputs[index]
        shown = 0.0 if to == JUST_NOW else to
        crosses = self.is_met(effect.band)
        return Step(
            of.measure, of.input, of.score, doing, shown, effect.points[index], effect.score, effect.band, crosses
        )

    def _candidates(self, of: Contribution) -> Iterator[RepeatedAct]:
        """Yields the acts that may be the smallest to cross the border, or lead farthest."""
        measure, source = of.measure, input_of(of.measure)
        if not source.published:
            return
        for act in acts_on(measure):
            if act is Act.TIER:
                for word, worth in measure.values.items():
                    if worth != of.input and self.same(word):
                        yield RepeatedAct.on(measure, act, value=worth, word=word)
            elif act in CLOSING and source.kind is Kind.STANDING:
                yield from (RepeatedAct.on(measure, act, times) for times in range(1, min(len(of.events), MOST) + 1))
            elif act in VALUED or source.reads == "value":
                grid = _GRIDS[act]
                about = self._about(of, RepeatedAct.on(measure, act, value=1), RepeatedAct.on(measure, act, value=2))
                yield from (RepeatedAct.on(measure, act, value=each) for each in sorted(grid.near(about)))
            else:
                amount = _amount(self.explanation, act)
                about = self._about(
                    of, RepeatedAct.on(measure, act, 1, amount), RepeatedAct.on(measure, act, 2, amount)
                )
                most = most_times(self.explanation, act)
                often = {*_TIMES.near(about), *range(1, FEW + 1), *([most] if most else [])}
                yield from (
                    RepeatedAct.on(measure, act, int(each), amount)
                    for each in sorted(often)
                    if most is None or each <= most
                )

    def _about(self, of: Contribution, first: RepeatedAct, second: RepeatedAct) -> list[float]:
        """Returns the numbers of repetitions, or the values, at which a curve bends or the border is crossed. Every
        input is linear in that number, so the score is linear between any two bends."""
        key = first.same, second.same
        if (found := self.about.get(key)) is not None:
            return found
        one, two = inputs_after(self.explanation, first, of), inputs_after(self.explanation, second, of)
        lines = [None if a is None or b is None else (2 * a - b, b - a) for a, b in zip(one, two, strict=True)]

        def score(t: float) -> float:
            return scored(self.explanation, [None if line is None else line[0] + line[1] * t for line in lines])[0]

        bends = {
            (x - line[0]) / line[1]
            for line, part in zip(lines, self.explanation.contributions, strict=True)
            if line is not None and line[1]
            for x, _ in part.measure.curve.points
        }
        ordered = sorted(bends)
        found = list(ordered)
        for p, q in pairwise(ordered):
            at_p, at_q = score(p), score(q)
            if min(at_p, at_q) < self.border < max(at_p, at_q):
                found.append(p + (q - p) * (self.border - at_p) / (at_q - at_p))
        self.about[key] = found
        return found


class _Grid(NamedTuple):
    """The grid of the numbers that can be recorded."""

    digits: int
    low: float
    high: float

    def near(self, points: Iterable[float]) -> set[float]:
        """Returns the numbers next to these, and both ends."""
        ends = (each for each in (self.low, self.high) if math.isfinite(each))
        # A number beyond the grid, or NaN, as the largest amounts yield, cannot be recorded.
        within = (each for each in points if self.low - 1 <= each <= self.high + 1)
        about = ((math.floor(each * self.digits) + more) / self.digits for each in within for more in (-1, 0, 1, 2))
        return {each for each in (*ends, *about) if self.low <= each <= self.high}


_TIMES = _Grid(1, 1, MOST)
_GRIDS = {
    Act.PURCHASE: _Grid(CENTS, LEAST_AMOUNT, 1e9),
    Act.JUDGEMENT: _Grid(1, 0, 100),
    Act.READING: _Grid(MILLIONTHS, -1e12, 1e12),
}


def scored(explanation: Explanation, inputs: Sequence[float | None]) -> tuple[float, list[float]]:
    """Returns the score if the measures had these inputs instead, and the points of each."""
    points, weights = [], []
    for part, x in zip(explanation.contributions, inputs, strict=True):
        measure = part.measure
        points.append(POINTS_OF_ABSENCE[measure.absence] if x is None else measure.curve.at(x))
        weights.append(0.0 if x is None and measure.absence is Absence.LEFT_OUT else measure.weight)
    return sum(weight * each for weight, each in zip(weights, points, strict=True)) / sum(weights), points


def moved(explanation: Explanation, score: float) -> Band:
    """Returns the band that a score leads into from that of the explanation, which is left only beyond the
    hysteresis."""
    model, band = explanation.model, number_of(explanation.band)
    assert model is not None
    while band > 0 and score < model.borders[band - 1] - model.hysteresis:
        band -= 1
    while band < len(model.borders) and score >= model.borders[band] + model.hysteresis:
        band += 1
    return BANDS[band]


def _amount(explanation: Explanation, act: Act) -> float | None:
    """Returns the amount of a purchase, if the model reads amounts: that of the last one."""
    of_amounts = [each for each in explanation.contributions if each.measure.input in ("revenue", "revenue_trend")]
    if act is not Act.PURCHASE or not of_amounts:
        return None
    return next((each.last_value for each in of_amounts if each.last_value is not None), 0.0)


def _size(step: Step) -> tuple[float, int]:
    """Orders steps by the part of their curve that they cover, and by repetitions."""
    if step.doing is None:
        return 0.0, 0
    xs = [x for x, _ in step.measure.curve.points]
    nothing = xs[0] if step.doing.act in VALUED else 0.0
    away = abs((step.to or 0.0) - (step.now if step.now is not None else nothing))
    return away / (xs[-1] - xs[0]), step.doing.times
