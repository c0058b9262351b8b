"""What a customer is worth, as it is read: each score of its own."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.fits import Model
from analytics.domain.metric import Dimension
from analytics.domain.scoring import MONEY, WEEKS_AHEAD, Floats
from analytics.queries.measures.asked import Asked, Filter
from analytics.queries.measures.score import NoFit, Scoring
from analytics.queries.metrics import Question
from analytics.storage.purchases import Ids

DIGITS = 4
CURRENCY = Dimension("currency")


@dataclass(slots=True)
class Rfm:
    """1 to 5, and 5 is best: in fifths of all customers who ever bought."""

    recency: int
    frequency: int
    monetary: int
    label: str


@dataclass(slots=True)
class CustomerValue:
    """`historic` is net revenue to date. All is null of a customer that never bought, or that stands for many (tagged
    unidentified); what is predicted is null while there is no fit, and `unpredicted` says why."""

    at: datetime
    currency: str | None
    orders: int
    historic: float | None
    rfm: Rfm | None
    p_alive: float | None
    expected_transactions: float | None
    predicted: float | None
    weeks_ahead: int
    unpredicted: str | None


async def values(
    connection: AsyncConnection,
    tenant: str,
    ids: Sequence[UUID],
    question: Question,
    *,
    currency: str | None = None,
    unpredicted: str | None = None,
) -> Mapping[UUID, CustomerValue]:
    """Of several customers at the end of the question's interval, in one pass over all: fifths are of all.

    Raises SeveralCurrencies unless one is named.
    """
    interval = question.interval
    asked = Asked(
        tenant,
        (interval.starts_at, interval.ends_at),
        question.zone,
        question.policy,
        filters=(Filter(CURRENCY, (currency,)),) if currency else (),
    )
    scoring = await Scoring.of(connection, asked, {"historic", "rfm", "predicted"})
    return await asyncio.to_thread(_values, scoring, ids, interval.ends_at, unpredicted)


def _values(scoring: Scoring, ids: Sequence[UUID], at: datetime, unpredicted: str | None) -> dict[UUID, CustomerValue]:
    base = scoring.base(at)
    orders, historic = base.orders(), base.historic() / MONEY
    buyers, scores = base.rfm()
    alive = transactions = predicted = np.full(base.customers, np.nan)
    try:
        buying = scoring.fit(Model.BG_NBD, at)
        alive, transactions = base.p_alive(buying), base.transactions(buying)
        predicted = base.predicted(buying, scoring.fit(Model.GAMMA_GAMMA, at)) / MONEY
    except NoFit as error:
        unpredicted = unpredicted or error.detail
    found = {}
    for id in ids:
        place = _place(scoring.ids, id)
        if place is None or not orders[place]:
            found[id] = CustomerValue(base.at, None, 0, None, None, None, None, None, WEEKS_AHEAD, None)
            continue
        score = int(np.searchsorted(buyers, place))
        found[id] = CustomerValue(
            base.at,
            next(iter(scoring.bought.currencies), None),
            int(orders[place]),
            _number(historic, place, DIGITS),
            Rfm(
                int(scores.recency[score]),
                int(scores.frequency[score]),
                int(scores.monetary[score]),
                str(scores.segment[score]),
            ),
            _number(alive, place, DIGITS),
            _number(transactions, place, DIGITS),
            _number(predicted, place, DIGITS),
            WEEKS_AHEAD,
            unpredicted,
        )
    return found


def _place(ids: Ids, id: UUID) -> int | None:
    wanted = np.array(id.bytes, "S16")
    place = int(np.searchsorted(ids, wanted))
    return place if place < ids.size and ids[place] == wanted else None


def _number(values: Floats, place: int, digits: int) -> float | None:
    value = float(values[place])
    return None if math.isnan(value) else round(value, digits)
