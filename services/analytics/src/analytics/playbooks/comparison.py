"""Compares the share of successes among treated customers with that among the control share.

Customers are assigned to the control share at random, so a difference beyond what chance explains is the playbook's
effect. Without a control share there is no such comparison, and the figures are called observational.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import lgamma, sqrt

import numpy as np

from analytics.health.evaluation import statistics

MIN_CUSTOMERS = 20
"""The least number of customers in each share that are compared: with fewer the result would mean next to nothing."""


class Evidence(StrEnum):
    RANDOMISED = "randomised"
    OBSERVATIONAL = "observational"
    """There is no control share."""
    TOO_FEW = "too_few"
    NOT_MEASURED = "not_measured"
    """The playbook does not define success."""


@dataclass(slots=True)
class Interval:
    low: float
    high: float


@dataclass(slots=True)
class Share:
    """The customers of a share, each counted by its first run. Rates are 0 to 1."""

    customers: int
    """Customers whose outcome is settled."""
    successes: int
    rate: float | None
    """Null without settled customers."""
    interval: Interval | None
    """95 %, by Wilson."""
    pending: int
    """Customers whose outcome is not settled yet."""

    @classmethod
    def of(cls, customers: int, successes: int, pending: int = 0) -> "Share":
        rate = successes / customers if customers else None
        return cls(customers, successes, rate, wilson(successes, customers) if customers else None, pending)


@dataclass(slots=True)
class Comparison:
    evidence: Evidence
    words: str
    treated: Share
    left_alone: Share
    difference: float | None
    """The rate of the treated less that of those left alone. Null unless randomised and large enough."""
    interval: Interval | None
    """95 % of the difference, by Newcombe."""
    p_value: float | None
    """The probability that chance alone makes the two differ as much or more: Fisher's exact test, two-sided."""


def compare(treated: Share, left_alone: Share, *, control_share: float, measured: bool = True) -> Comparison:
    """Compares the shares. `control_share` is the playbook's own: 0 if it has none. `measured`: the playbook defines
    success."""
    if not measured:
        words = "Not measured: the playbook does not say what counts as success."
        return Comparison(Evidence.NOT_MEASURED, words, treated, left_alone, None, None, None)
    if not control_share:
        words = (
            "Observational: no control share. How many would have come to the same without the playbook, nobody knows."
        )
        return Comparison(Evidence.OBSERVATIONAL, words, treated, left_alone, None, None, None)
    if min(treated.customers, left_alone.customers) < MIN_CUSTOMERS:
        words = (
            f"Too few: settled are {treated.customers} treated and {left_alone.customers} left alone. "
            f"They are compared from {MIN_CUSTOMERS} each."
        )
        return Comparison(Evidence.TOO_FEW, words, treated, left_alone, None, None, None)
    assert treated.rate is not None
    assert left_alone.rate is not None
    difference = treated.rate - left_alone.rate
    interval = newcombe(treated.successes, treated.customers, left_alone.successes, left_alone.customers)
    p_value = fisher(treated.successes, treated.customers, left_alone.successes, left_alone.customers)
    words = (
        f"{_finding(interval)} {_percent(treated.rate)} of the treated and {_percent(left_alone.rate)} of those left "
        f"alone came to success: a difference of {_points(difference)} points "
        f"(95 % confidence: {_points(interval.low)} to {_points(interval.high)}), p = {p_value:.2g}."
    )
    return Comparison(Evidence.RANDOMISED, words, treated, left_alone, difference, interval, p_value)


def wilson(successes: int, n: int) -> Interval:
    return Interval(*statistics.wilson(successes / n, n))


def newcombe(successes: int, n: int, other_successes: int, other_n: int) -> Interval:
    """Returns the 95 % interval of the difference of two shares. Newcombe (1998), Statistics in Medicine 17, 873-890,
    method 10."""
    share, other = successes / n, other_successes / other_n
    mine, theirs = wilson(successes, n), wilson(other_successes, other_n)
    below = sqrt((share - mine.low) ** 2 + (theirs.high - other) ** 2)
    above = sqrt((mine.high - share) ** 2 + (other - theirs.low) ** 2)
    return Interval(share - other - below, share - other + above)


def fisher(successes: int, n: int, other_successes: int, other_n: int) -> float:
    """Returns the two-sided p of Fisher's exact test: the probability of all tables with these margins that are no
    likelier than the observed one."""
    won = successes + other_successes
    fewest, most = max(0, won - other_n), min(n, won)
    # From the fewest upwards each table follows from the one before; only ratios count, so any start will do.
    k = np.arange(fewest, most)
    steps = np.log((n - k) * (won - k)) - np.log((k + 1) * (other_n - won + k + 1.0))
    logs = np.concatenate(([_log_choose(n, fewest) + _log_choose(other_n, won - fewest)], steps)).cumsum()
    logs -= logs.max()
    likely = np.exp(logs)
    seen = logs[successes - fewest]
    return float(min(1.0, likely[logs <= seen + 1e-7].sum() / likely.sum()))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _finding(interval: Interval) -> str:
    if interval.low > 0:
        return "It helped: chance alone rarely makes such a difference."
    if interval.high < 0:
        return "It did harm: chance alone rarely makes such a difference."
    return "No difference that can be told from chance."


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}"
