"""The report of a backtest as a view."""

from dataclasses import dataclass, field
from datetime import datetime

from analytics.health.evaluation.statistics import Estimate


@dataclass(slots=True)
class Judged:
    """A rule that warns of some customers, evaluated against what followed."""

    rule: str
    warned: int
    churned: int
    """The number of those warned of that churned."""
    precision: Estimate
    recall: Estimate
    f1: float | None


@dataclass(slots=True)
class CurvePoint:
    """The result of warning of all customers beyond a threshold."""

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
    """The least number of days."""
    customers: int


@dataclass(slots=True)
class LeadTimes:
    """For every activity span that ended: how long before its end its customer had become at risk, and stayed so. Times
    in days; `after_last_event` is the time from the last qualifying event until the warning."""

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
    """Mean squared error of the chance of churn predicted at the later instants, the chance being the rate of the
    score's tenth at the earlier ones. Lower is better; `base` predicts the earlier rate for everybody."""

    model: float
    recency: float
    base: float
    skill: float | None
    """1 - model / base: 0 is no better than the base rate."""


@dataclass(slots=True)
class Baseline:
    """A rule that uses one number of each customer and nothing else, compared with the model."""

    name: str
    """recency: days since the last qualifying event; frequency: their number so far."""
    roc_area: Estimate
    difference: Estimate
    """The model's area less that of the baseline."""
    brier: float
    """Comparable with the model's in `brier`."""
    rules: list[Judged]
    """The best threshold, and one with about as many warnings as the best score."""


@dataclass(slots=True)
class Comparison:
    """The comparison at later instants, with thresholds learnt at earlier ones whose outcome was known by then."""

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
    """The strongest, of the greatest area, first: what the model must beat. Older reports have none."""


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
    """Rows without a score: the model warned of none of them."""
    coverage: float
    at_risk: Judged
    roc_area: Estimate
    """Over the rows scored. 0.5 is chance."""
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
