"""Measures of agreement between predictions and what followed. The same customer is observed several times, so every
standard error is clustered by customer: the rows of one customer are not independent."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Estimate:
    value: float | None
    """None: the denominator is 0, or there are no pairs to compare."""
    standard_error: float | None


NOTHING = Estimate(None, None)


def share(part: Bools, whole: Bools, cluster: Ints) -> Estimate:
    """Estimates the share of the rows in `whole` that are in `part`, a subset.

    A ratio of two totals, linearised: var = C/(C-1) sum_c (a_c - r b_c)^2 / (sum b)^2 over C clusters (Cochran,
    Sampling Techniques, 1977, 2.11 and 9A).
    """
    of = int(whole.sum())
    if of == 0:
        return NOTHING
    value = float(part.sum() / of)
    return Estimate(value, _error((part - value * whole) / of, whole, cluster))


class Placed(NamedTuple):
    """The area under the ROC curve: the probability that a churned row had a greater predicted risk than one that
    stayed, ties half. `influence` is each row's part in its error: for two areas of the same rows, the difference's
    influence is their difference."""

    area: float
    influence: Floats


def roc_area(risk: Floats | Ints, churned: Bools) -> Placed | None:
    """Returns None if all churned, or none did. See DeLong et al., Biometrics 44 (1988), for the influence."""
    yes, no = np.sort(risk[churned]), np.sort(risk[~churned])
    if not (yes.size and no.size):
        return None
    above = (np.searchsorted(no, risk[churned], "left") + np.searchsorted(no, risk[churned], "right")) / (2 * no.size)
    below = 1 - (np.searchsorted(yes, risk[~churned], "left") + np.searchsorted(yes, risk[~churned], "right")) / (
        2 * yes.size
    )
    area = float(above.mean())
    influence = np.empty(risk.size)
    influence[churned], influence[~churned] = (above - area) / yes.size, (below - area) / no.size
    return Placed(area, influence)


def area_of(placed: Placed | None, cluster: Ints) -> Estimate:
    """Estimates the area with the clusters' own error (Obuchowski, Biometrics 53 (1997))."""
    if placed is None:
        return NOTHING
    return Estimate(placed.area, _error(placed.influence, np.ones(cluster.size, np.bool_), cluster))


def area_difference(one: Placed | None, other: Placed | None, cluster: Ints) -> Estimate:
    """Estimates the difference of the areas of two risks predicted for the same rows."""
    if one is None or other is None:
        return NOTHING
    return area_of(Placed(one.area - other.area, one.influence - other.influence), cluster)


def _error(influence: Floats, counts: Bools, cluster: Ints) -> float | None:
    """Returns the standard error; None with fewer than two clusters."""
    of_cluster = np.bincount(cluster, influence)
    clusters = np.unique(cluster[counts]).size
    if clusters < 2:
        return None
    return float(np.sqrt(clusters / (clusters - 1) * np.sum(of_cluster**2)))


def wilson(rate: float, n: int) -> tuple[float, float]:
    """Returns the 95% interval of a share seen in n independent trials (Wilson, JASA 22 (1927)). n is at least 1."""
    z2 = Z95 * Z95 / n
    middle = (rate + z2 / 2) / (1 + z2)
    half = Z95 / (1 + z2) * float(np.sqrt(rate * (1 - rate) / n + z2 / (4 * n)))
    return max(0.0, middle - half), min(1.0, middle + half)


def tenths(scores: Floats | Ints) -> Floats | Ints:
    """Returns the inner borders of ten groups as even as ties allow, ascending, each once; a score on a border is above
    it."""
    return np.unique(np.quantile(scores, np.arange(1, 10) / 10, method="higher"))


class Spread(NamedTuple):
    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None


def spread(values: Floats) -> Spread:
    if not values.size:
        return Spread(None, None, None)
    return Spread(*(float(each) for each in np.quantile(values, (0.25, 0.5, 0.75))))
