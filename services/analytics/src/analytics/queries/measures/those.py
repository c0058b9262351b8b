"""Those who: distinct customers, or aggregates, by what happened to them up to the end of each period."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Numeric,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.measure import Attribute, Did, IsActive, Key, Those, Trait
from analytics.domain.metric import Source
from analytics.queries.measures.asked import (
    Asked,
    Cell,
    Cells,
    Member,
    Qualifying,
    Slices,
    Weighed,
    all_hold,
    customers,
    holds,
)
from analytics.storage.fields import field_of
from analytics.storage.tables import facts
from kith.queries import Position
from kith.tables import Moment


async def cells(connection: AsyncConnection, asked: Asked, measures: Sequence[Those]) -> Cells:
    found: Cells = {}
    for key in Key:
        alike = [measure for measure in measures if measure.key is key]
        if not alike:
            continue
        each = _Each(asked, alike)
        place = [each.table.c.place, *each.slices.by]
        counts = [func.count().filter(each.has(measure)) for measure in alike]
        statement = select(*place, *counts).select_from(each.source).where(*each.slices.where).group_by(*place)
        for row in await connection.execute(statement):
            at = Cell(row[0], tuple(row[1 : len(place)]))
            found.setdefault(at, {}).update(zip(alike, row[len(place) :], strict=True))
    return found


async def members(
    connection: AsyncConnection, asked: Asked, terms: Sequence[Weighed], after: Position | None, first: int
) -> list[Member]:
    """With the last of the events by which they have their first trait."""
    measures = [term.measure for term in terms if isinstance(term.measure, Those)]
    each = _Each(asked, measures)
    value: ColumnElement[Any] = literal(0)
    for term, measure in zip(terms, measures, strict=True):
        value = value + term.sign * case((each.has(measure), 1), else_=0)
    key = each.table.c.key
    page = select(key.label("key"), value.label("value")).select_from(each.source)
    page = page.where(value != 0, *each.slices.where).distinct()
    if after is not None:
        page = page.where(key > after.id)
    chosen = page.order_by(key).limit(first).subquery("chosen")
    proof = each.proof(chosen.c.key).lateral("proof")
    rows = await connection.execute(
        select(*proof.c, cast(chosen.c.value, Numeric), chosen.c.key)
        .select_from(chosen.outerjoin(proof, true()))
        .order_by(chosen.c.key)
    )
    return [Member._make(row) for row in rows]


class _Each:
    """One row per customer, or aggregate, and period: how often each trait's events happened."""

    def __init__(self, asked: Asked, measures: Sequence[Those]) -> None:
        self.asked, self.key = asked, measures[0].key
        self._traits = list(dict.fromkeys(t for m in measures for t in (*m.all_of, *m.any_of)))
        starts, ends = (literal(list(part), ARRAY(Moment)) for part in (asked.boundaries[:-1], asked.boundaries[1:]))
        self._periods = (
            func.unnest(cast(starts, ARRAY(Moment)), cast(ends, ARRAY(Moment)))
            .table_valued("starts_at", "ends_at", with_ordinality="number")
            .render_derived("periods")
        )
        self._qualifying = Qualifying(asked)
        looks_at_activity = any(isinstance(trait, IsActive) for trait in self._traits)
        self._facts = self._qualifying.facts if looks_at_activity else facts
        self.table = self._counted().subquery("each")
        customer: ColumnElement[Any] = self.table.c.key if self.key is Key.CUSTOMER else self.table.c.customer_id
        self.slices = Slices(asked, self.table, customer, literal(asked.ends_at))
        self.source = self.slices.join(self.table)
        self._record = None
        if any(isinstance(trait, Attribute) for trait in self._traits):
            self._record = customers(asked).alias("record")
            self.source = self.source.outerjoin(self._record, self._record.c.id == customer)

    def has(self, measure: Those) -> ColumnElement[bool]:
        some = or_(*(self._is_so(trait) for trait in measure.any_of)) if measure.any_of else true()
        return and_(some, *(self._is_so(trait) for trait in measure.all_of))

    def proof(self, key: ColumnElement[Any]) -> Select[Any]:
        """Of a key in the one period there is: its last event of the first trait."""
        f = facts
        first = next(trait for trait in self._traits if not isinstance(trait, Attribute))
        return (
            select(f.c.customer_id, f.c.subject, f.c.event_id, f.c.type, f.c.time)
            .select_from(self._facts)
            .where(
                f.c.tenant_id == self.asked.tenant,
                self._key == key,
                f.c.time < self.asked.ends_at,
                self._happened(first, self.asked.starts_at, self.asked.ends_at),
            )
            .order_by(f.c.time.desc(), f.c.event_id.desc())
            .limit(1)
        )

    @property
    def _key(self) -> ColumnElement[Any]:
        return facts.c.customer_id if self.key is Key.CUSTOMER else facts.c.subject

    def _counted(self) -> Select[Any]:
        f, periods = facts, self._periods.c
        rows = {
            place: self._happened(trait, periods.starts_at, periods.ends_at)
            for place, trait in enumerate(self._traits)
            if not isinstance(trait, Attribute)
        }
        used = [*self.asked.group_by, *(each.dimension for each in self.asked.filters)]
        # What facts tell of themselves is told, of one key, by its last one.
        own = {each.field: self._latest(each.field) for each in used if each.source is Source.EVENT}
        bounded = all(isinstance(trait, Did) and trait.in_interval for trait in self._traits)
        since = f.c.time >= periods.starts_at if bounded else true()
        columns = [
            (periods.number - 1).label("place"),
            self._key.label("key"),
            *(func.count().filter(happened).label(f"times_{place}") for place, happened in rows.items()),
            func.jsonb_build_object(
                *(part for name, value in own.items() for part in (literal(name, Text), value)), type_=JSONB
            ).label("state"),
            *(own[name].label(name) for name in ("phase", "currency") if name in own),
        ]
        if self.key is Key.SUBJECT:
            columns.append(self._latest("customer_id").label("customer_id"))
        return (
            select(*columns)
            .select_from(self._facts.join(self._periods, and_(f.c.time < periods.ends_at, since)))
            .where(
                f.c.tenant_id == self.asked.tenant,
                f.c.type.in_(self._types()),
                self._key.is_not(None),
                or_(*rows.values()),
            )
            .group_by(periods.number, self._key)
        )

    def _latest(self, name: str) -> ColumnElement[Any]:
        value = facts.c.customer_id if name == "customer_id" else field_of(facts, name)
        ordered = aggregate_order_by(value, facts.c.time.desc(), facts.c.version.desc())
        return func.array_agg(ordered, type_=ARRAY(value.type))[1]

    def _is_so(self, trait: Trait) -> ColumnElement[bool]:
        if isinstance(trait, Attribute):
            assert self._record is not None
            has: ColumnElement[bool] = func.coalesce(self._record.c.state.has_key(trait.field), False)
            return has
        at_least = trait.at_least if isinstance(trait, Did) else 1
        return self.table.c[f"times_{self._traits.index(trait)}"] >= at_least

    def _types(self) -> list[str]:
        found: set[str] = set()
        for trait in self._traits:
            if isinstance(trait, Did):
                found.update(trait.types)
            elif isinstance(trait, IsActive):
                found.update(*(rule.event_types for rule in self.asked.policy.rules))
        return sorted(found)

    def _happened(self, trait: Trait, starts_at: Any, ends_at: Any) -> ColumnElement[bool]:
        """Whether a fact is one of the trait's."""
        time = facts.c.time
        if isinstance(trait, IsActive):
            # Of seconds, as spans are: days of an interval may have 23 hours, by the zone of the database's session.
            return self._qualifying.by_any(
                lambda rule: (
                    time >= cast(ends_at, Moment) - func.make_interval(0, 0, 0, 0, 0, 0, rule.window.total_seconds())
                )
            )
        assert isinstance(trait, Did)
        conditions = [facts.c.type.in_(trait.types), *(holds(each, facts, self.asked) for each in trait.where)]
        if trait.months is not None:
            since = cast(ends_at, Moment) - literal_column(f"interval '{int(trait.months)} months'")
            conditions.append(time >= since)
        if trait.in_interval:
            conditions.append(time >= starts_at)
        return all_hold(conditions)
