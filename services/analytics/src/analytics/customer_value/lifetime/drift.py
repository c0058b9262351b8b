"""Drift: whether parameters fitted earlier still describe the customers of today."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike
from scipy.special import chdtrc

from analytics.customer_value.lifetime import bg_nbd, gamma_gamma
from analytics.customer_value.lifetime.bg_nbd import BgNbdFit, fit_bg_nbd
from analytics.customer_value.lifetime.estimate import Fit
from analytics.customer_value.lifetime.gamma_gamma import GammaGammaFit, fit_gamma_gamma


@dataclass(frozen=True)
class DriftThreshold:
    """Both must be exceeded: the drift is significant, and it is large enough to matter. With 200,000 customers any
    difference is significant."""

    significance: float = 0.001
    loss: float = 0.002
    """The loss of log-likelihood per customer. With the parameters of CDNOW, purchases 10 % more frequent than fitted
    lose 0.0007, 20 % 0.0025, and a half higher `a` 0.008 (simulated)."""


DRIFT = DriftThreshold()


@dataclass(frozen=True)
class Drift:
    drifted: bool
    loss: float
    """Log-likelihood per customer that the old parameters lose against the new: the Kullback-Leibler divergence."""
    statistic: float
    p_value: float
    """The probability of a statistic as large without any change."""
    refit: Fit[Any]
    """The fit to store if it has drifted."""


def bg_nbd_drift(
    old: BgNbdFit, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, threshold: DriftThreshold = DRIFT
) -> Drift:
    """Tests whether the old fit no longer describes these customers. Raises what fit_bg_nbd raises."""
    refit = fit_bg_nbd(frequency, recency, age, near=old.parameters)
    return _compare(old, refit, bg_nbd.log_likelihood(old.parameters, frequency, recency, age), threshold)


def gamma_gamma_drift(
    old: GammaGammaFit, frequency: ArrayLike, mean_value: ArrayLike, threshold: DriftThreshold = DRIFT
) -> Drift:
    """Tests whether the old fit no longer describes what these customers spend. Raises what fit_gamma_gamma raises."""
    refit = fit_gamma_gamma(frequency, mean_value, near=old.parameters)
    return _compare(old, refit, gamma_gamma.log_likelihood(old.parameters, frequency, mean_value), threshold)


def _compare(old: Fit[Any], refit: Fit[Any], old_log_likelihood: float, threshold: DriftThreshold) -> Drift:
    """Computes the likelihood-ratio test: twice the difference is chi-squared, a degree of freedom per parameter (Wilks
    1938).

    The old parameters are an estimate too, with an error by the number of their own customers, which makes the
    statistic 1 + n/n_old as large. Where the same customers are in both the two differ less than that: then fewer
    drifts are found by chance than the significance says, never more.
    """
    gained = max(refit.log_likelihood - old_log_likelihood, 0.0)
    statistic = 2 * gained / (1 + refit.customers / old.customers)
    p_value = float(chdtrc(len(refit.parameters), statistic))
    loss = gained / refit.customers
    return Drift(p_value < threshold.significance and loss > threshold.loss, loss, statistic, p_value, refit)
