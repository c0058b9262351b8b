"""Scores: a number per customer, by a model of its value, at the end of each period.

The models score in a thread. Without a fit for its currency, a predicted amount is unknown rather than 0.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ARRAY, cast, func, select, true
from sqlalchemy import Uuid as UuidType
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.customer_value.purchase_base import Ints
from analytics.customer_value.purchases import Ids, is_purchase
from analytics.customer_value.value_models import (
    LABEL_INDEX,
    LABELS,
    Currency,
    Group,
    ModelValues,
    ValueModels,
    groups_of,
    purchase_filters,
)
from analytics.metrics.definition import CURRENCY, Dimension, Source
from analytics.metrics.kinds.kind import AddsUp, MeasureKind
from analytics.metrics.measure import Measure, Score
from analytics.metrics.query import Cell, Cells, Filter, Member, MetricQuery, Value, Weighed
from analytics.projections.tables import facts
from kith.events.sales import OrderPlaced, OrderReturned
from kith.nouns.lists.pages import Position

LABEL = Dimension("label", Source.LABEL)
_OF_AMOUNTS = frozenset({"historic", "simple", "predicted"})
"""Models whose values follow from purchases in one currency: their sum and their count."""
_NAMES = {"p_alive": "P(alive)"}


class ScoreKind(MeasureKind[Score]):
    async def evaluate(self, connection: AsyncConnection, query: MetricQuery, measures: Sequence[Score]) -> Cells:
        """Evaluates the measures. Raises NoFit, and Invalid for more periods than can be scored at once."""
        models = await ValueModels.of(connection, query, {measure.model for measure in measures})
        grouping = await _grouping(connection, query, models)
        found: Cells = {}
        for period, ends_at in enumerate(query.boundaries[1:]):
            for currency in models.apart(by_currency=CURRENCY in query.group_by):
                await connection.execute(select(1))  # PostgreSQL ends a session that is idle in a transaction for long
                totals = await asyncio.to_thread(_totals, models, grouping, measures, ends_at, currency)
                for group, values in totals.items():
                    found[Cell(period, group)] = values
        return found

    async def members(
        self,
        connection: AsyncConnection,
        query: MetricQuery,
        terms: Sequence[Weighed[Score]],
        after: Position | None,
        first: int,
    ) -> list[Member]:
        """Returns the members in order of their ids, each with its last purchase."""
        measures = [term.measure for term in terms]
        models = await ValueModels.of(connection, query, {measure.model for measure in measures})
        grouping = await _grouping(connection, query, models)
        apart = models.apart(by_currency=any(self.is_amount(measure) for measure in measures))

        def chosen() -> tuple[list[UUID], list[dict[Currency, Decimal]]]:
            adds = np.zeros((len(apart), models.ids.size))
            counted = np.zeros(adds.shape, np.bool_)
            for row, currency in enumerate(apart):
                for term, measure in zip(terms, measures, strict=True):
                    scored = models.scored(measure.model, query.ends_at, currency)
                    mine = _counts(measure, scored, grouping) & scored.is_fitted
                    counted[row, grouping.customer[mine]] = True
                    value = np.where(mine, scored.value[grouping.customer] if measure.sum else scored.unit, 0)
                    adds[row, grouping.customer] += term.sign * value / scored.unit
            who = np.flatnonzero(counted.any(axis=0))
            if after is not None:
                who = who[np.searchsorted(models.ids[who], np.array(after.id.bytes, "S16"), side="right") :]
            page = who[:first]
            amounts = [
                {currency: Decimal(adds[row, each].item()) for row, currency in enumerate(apart) if counted[row, each]}
                for each in page.tolist()
            ]
            return _uuids(models.ids[page]), amounts

        ids, amounts = await asyncio.to_thread(chosen)
        last = await _last_purchases(connection, query, ids)
        nothing = (None, None, None, None)
        found = []
        for id, mine in zip(ids, amounts, strict=True):
            value = next(iter(mine.values())) if len(mine) == 1 else None
            by_code = {models.code(each): amount for each, amount in mine.items() if each is not None}
            found.append(Member._make((id, *last.get(id, nothing), value, id, by_code)))
        return found

    def describe(self, measure: Score) -> str:
        labelled = f" and labelled {measure.label}" if measure.label else ""
        taken = "their scores added up" if measure.sum else "counted"
        return f"customers scored {_NAMES.get(measure.model, measure.model)}{labelled}, {taken}"

    def event_types(self, _: Score) -> Iterable[str]:
        return OrderPlaced.type, OrderReturned.type

    def adds_up(self, _: Score) -> AddsUp:
        return AddsUp.NOTHING

    def needs_end(self, _: Score) -> bool:
        return True

    def is_amount(self, measure: Score) -> bool:
        return measure.model in _OF_AMOUNTS

    def has_currency(self, _: Score) -> bool:
        return True


class Grouping(NamedTuple):
    """The groups of customers: one with two tags counts twice, if grouped by tags."""

    customer: Ints
    group: Ints
    """The index of each one's group in `groups`."""
    groups: Sequence[Group]
    """The groups by dimensions of the customer."""
    by_label: Sequence[Filter]
    by: Sequence[Source]
    """The source of each dimension grouped by. The only one of the event is the currency."""

    def key(self, group: int, label: str | None, currency: str | None) -> Group:
        """Returns the group's value for each dimension of the query."""
        mine = iter(self.groups[group])
        others = {Source.LABEL: label, Source.EVENT: currency}
        return tuple(next(mine) if each is Source.CUSTOMER else others[each] for each in self.by)


async def _grouping(connection: AsyncConnection, query: MetricQuery, models: ValueModels) -> Grouping:
    by_label = [each for each in query.filters if each.dimension.source is Source.LABEL]
    of_customer = tuple(each for each in query.group_by if each.source is Source.CUSTOMER)
    customer = np.flatnonzero(models.kept)
    groups: list[Group] = [()]
    if of_customer:
        customer, rows = await groups_of(connection, query, of_customer, models.ids)
        kept = models.kept[customer]
        customer, rows = customer[kept], [row for row, is_kept in zip(rows, kept.tolist(), strict=True) if is_kept]
        indexes: dict[Group, int] = {}
        group = np.fromiter((indexes.setdefault(row, len(indexes)) for row in rows), np.int64, len(rows))
        groups = list(indexes)
    else:
        group = np.zeros(customer.size, np.int64)
    return Grouping(customer, group, groups, by_label, [each.source for each in query.group_by])


def _counts(measure: Score, scored: ModelValues, grouping: Grouping) -> NDArray[np.bool_]:
    """Returns for each row of the grouping whether the measure counts its customer."""
    counted = ~np.isnan(scored.value)
    labels = np.zeros(0, np.int64) if scored.label is None else scored.label
    wanted = [] if measure.label is None else [Filter(LABEL, (measure.label,))]
    for each in (*wanted, *grouping.by_label):
        among = np.isin(labels, [LABEL_INDEX[name] for name in each.values if name in LABEL_INDEX])
        counted &= ~among if each.exclude else among
    return counted[grouping.customer]


def _totals(
    models: ValueModels, grouping: Grouping, measures: Sequence[Score], at: datetime, currency: Currency
) -> dict[Group, dict[Measure, Value]]:
    found: dict[Group, dict[Measure, Value]] = {}
    scored_by = {model: models.scored(model, at, currency) for model in dict.fromkeys(each.model for each in measures)}
    code = None if currency is None else models.code(currency)
    for measure in measures:
        scored = scored_by[measure.model]
        counted = _counts(measure, scored, grouping)
        customer, group = grouping.customer[counted], grouping.group[counted]
        several = 1 if Source.LABEL not in grouping.by or scored.label is None else len(LABELS)
        if several > 1:
            assert scored.label is not None
            group = group * several + scored.label[customer]
        number = np.bincount(group, minlength=len(grouping.groups) * several)
        total = np.bincount(group, scored.value[customer], minlength=number.size) if measure.sum else number
        for index in np.flatnonzero(number).tolist():
            of, label = divmod(index, several)
            key = grouping.key(of, LABELS[label] if several > 1 else None, code)
            value = Decimal(total[index].item()) / (scored.unit if measure.sum else 1) if scored.is_fitted else None
            found.setdefault(key, dict.fromkeys(measures, Decimal()))[measure] = value
    return found


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
            *purchase_filters(query),
        )
        .order_by(f.time.desc(), f.event_id.desc())
        .limit(1)
        .lateral("last")
    )
    rows = await connection.execute(select(wanted.c.id, *last.c).select_from(wanted.join(last, true())))
    return {id: tuple(event) for id, *event in rows}


def _uuids(ids: Ids) -> list[UUID]:
    return [UUID(bytes=each.ljust(16, b"\0")) for each in ids.tolist()]
