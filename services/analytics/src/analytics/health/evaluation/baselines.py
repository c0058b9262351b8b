"""Compares the model with the simplest rules, which use one number of each customer and nothing else.

Their thresholds are chosen at earlier instants whose outcome was known before the first of those compared.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import numpy as np

from analytics.health.evaluation.judging import THRESHOLDS, judged
from analytics.health.evaluation.observation import Observed
from analytics.health.evaluation.report import Baseline, Brier, Comparison, Judged
from analytics.health.evaluation.statistics import (
    Z95,
    Bools,
    Floats,
    Ints,
    Placed,
    area_difference,
    area_of,
    roc_area,
    tenths,
)


def halves(instants: Sequence[datetime], horizon: timedelta) -> tuple[list[int], list[int]]:
    """Returns the instants to learn at and those to compare at, by index: the later half, and of the earlier ones those
    whose outcome was known by then."""
    later = list(range((len(instants) + 1) // 2, len(instants)))
    known = [index for index, at in enumerate(instants) if later and at + horizon <= instants[later[0]]]
    return known, later


def comparison(seen: Observed, instants: Sequence[datetime], horizon: timedelta) -> Comparison | None:
    known, later = halves(instants, horizon)
    scored = seen.where(~np.isnan(seen.score))
    learn, test = (scored.where(np.isin(scored.instant, indexes)) for indexes in (known, later))
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
    # With as many warnings (ties with the last one included), the difference is in whom they are for.
    last = np.sort(test.quiet)[-number] if number else np.inf
    rules = [
        judged(f"no event for {days} days", test.quiet >= days, test),
        judged("as many, longest without an event", test.quiet >= last, test),
    ]
    return _baseline("recency", learn.quiet, learn, test.quiet, test, rules, model)


def _by_frequency(learn: Observed, test: Observed, number: int, model: Placed | None) -> Baseline:
    hundredths = np.quantile(learn.frequency, np.arange(1, 100) / 100, method="higher")
    events = best(learn.frequency, learn.churned, np.unique(hundredths + 1).tolist(), below=True)
    # Many customers have the same number: with the ties of the last one there would be many more warnings.
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
    """Returns the baseline of a number; a greater number means a greater risk."""
    mine = roc_area(risk, test.churned)
    return Baseline(
        name,
        area_of(mine, test.customer),
        area_difference(model, mine, test.customer),
        squared_error(chances(learnt, learn.churned, risk), test.churned),
        rules,
    )


_ALONE = {"recency": "the days since the last one", "frequency": "how many there were so far"}


def no_better(found: Comparison) -> Iterator[str]:
    """Yields a note if the strongest baseline ranks as well as the model."""
    strongest = found.baselines[0]
    value, error = strongest.difference.value, strongest.difference.standard_error
    if value is not None and error is not None and value <= Z95 * error:
        yield (
            f"No better than {strongest.name} alone: of the events that make a customer active, "
            f"{_ALONE[strongest.name]} ranks who churned at least as well as the score does, but for chance: areas of "
            f"{strongest.roc_area.value:.3f} and {found.roc_area.value:.3f}, a difference of {value:.3f} ± {error:.3f}."
        )


def best(values: Floats | Ints, churned: Bools, thresholds: Sequence[int], *, below: bool) -> int:
    """Returns the threshold of the greatest F1; of equals the first."""

    def f1(threshold: int) -> float:
        warned = values < threshold if below else values >= threshold
        return 2 * int((warned & churned).sum()) / max(1, int(warned.sum()) + int(churned.sum()))

    return max(thresholds, key=f1)


def _brier(learn: Observed, test: Observed, recency: Baseline) -> Brier:
    base = squared_error(float(learn.churned.mean()), test.churned)
    model = squared_error(chances(learn.score, learn.churned, test.score), test.churned)
    return Brier(model, recency.brier, base, 1 - model / base if base else None)


def chances(learnt: Floats | Ints, churned: Bools, now: Floats | Ints) -> Floats:
    """Returns the predicted chance of churn: the rate of the tenth, among those learnt from, that a customer would be
    in."""
    borders = tenths(learnt)
    index = np.searchsorted(borders, learnt, side="right")
    rows = np.bincount(index, minlength=borders.size + 1)
    rate = np.bincount(index, churned, minlength=rows.size) / np.maximum(rows, 1)
    found: Floats = rate[np.searchsorted(borders, now, side="right")]
    return found


def squared_error(chance: Floats | float, churned: Bools) -> float:
    return float(np.mean((chance - churned) ** 2))
