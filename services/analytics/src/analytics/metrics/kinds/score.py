"""Scores: a number per customer, by a model, at the end of each period.

The purchases are fetched once, as arrays, and scored at each instant in a thread; what is of amounts, in each currency
by itself, as if there were no others. A filter chooses whom to score, so
the fifths of RFM are of those; churn and fits are the tenant's. A customer that stands for all those not identified is
never scored.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ARRAY, and_, cast, func, literal, select, true
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.calendar import months_before, zone_of
from analytics.customer_value.fit_store import fits_of
from analytics.customer_value.fits import NEEDED, KeptFit, Model, applying
from analytics.customer_value.purchases import Bought, Ids, bought, is_purchase, sent, unidentified
from analytics.customer_value.rfm import Segment
from analytics.customer_value.scores import MONEY, Floats, Ints, PurchaseBase
from analytics.metrics.currencies import CURRENCY, is_of_amounts
from analytics.metrics.definition import CUSTOMER, Dimension, Source
from analytics.metrics.measure import Measure, Score
from analytics.metrics.query import (
    Cell,
    Cells,
    Filter,
    Member,
    MetricQuery,
    Slices,
    Value,
    Weighed,
    customers,
    spans,
)
from analytics.projections.tables import facts
from kith.db.tables import Moment
from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.sales import OrderPlaced
from kith.nouns.queries import Position

MOST = 5_000_000
"""Customers times instants that one question may score: ten seconds' work."""
SEGMENT = next(each for each in CUSTOMER if each.name == "segment")
LABELS: list[str] = [str(each) for each in Segment]
_PLACES = {each: index for index, each in enumerate(LABELS)}

Group = tuple[str | None, ...]


class NoFit(Conflict):
    code = ErrorCode.MODEL_NOT_FITTED


async def cells(connection: AsyncConnection, query: MetricQuery, measures: Sequence[Score]) -> Cells:
    """Raises NoFit, and Invalid for more periods than can be scored at once."""
    scoring = await Scoring.of(connection, query, {measure.model for measure in measures})
    places = await _places(connection, query, scoring)
    found: Cells = {}
    for period, ends_at in enumerate(query.boundaries[1:]):
        for currency in scoring.apart(by_currency=CURRENCY in query.group_by):
            await connection.execute(select(1))  # a transaction that is silent for long is ended
            totals = await asyncio.to_thread(_totals, scoring, places, measures, ends_at, currency)
            for group, values in totals.items():
                found[Cell(period, group)] = values
    return found


async def members(
    connection: AsyncConnection, query: MetricQuery, terms: Sequence[Weighed], after: Position | None, first: int
) -> list[Member]:
    """In order of their ids, each with its last purchase."""
    measures = [term.measure for term in terms if isinstance(term.measure, Score)]
    scoring = await Scoring.of(connection, query, {measure.model for measure in measures})
    places = await _places(connection, query, scoring)
    apart = scoring.apart(by_currency=any(is_of_amounts(measure) for measure in measures))

    def chosen() -> tuple[list[UUID], list[dict[Currency, Decimal]]]:
        adds = np.zeros((len(apart), scoring.ids.size))
        counted = np.zeros(adds.shape, np.bool_)
        for row, currency in enumerate(apart):
            for term, measure in zip(terms, measures, strict=True):
                scored = scoring.scored(measure.model, query.ends_at, currency)
                mine = scored.counts(measure, places)[places.customer] & scored.is_told
                counted[row, places.customer[mine]] = True
                value = np.where(mine, scored.value[places.customer] if measure.sum else scored.unit, 0)
                adds[row, places.customer] += term.sign * value / scored.unit
        who = np.flatnonzero(counted.any(axis=0))
        if after is not None:
            who = who[np.searchsorted(scoring.ids[who], np.array(after.id.bytes, "S16"), side="right") :]
        page = who[:first]
        amounts = [
            {currency: Decimal(adds[row, each].item()) for row, currency in enumerate(apart) if counted[row, each]}
            for each in page.tolist()
        ]
        return uuids(scoring.ids[page]), amounts

    ids, amounts = await asyncio.to_thread(chosen)
    last = await _last_purchases(connection, query, ids)
    nothing = (None, None, None, None)
    found = []
    for id, mine in zip(ids, amounts, strict=True):
        value = next(iter(mine.values())) if len(mine) == 1 else None
        told = {scoring.code(each): amount for each, amount in mine.items() if each is not None}
        found.append(Member._make((id, *last.get(id, nothing), value, id, told)))
    return found


def uuids(ids: Ids) -> list[UUID]:
    return [UUID(bytes=each.ljust(16, b"\0")) for each in ids.tolist()]


# What models look at, and what they say


Currency = int | None
"""The index of a currency among those of the purchases; None stands for all of them."""


class Scored(NamedTuple):
    """What a model says; an element per customer."""

    value: Floats
    """NaN for those it says nothing of."""
    unit: int
    """The value is in this fraction of one."""
    label: NDArray[np.int64] | None = None
    """The index of its name in LABELS."""
    is_told: bool = True
    """False: there is something to be said of those with a value, but no fit that says what."""

    def counts(self, measure: Score, places: "Places") -> NDArray[np.bool_]:
        """Which customers the measure counts."""
        counted = ~np.isnan(self.value)
        labels = np.zeros(0, np.int64) if self.label is None else self.label
        wanted = [] if measure.label is None else [Filter(LABEL, (measure.label,))]
        for each in (*wanted, *places.by_label):
            among = np.isin(labels, [_PLACES[name] for name in each.values if name in _PLACES])
            counted &= ~among if each.exclude else among
        return counted


LABEL = Dimension("label", Source.LABEL)


@dataclass(frozen=True)
class Scoring:
    """All that the models asked for look at."""

    query: MetricQuery
    bought: Bought
    kept: NDArray[np.bool_]
    """Of each customer, whether it is to be scored."""
    fits: Sequence[KeptFit] = ()
    segment: Ints | None = None
    churn: Mapping[datetime, Mapping[int, float | None]] = field(default_factory=dict)
    """At the end of each period, by segment."""

    @classmethod
    async def of(cls, connection: AsyncConnection, query: MetricQuery, models: Iterable[str]) -> "Scoring":
        """Raises Invalid."""
        models = set(models)
        now = (await connection.execute(select(cast(func.now(), Moment)))).scalar_one()
        query = replace(query, boundaries=tuple(min(each, now) for each in query.boundaries))
        found = await _bought(connection, query)
        if found.ids.size * query.periods > MOST:
            raise Invalid(
                f"{found.ids.size} customers at {query.periods} instants are more than {MOST} to score at once: "
                "take a longer grain or a shorter interval.",
                field="grain",
            )
        kept = np.ones(found.ids.size, np.bool_)
        if any(each.dimension.source is Source.CUSTOMER for each in query.filters):
            chosen, _ = await _groups(connection, query, (), found.ids, filtered=True)
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
        """The currencies to score in, one by one; or all purchases together."""
        return range(len(self.bought.currencies)) if by_currency else [None]

    def code(self, currency: int) -> str | None:
        return self.bought.currencies[currency]

    def base(self, at: datetime, currency: Currency = None) -> PurchaseBase:
        """What those to be scored bought before; in a currency, if one is named."""
        purchases = self.bought.purchases
        if not self.kept.all():
            purchases = purchases.those(self.kept[purchases.customer])
        if currency is not None and len(self.bought.currencies) > 1:
            purchases = purchases.those(purchases.currency == currency)
        return PurchaseBase.before(min(at, self.bought.now), self.ids.size, purchases, self.query.zone)

    def scored(self, model: str, at: datetime, currency: Currency = None) -> Scored:
        """Raises NoFit."""
        base = self.base(at, currency)
        match model:
            case "historic":
                return Scored(base.historic(), MONEY)
            case "simple":
                assert self.segment is not None
                return Scored(base.simple(self.segment, self.churn[base.at]), MONEY)
            case "p_alive":
                return Scored(base.p_alive(self.fit(Model.BG_NBD, at)), 1)
            case "predicted":
                assert currency is not None
                buying, spending = self.fit(Model.BG_NBD, at), self.spending(currency, at)
                if spending is None:
                    return Scored(np.where(base.orders() > 0, 0, np.nan), MONEY, is_told=False)
                return Scored(base.predicted(buying, spending), MONEY)
            case "rfm":
                who, scores = base.rfm()
                value, label = np.full(self.ids.size, np.nan), np.full(self.ids.size, -1)
                value[who] = 1
                label[who] = [_PLACES[each] for each in scores.segment]
                return Scored(value, 1, label)
        raise ValueError(model)

    def fit(self, model: Model, at: datetime, currency: str | None = None) -> KeptFit:
        """Raises NoFit."""
        found = applying(self.fits, model, currency, at)
        if found is None:
            of = f" of {currency}" if currency else ""
            raise NoFit(f"There is no fit of {model}{of}: ask for one, POST /v1/customer-value/fits.")
        return found

    def spending(self, currency: int, at: datetime) -> KeptFit | None:
        """The fit of what is spent in a currency; None if there is none, but for another. Raises NoFit if there is none
        of any."""
        try:
            return self.fit(Model.GAMMA_GAMMA, at, self.code(currency))
        except NoFit:
            codes = self.bought.currencies
            if any(applying(self.fits, Model.GAMMA_GAMMA, code, at) for code in codes):
                return None
            raise


class Places(NamedTuple):
    """Who counts where: a customer with two tags counts twice, if tags are asked for."""

    customer: Ints
    group: Ints
    """The index of each one's group in `groups`."""
    groups: Sequence[Group]
    """Of the dimensions of the customer."""
    by_label: Sequence[Filter]
    by: Sequence[Source]
    """Of what is grouped by: whose each dimension is. What is the event's is the currency."""

    def key(self, group: int, label: str | None, currency: str | None) -> Group:
        """A group as it was asked for."""
        mine = iter(self.groups[group])
        told = {Source.LABEL: label, Source.EVENT: currency}
        return tuple(next(mine) if each is Source.CUSTOMER else told[each] for each in self.by)


async def _places(connection: AsyncConnection, query: MetricQuery, scoring: Scoring) -> Places:
    by_label = [each for each in query.filters if each.dimension.source is Source.LABEL]
    of_customer = tuple(each for each in query.group_by if each.source is Source.CUSTOMER)
    customer, group = np.flatnonzero(scoring.kept), np.zeros(0, np.int64)
    told: list[Group] = [()]
    if of_customer:
        customer, rows = await _groups(connection, query, of_customer, scoring.ids)
        kept = scoring.kept[customer]
        customer, rows = customer[kept], [row for row, is_kept in zip(rows, kept.tolist(), strict=True) if is_kept]
        places: dict[Group, int] = {}
        group = np.fromiter((places.setdefault(row, len(places)) for row in rows), np.int64, len(rows))
        told = list(places)
    else:
        group = np.zeros(customer.size, np.int64)
    return Places(customer, group, told, by_label, [each.source for each in query.group_by])


def _totals(
    scoring: Scoring, places: Places, measures: Sequence[Score], at: datetime, currency: Currency
) -> dict[Group, dict[Measure, Value]]:
    found: dict[Group, dict[Measure, Value]] = {}
    models = dict.fromkeys(measure.model for measure in measures)
    said = {model: scoring.scored(model, at, currency) for model in models}
    code = None if currency is None else scoring.code(currency)
    for measure in measures:
        scored = said[measure.model]
        counted = scored.counts(measure, places)[places.customer]
        customer, group = places.customer[counted], places.group[counted]
        several = 1 if Source.LABEL not in places.by or scored.label is None else len(LABELS)
        if several > 1:
            assert scored.label is not None
            group = group * several + scored.label[customer]
        number = np.bincount(group, minlength=len(places.groups) * several)
        total = np.bincount(group, scored.value[customer], minlength=number.size) if measure.sum else number
        for index in np.flatnonzero(number).tolist():
            of, label = divmod(index, several)
            key = places.key(of, LABELS[label] if several > 1 else None, code)
            value = Decimal(total[index].item()) / (scored.unit if measure.sum else 1) if scored.is_told else None
            found.setdefault(key, dict.fromkeys(measures, Decimal()))[measure] = value
    return found


# Statements


# A figure is asked for whole, and then by period and group: of the same purchases, fetched once. A connection is one
# request's, and so is what is remembered with it.
_FETCHED: WeakKeyDictionary[AsyncConnection, tuple[Any, Bought]] = WeakKeyDictionary()


async def _bought(connection: AsyncConnection, query: MetricQuery) -> Bought:
    key = (query.tenant, query.ends_at, query.zone, _own(query))
    known, found = _FETCHED.get(connection, (None, None))
    if found is None or known != key:
        found = await bought(connection, query.tenant, query.ends_at, query.zone, *_of_events(query))
        _FETCHED[connection] = key, found
    return found


def _own(query: MetricQuery) -> tuple[Filter, ...]:
    return tuple(each for each in query.filters if each.dimension.source is Source.EVENT)


def _of_events(query: MetricQuery) -> Sequence[Any]:
    """The filters that choose purchases rather than customers."""
    return Slices(
        replace(query, group_by=(), filters=_own(query)), facts, facts.c.customer_id, literal(query.ends_at)
    ).where


async def _groups(
    connection: AsyncConnection, query: MetricQuery, by: tuple[Dimension, ...], ids: Ids, *, filtered: bool = False
) -> tuple[Ints, list[Group]]:
    """The customers, by their places in `ids`, each with its group."""
    filters = tuple(each for each in query.filters if each.dimension.source is Source.CUSTOMER) if filtered else ()
    # The ids go there as bytes and come back as places: no fact need be read once more to know who bought.
    places = select(func.generate_series(0, ids.size - 1).label("index")).subquery("places")
    sixteen = func.substring(literal(ids.tobytes(), BYTEA), places.c.index * 16 + 1, 16)
    buyers = select(places.c.index, cast(func.encode(sixteen, "hex"), UuidType).label("id")).subquery("buyers")
    slices = Slices(replace(query, group_by=by, filters=filters), buyers, buyers.c.id, literal(query.ends_at))
    statement = select(sent(buyers.c.index, "int4send"), *(func.array_agg(each) for each in slices.by))
    row = (await connection.execute(statement.select_from(slices.join(buyers)).where(*slices.where))).one()
    index = np.frombuffer(row[0], ">i4").astype(np.int64)
    columns = [column or [] for column in row[1:]]
    return index, list(zip(*columns, strict=True)) if columns else [()] * index.size


async def _churn(
    connection: AsyncConnection, query: MetricQuery, ids: Ids
) -> tuple[Ints, dict[datetime, dict[int, float | None]]]:
    """Each customer's segment, as a number, and at the end of each period the segments' churn of the year before: of
    those active then the share that is not active now. None where nobody was."""
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
    customer, groups = await _groups(connection, query, (SEGMENT,), ids)
    of_customer = np.zeros(ids.size, np.int64)
    of_customer[customer] = [numbers.setdefault(name, len(numbers)) for (name,) in groups]
    churn: dict[datetime, dict[int, float | None]] = {end: {} for end in ends}
    for number, name, were, are in rows:
        if name in numbers:
            churn[ends[number - 1]][numbers[name]] = 1 - are / were
    return of_customer, churn


async def _last_purchases(
    connection: AsyncConnection, query: MetricQuery, ids: Sequence[UUID]
) -> dict[UUID, tuple[Any, ...]]:
    f = facts.c
    wanted = func.unnest(cast(list(ids), ARRAY(UuidType))).table_valued("id").render_derived("wanted")
    last = (
        select(f.subject, f.event_id, f.type, f.time)
        .where(
            is_purchase(query.tenant, query.ends_at),
            f.type == OrderPlaced.type,
            f.customer_id == wanted.c.id,
            *_of_events(query),
        )
        .order_by(f.time.desc(), f.event_id.desc())
        .limit(1)
        .lateral("last")
    )
    rows = await connection.execute(select(wanted.c.id, *last.c).select_from(wanted.join(last, true())))
    return {id: tuple(event) for id, *event in rows}
