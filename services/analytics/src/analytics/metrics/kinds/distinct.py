"""Distinct counts: customers, or aggregates, by their events up to the end of each period."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import reduce
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Numeric,
    Select,
    Text,
    Uuid,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.calendar import months_before, zone_of
from analytics.metrics.activity import Qualifying, spans
from analytics.metrics.bits import MAX_BITS, bits_between
from analytics.metrics.definition import Source
from analytics.metrics.kinds.kind import AddsUp, MeasureKind
from analytics.metrics.kinds.over_customers import PeriodCounts, page_of
from analytics.metrics.lines import lines_of, number_in
from analytics.metrics.measure import Attribute, Did, DistinctCount, IsActive, Key, MovedUp, Trait, Variety
from analytics.metrics.phrases import condition_in_words, events_in_words, joined_by_and, listed, plural
from analytics.metrics.query import (
    Cells,
    Member,
    MetricQuery,
    Slices,
    Weighed,
    all_hold,
    customers,
    holds,
    period_of,
)
from analytics.projections.activity import ActivityRule
from analytics.projections.facts import noun_of, word_of
from analytics.projections.fields import field_of
from analytics.projections.tables import facts
from kith.db.tables import Moment
from kith.nouns.lists.pages import Position


class DistinctKind(MeasureKind[DistinctCount]):
    async def evaluate(
        self, connection: AsyncConnection, query: MetricQuery, measures: Sequence[DistinctCount]
    ) -> Cells:
        found: Cells = {}
        for start in range(0, query.periods, MAX_BITS):
            part = replace(query, boundaries=query.boundaries[start : start + MAX_BITS + 1])
            for key in Key:
                if alike := [measure for measure in measures if measure.key is key]:
                    await _count(connection, part, alike, start, found)
        return found

    async def members(
        self,
        connection: AsyncConnection,
        query: MetricQuery,
        terms: Sequence[Weighed[DistinctCount]],
        after: Position | None,
        first: int,
    ) -> list[Member]:
        """Returns the members with the last of the events by which they have their first trait."""
        each = _Each(query, [term.measure for term in terms])
        value: ColumnElement[Any] = literal(0)
        for term in terms:
            value = value + term.sign * each.in_periods(term.measure)  # there is one period, so the value is 1 or 0
        key = each.table.c.key
        chosen = page_of(each.source, key, value, each.slices.where, after, first)
        proof = each.proof(chosen.c.key).lateral("proof")
        rows = await connection.execute(
            select(*proof.c, cast(chosen.c.value, Numeric), chosen.c.key)
            .select_from(chosen.outerjoin(proof, true()))
            .order_by(chosen.c.key)
        )
        return [Member._make((*row, {})) for row in rows]

    def describe(self, measure: DistinctCount) -> str:
        traits = [_trait_in_words(each) for each in measure.all_of]
        if measure.any_of:
            traits.append(" or ".join(_trait_in_words(each) for each in measure.any_of))
        return f"distinct {_whom(measure)} with {'; and with '.join(traits)}"

    def event_types(self, measure: DistinctCount) -> Iterable[str]:
        return {
            type for trait in _traits(measure) if isinstance(trait, Did | Variety | MovedUp) for type in trait.types
        }

    def adds_up(self, _: DistinctCount) -> AddsUp:
        return AddsUp.NOTHING

    def needs_end(self, measure: DistinctCount) -> bool:
        return not all(isinstance(trait, Did) and trait.in_interval for trait in _traits(measure))


def _traits(measure: DistinctCount) -> tuple[Trait, ...]:
    return (*measure.all_of, *measure.any_of)


def _trait_in_words(trait: Trait) -> str:
    match trait:
        case Did(types, at_least, months, in_interval, where):
            clauses = " ".join(joined_by_and(condition_in_words(noun_of(types[0]), each) for each in where))
            past = f"in the {months} months before the end" if months else "to date"
            when = "in the interval" if in_interval else past
            number = f"{at_least} or more" if at_least > 1 else "any"
            return " ".join(filter(None, [number, events_in_words(types), clauses, when]))
        case Variety(types, field, at_least):
            return f"{at_least} or more different {plural(field)} among the lines of {events_in_words(types)} to date"
        case MovedUp():
            return "an item ordered, or a plan renewed, at a higher price than the one of its family before"
        case Attribute(field):
            return f"{field.replace('_', ' ')} on record"
        case IsActive():
            return "activity at the end"


def _whom(measure: DistinctCount) -> str:
    match measure.key:
        case Key.CUSTOMER:
            return "customers"
        case Key.SUBJECT:
            return _subjects(measure.all_of)
        case Key.OPPORTUNITY:
            return "opportunities"


def _subjects(traits: Iterable[Trait]) -> str:
    nouns = {word_of(type): None for trait in traits if isinstance(trait, Did) for type in trait.types}
    return listed(plural(noun) for noun in nouns)


async def _count(
    connection: AsyncConnection, query: MetricQuery, measures: Sequence[DistinctCount], start: int, found: Cells
) -> None:
    each = _Each(query, measures)
    index = [*(each.in_periods(measure) for measure in measures), *each.slices.by]
    statement = select(*index, func.count()).select_from(each.source).where(*each.slices.where).group_by(*index)
    counts = PeriodCounts(measures, query.periods)
    for row in await connection.execute(statement):
        *values, number = row
        group = tuple(values[len(measures) :])
        for measure, periods in zip(measures, values, strict=False):
            counts.add(group, measure, periods, number)
    counts.add_cells(found, start)


class _Each:
    """One row per customer, or aggregate, with the periods in which it has each trait, as bits.

    Where traits depend on their own period only, it is one row per period: the fields of the facts may change.
    """

    def __init__(self, query: MetricQuery, measures: Sequence[DistinctCount]) -> None:
        self.query, self.key = query, measures[0].key
        self._traits = list(dict.fromkeys(trait for each in measures for trait in _traits(each)))
        self._bounded = all(isinstance(trait, Did) and trait.in_interval for trait in self._traits)
        self._qualifying = Qualifying(query)
        looks_at_activity = any(isinstance(trait, IsActive) for trait in self._traits)
        self._facts = self._qualifying.facts if looks_at_activity else facts
        self.table = self._counted().subquery("each")
        customer: ColumnElement[Any] = self.table.c.key if self.key is Key.CUSTOMER else self.table.c.customer_id
        self.slices = Slices(query, self.table, customer, literal(query.ends_at))
        self.source = self.slices.join(self.table)
        self._record = None
        self._varied = dict[Trait, FromClause]()
        for number, trait in enumerate(self._traits):
            if isinstance(trait, Variety):
                self._varied[trait] = varied = self._variety(trait).subquery(f"varied_{number}")
                self.source = self.source.outerjoin(varied, varied.c.customer_id == customer)
        self._moved = dict[Trait, FromClause]()
        for number, trait in enumerate(self._traits):
            if isinstance(trait, MovedUp):
                self._moved[trait] = moved = self._moves(trait).subquery(f"moved_{number}")
                self.source = self.source.outerjoin(moved, moved.c.customer_id == customer)
        self._active = None
        if looks_at_activity and query.policy.is_contractual:
            self._active = active = self._active_at_ends().subquery("active")
            self.source = self.source.outerjoin(active, active.c.customer_id == customer)
        if any(isinstance(trait, Attribute) for trait in self._traits):
            self._record = customers(query).alias("record")
            self.source = self.source.outerjoin(self._record, self._record.c.id == customer)

    def in_periods(self, measure: DistinctCount) -> ColumnElement[int]:
        """Returns the periods in which it counts, as bits."""
        found = reduce(_both, (self._bits_of(trait) for trait in measure.all_of))
        if measure.any_of:
            found = _both(found, reduce(_either, (self._bits_of(trait) for trait in measure.any_of)))
        return found

    def proof(self, key: ColumnElement[Any]) -> Select[Any]:
        """Returns the proof of a key in the only period: its last event of the first trait."""
        f = facts
        first = next(trait for trait in self._traits if isinstance(trait, Did | IsActive))
        return (
            select(f.c.customer_id, f.c.subject, f.c.event_id, f.c.type, f.c.time)
            .select_from(self._facts)
            .where(
                f.c.tenant_id == self.query.tenant,
                self._key == key,
                f.c.time < self.query.ends_at,
                self._looks_at(first),
                self._when(first) > 0,
            )
            .order_by(f.c.time.desc(), f.c.event_id.desc())
            .limit(1)
        )

    @property
    def _key(self) -> ColumnElement[Any]:
        match self.key:
            case Key.CUSTOMER:
                return facts.c.customer_id
            case Key.SUBJECT:
                return facts.c.subject
            case Key.OPPORTUNITY:
                # Written out: rows are grouped by it, and two parameters are never the same expression.
                return cast(facts.c.state.op("->>")(literal_column("'opportunity_id'")), Uuid)

    def _counted(self) -> Select[Any]:
        f, query = facts, self.query
        used = [*query.group_by, *(each.dimension for each in query.filters)]
        # A field of the facts has, for one key, the value of its last fact.
        own = {each.field: self._latest(each.field) for each in used if each.source is Source.EVENT}
        looked_at = {n: trait for n, trait in enumerate(self._traits) if isinstance(trait, Did | IsActive)}
        columns = [
            self._key.label("key"),
            *(self._had(trait).label(f"bits_{n}") for n, trait in looked_at.items()),
            func.jsonb_build_object(
                *(part for name, value in own.items() for part in (literal(name, Text), value)), type_=JSONB
            ).label("state"),
            *(own[name].label(name) for name in ("phase", "currency") if name in own),
        ]
        if self.key is not Key.CUSTOMER:
            columns.append(self._latest("customer_id").label("customer_id"))
        return (
            select(*columns)
            .select_from(self._facts)
            .where(
                f.c.tenant_id == query.tenant,
                f.c.type.in_(self._types()),
                f.c.time < query.ends_at,
                f.c.time >= query.starts_at if self._bounded else true(),
                self._key.is_not(None),
                or_(*(self._looks_at(trait) for trait in looked_at.values())),
            )
            .group_by(self._key, *([period_of(f.c.time, query)] if self._bounded else []))
        )

    def _had(self, trait: Did | IsActive) -> ColumnElement[int]:
        """Aggregates over all facts of the key."""
        if isinstance(trait, Did) and trait.at_least > 1:
            times = func.array_agg(aggregate_order_by(facts.c.time, facts.c.time), type_=ARRAY(Moment))
            nth = type_coerce(times.filter(self._looks_at(trait)), ARRAY(Moment))[trait.at_least]
            when = func.coalesce(nth, self.query.ends_at)
            return self._from_to(self._ends_up_to(when), literal(self.query.periods))
        return func.coalesce(func.bit_or(self._when(trait)).filter(self._looks_at(trait)), 0)

    def _when(self, trait: Did | IsActive) -> ColumnElement[int]:
        """Returns the periods in which this one fact gives the trait."""
        time, query = facts.c.time, self.query
        first = self._ends_up_to(time)  # the first period that ends after it
        if isinstance(trait, IsActive):
            # A span is as long as its window, however long the days are.
            return case(
                *((self._qualifying.by(rule), self._within_window(rule, first)) for rule in query.policy.rules), else_=0
            )
        if trait.in_interval:
            return self._in_period(time)
        if trait.months is not None:
            zone = zone_of(query.zone)
            return self._from_to(
                first, self._reached(time, [months_before(e, trait.months, zone) for e in query.boundaries[1:]])
            )
        return self._from_to(first, literal(query.periods))

    def _within_window(self, rule: ActivityRule, first: ColumnElement[int]) -> ColumnElement[int]:
        windows = [end - rule.window for end in self.query.boundaries[1:]]
        return self._from_to(first, self._reached(facts.c.time, windows))

    def _in_period(self, moment: ColumnElement[Any]) -> ColumnElement[int]:
        first = self._ends_up_to(moment)
        return self._from_to(first, case((moment >= self.query.starts_at, first + 1), else_=first))

    def _ends_up_to(self, moment: ColumnElement[Any]) -> ColumnElement[int]:
        return self._reached(moment, self.query.boundaries[1:])

    def _reached(self, moment: ColumnElement[Any], moments: Sequence[datetime]) -> ColumnElement[int]:
        """Returns how many of these moments have passed by then."""
        return func.width_bucket(moment, literal(list(moments), ARRAY(Moment)))

    def _from_to(self, low: ColumnElement[int], high: ColumnElement[int]) -> ColumnElement[int]:
        """Returns the bits from `low` up to `high`, exclusive."""
        return bits_between(func.least(low, high), high)

    def _latest(self, name: str) -> ColumnElement[Any]:
        value = facts.c.customer_id if name == "customer_id" else field_of(facts, name)
        ordered = aggregate_order_by(value, facts.c.time.desc(), facts.c.version.desc())
        return func.array_agg(ordered, type_=ARRAY(value.type))[1]

    def _bits_of(self, trait: Trait) -> ColumnElement[int]:
        if isinstance(trait, Attribute):
            assert self._record is not None
            has = func.coalesce(self._record.c.state.has_key(trait.field), False)
            return case((has, (1 << self.query.periods) - 1), else_=0)
        if isinstance(trait, IsActive) and self._active is not None:
            return func.coalesce(self._active.c.at, 0)
        if isinstance(trait, Variety):
            when = func.coalesce(self._varied[trait].c.at, self.query.ends_at)
            return self._from_to(self._ends_up_to(when), literal(self.query.periods))
        if isinstance(trait, MovedUp):
            return func.coalesce(self._moved[trait].c.bits, 0)
        bits: ColumnElement[int] = self.table.c[f"bits_{self._traits.index(trait)}"]
        return bits

    def _types(self) -> list[str]:
        found: set[str] = set()
        for trait in self._traits:
            if isinstance(trait, Did):
                found.update(trait.types)
            elif isinstance(trait, IsActive):
                found.update(*(rule.types for rule in self.query.policy.rules))
        return sorted(found)

    def _variety(self, trait: Variety) -> Select[Any]:
        """Selects when each customer had so many different values."""
        lines = lines_of(self.query.tenant, trait.types, facts.c.time < self.query.ends_at)
        value, whose = field_of(lines, trait.field), lines.c.customer_id
        first = (
            select(whose, func.min(lines.c.time).label("at"))
            .where(value.is_not(None), whose.is_not(None))
            .group_by(whose, value)
            .subquery("first_of_each")
        )
        times = func.array_agg(aggregate_order_by(first.c.at, first.c.at), type_=ARRAY(Moment))
        at = type_coerce(times, ARRAY(Moment))[trait.at_least].label("at")
        return select(first.c.customer_id, at).group_by(first.c.customer_id)

    def _moves(self, trait: MovedUp) -> Select[Any]:
        """Selects the periods in which each customer moved up, as bits. Of several items at an instant the one with the
        highest price counts."""
        f, before = facts.c, facts.c.time < self.query.ends_at
        lines = lines_of(self.query.tenant, trait.ordered, before)
        months = case(_MONTHS, value=field_of(facts, "billing_period"), else_=1)
        each = union_all(
            select(
                *(lines.c.customer_id, lines.c.currency, lines.c.time),
                field_of(lines, "family").label("family"),
                field_of(lines, "product_id").label("item"),
                cast(field_of(lines, "unit_price"), Numeric).label("price"),
            ),
            # A subscription is a family of its own, of plans.
            select(
                *(f.customer_id, f.currency, f.time),
                cast(f.subject, Text),
                field_of(facts, "plan"),
                number_in(field_of(facts, "unit_price")) / months,
            ).where(f.tenant_id == self.query.tenant, f.type.in_(trait.began + trait.renewed), before),
        ).subquery("item")
        e = each.c
        family = (e.customer_id, e.family, e.currency)
        best = func.array_agg(aggregate_order_by(e.item, e.price.desc(), e.item), type_=ARRAY(Text))
        known = (column.is_not(None) for column in (e.customer_id, e.family, e.item, e.price))
        top = (
            select(*family, e.time, func.max(e.price).label("price"), type_coerce(best, ARRAY(Text))[1].label("item"))
            .where(*known)
            .group_by(*family, e.time)
            .subquery("top")
        )
        t = top.c
        last: Any = {"partition_by": (t.customer_id, t.family, t.currency), "order_by": t.time}
        steps = select(
            *(t.customer_id, t.time, t.price, t.item),
            func.lag(t.price).over(**last).label("price_before"),
            func.lag(t.item).over(**last).label("item_before"),
        ).subquery("steps")
        s = steps.c
        return (
            select(s.customer_id, func.bit_or(self._in_period(s.time)).label("bits"))
            .where(s.price > s.price_before, s.item != s.item_before)
            .group_by(s.customer_id)
        )

    def _active_at_ends(self) -> Select[Any]:
        """Selects the periods at whose end each customer was active, as bits, where facts alone do not say it."""
        s = spans(self.query)
        bits = bits_between(self._ends_up_to(s.c.starts_at), self._ends_up_to(s.c.ends_at))
        return select(s.c.customer_id, func.bit_or(bits).label("at")).group_by(s.c.customer_id)

    def _looks_at(self, trait: Did | IsActive) -> ColumnElement[bool]:
        """Whether a fact counts for the trait, at any time."""
        if isinstance(trait, IsActive):
            return self._qualifying.by_any()
        conditions = (holds(each, facts, self.query) for each in trait.where)
        return all_hold([facts.c.type.in_(trait.types), *conditions])


_MONTHS = {"quarterly": 3, "half_yearly": 6, "yearly": 12}


def _both(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
    found: ColumnElement[int] = one.op("&")(other)
    return found


def _either(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
    found: ColumnElement[int] = one.op("|")(other)
    return found
