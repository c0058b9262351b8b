"""Gamma-Gamma: the value of a customer's transactions.

A customer's values are gamma distributed (p, nu) about a mean of its own; nu is gamma distributed (q, gamma) over
customers. The model assumes that the value of a transaction is independent of how often the customer buys.

Source: Fader and Hardie (2013), The Gamma-Gamma Model of Monetary Value (note 25). Letters are theirs: the mean z of x
repeat transactions.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, digamma

from analytics.customer_value.lifetime.estimate import Fit, Floats, Score, maximise, refuse_below_minimum
from analytics.customer_value.lifetime.history import observations
from kith.errors import Invalid


class GammaGamma(NamedTuple):
    p: float
    q: float
    gamma: float
    """In the unit of the values."""


GammaGammaFit = Fit[GammaGamma]


def fit_gamma_gamma(frequency: ArrayLike, mean_value: ArrayLike, *, near: GammaGamma | None = None) -> GammaGammaFit:
    """Returns the most likely parameters of the customers who bought again for more than 0; others are left out.

    Raises Invalid, naming the array, for impossible values, and ModelNotFitted for too few of them or a likelihood
    without a maximum: then often all values are alike.
    """
    x, z = _repeaters(frequency, mean_value)
    refuse_below_minimum(x.size, len(GammaGamma._fields))
    mean = float(z.mean())
    starts = [GammaGamma(2, 3, mean), GammaGamma(6, 4, mean / 2), GammaGamma(1, 1.5, mean), GammaGamma(20, 10, mean)]
    score = _score(x, z)
    return maximise(GammaGamma, GammaGamma._fields, score, [near, *starts] if near else starts, x.size)


def expected_value(fit: GammaGammaFit, frequency: ArrayLike, mean_value: ArrayLike) -> Floats:
    """Returns the expected value, per customer, of each future transaction: between its own mean and that of all.

    Equation 5 of the note. The more a customer has bought, the nearer its own. A customer that bought once counts as
    the mean of all; one that was refunded all it paid counts as 0 a transaction. NaN where the model has no mean (p*x +
    q <= 1).
    """
    x, z = _checked(frequency, mean_value)
    p, q, gamma = fit.parameters
    weight = p * x + q - 1
    expected = np.full(x.size, np.nan)
    np.divide(p * (gamma + x * np.maximum(z, 0)), weight, out=expected, where=weight > 0)
    return expected


def log_likelihood(parameters: GammaGamma, frequency: ArrayLike, mean_value: ArrayLike) -> float:
    """Returns the log-likelihood of the customers together who bought again for more than 0, given the parameters."""
    return _score(*_repeaters(frequency, mean_value))(np.log(parameters))[0]


def _checked(frequency: ArrayLike, mean_value: ArrayLike) -> tuple[Floats, Floats]:
    x, z = observations(frequency=frequency, mean_value=mean_value)
    if (x < 0).any():
        raise Invalid("Only numbers from 0 are allowed.", field="frequency")
    return x, z


def _repeaters(frequency: ArrayLike, mean_value: ArrayLike) -> tuple[Floats, Floats]:
    x, z = _checked(frequency, mean_value)
    bought = (x > 0) & (z > 0)
    return x[bought], z[bought]


def _score(x: Floats, z: Floats) -> Score:
    """Returns the log-likelihood, equation 1 of the note, and its gradient."""
    counts, customers = np.unique(x, return_counts=True)
    spent = x * z

    def score(theta: Floats) -> tuple[float, Floats]:
        parameters = p, q, gamma = GammaGamma(*np.exp(theta).tolist())
        own, others = np.log(spent / (gamma + spent)), np.log(gamma / (gamma + spent))
        total = p * (x @ own) + q * others.sum() - customers @ betaln(p * counts, q) - np.log(z).sum()
        both = digamma(p * counts + q)
        slope = (
            x @ own + customers @ (counts * (both - digamma(p * counts))),
            others.sum() + customers @ (both - digamma(q)),
            x.size * q / gamma - ((p * x + q) / (gamma + spent)).sum(),
        )
        return float(total), np.array(slope) * parameters

    return score
