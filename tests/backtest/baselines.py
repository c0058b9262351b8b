"""What a score is to be measured by: rules that look at less, learnt and compared at the same instants, on the same
rows.

Of each customer at each instant they look at its orders so far: how long ago the last one was, how many there were,
what they came to. Each is held against the models by the area under the ROC curve, errors by customer, and by the Brier
score of the chance of churn that it gives: the rate of its tenth at the earlier instants, as it is for models.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.customer_value.lifetime import (
    BgNbdFit,
    Histories,
    ModelNotFitted,
    expected_transactions,
    fit_bg_nbd,
    p_alive,
)
from analytics.customer_value.lifetime import summary as histories_of
from analytics.health.evaluation.baselines import chances, halves, squared_error
from analytics.health.evaluation.observation import Observed
from analytics.health.evaluation.statistics import Bools, Floats, Ints, area_difference, area_of, roc_area

FEWEST, MOST = 2, 60
"""Orders: warned of is who has fewer."""


class Orders(NamedTuple):
    """An element each. Customers are given by their indexes among all, as they are observed."""

    customer: Ints
    time: NDArray[np.datetime64]
    amount: Floats

    @classmethod
    async def read(cls, connection: AsyncConnection, tenant: str, everybody: Sequence[UUID]) -> "Orders":
        indexes = {id: index for index, id in enumerate(everybody)}
        rows = await connection.execute(
            text("""
                SELECT customer_id, time AT TIME ZONE 'UTC', amount FROM facts
                WHERE tenant_id = :tenant AND type = 'sales.order.placed.v1' AND customer_id IS NOT NULL
                ORDER BY customer_id, time, subject
            """),
            {"tenant": tenant},
        )
        customer, time, amount = zip(*rows, strict=True)
        return cls(
            np.array([indexes[id] for id in customer], np.int64),
            np.array(time, "datetime64[us]"),
            np.array([float(each) for each in amount]),
        )

    def before(self, at: datetime) -> "Orders":
        some = self.time < np.datetime64(at.replace(tzinfo=None))
        return Orders(self.customer[some], self.time[some], self.amount[some])

    def histories(self, until: datetime) -> Histories:
        """Of who bought before."""
        some = self.before(until)
        last_day = np.datetime64((until - timedelta(microseconds=1)).date())
        return histories_of(some.customer, some.time.astype("datetime64[D]"), some.amount, last_day)


@dataclass(frozen=True)
class Rows:
    """Who was active when, with what is known of it then."""

    seen: Observed
    orders: Orders
    instants: Sequence[datetime]
    horizon: timedelta

    @property
    def learnt(self) -> Bools:
        return np.isin(self.seen.instant, halves(self.instants, self.horizon)[0])

    @property
    def compared(self) -> Bools:
        return np.isin(self.seen.instant, halves(self.instants, self.horizon)[1])

    @property
    def spent(self) -> Floats:
        def by_then(at: datetime) -> Floats:
            some = self.orders.before(at)
            found = np.bincount(some.customer, some.amount, minlength=int(self.seen.customer.max()) + 1)
            return np.asarray(found, np.float64)

        return self._at_each(by_then)

    def by_history(self, of: Callable[[Histories], Floats]) -> Floats:
        def by_then(at: datetime) -> Floats:
            histories = self.orders.histories(at)
            found = np.full(int(max(self.seen.customer.max(), histories.customer.max())) + 1, np.nan)
            found[histories.customer.astype(np.int64)] = of(histories)
            return found

        return self._at_each(by_then)

    def _at_each(self, by_then: Callable[[datetime], Floats]) -> Floats:
        found = np.empty(len(self.seen))
        for index, at in enumerate(self.instants):
            then = self.seen.instant == index
            found[then] = by_then(at)[self.seen.customer[then]]
        assert not np.isnan(found).any()
        return found


def baselines(rows: Rows, scores: Mapping[str, Floats]) -> dict[str, Any]:
    """By the name of each; `scores` are the models', of the same rows."""
    seen = rows.seen
    fit, fitted_before = _bg_nbd(rows)
    weeks = rows.horizon / timedelta(weeks=1)
    risks: dict[str, Floats | Ints] = {
        "recency": seen.quiet,
        "orders": -seen.frequency,
        "spent": -rows.spent,
        "logistic": _logistic(
            np.column_stack([np.log1p(seen.quiet), np.log(seen.frequency), np.log1p(rows.spent)]),
            seen.churned,
            rows.learnt,
        ),
        "p_alive": -rows.by_history(lambda of: p_alive(fit, of.frequency, of.recency, of.age)),
        "expected": -rows.by_history(lambda of: expected_transactions(fit, of.frequency, of.recency, of.age, weeks)),
    }
    found: dict[str, Any] = {name: _held_against(rows, risk, scores) for name, risk in risks.items()}
    found["orders"]["curve"] = [_warned(seen, seen.frequency < number, number) for number in range(FEWEST, MOST)]
    for name in ("p_alive", "expected"):
        found[name]["fitted_before"] = fitted_before
    return found


def _held_against(rows: Rows, risk: Floats | Ints, scores: Mapping[str, Floats]) -> dict[str, Any]:
    learnt, compared = rows.learnt, rows.compared
    churned, customer = rows.seen.churned[compared], rows.seen.customer[compared]
    mine = roc_area(risk[compared], churned)
    return {
        "roc_area": area_of(mine, customer),
        "models": {
            title: area_difference(roc_area(-score[compared], churned), mine, customer)
            for title, score in scores.items()
        },
        "brier": squared_error(chances(risk[learnt], rows.seen.churned[learnt], risk[compared]), churned),
    }


def _warned(seen: Observed, warned: Bools, threshold: int) -> dict[str, Any]:
    hits = int((warned & seen.churned).sum())
    return {
        "threshold": threshold,
        "warned": int(warned.sum()),
        "precision": hits / int(warned.sum()),
        "recall": hits / int(seen.churned.sum()),
    }


def _logistic(features: Floats, churned: Bools, learnt: Bools) -> Floats:
    """The most likely weights at the instants learnt from; what they come to, of all rows."""
    scaled = (features - features[learnt].mean(axis=0)) / features[learnt].std(axis=0)
    known = np.column_stack([np.ones(len(scaled)), scaled])
    x, sign = known[learnt], np.where(churned[learnt], 1.0, -1.0)

    def unlikely(weights: Floats) -> float:
        return -float(log_expit(sign * (x @ weights)).sum())

    def slope(weights: Floats) -> Floats:
        return np.asarray(-x.T @ (sign * expit(-sign * (x @ weights))), np.float64)

    fitted = minimize(unlikely, np.zeros(known.shape[1]), jac=slope, method="BFGS")
    risk: Floats = known @ fitted.x
    return risk


def _bg_nbd(rows: Rows) -> tuple[BgNbdFit, bool]:
    """Fitted on what was known before the first instant compared; or, where that cannot be, on all there is, which
    nobody could have known then. Returns which."""
    before = rows.orders.histories(rows.instants[halves(rows.instants, rows.horizon)[1][0]])
    try:
        return fit_bg_nbd(before.frequency, before.recency, before.age), True
    except ModelNotFitted:
        last: datetime = rows.orders.time.max().astype(datetime)
        whole = rows.orders.histories(last.replace(tzinfo=UTC) + timedelta(microseconds=1))
        return fit_bg_nbd(whole.frequency, whole.recency, whole.age), False
