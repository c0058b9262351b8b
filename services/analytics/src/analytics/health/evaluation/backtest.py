"""How good a model is: its scores as they would have been at instants of the past, against the churn that followed.

What is observed is told in `observation`. A model that looks at the very events that activity is made of has an easy
case to win: who has been silent for long stays silent more often, and who has bought often buys again. How much of its
merit is that, the comparison tells, with rules that know one such thing and nothing else, their thresholds chosen on
earlier instants whose outcome was known before the first of those compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from analytics.health.evaluation.observation import Ended, Entered, Observed, Part
from analytics.health.evaluation.statistics import (
    Z95,
    Bools,
    Estimate,
    Floats,
    Ints,
    Placed,
    area_difference,
    area_of,
    roc_area,
    share,
    spread,
    tenths,
    wilson,
)
from analytics.health.model.definition import DAY

MIN_CHURNED = 30
"""Customers. Of fewer no share is told: its interval would span half of all there is."""
THRESHOLDS = tuple(range(1, 101))
LEAD_BINS = tuple(range(0, 100, 10))
"""In days, the last one open above."""


# The report


@dataclass(slots=True)
class Judged:
    """A rule that warns of some, against what followed."""

    rule: str
    warned: int
    churned: int
    """Of those warned of."""
    precision: Estimate
    recall: Estimate
    f1: float | None


@dataclass(slots=True)
class CurvePoint:
    """What warning of everybody beyond a threshold would have come to."""

    threshold: int
    warned: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(slots=True)
class Tenth:
    """A tenth of all scores, lowest first, and how many of those churned. The interval is Wilson's, 95%, of as many
    trials as there are customers in it: several rows of one customer are not several trials."""

    rows: int
    customers: int
    lowest: float
    highest: float
    mean_score: float
    churned: int
    rate: float
    low: float
    high: float


@dataclass(slots=True)
class LeadBin:
    days: int
    """From so many on."""
    customers: int


@dataclass(slots=True)
class LeadTimes:
    """Of every activity span that ended: how long before its end its customer had come to be at risk, and stayed so.
    Times in days; `after_last_event` is how long it took from the last qualifying event until the warning."""

    ended: int
    warned: int
    without_warning: Estimate
    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None
    median_after_last_event: float | None
    bins: list[LeadBin]


@dataclass(slots=True)
class AtInstant:
    at: datetime
    rows: int
    churned: int
    base_rate: float | None
    precision: float | None
    recall: float | None
    roc_area: float | None
    coverage: float | None


@dataclass(slots=True)
class Brier:
    """Mean squared error of the chance of churn told for the later instants, the chance being the rate of the score's
    tenth at the earlier ones. Lower is better; `base` tells everybody the earlier rate."""

    model: float
    recency: float
    base: float
    skill: float | None
    """1 - model / base: 0 is as good as knowing nothing of anybody."""


@dataclass(slots=True)
class Baseline:
    """A rule that looks at one number of each customer and at nothing else, held against the model."""

    name: str
    """recency: days since the last qualifying event; frequency: how many there were so far."""
    roc_area: Estimate
    difference: Estimate
    """The model's area less this one."""
    brier: float
    """As the model's in `brier`."""
    rules: list[Judged]
    """The best threshold, and about as many warnings as by the best score."""


@dataclass(slots=True)
class Comparison:
    """At later instants, with what was learnt at earlier ones whose outcome was known by then."""

    learnt_at: list[datetime]
    compared_at: list[datetime]
    rules: list[Judged]
    """The model's own border, the best score, and recency's: the best number of days without an event, and as many of
    those longest without an event as are warned of by the best score."""
    roc_area: Estimate
    roc_area_of_recency: Estimate
    difference: Estimate
    """The model's area less that of recency."""
    brier: Brier | None
    baselines: list[Baseline] = field(default_factory=list)
    """The strongest, of the greatest area, first: what the model is to be measured by. Reports of before have none."""


@dataclass(slots=True)
class Lapsed:
    """The same by the other outcome: not active any more when the horizon ends."""

    base_rate: Estimate
    at_risk: Judged
    roc_area: Estimate


@dataclass(slots=True)
class BacktestReport:
    model: str
    model_version: int
    instants: list[datetime]
    horizon_days: int
    rows: int
    """Customers times instants at which they were active."""
    customers: int
    churned: int
    churned_customers: int
    base_rate: Estimate
    unscored: int
    """Rows of which the model knew nothing: it warned of none of them."""
    coverage: float
    at_risk: Judged
    roc_area: Estimate
    """Of the rows scored. 0.5 is chance."""
    curve: list[CurvePoint]
    """By scores below 1, 2, .. 100."""
    curve_of_recency: list[CurvePoint]
    """By 1, 2, .. days without an event."""
    calibration: list[Tenth]
    lead: LeadTimes
    by_instant: list[AtInstant]
    comparison: Comparison | None
    """Null: no outcome was known early enough to learn from."""
    lapsed: Lapsed | None
    """Null: it is the same outcome, as it is with a horizon of the activity window."""
    notes: list[str]


def report(
    model: tuple[str, int], instants: Sequence[datetime], horizon: timedelta, part: Part, notes: list[str]
) -> BacktestReport:
    """Of a model's id and version. Somebody was observed."""
    seen = part.seen
    everything = np.ones(len(seen), np.bool_)
    scored = seen.those(~np.isnan(seen.score))
    compared = comparison(seen, instants, horizon)
    return BacktestReport(
        model=model[0],
        model_version=model[1],
        instants=list(instants),
        horizon_days=horizon.days,
        rows=len(seen),
        customers=np.unique(seen.customer).size,
        churned=int(seen.churned.sum()),
        churned_customers=churned_customers(seen),
        base_rate=share(seen.churned, everything, seen.customer),
        unscored=len(seen) - len(scored),
        coverage=float(seen.coverage.mean()),
        at_risk=judged("at risk", seen.at_risk, seen),
        roc_area=area_of(roc_area(-scored.score, scored.churned), scored.customer),
        curve=curve(scored, int(seen.churned.sum())),
        curve_of_recency=recency_curve(seen),
        calibration=calibration(scored),
        lead=lead_times(part.ended, part.entered),
        by_instant=[_at(at, seen.those(seen.instant == index)) for index, at in enumerate(instants)],
        comparison=compared,
        lapsed=None if (seen.lapsed == seen.churned).all() else _lapsed(replace(seen, churned=seen.lapsed)),
        notes=[*notes, *(_no_better(compared) if compared else ())],
    )


def churned_customers(seen: Observed) -> int:
    return np.unique(seen.customer[seen.churned]).size


def judged(rule: str, warned: Bools, seen: Observed) -> Judged:
    precision = share(warned & seen.churned, warned, seen.customer)
    recall = share(warned & seen.churned, seen.churned, seen.customer)
    return Judged(
        rule,
        int(warned.sum()),
        int((warned & seen.churned).sum()),
        precision,
        recall,
        _f1(precision.value, recall.value),
    )


def curve(scored: Observed, churned: int) -> list[CurvePoint]:
    """Warning of scores below each threshold. `churned` counts those without a score too: none warns of them."""
    order = np.argsort(scored.score)
    warned = np.searchsorted(scored.score[order], THRESHOLDS)
    return _points(THRESHOLDS, warned, scored.churned[order], churned)


def recency_curve(seen: Observed) -> list[CurvePoint]:
    """Warning of those without an event for each number of days."""
    order = np.argsort(-seen.quiet)
    days = range(1, 1 + int(seen.quiet.max(initial=0)))
    warned = np.searchsorted(-seen.quiet[order], -np.array(days), side="right")
    return _points(days, warned, seen.churned[order], int(seen.churned.sum()))


def _points(thresholds: Sequence[int], warned: Ints, in_order: Bools, churned: int) -> list[CurvePoint]:
    """From how many of the first in order each threshold warns of."""
    hits = np.concatenate([[0], np.cumsum(in_order)])[warned]
    found = []
    for threshold, number, hit in zip(thresholds, warned.tolist(), hits.tolist(), strict=True):
        precision, recall = hit / number if number else None, hit / churned if churned else None
        found.append(CurvePoint(threshold, number, precision, recall, _f1(precision, recall)))
    return found


def calibration(scored: Observed) -> list[Tenth]:
    if not len(scored):
        return []
    index = np.searchsorted(tenths(scored.score), scored.score, side="right")
    return [_tenth(scored.those(index == each)) for each in np.unique(index).tolist()]


def _tenth(rows: Observed) -> Tenth:
    customers, rate = np.unique(rows.customer).size, float(rows.churned.mean())
    return Tenth(
        len(rows),
        customers,
        float(rows.score.min()),
        float(rows.score.max()),
        float(rows.score.mean()),
        int(rows.churned.sum()),
        rate,
        *wilson(rate, customers),
    )


def _at(at: datetime, rows: Observed) -> AtInstant:
    told, scored = judged("", rows.at_risk, rows), rows.those(~np.isnan(rows.score))
    placed = roc_area(-scored.score, scored.churned)
    return AtInstant(
        at=at,
        rows=len(rows),
        churned=int(rows.churned.sum()),
        base_rate=float(rows.churned.mean()) if len(rows) else None,
        precision=told.precision.value,
        recall=told.recall.value,
        roc_area=placed.area if placed else None,
        coverage=float(rows.coverage.mean()) if len(rows) else None,
    )


def _lapsed(seen: Observed) -> Lapsed:
    scored = seen.those(~np.isnan(seen.score))
    return Lapsed(
        share(seen.churned, np.ones(len(seen), np.bool_), seen.customer),
        judged("at risk", seen.at_risk, seen),
        area_of(roc_area(-scored.score, scored.churned), scored.customer),
    )


# Against the simplest rules


def halves(instants: Sequence[datetime], horizon: timedelta) -> tuple[list[int], list[int]]:
    """The instants to learn at and those to compare at, by their places: the later half, and of those before it the
    ones whose outcome was known by then."""
    later = list(range((len(instants) + 1) // 2, len(instants)))
    known = [index for index, at in enumerate(instants) if later and at + horizon <= instants[later[0]]]
    return known, later


def comparison(seen: Observed, instants: Sequence[datetime], horizon: timedelta) -> Comparison | None:
    known, later = halves(instants, horizon)
    scored = seen.those(~np.isnan(seen.score))
    learn, test = (scored.those(np.isin(scored.instant, places)) for places in (known, later))
    if not (learn.churned.any() and test.churned.any()):
        return None
    score = best(learn.score, learn.churned, THRESHOLDS, below=True)
    warned = judged(f"score < {score}", test.score < score, test)
    area = roc_area(-test.score, test.churned)
    recency, frequency = _by_recency(learn, test, warned.warned, area), _by_frequency(learn, test, warned.warned, area)
    return Comparison(
        learnt_at=[instants[index] for index in known],
        compared_at=[instants[index] for index in later],
        rules=[judged("at risk", test.at_risk, test), warned, *recency.rules],
        roc_area=area_of(area, test.customer),
        roc_area_of_recency=recency.roc_area,
        difference=recency.difference,
        brier=_brier(learn, test, recency),
        baselines=sorted((recency, frequency), key=lambda each: -(each.roc_area.value or 0)),
    )


def _by_recency(learn: Observed, test: Observed, number: int, model: Placed | None) -> Baseline:
    days = best(learn.quiet, learn.churned, range(1, 1 + int(learn.quiet.max(initial=1))), below=False)
    # With as many warnings (and those who are equal to the last), what differs is whom they are of.
    last = np.sort(test.quiet)[-number] if number else np.inf
    rules = [
        judged(f"no event for {days} days", test.quiet >= days, test),
        judged("as many, longest without an event", test.quiet >= last, test),
    ]
    return _baseline("recency", learn.quiet, learn, test.quiet, test, rules, model)


def _by_frequency(learn: Observed, test: Observed, number: int, model: Placed | None) -> Baseline:
    hundredths = np.quantile(learn.frequency, np.arange(1, 100) / 100, method="higher")
    events = best(learn.frequency, learn.churned, np.unique(hundredths + 1).tolist(), below=True)
    # Many have the same number: with those who are equal to the last there would be many more warnings.
    too_many = np.sort(test.frequency)[number] if number < len(test) else np.inf
    rules = [
        judged(f"fewer than {events} events", test.frequency < events, test),
        judged("at most as many, of the fewest events", test.frequency < too_many, test),
    ]
    return _baseline("frequency", -learn.frequency, learn, -test.frequency, test, rules, model)


def _baseline(
    name: str,
    learnt: Floats | Ints,
    learn: Observed,
    risk: Floats | Ints,
    test: Observed,
    rules: list[Judged],
    model: Placed | None,
) -> Baseline:
    """Of whom the greater number tells the greater risk."""
    mine = roc_area(risk, test.churned)
    return Baseline(
        name,
        area_of(mine, test.customer),
        area_difference(model, mine, test.customer),
        squared_error(chances(learnt, learn.churned, risk), test.churned),
        rules,
    )


_ALONE = {"recency": "the days since the last one", "frequency": "how many there were so far"}


def _no_better(found: Comparison) -> Iterator[str]:
    """Says so, if the strongest baseline ranks as well as the model."""
    strongest = found.baselines[0]
    value, error = strongest.difference.value, strongest.difference.standard_error
    if value is not None and error is not None and value <= Z95 * error:
        yield (
            f"No better than {strongest.name} alone: of the events that make a customer active, "
            f"{_ALONE[strongest.name]} ranks who churned at least as well as the score does, but for chance: areas of "
            f"{strongest.roc_area.value:.3f} and {found.roc_area.value:.3f}, a difference of {value:.3f} ± {error:.3f}."
        )


def best(told: Floats | Ints, churned: Bools, thresholds: Sequence[int], *, below: bool) -> int:
    """The threshold of the greatest F1; of equals the first."""

    def f1(threshold: int) -> float:
        warned = told < threshold if below else told >= threshold
        return 2 * int((warned & churned).sum()) / max(1, int(warned.sum()) + int(churned.sum()))

    return max(thresholds, key=f1)


def _brier(learn: Observed, test: Observed, recency: Baseline) -> Brier:
    base = squared_error(float(learn.churned.mean()), test.churned)
    model = squared_error(chances(learn.score, learn.churned, test.score), test.churned)
    return Brier(model, recency.brier, base, 1 - model / base if base else None)


def chances(learnt: Floats | Ints, churned: Bools, now: Floats | Ints) -> Floats:
    """Of churn: the rate of the tenth, among those learnt from, that each would be in."""
    borders = tenths(learnt)
    index = np.searchsorted(borders, learnt, side="right")
    rows = np.bincount(index, minlength=borders.size + 1)
    rate = np.bincount(index, churned, minlength=rows.size) / np.maximum(rows, 1)
    found: Floats = rate[np.searchsorted(borders, now, side="right")]
    return found


def squared_error(chance: Floats | float, churned: Bools) -> float:
    return float(np.mean((chance - churned) ** 2))


# How long before


def lead_times(ended: Ended, entered: Entered) -> LeadTimes:
    warned_at = _warned_at(ended, entered)
    warned = warned_at >= 0
    lead = (ended.ends_at - warned_at)[warned] / DAY
    after = (warned_at - ended.last_event)[warned] / DAY
    of = spread(lead)
    into = np.searchsorted(LEAD_BINS, lead, side="right") - 1
    counts = np.bincount(into, minlength=len(LEAD_BINS)).tolist()
    return LeadTimes(
        ended=warned.size,
        warned=int(warned.sum()),
        without_warning=share(~warned, np.ones(warned.size, np.bool_), ended.customer),
        lower_quartile=of.lower_quartile,
        median=of.median,
        upper_quartile=of.upper_quartile,
        median_after_last_event=spread(after).median,
        bins=[LeadBin(days, number) for days, number in zip(LEAD_BINS, counts, strict=True)],
    )


def _warned_at(ended: Ended, entered: Entered) -> Ints:
    """Since when each was at risk when its span ended; -1 if it was not."""
    changes = entered.at.size
    customer = np.concatenate([entered.customer, ended.customer])
    at = np.concatenate([entered.at, ended.ends_at])
    # A change at the very end is no warning: the ends come first.
    is_end = np.arange(customer.size) >= changes
    order = np.lexsort((~is_end, at, customer))
    last = np.maximum.accumulate(np.where(is_end[order], -1, np.arange(order.size)))
    change = order[last]
    found = np.full(ended.customer.size, -1)
    for_end = is_end[order] & (last >= 0)
    mine, before = order[for_end], change[for_end]
    if changes:
        so = (customer[mine] == customer[before]) & entered.at_risk[before]
        found[mine[so] - changes] = at[before[so]]
    return found


def _f1(precision: float | None, recall: float | None) -> float | None:
    if precision is None or recall is None:
        return None
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
