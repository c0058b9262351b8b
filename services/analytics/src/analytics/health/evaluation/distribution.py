"""The distribution of a base's health, whole or by group."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analytics.health.evaluation.statistics import Ints, spread
from analytics.health.evaluation.what_if import BaseScores, Counts, counts, mean_of

Groups = Mapping[str | None, Ints]
"""The indexes of the customers in each group. One may be in several, by its tags."""


@dataclass(slots=True)
class Trend:
    """The change over the last 30 days."""

    customers: int
    bands: Counts
    mean: float | None


@dataclass(slots=True)
class Distribution:
    group: str | None
    """Null: the whole, or the customers that have none."""
    customers: int
    bands: Counts
    mean: float | None
    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None
    coverage: float | None
    """The mean share of the models' weight that is known."""
    trend: Trend | None


def distributions(now: BaseScores, groups: Groups) -> list[Distribution]:
    """Returns the distributions, those with most customers first."""
    found = [_distribution(name, now, indexes) for name, indexes in groups.items() if indexes.size]
    return sorted(found, key=lambda each: -each.customers)


def _distribution(name: str | None, now: BaseScores, indexes: Ints) -> Distribution:
    score = now.score[indexes]
    of = spread(score[~np.isnan(score)])
    return Distribution(
        group=name,
        customers=indexes.size,
        bands=counts(now.band[indexes]),
        mean=mean_of(score),
        lower_quartile=of.lower_quartile,
        median=of.median,
        upper_quartile=of.upper_quartile,
        coverage=mean_of(now.coverage[indexes]),
        trend=None,
    )


def with_trend(now: list[Distribution], then: list[Distribution]) -> list[Distribution]:
    """Adds the trend. A group that did not exist then counts as empty."""
    before = {each.group: each for each in then}
    for each in now:
        each.trend = _trend(each, before.get(each.group, NO_CUSTOMERS))
    return now


def _trend(now: Distribution, then: Distribution) -> Trend:
    bands = Counts(*(getattr(now.bands, name) - getattr(then.bands, name) for name in Counts.__slots__))
    mean = None if now.mean is None or then.mean is None else now.mean - then.mean
    return Trend(now.customers - then.customers, bands, mean)


NO_CUSTOMERS = Distribution(None, 0, Counts(0, 0, 0, 0), None, None, None, None, None, None)
