"""The value of a customer as a view: each score of its own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.customer_value.fits import KeptFit, Model
from analytics.customer_value.purchase_base import MONEY, WEEKS_AHEAD, Floats, Ints
from analytics.customer_value.purchases import Ids
from analytics.customer_value.value_models import NoFit, ValueModels
from analytics.metrics.definition import CURRENCY
from analytics.metrics.query import Filter, MetricQuery
from analytics.metrics.question import Question

DIGITS = 4


@dataclass(slots=True)
class Rfm:
    """1 to 5, and 5 is best: in fifths of all customers who ever bought; monetary in fifths of those with the same main
    currency, which is that of most of a customer's orders."""

    recency: int
    frequency: int
    monetary: int
    label: str


@dataclass(slots=True)
class CurrencyValue:
    """The value by the purchases in one currency alone."""

    currency: str | None
    orders: int
    historic: float
    predicted: float | None


@dataclass(slots=True)
class CustomerValue:
    """`historic` is net revenue to date. All is null for a customer that never bought, or that stands for many (tagged
    unidentified); predictions are null while there is no fit, and `unpredicted` says why. Amounts are null where they
    are in several currencies, and each is in `by_currency`."""

    at: datetime
    currency: str | None
    orders: int
    historic: float | None
    rfm: Rfm | None
    p_alive: float | None
    expected_transactions: float | None
    predicted: float | None
    by_currency: list[CurrencyValue]
    weeks_ahead: int
    unpredicted: str | None
    merged_into: UUID | None = None
    """The customer whose value it is, if the one that was asked for was merged."""


async def purchases(
    connection: AsyncConnection, tenant: str, question: Question, *, currency: str | None = None
) -> ValueModels:
    """Reads what `values` needs, as of the end of the question's interval: for all customers, as fifths are of all.
    Restricted to purchases in a currency, if one is named."""
    interval = question.interval
    query = MetricQuery(
        tenant,
        (interval.starts_at, interval.ends_at),
        question.zone,
        question.policy,
        filters=(Filter(CURRENCY, (currency,)),) if currency else (),
    )
    return await ValueModels.of(connection, query, {"historic", "rfm", "predicted"})


class _Amounts(NamedTuple):
    """The amounts of all customers, in one currency."""

    currency: str | None
    orders: Ints
    historic: Floats
    predicted: Floats
    unpredicted: str | None

    @classmethod
    def of(cls, models: ValueModels, currency: int, at: datetime, buying: KeptFit | None) -> "_Amounts":
        base, code = models.base(at, currency), models.code(currency)
        predicted, unpredicted = np.full(base.customers, np.nan), None
        try:
            spending = models.fit(Model.GAMMA_GAMMA, at, code)
            if buying is not None:
                predicted = base.predicted(buying, spending) / MONEY
        except NoFit as error:
            unpredicted = error.detail
        return cls(code, base.orders(), base.historic() / MONEY, predicted, unpredicted)

    def at(self, index: int) -> CurrencyValue | None:
        """Returns the amounts of a customer; None if it has not bought in the currency."""
        if not self.orders[index]:
            return None
        number = int(self.orders[index])
        historic, predicted = float(self.historic[index]), _number(self.predicted, index, DIGITS)
        return CurrencyValue(self.currency, number, round(historic, DIGITS), predicted)


def values(
    models: ValueModels, ids: Sequence[UUID], at: datetime, unpredicted: str | None = None
) -> dict[UUID, CustomerValue]:
    """Returns the values of several customers. It does no I/O."""
    base = models.base(at)
    orders = base.orders()
    buyers, scores = base.rfm()
    alive = transactions = np.full(base.customers, np.nan)
    buying = None
    try:
        buying = models.fit(Model.BG_NBD, at)
        alive, transactions = base.p_alive(buying), base.transactions(buying)
    except NoFit as error:
        unpredicted = unpredicted or error.detail
    amounts = [_Amounts.of(models, each, at, buying) for each in range(len(models.bought.currencies))]
    found = {}
    for id in ids:
        index = _index(models.ids, id)
        if index is None or not orders[index]:
            found[id] = CustomerValue(base.at, None, 0, None, None, None, None, None, [], WEEKS_AHEAD, None)
            continue
        score = int(np.searchsorted(buyers, index))
        mine = [(each, value) for each in amounts if (value := each.at(index)) is not None]
        single = mine[0][1] if len(mine) == 1 else None
        why = next((each.unpredicted for each, value in mine if value.predicted is None and each.unpredicted), None)
        found[id] = CustomerValue(
            base.at,
            single.currency if single else None,
            int(orders[index]),
            single.historic if single else None,
            Rfm(
                int(scores.recency[score]),
                int(scores.frequency[score]),
                int(scores.monetary[score]),
                str(scores.segment[score]),
            ),
            _number(alive, index, DIGITS),
            _number(transactions, index, DIGITS),
            single.predicted if single else None,
            [value for _, value in mine],
            WEEKS_AHEAD,
            unpredicted or why,
        )
    return found


def _index(ids: Ids, id: UUID) -> int | None:
    wanted = np.array(id.bytes, "S16")
    index = int(np.searchsorted(ids, wanted))
    return index if index < ids.size and ids[index] == wanted else None


def _number(values: Floats, index: int, digits: int) -> float | None:
    value = float(values[index])
    return None if math.isnan(value) else round(value, digits)
