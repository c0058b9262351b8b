"""Health in words: sentences filled in from an explanation, in each language. The same numbers give the same words.

A language is an object with the sentences (see `english` and `chinese`); which of them apply is decided here.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple, Protocol

from analytics.health.engine.base import moment
from analytics.health.explain.acts import RepeatedAct
from analytics.health.explain.contributions import Contribution, Explanation
from analytics.health.explain.difference import Difference, MeasureChange, Swapped, shares
from analytics.health.explain.history import BandChange
from analytics.health.explain.path import Path, Step, Way
from analytics.health.model.definition import DAY, Band, HealthModel, Measure
from analytics.health.model.inputs import Kind, input_of


class Language(StrEnum):
    ENGLISH = "en"
    CHINESE = "zh"


@dataclass(frozen=True)
class Read:
    """What a measure read, for a sentence."""

    measure: Measure
    x: float
    day: date | None
    """Of what it was read from: the last event; or the date itself that is so many days away."""

    @property
    def days(self) -> int:
        """Whole days that have passed, or are to come."""
        return math.floor(abs(self.x) + 1e-9)

    @property
    def window(self) -> float | None:
        return self.measure.window_days or input_of(self.measure).window_days

    @property
    def word(self) -> str:
        """The word that counts for this number."""
        return next((word for word, worth in self.measure.values.items() if worth == self.x), number(self.x))


Phrases = Mapping[str, Callable[[Read], str]]
"""By input, or `signal.sum` where it is aggregated so."""


class Wording(Protocol):
    """A language."""

    phrases: Phrases
    bands: Mapping[Band, str]

    def title(self, model: HealthModel | None, measure: Measure, /) -> str: ...
    def day(self, day: date, /) -> str: ...
    def only(self, field: str, values: tuple[str, ...]) -> str: ...
    def summary(self, explanation: Explanation, on: str, band: str, weakest: Contribution | None) -> str: ...
    def unknown(self, explanation: Explanation, on: str) -> str: ...
    def unscored(self, on: str) -> str: ...
    def brings(self, title: str, phrase: str, contribution: Contribution, score: float) -> str: ...
    def absent(self, title: str, measure: Measure, contribution: float, *, published: bool) -> str: ...
    def changed(self, difference: Difference, first: str, last: str) -> str: ...
    def swapped(self, swap: Swapped, on: str) -> str: ...
    def change(self, title: str, change: MeasureChange, before: str | None, after: str | None) -> str: ...
    def way(self, way: Way, score: float, silent_on: str | None, *, up: bool) -> str: ...
    def act(self, doing: RepeatedAct) -> str: ...
    def step(self, title: str, step: Step, now: str | None, to: str | None, *, up: bool) -> str: ...
    def caveat(self) -> str: ...
    def turned(self, on: str, change: BandChange) -> str: ...
    def amount(self, unit: str, text: str) -> str: ...


class Words(NamedTuple):
    """An explanation's words in a language, with days in the tenant's time zone."""

    wording: Wording
    zone: tzinfo

    def summary(self, explanation: Explanation) -> str:
        """The score, the band, and what holds it back most, if by a point or more."""
        on = self._day(explanation.at)
        if explanation.model is None:
            return self.wording.unscored(on)
        if explanation.score is None or explanation.band is None:
            return self.wording.unknown(explanation, on)
        share = shares(explanation)
        lost = [
            (share[each.measure.id] * (100 - each.score), each) for each in explanation.contributions if each.present
        ]
        most, weakest = max(lost, key=lambda each: each[0])
        return self.wording.summary(
            explanation, on, self.wording.bands[explanation.band], weakest if most >= 1 else None
        )

    def contribution(self, explanation: Explanation, part: Contribution) -> str:
        """`Recency of purchase: last purchase 121 days ago (9 August 2011), worth 36.2 of 100, brings ...`"""
        title = self.wording.title(explanation.model, part.measure)
        phrase = self._phrase(explanation, part)
        if phrase is None or explanation.score is None:
            published = input_of(part.measure).published
            return self.wording.absent(title, part.measure, part.contribution, published=published)
        return self.wording.brings(title, phrase, part, explanation.score)

    def difference(self, difference: Difference) -> str:
        return self.wording.changed(difference, self._day(difference.before.at), self._day(difference.after.at))

    def swapped(self, swap: Swapped) -> str:
        """That another model came to score the customer, and what that made of its score."""
        return self.wording.swapped(swap, self._day(swap.after.at))

    def change(self, difference: Difference, change: MeasureChange) -> str:
        before = self._phrase(difference.before, change.before) if change.before else None
        after = self._phrase(difference.after, change.after) if change.after else None
        model = difference.after.model if change.after else difference.before.model
        return self.wording.change(self.wording.title(model, change.measure), change, before, after)

    def way(self, path: Path, way: Way) -> str:
        assert path.explanation.score is not None
        silent_on = None if way.silent_at is None else self._day(way.silent_at)
        return self.wording.way(way, path.explanation.score, silent_on, up=way is path.up)

    def caveat(self) -> str:
        """How a path is to be read."""
        return self.wording.caveat()

    def step(self, path: Path, way: Way, step: Step) -> str:
        now = None if step.now is None else self._amount(step.measure, step.now)
        to = None if step.to is None else self._amount(step.measure, step.to)
        title = self.wording.title(path.explanation.model, step.measure)
        return self.wording.step(title, step, now, to, up=way is path.up)

    def band_change(self, change: BandChange) -> str:
        return self.wording.turned(self._day(change.at), change)

    def _phrase(self, explanation: Explanation, part: Contribution) -> str | None:
        if part.input is None:
            return None
        measure = part.measure
        name = f"{measure.input}.{measure.aggregate or 'latest'}" if measure.input == "signal" else measure.input
        said = self.wording.phrases[name](Read(measure, part.input, self._day_behind(explanation, part, part.input)))
        return said + "".join(self.wording.only(field, values) for field, values in measure.where.items())

    def _day_behind(self, explanation: Explanation, part: Contribution, x: float) -> date | None:
        kind = input_of(part.measure).kind
        if kind in (Kind.SINCE_LAST, Kind.SINCE_FIRST):
            return moment(explanation.at - round(x * DAY)).astimezone(self.zone).date()
        if kind is Kind.AHEAD:
            return (moment(explanation.at) + timedelta(days=x)).astimezone(self.zone).date()
        return moment(part.last_at).astimezone(self.zone).date() if part.last_at is not None else None

    def _amount(self, measure: Measure, x: float) -> str:
        """An input as a quantity: `62 days`, `45%`, `gold`."""
        source = input_of(measure)
        if measure.values:
            return Read(measure, x, None).word
        if source.unit in ("share", "ratio"):
            return f"{number(x * 100)}%"
        return self.wording.amount(source.unit, number(x))

    def _day(self, at: int) -> str:
        return self.wording.day(moment(at).astimezone(self.zone).date())


def number(x: float) -> str:
    """To one digit, as far as it is needed: `1,204`, `3.5`, `0`."""
    rounded = round(x, 1) + 0.0  # no -0
    return f"{rounded:,.0f}" if rounded == int(rounded) else f"{rounded:,.1f}"


def percent(x: float) -> str:
    return f"{x * 100:,.0f}%"


def signed(x: float) -> str:
    """`+3.5` or `0.0`; and with a minus that is no hyphen."""
    rounded = round(x, 1) + 0.0
    return f"{rounded:+,.1f}".replace("-", "\u2212") if rounded else "0.0"
