"""Backtests a model: compares its scores, as they would have been at instants of the past, with the churn that
followed.

The observations are defined in `observation`. A model that reads the very events that activity is made of has an easy
task: customers who have been silent for long stay silent more often, and frequent buyers buy again. The comparison with
`baselines` shows how much of its merit that is.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from analytics.health.evaluation.baselines import comparison, no_better
from analytics.health.evaluation.judging import curve, judged, recency_curve
from analytics.health.evaluation.lead_times import lead_times
from analytics.health.evaluation.observation import Observed, Part
from analytics.health.evaluation.report import AtInstant, BacktestReport, Lapsed, Tenth
from analytics.health.evaluation.statistics import area_of, roc_area, share, tenths, wilson

MIN_CHURNED = 30
"""Customers. With fewer no share is reported: its interval would span half of the range."""


def report(
    model: tuple[str, int], instants: Sequence[datetime], horizon: timedelta, part: Part, notes: list[str]
) -> BacktestReport:
    """Returns the report, with the model's id and version. There must be observations."""
    seen = part.seen
    everything = np.ones(len(seen), np.bool_)
    scored = seen.where(~np.isnan(seen.score))
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
        by_instant=[_at(at, seen.where(seen.instant == index)) for index, at in enumerate(instants)],
        comparison=compared,
        lapsed=None if (seen.lapsed == seen.churned).all() else _lapsed(replace(seen, churned=seen.lapsed)),
        notes=[*notes, *(no_better(compared) if compared else ())],
    )


def churned_customers(seen: Observed) -> int:
    return np.unique(seen.customer[seen.churned]).size


def calibration(scored: Observed) -> list[Tenth]:
    if not len(scored):
        return []
    index = np.searchsorted(tenths(scored.score), scored.score, side="right")
    return [_tenth(scored.where(index == each)) for each in np.unique(index).tolist()]


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
    at_risk, scored = judged("", rows.at_risk, rows), rows.where(~np.isnan(rows.score))
    placed = roc_area(-scored.score, scored.churned)
    return AtInstant(
        at=at,
        rows=len(rows),
        churned=int(rows.churned.sum()),
        base_rate=float(rows.churned.mean()) if len(rows) else None,
        precision=at_risk.precision.value,
        recall=at_risk.recall.value,
        roc_area=placed.area if placed else None,
        coverage=float(rows.coverage.mean()) if len(rows) else None,
    )


def _lapsed(seen: Observed) -> Lapsed:
    scored = seen.where(~np.isnan(seen.score))
    return Lapsed(
        share(seen.churned, np.ones(len(seen), np.bool_), seen.customer),
        judged("at risk", seen.at_risk, seen),
        area_of(roc_area(-scored.score, scored.churned), scored.customer),
    )
