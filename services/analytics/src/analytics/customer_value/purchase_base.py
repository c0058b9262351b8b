"""The purchases of all customers up to an instant, and the numbers per customer that follow. Arrays in, arrays out.

SciPy, which the lifetime models need, takes a second to load: it is imported where a model is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analytics.calendar import months_before, zone_of
from analytics.customer_value.fits import KeptFit
from analytics.customer_value.rfm import Scores, rfm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MONEY = 10_000
"""Amounts are counted in ten-thousandths: whole numbers, of which floats make exact sums up to 9e11."""
WEEKS_AHEAD = 52
MARGIN = 1.0
"""The default margin of a tenant: all revenue counts."""
_MICROSECOND = timedelta(microseconds=1)


class Purchases(NamedTuple):
    """Orders and returns, one element each, in any order."""

    customer: Ints
    """From 0 on, in the order of the ids."""
    time: NDArray[np.datetime64]
    """In microseconds, UTC."""
    day: NDArray[np.datetime64]
    """In the zone of the query."""
    amount: Floats
    """In ten-thousandths; refunds are negative."""
    placed: NDArray[np.bool_]
    """True for an order, False for a return."""
    currency: Ints
    """The index of the currency, from 0 on."""

    def where(self, some: NDArray[np.bool_]) -> "Purchases":
        return Purchases._make(column[some] for column in self)


class Buying(NamedTuple):
    """The statistics that the lifetime models need, of the customers who ever bought. One element each, in order of
    `customer`."""

    customer: Ints
    frequency: Ints
    recency: Floats
    age: Floats
    mean_value: Floats
    """The mean value of a day with purchases, the first left out, in money; returns are subtracted in proportion."""


@dataclass(frozen=True)
class PurchaseBase:
    """The purchases of `customers` customers before an instant; figures are arrays with an element per customer, NaN
    for those that have none."""

    customers: int
    purchases: Purchases
    at: datetime
    zone: str

    @classmethod
    def before(cls, at: datetime, customers: int, purchases: Purchases, zone: str) -> "PurchaseBase":
        return cls(customers, purchases.where(purchases.time < instant(at)), at, zone)

    def orders(self) -> Ints:
        return np.bincount(self.purchases.customer[self.purchases.placed], minlength=self.customers)

    def historic(self) -> Floats:
        """Returns the net revenue to date, in ten-thousandths, of customers who ever bought."""
        return np.where(self.orders() > 0, self._revenue(), np.nan)

    def last_purchase(self) -> NDArray[np.datetime64]:
        """Returns the last purchase; NaT for customers who never bought."""
        last = np.full(self.customers, np.iinfo(np.int64).min)
        orders = self.purchases.where(self.purchases.placed)
        np.maximum.at(last, orders.customer, orders.time.astype(np.int64))
        return last.astype("datetime64[us]")

    def rfm(self) -> tuple[Ints, Scores]:
        """Returns the customers who ever bought, and their scores. Monetary is the net revenue in a customer's main
        currency."""
        orders, main = self.orders(), self.main_currency()
        buyers = np.flatnonzero(orders)
        spent = self._revenue(self.purchases.currency == main[self.purchases.customer])
        return buyers, rfm(self.last_purchase()[buyers], orders[buyers], spent[buyers], main[buyers])

    def main_currency(self) -> Ints:
        """Returns for each customer the currency of most of its orders; of equals, that of its last one."""
        found = np.zeros(self.customers, np.int64)
        orders = self.purchases.where(self.purchases.placed)
        several = int(orders.currency.max(initial=0)) + 1
        if several == 1:
            return found
        pairs, pair, number = np.unique(
            orders.customer * several + orders.currency, return_inverse=True, return_counts=True
        )
        last = np.full(pairs.size, np.iinfo(np.int64).min)
        np.maximum.at(last, pair, orders.time.astype(np.int64))
        customer, currency = np.divmod(pairs, several)
        best_last = np.lexsort((currency, last, number, customer))
        found[customer[best_last]] = currency[best_last]  # of several assignments to one customer the last one stays
        return found

    def simple(self, segment: Ints, churn: Mapping[int, float | None]) -> Floats:
        """Returns the simple lifetime value, in ten-thousandths, of customers with an order in the year before.

        The average order of a customer times its orders a year is its net revenue of that year; `churn` of its
        `segment` gives the number of years.
        """
        from analytics.customer_value.lifetime import simple_clv  # noqa: PLC0415 - see above

        year = PurchaseBase(
            self.customers,
            self.purchases.where(self.purchases.time >= instant(months_before(self.at, 12, zone_of(self.zone)))),
            self.at,
            self.zone,
        )
        worth = {each: simple_clv(1.0, 1.0, share, MARGIN) for each, share in churn.items()}
        years = np.full(1 + max([*worth, *segment.tolist()], default=0), np.nan)
        for each, value in worth.items():
            years[each] = np.nan if value is None else value
        return np.where(year.orders() > 0, year._revenue() * years[segment], np.nan)

    def buying(self) -> Buying:
        from analytics.customer_value.lifetime import summary  # noqa: PLC0415

        orders = self.purchases.where(self.purchases.placed)
        last_day = np.datetime64((self.at - _MICROSECOND).astimezone(ZoneInfo(self.zone)).date())
        seen = summary(orders.customer, orders.day, orders.amount, last_day)
        customer = seen.customer.astype(np.int64)
        ordered = np.bincount(orders.customer, orders.amount, minlength=self.customers)
        kept = np.divide(self._revenue(), ordered, out=np.zeros(self.customers), where=ordered > 0)
        mean_value = seen.mean_value / MONEY * np.maximum(kept[customer], 0)
        return Buying(customer, seen.frequency, seen.recency, seen.age, mean_value)

    def p_alive(self, of_buying: KeptFit) -> Floats:
        from analytics.customer_value.lifetime import p_alive  # noqa: PLC0415

        who, x, t_x, T, _ = self.buying()  # noqa: N806 - the papers' letters
        return self._of_all(who, p_alive(of_buying.bg_nbd(), x, t_x, T))

    def transactions(self, of_buying: KeptFit) -> Floats:
        """Returns the expected transactions of the next 52 weeks."""
        from analytics.customer_value.lifetime import expected_transactions  # noqa: PLC0415

        who, x, t_x, T, _ = self.buying()  # noqa: N806
        return self._of_all(who, expected_transactions(of_buying.bg_nbd(), x, t_x, T, WEEKS_AHEAD))

    def predicted(self, of_buying: KeptFit, of_spending: KeptFit) -> Floats:
        """Returns the expected revenue of the next 52 weeks, in ten-thousandths."""
        from analytics.customer_value.lifetime import predicted_clv  # noqa: PLC0415

        who, x, t_x, T, value = self.buying()  # noqa: N806
        fits = of_buying.bg_nbd(), of_spending.gamma_gamma()
        return self._of_all(who, predicted_clv(*fits, x, t_x, T, value, WEEKS_AHEAD) * MONEY)

    def _revenue(self, some: NDArray[np.bool_] | slice = slice(None)) -> Floats:
        who, amount = self.purchases.customer[some], self.purchases.amount[some]
        revenue = np.bincount(who, amount, minlength=self.customers)
        return revenue.astype(np.float64, copy=False)  # without any purchases the dtype would be integer

    def _of_all(self, who: Ints, value: Floats) -> Floats:
        found = np.full(self.customers, np.nan)
        found[who] = value
        return found


def instant(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
