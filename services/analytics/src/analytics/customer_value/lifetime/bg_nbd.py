"""BG/NBD: how often customers buy, and when they silently leave.

While alive a customer buys at random at a rate that is its own, gamma distributed (r, alpha) over customers; after each
repeat transaction it leaves with a probability that is its own, beta distributed (a, b).

Source: Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model,
Marketing Science 24(2), 275-284. Letters are theirs: x repeat transactions, the last t_x weeks after the first
transaction, seen for T weeks.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma, expit, gammaln, hyp2f1

from analytics.customer_value.lifetime.estimate import Fit, Floats, Score, maximise, refuse_below_minimum
from analytics.customer_value.lifetime.history import purchases
from kith.errors import Invalid


class BgNbd(NamedTuple):
    r: float
    alpha: float
    """In weeks."""
    a: float
    b: float


BgNbdFit = Fit[BgNbd]


def fit_bg_nbd(frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, *, near: BgNbd | None = None) -> BgNbdFit:
    """Returns the most likely parameters of these customers; `near` is where the search starts, if an older fit is at
    hand.

    Raises Invalid, naming the array, for impossible values, and ModelNotFitted for too few who bought again or a
    likelihood without a maximum: then often none left, or all alike, so that a and b run to infinity.
    """
    x, t_x, T = purchases(frequency, recency, age)  # noqa: N806 - the paper's letters
    refuse_below_minimum(int((x > 0).sum()), len(BgNbd._fields))
    weeks = float(T.mean())
    starts = [BgNbd(0.5, weeks / 4, 1, 3), BgNbd(2, weeks, 0.2, 1), BgNbd(0.2, weeks / 10, 3, 10)]
    score = _score(x, t_x, T)
    return maximise(BgNbd, BgNbd._fields, score, [near, *starts] if near else starts, x.size)


def p_alive(fit: BgNbdFit, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> Floats:
    """Returns the probability, per customer, that it has not left. It is 1 for a customer that bought once: customers
    leave after repeat purchases.

    Fader, Hardie and Lee (2008), Computing P(alive) Using the BG/NBD Model.
    """
    return _alive(fit.parameters, *purchases(frequency, recency, age))


def expected_transactions(
    fit: BgNbdFit, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, horizon: float
) -> Floats:
    """Returns the expected transactions, per customer, in the `horizon` weeks after the observation.

    Equation 10 of the paper, with its 2F1 rewritten by Euler's transformation `2F1(A, B; C; z) = (1 - z)^(C-A-B)
    2F1(C-A, C-B; C; z)`: in the paper's form both factors leave the range of floats for a customer of some hundred
    transactions, here neither does.

    Raises Invalid for a horizon below 0.
    """
    if not 0 <= horizon < np.inf:
        raise Invalid("A number of weeks from 0 is wanted.", field="horizon")
    x, t_x, T = purchases(frequency, recency, age)  # noqa: N806 - the paper's letters
    r, alpha, a, b = fit.parameters
    while min(abs(a - 1), abs(a + b - 1), abs(a - r - round(a - r))) < BESIDE_A_GAP:
        a += 2 * BESIDE_A_GAP
    z = horizon / (alpha + T + horizon)
    left = np.exp((a - 1) * np.log1p(-z)) * hyp2f1(a - 1, a + b - 1 - r, a + b + x - 1, z)
    expected = (a + b + x - 1) / (a - 1) * (1 - left) * _alive(fit.parameters, x, t_x, T)
    return np.asarray(expected, np.float64)


BESIDE_A_GAP = 1e-6
"""The distance from a gap at which the formula is evaluated instead. It is 0/0 where a = 1 or, for customers who bought
once, a + b = 1; and SciPy's 2F1 overflows where r - a is a whole number and x large. The limit there is close to the
value beside it."""


def _paths(parameters: BgNbd, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats]:  # noqa: N803
    """Returns the logarithms of the likelihood's two terms: the customer is still there, or it left at t_x. Common
    factors are left out."""
    r, alpha, a, b = parameters
    stayed = -(r + x) * np.log(alpha + T)
    with np.errstate(divide="ignore"):
        left = np.where(x > 0, np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + t_x), -np.inf)
    return stayed, left


def _alive(parameters: BgNbd, x: Floats, t_x: Floats, T: Floats) -> Floats:  # noqa: N803
    stayed, left = _paths(parameters, x, t_x, T)
    return np.asarray(expit(stayed - left), np.float64)


def log_likelihood(parameters: BgNbd, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> float:
    """Returns the log-likelihood of these customers together, given the parameters."""
    return _score(*purchases(frequency, recency, age))(np.log(parameters))[0]


def _score(x: Floats, t_x: Floats, T: Floats) -> Score:  # noqa: N803 - the paper's letters
    """Returns the score, the paper's equation 6, in the form that does not leave the range of floats (Fader and Hardie
    2013, Overcoming the BG/NBD Model's #NUM! Error Problem). Gamma functions are computed once for each distinct x, not
    per customer."""
    counts, customers = np.unique(x, return_counts=True)
    again = np.maximum(x, 1)

    def score(theta: Floats) -> tuple[float, Floats]:
        parameters = r, alpha, a, b = BgNbd(*np.exp(theta).tolist())
        stayed, left = _paths(parameters, x, t_x, T)
        alive = expit(stayed - left)
        shared = gammaln(r + counts) + gammaln(b + counts) - gammaln(a + b + counts)
        shared += r * np.log(alpha) - gammaln(r) + gammaln(a + b) - gammaln(b)
        total = customers @ shared + np.logaddexp(stayed, left).sum()
        by_sum = digamma(a + b) - digamma(a + b + counts)
        slope = (
            customers @ (digamma(r + counts) - digamma(r) + np.log(alpha))
            - (alive * np.log(alpha + T) + (1 - alive) * np.log(alpha + t_x)).sum(),
            x.size * r / alpha - ((r + x) * (alive / (alpha + T) + (1 - alive) / (alpha + t_x))).sum(),
            customers @ by_sum + (1 - alive).sum() / a,
            customers @ (by_sum + digamma(b + counts) - digamma(b)) - ((1 - alive) / (b + again - 1)).sum(),
        )
        return float(total), np.array(slope) * parameters

    return score
