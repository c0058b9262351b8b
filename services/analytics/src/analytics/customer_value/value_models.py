"""The models of customer value, with all their inputs: purchases, segments' churn, and fits.

The purchases are fetched once, as arrays, and scored at each instant; amounts in each currency separately. A filter
chooses the customers to score, so the fifths of RFM are among those; churn and fits are the tenant's. A customer that
stands for all those not identified is never scored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ARRAY, ColumnElement, and_, cast, func, literal, select
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.calendar import months_before, zone_of
from analytics.customer_value.fit_store import fits_of
from analytics.customer_value.fits import NEEDED, KeptFit, Model, applying
from analytics.customer_value.purchase_base import MONEY, Floats, Ints, PurchaseBase
from analytics.customer_value.purchases import Bought, Ids, bought, sent, unidentified
from analytics.customer_value.rfm import Segment
from analytics.metrics.activity import spans
from analytics.metrics.definition import CUSTOMER, Dimension, Source
from analytics.metrics.query import Filter, MetricQuery, Slices, customers
from analytics.projections.tables import facts
from kith.db.tables import Moment
from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid

MAX_SCORED = 5_000_000
"""Customers times instants that one query may score: ten seconds' work."""
SEGMENT = next(each for each in CUSTOMER if each.name == "segment")
LABELS: list[str] = [str(each) for each in Segment]
LABEL_INDEX = {label: index for index, label in enumerate(LABELS)}

Group = tuple[str | None, ...]


class NoFit(Conflict):
    code = ErrorCode.MODEL_NOT_FITTED


Currency = int | None
"""The index of a currency among those of the purchases; None stands for all of them."""


class ModelValues(NamedTuple):
    """A model's values; an element per customer."""

    value: Floats
    """NaN for customers without one."""
    unit: int
    """The value is in this fraction of one."""
    label: NDArray[np.int64] | None = None
    """The index of its name in LABELS."""
    is_fitted: bool = True
    """False: there is no fit to compute the values by."""


@dataclass(frozen=True)
class ValueModels:
    """Some models, with all their inputs."""

    query: MetricQuery
    bought: Bought
    kept: NDArray[np.bool_]
    """For each customer, whether it is to be scored."""
    fits: Sequence[KeptFit] = ()
    segment: Ints | None = None
    churn: Mapping[datetime, Mapping[int, float | None]] = field(default_factory=dict)
    """At the end of each period, by segment."""

    @classmethod
    async def of(cls, connection: AsyncConnection, query: MetricQuery, models: Iterable[str]) -> "ValueModels":
        """Reads the inputs of the models. Raises Invalid."""
        models = set(models)
        now = (await connection.execute(select(cast(func.now(), Moment)))).scalar_one()
        query = replace(query, boundaries=tuple(min(each, now) for each in query.boundaries))
        found = await _bought(connection, query)
        if found.ids.size * query.periods > MAX_SCORED:
            raise Invalid(
                f"{found.ids.size} customers at {query.periods} instants are more than {MAX_SCORED} to score at once: "
                "take a longer grain or a shorter interval.",
                field="grain",
            )
        kept = np.ones(found.ids.size, np.bool_)
        if any(each.dimension.source is Source.CUSTOMER for each in query.filters):
            chosen, _ = await groups_of(connection, query, (), found.ids, filtered=True)
            kept = np.isin(np.arange(found.ids.size), chosen)
        segment: Ints | None = None
        churn: Mapping[datetime, Mapping[int, float | None]] = {}
        if "simple" in models:
            segment, churn = await _churn(connection, query, found.ids)
        fits = await fits_of(connection, query.tenant) if models & NEEDED.keys() else ()
        return cls(query, found, kept, fits, segment, churn)

    @property
    def ids(self) -> Ids:
        return self.bought.ids

    def apart(self, *, by_currency: bool) -> Sequence[Currency]:
        """Returns the currencies to score in, one by one; or all purchases together."""
        return range(len(self.bought.currencies)) if by_currency else [None]

    def code(self, currency: int) -> str | None:
        return self.bought.currencies[currency]

    def base(self, at: datetime, currency: Currency = None) -> PurchaseBase:
        """Returns the earlier purchases of the customers to score; in one currency, if one is named."""
        purchases = self.bought.purchases
        if not self.kept.all():
            purchases = purchases.where(self.kept[purchases.customer])
        if currency is not None and len(self.bought.currencies) > 1:
            purchases = purchases.where(purchases.currency == currency)
        return PurchaseBase.before(min(at, self.bought.now), self.ids.size, purchases, self.query.zone)

    def scored(self, model: str, at: datetime, currency: Currency = None) -> ModelValues:
        """Returns the values of a model. Raises NoFit."""
        base = self.base(at, currency)
        match model:
            case "historic":
                return ModelValues(base.historic(), MONEY)
            case "simple":
                assert self.segment is not None
                return ModelValues(base.simple(self.segment, self.churn[base.at]), MONEY)
            case "p_alive":
                return ModelValues(base.p_alive(self.fit(Model.BG_NBD, at)), 1)
            case "predicted":
                assert currency is not None
                buying, spending = self.fit(Model.BG_NBD, at), self.spending(currency, at)
                if spending is None:
                    return ModelValues(np.where(base.orders() > 0, 0, np.nan), MONEY, is_fitted=False)
                return ModelValues(base.predicted(buying, spending), MONEY)
            case "rfm":
                who, scores = base.rfm()
                value, label = np.full(self.ids.size, np.nan), np.full(self.ids.size, -1)
                value[who] = 1
                label[who] = [LABEL_INDEX[each] for each in scores.segment]
                return ModelValues(value, 1, label)
        raise ValueError(model)

    def fit(self, model: Model, at: datetime, currency: str | None = None) -> KeptFit:
        """Returns the fit of a model. Raises NoFit."""
        found = applying(self.fits, model, currency, at)
        if found is None:
            of = f" of {currency}" if currency else ""
            raise NoFit(f"There is no fit of {model}{of}: ask for one, POST /v1/customer-value/fits.")
        return found

    def spending(self, currency: int, at: datetime) -> KeptFit | None:
        """Returns the fit of what is spent in a currency; None if only other currencies have one. Raises NoFit if none
        has."""
        try:
            return self.fit(Model.GAMMA_GAMMA, at, self.code(currency))
        except NoFit:
            codes = self.bought.currencies
            if any(applying(self.fits, Model.GAMMA_GAMMA, code, at) for code in codes):
                return None
            raise


# A figure is evaluated as a whole, and then by period and group: from the same purchases, fetched once. A connection
# belongs to one request, and so does this cache.
_FETCHED: WeakKeyDictionary[AsyncConnection, tuple[Any, Bought]] = WeakKeyDictionary()


async def _bought(connection: AsyncConnection, query: MetricQuery) -> Bought:
    key = (query.tenant, query.ends_at, query.zone, _own(query))
    fetched, found = _FETCHED.get(connection, (None, None))
    if found is None or fetched != key:
        found = await bought(connection, query.tenant, query.ends_at, query.zone, *purchase_filters(query))
        _FETCHED[connection] = key, found
    return found


def _own(query: MetricQuery) -> tuple[Filter, ...]:
    return tuple(each for each in query.filters if each.dimension.source is Source.EVENT)


def purchase_filters(query: MetricQuery) -> Sequence[ColumnElement[bool]]:
    """Returns the filters that choose purchases rather than customers."""
    return Slices(
        replace(query, group_by=(), filters=_own(query)), facts, facts.c.customer_id, literal(query.ends_at)
    ).where


async def groups_of(
    connection: AsyncConnection, query: MetricQuery, by: tuple[Dimension, ...], ids: Ids, *, filtered: bool = False
) -> tuple[Ints, list[Group]]:
    """Returns each pair of a customer, by its index in `ids`, and its group."""
    filters = tuple(each for each in query.filters if each.dimension.source is Source.CUSTOMER) if filtered else ()
    # The ids are sent as bytes and come back as indexes: no fact need be read again to know which customers bought.
    indexes = select(func.generate_series(0, ids.size - 1).label("index")).subquery("indexes")
    sixteen = func.substring(literal(ids.tobytes(), BYTEA), indexes.c.index * 16 + 1, 16)
    buyers = select(indexes.c.index, cast(func.encode(sixteen, "hex"), UuidType).label("id")).subquery("buyers")
    slices = Slices(replace(query, group_by=by, filters=filters), buyers, buyers.c.id, literal(query.ends_at))
    statement = select(sent(buyers.c.index, "int4send"), *(func.array_agg(each) for each in slices.by))
    row = (await connection.execute(statement.select_from(slices.join(buyers)).where(*slices.where))).one()
    index = np.frombuffer(row[0], ">i4").astype(np.int64)
    columns = [column or [] for column in row[1:]]
    return index, list(zip(*columns, strict=True)) if columns else [()] * index.size


async def _churn(
    connection: AsyncConnection, query: MetricQuery, ids: Ids
) -> tuple[Ints, dict[datetime, dict[int, float | None]]]:
    """Returns each customer's segment, as a number, and at the end of each period the segments' churn of the year
    before: the share of customers active then that is not active now. None where none was."""
    ends, zone = query.boundaries[1:], zone_of(query.zone)
    periods = (
        func.unnest(
            cast(literal([months_before(each, 12, zone) for each in ends], ARRAY(Moment)), ARRAY(Moment)),
            cast(literal(list(ends), ARRAY(Moment)), ARRAY(Moment)),
        )
        .table_valued("starts_at", "ends_at", with_ordinality="number")
        .render_derived("periods")
    )
    then, now, record = spans(query).alias("then"), spans(query).alias("now"), customers(query).alias("of")
    segment = record.c.state["segment"].astext
    rows = await connection.execute(
        select(periods.c.number, segment, func.count(), func.count(now.c.customer_id))
        .select_from(
            periods.join(then, and_(then.c.starts_at < periods.c.starts_at, then.c.ends_at >= periods.c.starts_at))
            .outerjoin(
                now,
                and_(
                    now.c.customer_id == then.c.customer_id,
                    now.c.starts_at < periods.c.ends_at,
                    now.c.ends_at >= periods.c.ends_at,
                ),
            )
            .outerjoin(record, record.c.id == then.c.customer_id)
        )
        .where(then.c.customer_id.not_in(unidentified(query.tenant, query.ends_at)))
        .group_by(periods.c.number, segment)
    )
    numbers: dict[str | None, int] = {None: 0}
    customer, groups = await groups_of(connection, query, (SEGMENT,), ids)
    of_customer = np.zeros(ids.size, np.int64)
    of_customer[customer] = [numbers.setdefault(name, len(numbers)) for (name,) in groups]
    churn: dict[datetime, dict[int, float | None]] = {end: {} for end in ends}
    for number, name, were, are in rows:
        if name in numbers:
            churn[ends[number - 1]][numbers[name]] = 1 - are / were
    return of_customer, churn
