"""What health is scored on, out of the facts: a base of columns per model, and which model is for whom."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    Numeric,
    Uuid,
    any_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.health.assignment import Attributes, Models, Record, attributes_at
from analytics.domain.health.base import FAR, MISSING, UNITS, Base, Ids, Ints, Rows, Series, moment, to_micros
from analytics.domain.health.facts import HealthFacts, Needed
from analytics.domain.health.inputs import Input, Kind, input_of
from analytics.domain.health.model import HealthModel, Measure
from analytics.domain.standing import noun_of, types_of
from analytics.storage.fields import field_of
from analytics.storage.models import all_models
from analytics.storage.purchases import ids_of, sent
from analytics.storage.tables import facts, merged_customers
from kith.tables import Moment

MANY = 2_000
"""More customers than that are read by the range of their ids."""
_EPOCH = 946_684_800_000_000
"""From where PostgreSQL counts, in microseconds since 1970."""
_INFINITY = literal_column("'infinity'::timestamptz", Moment)


class Assigned(NamedTuple):
    model: HealthModel
    customers: list[UUID]


async def base_of(connection: AsyncConnection, tenant: str, model: HealthModel, customers: Sequence[UUID]) -> Base:
    """The facts of these customers, as far as the model looks at them, in order of the ids."""
    (base,) = await bases_of(connection, tenant, [model], customers, customers)
    return base


async def bases_of(
    connection: AsyncConnection,
    tenant: str,
    models: Sequence[HealthModel],
    customers: Sequence[UUID],
    whose: Sequence[UUID],
) -> list[Base]:
    """The facts of these customers, in order of the ids, as far as each of the models looks at them; of those who are
    not among `whose` there are none. Measures that look at the same events share them: recency and frequency of
    purchase, say, or one measure in two versions of a model."""
    ordered = sorted(customers)
    ids = np.array([each.bytes for each in ordered], "S16")
    read: dict[Hashable, Series] = {}
    for measure in (measure for model in models for measure in model.measures):
        if (same := _reading(measure)) not in read:
            read[same] = Series.of(len(ordered), await _rows(connection, tenant, measure, whose, ids))
    return [Base(ordered, [read[_reading(measure)] for measure in model.measures]) for model in models]


async def facts_of(
    connection: AsyncConnection,
    tenant: str,
    customers: Sequence[UUID],
    *,
    starts_at: int = int(-FAR),
    ends_at: int = int(FAR),
    models: Models | None = None,
) -> HealthFacts:
    """All that the health of these customers is computed from, at any instant of `[starts_at, ends_at]`: by the models
    that were in force then, unless others are given. How many statements that takes is up to the models, not to the
    customers."""
    found = await assignments_of(connection, tenant, customers, models)
    return await with_bases(connection, tenant, found, found.needed(starts_at, ends_at))


async def assignments_of(
    connection: AsyncConnection, tenant: str, customers: Sequence[UUID], models: Models | None = None
) -> HealthFacts:
    """Which models score these customers, and when; without the facts."""
    return HealthFacts(
        sorted(customers),
        models or await all_models(connection, tenant),
        await records_of(connection, tenant, customers),
        await merged_of(connection, tenant, customers),
    )


async def with_bases(connection: AsyncConnection, tenant: str, found: HealthFacts, needed: Needed) -> HealthFacts:
    """With the facts that these models look at, of these customers."""
    bases = await bases_of(connection, tenant, needed.models, found.customers, needed.customers)
    by_model = {(model.id, model.version): base for model, base in zip(needed.models, bases, strict=True)}
    return replace(found, bases=by_model)


def _reading(measure: Measure) -> Hashable:
    """All that `_rows` looks at: equal for measures that read the same."""
    source = input_of(measure)
    kind = source.kind if source.reads or source.kind is Kind.STANDING else None
    where = tuple(sorted({**source.where, **measure.where}.items()))
    own = (measure.signal, measure.stale_after_days, tuple(measure.values.items()))
    return source.events, kind, source.reads, source.phases, source.whose, source.until, where, own


async def customers_of(connection: AsyncConnection, tenant: str) -> list[UUID]:
    """All of whom there are facts, after merges; in order of the ids."""
    found = await connection.scalars(
        select(facts.c.customer_id).where(facts.c.tenant_id == tenant, facts.c.customer_id.is_not(None)).distinct()
    )
    return sorted(found)


async def assigned(
    connection: AsyncConnection, tenant: str, models: Sequence[HealthModel], at: int, customers: Sequence[UUID]
) -> list[Assigned]:
    """Which of the models, the most specific first, is for whom at an instant. A customer that stands for many, one
    that was merged into another, and one that no model is for, is in none."""
    found: dict[str, Assigned] = {model.id: Assigned(model, []) for model in models}
    records = await records_of(connection, tenant, customers, at, at)
    merged = await merged_of(connection, tenant, customers)
    in_force = Models(always=models)
    for customer in customers:
        model = in_force.choice(at, attributes_at(records.get(customer, ()), at))
        if model is not None and customer not in merged:
            found[model.id].customers.append(customer)
    return [each for each in found.values() if each.customers]


async def merged_of(connection: AsyncConnection, tenant: str, customers: Sequence[UUID]) -> dict[UUID, UUID]:
    """Those that were merged into another customer, and that one."""
    m = merged_customers.c
    merged = select(m.customer_id, m.survivor).where(m.tenant_id == tenant, m.survivor != m.customer_id)
    rows = await connection.execute(merged.where(_among(m.customer_id, customers)))
    return {customer: survivor for customer, survivor in rows}  # noqa: C416 - of rows


async def records_of(
    connection: AsyncConnection,
    tenant: str,
    customers: Sequence[UUID],
    starts_at: int | None = None,
    ends_at: int | None = None,
) -> dict[UUID, list[Record]]:
    """Of those that have a record, what it says at the instants of `[starts_at, ends_at]`, or at any, in order of
    time."""
    f = facts.c
    within: list[ColumnElement[bool]] = []
    if starts_at is not None:
        within.append(or_(f.until.is_(None), f.until >= moment(starts_at)))
    if ends_at is not None:
        within.append(or_(f.version == 1, f.time < moment(ends_at)))
    rows = await connection.execute(
        select(f.subject, f.version, f.time, f.state["segment"].astext, f.state["tier"].astext, f.state["tags"])
        .where(
            f.tenant_id == tenant,
            f.type.in_(types_of("customer")),
            _among(f.subject, customers),
            *within,
        )
        .order_by(f.subject, f.version)
    )
    found: dict[UUID, list[Record]] = {}
    for id, version, time, segment, tier, tags in rows:
        since = int(-FAR) if version == 1 else to_micros(time) + 1
        found.setdefault(id, []).append(Record(since, Attributes(segment, tier, frozenset(tags or ()))))
    return found


def _among(column: ColumnElement[Any], customers: Sequence[UUID]) -> ColumnElement[bool]:
    if len(customers) > MANY:
        return column.between(min(customers), max(customers))
    return column == any_(cast(list(customers), ARRAY(Uuid)))


async def _rows(
    connection: AsyncConnection, tenant: str, measure: Measure, customers: Sequence[UUID], ids: Ids
) -> Rows:
    source = input_of(measure)
    table: FromClause = facts
    customer: ColumnElement[Any] = facts.c.customer_id
    if source.whose is not None:
        told = cast(field_of(facts, source.whose), Uuid)
        m = merged_customers.c
        table = facts.outerjoin(merged_customers, (m.tenant_id == tenant) & (m.customer_id == told))
        customer = func.coalesce(m.survivor, told)
    row = (
        await connection.execute(
            select(
                sent(customer, "uuid_send"),
                sent(facts.c.time, "timestamptz_send"),
                sent(_end(source, measure), "timestamptz_send"),
                sent(_value(source, measure), "int8send"),
                sent(facts.c.event_id, "uuid_send"),
            )
            .select_from(table)
            .where(
                facts.c.tenant_id == tenant,
                facts.c.type.in_(source.events),
                _among(customer, customers),
                *_conditions(source, measure),
            )
        )
    ).one()
    return _read(ids, *row)


def _conditions(source: Input, measure: Measure) -> Iterator[ColumnElement[bool]]:
    if measure.signal is not None:
        yield field_of(facts, "signal_id") == str(measure.signal)
    if any(noun_of(type) == "case" for type in source.events):
        # One that a playbook had opened tells what we do, not how the customer is: a score would move by its own alarm.
        yield field_of(facts, "playbook_id").is_(None)
    if source.kind is not Kind.STANDING:  # there an event outside of them says that it stands so no more
        for name, values in ({**source.where, **measure.where}).items():
            yield field_of(facts, name).in_(values)


def _end(source: Input, measure: Measure) -> ColumnElement[Any]:
    if source.kind is Kind.STANDING:
        return func.coalesce(facts.c.until, _INFINITY)
    ends: list[ColumnElement[Any]] = [_INFINITY]
    if source.until is not None:
        ends.append(cast(field_of(facts, source.until), Moment))
    if measure.stale_after_days is not None:
        ends.append(facts.c.time + literal_column(f"interval '{round(measure.stale_after_days * 86400)} seconds'"))
    return func.least(*ends)


def _value(source: Input, measure: Measure) -> ColumnElement[Any]:
    one, nothing = literal(UNITS, BigInteger), literal_column(f"({int(MISSING)})::bigint", BigInteger)
    if source.kind is Kind.STANDING:
        stands: ColumnElement[bool] = facts.c.phase.in_(source.phases)
        for name, values in ({**source.where, **measure.where}).items():
            stands &= field_of(facts, name).in_(values)
        return case((stands, one), else_=literal(0, BigInteger))
    if source.reads is None:
        return one
    told = field_of(facts, source.reads)
    if source.kind is Kind.DISTINCT:
        return func.coalesce(func.hashtextextended(told, 0), nothing)
    if source.kind is Kind.AHEAD:
        return func.coalesce(cast(func.extract("epoch", cast(told, Moment)) * 1_000_000, BigInteger), nothing)
    if measure.values:
        words = [(told == word, literal(round(value * UNITS), BigInteger)) for word, value in measure.values.items()]
        return case(*words, else_=nothing)
    number = cast(told, Numeric) if source.reads != "value" else func.coalesce(facts.c.amount, cast(told, Numeric))
    return func.coalesce(cast(func.round(number * UNITS), BigInteger), nothing if source.kind is Kind.LATEST else 0)


def _read(ids: Ids, customer: bytes, time: bytes, end: bytes, value: bytes, event: bytes) -> Rows:
    owners = ids_of(customer)
    places = np.minimum(np.searchsorted(ids, owners), max(len(ids) - 1, 0))
    mine = ids[places] == owners if len(ids) else np.zeros(0, np.bool_)
    return Rows(
        places[mine].astype(np.int64),
        _instants(time)[mine],
        _instants(end)[mine],
        np.frombuffer(value, ">i8").astype(np.int64)[mine],
        ids_of(event)[mine],
    )


def _instants(sent: bytes) -> Ints:
    since_2000 = np.frombuffer(sent, ">i8").astype(np.int64)
    return np.where(since_2000 >= FAR, FAR, np.minimum(since_2000, FAR - _EPOCH) + _EPOCH)
