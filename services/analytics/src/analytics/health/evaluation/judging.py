"""Evaluates warnings against what followed: precision and recall of a rule, and of every threshold of a score."""

from collections.abc import Sequence

import numpy as np

from analytics.health.evaluation.observation import Observed
from analytics.health.evaluation.report import CurvePoint, Judged
from analytics.health.evaluation.statistics import Bools, Ints, share

THRESHOLDS = tuple(range(1, 101))


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
    """Returns the curve of warning of scores below each threshold. `churned` includes customers without a score, who
    are never warned of."""
    order = np.argsort(scored.score)
    warned = np.searchsorted(scored.score[order], THRESHOLDS)
    return _points(THRESHOLDS, warned, scored.churned[order], churned)


def recency_curve(seen: Observed) -> list[CurvePoint]:
    """Returns the curve of warning of customers without an event for each number of days."""
    order = np.argsort(-seen.quiet)
    days = range(1, 1 + int(seen.quiet.max(initial=0)))
    warned = np.searchsorted(-seen.quiet[order], -np.array(days), side="right")
    return _points(days, warned, seen.churned[order], int(seen.churned.sum()))


def _points(thresholds: Sequence[int], warned: Ints, in_order: Bools, churned: int) -> list[CurvePoint]:
    """Returns for each threshold how many of the first in order it warns of."""
    hits = np.concatenate([[0], np.cumsum(in_order)])[warned]
    found = []
    for threshold, number, hit in zip(thresholds, warned.tolist(), hits.tolist(), strict=True):
        precision, recall = hit / number if number else None, hit / churned if churned else None
        found.append(CurvePoint(threshold, number, precision, recall, _f1(precision, recall)))
    return found


def _f1(precision: float | None, recall: float | None) -> float | None:
    if precision is None or recall is None:
        return None
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
