"""Reads what health is scored on from the facts: a base of columns per model, and which model is for which customer."""

import asyncio
from collections.abc import AsyncIterator, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Double,
    FromClause,
    Numeric,
    Select,
    Text,
    Uuid,
    any_,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.customer_value.purchases import sent
from analytics.health.engine.base import FAR, MISSING, UNITS, CustomerBase, moment, to_micros
from analytics.health.engine.columns import Sent, Unread
from analytics.health.engine.facts import HealthFacts, UnreadFacts
from analytics.health.engine.trees import in_trees, places_of
from analytics.health.model.assignment import Attributes, Models, Named, Record, attributes_at
from analytics.health.model.definition import HealthModel, Measure
from analytics.health.model.inputs import CASES, Input, Kind, input_of, looks_at_cases
from analytics.health.model.timeline import all_models
from analytics.projections.custom_fields import spelt_in_facts
from analytics.projections.facts import noun_of, types_of
from analytics.projections.fields import field_of
from analytics.projections.snapshot import Reads
from analytics.projections.subscriptions import subscription_spans
from analytics.projections.tables import facts, merged_customers
from kith.db.tables import Moment

CUSTOMERS, FACTS = 5_000, 500_000
"""The size of a piece: so many are read and computed at once, in a second or two. Smaller pieces cost more per
customer."""
MANY = 2_000
"""Above this number customers are read by the range of their ids."""
_INFINITY = literal_column("'infinity'::timestamptz", Moment)


class Assigned(NamedTuple):
    model: HealthModel
    customers: list[UUID]


async def base_of(
    connection: AsyncConnection, tenant: str, model: HealthModel, customers: Sequence[UUID]
) -> CustomerBase:
    """Returns the facts of these customers that the model reads, in order of the ids."""
    unread = await unread_of(connection, tenant, [model], customers, customers)
    (base,) = await asyncio.to_thread(unread.bases)
    return base


async def unread_of(
    connection: AsyncConnection,
    tenant: str,
    models: Sequence[HealthModel],
    customers: Sequence[UUID],
    whose: Sequence[UUID],
) -> Unread:
    """Returns the facts of these customers that each of the models reads, not parsed; for customers that are not among
    `whose` there are none. Measures that read the same events share them: recency and frequency of purchase, say, or
    one measure in two versions of a model."""
    indexes: dict[Hashable, int] = {}
    read: list[Sent] = []
    needed = [(*model.measures, *((CASES,) if looks_at_cases(model) else ())) for model in models]
    for measure in (measure for measures in needed for measure in measures):
        if (same := _reading(measure)) not in indexes:
            indexes[same] = len(read)
            read.append(await _sent(connection, tenant, measure, whose))
    of_models = [[indexes[_reading(measure)] for measure in model.measures] for model in models]
    cases = [indexes[_reading(CASES)] if looks_at_cases(model) else None for model in models]
    return Unread(sorted(customers), read, of_models, cases)


async def facts_of(
    connection: AsyncConnection,
    tenant: str,
    customers: Sequence[UUID],
    *,
    starts_at: int = int(-FAR),
    ends_at: int = int(FAR),
    models: Models | None = None,
) -> HealthFacts:
    """Returns everything that the health of these customers is computed from, at any instant of `[starts_at, ends_at]`:
    by the models that were in force then, unless others are given. The number of statements depends on the models, not
    on the customers."""
    unread = await unread_facts_of(connection, tenant, customers, starts_at=starts_at, ends_at=ends_at, models=models)
    return await asyncio.to_thread(unread.read)


async def unread_facts_of(
    connection: AsyncConnection,
    tenant: str,
    customers: Sequence[UUID],
    *,
    starts_at: int = int(-FAR),
    ends_at: int = int(FAR),
    models: Models | None = None,
) -> UnreadFacts:
    """Returns the same, not parsed: to be parsed elsewhere, where there is much of it."""
    found = await assignments_of(connection, tenant, customers, models)
    needed = await asyncio.to_thread(found.needed, starts_at, ends_at)
    unread = await unread_of(connection, tenant, needed.models, found.customers, needed.customers)
    return UnreadFacts(found, needed.models, unread)


async def pieces_of(connection: AsyncConnection, tenant: str, customers: Iterable[UUID]) -> list[list[UUID]]:
    """Returns the customers in the order of their ids, cut so that each piece has FACTS facts at most; one that has
    more is alone."""
    f, ordered = facts.c, sorted(customers)
    counted = select(f.customer_id, func.count()).where(f.tenant_id == tenant, _among(f.customer_id, ordered))
    numbers = {id: number for id, number in await connection.execute(counted.group_by(f.customer_id))}  # noqa: C416 - of rows
    return _cut([(customer, numbers.get(customer, 0)) for customer in ordered])


def _cut(counted: Iterable[tuple[UUID, int]]) -> list[list[UUID]]:
    pieces, filled = list[list[UUID]](), 0
    for customer, number in counted:
        if not pieces or filled + number > FACTS:
            pieces.append([])
            filled = 0
        pieces[-1].append(customer)
        filled += number
    return pieces


async def everybody_of(reads: Reads, tenant: str) -> AsyncIterator[list[UUID]]:
    """Yields all customers that have facts, after merges, in order of the ids: in pieces that are read and computed at
    once."""
    f, last = facts.c, UUID(int=0)
    while True:
        some = select(f.customer_id, func.count()).where(f.tenant_id == tenant, f.customer_id > last)
        async with reads() as connection:
            rows = await connection.execute(some.group_by(f.customer_id).order_by(f.customer_id).limit(CUSTOMERS))
            counted = [(id, number) for id, number in rows]
        for piece in _cut(counted):
            yield piece
        if len(counted) < CUSTOMERS:
            return
        last = counted[-1][0]


async def number_of_customers(connection: AsyncConnection, tenant: str, up_to: int | None = None) -> int:
    f = facts.c
    everybody = select(f.customer_id).where(f.tenant_id == tenant, f.customer_id.is_not(None)).distinct()
    return await connection.scalar(select(func.count()).select_from(everybody.limit(up_to).subquery())) or 0


async def assignments_of(
    connection: AsyncConnection, tenant: str, customers: Sequence[UUID], models: Models | None = None
) -> HealthFacts:
    """Returns which models score these customers, and when; without the facts."""
    models = models or await all_models(connection, tenant)
    return HealthFacts(
        sorted(customers),
        models,
        await records_of(connection, tenant, customers, models.named),
        await merged_of(connection, tenant, customers),
    )


def _reading(measure: Measure) -> Hashable:
    """Returns what `_rows` depends on: equal for measures that read the same."""
    source = input_of(measure)
    kind = source.kind if source.reads or source.kind is Kind.STANDING else None
    where = tuple(sorted({**source.where, **measure.where}.items()))
    own = (measure.signal, measure.stale_after_days, tuple(measure.values.items()))
    return source.events, kind, source.reads, source.phases, source.over, source.whose, source.until, where, own


async def customers_of(connection: AsyncConnection, tenant: str) -> list[UUID]:
    """Returns all customers that have facts, after merges, in order of the ids."""
    found = await connection.scalars(
        select(facts.c.customer_id).where(facts.c.tenant_id == tenant, facts.c.customer_id.is_not(None)).distinct()
    )
    return sorted(found)


async def assigned(
    connection: AsyncConnection, tenant: str, models: Sequence[HealthModel], at: int, customers: Sequence[UUID]
) -> list[Assigned]:
    """Yields each of the models, the most specific first, with the customers it is for at an instant. A customer that
    stands for many, one that was merged into another, and one that no model is for, is in none."""
    found: dict[str, Assigned] = {model.id: Assigned(model, []) for model in models}
    in_force = Models(always=models)
    records = await records_of(connection, tenant, customers, in_force.named, at, at)
    merged = await merged_of(connection, tenant, customers)
    for customer in customers:
        model = in_force.choice(at, attributes_at(records.get(customer, ()), at))
        if model is not None and customer not in merged:
            found[model.id].customers.append(customer)
    return [each for each in found.values() if each.customers]


async def merged_of(connection: AsyncConnection, tenant: str, customers: Sequence[UUID]) -> dict[UUID, UUID]:
    """Returns the customers that were merged into another one, and that one."""
    m = merged_customers.c
    merged = select(m.customer_id, m.survivor).where(m.tenant_id == tenant, m.survivor != m.customer_id)
    rows = await connection.execute(merged.where(_among(m.customer_id, customers)))
    return {customer: survivor for customer, survivor in rows}  # noqa: C416 - of rows


async def records_of(
    connection: AsyncConnection,
    tenant: str,
    customers: Sequence[UUID],
    named: Named,
    starts_at: int | None = None,
    ends_at: int | None = None,
) -> Mapping[UUID, Sequence[Record]]:
    """Returns the records of the customers that have one, or are in a tree that is named, as of the instants of
    `[starts_at, ends_at]`, or of any, in order of time."""
    f = facts.c
    within: list[ColumnElement[bool]] = []
    if starts_at is not None:
        within.append(or_(f.until.is_(None), f.until >= moment(starts_at)))
    if ends_at is not None:
        within.append(or_(f.version == 1, f.time < moment(ends_at)))
    rows = await connection.execute(
        select(
            *(f.subject, f.version, f.time, f.state["segment"].astext, f.state["tier"].astext, f.state["tags"]),
            _custom(f.state["custom"], named.fields) if named.fields else null(),
        )
        .where(
            f.tenant_id == tenant,
            f.type.in_(types_of("contacts.customer")),
            _among(f.subject, customers),
            *within,
        )
        .order_by(f.subject, f.version)
    )
    found: dict[UUID, list[Record]] = {}
    for id, version, time, segment, tier, tags, custom in rows:
        since = int(-FAR) if version == 1 else to_micros(time) + 1
        held = frozenset((code, value) for code, said in (custom or {}).items() for value in spelt_in_facts(said))
        found.setdefault(id, []).append(Record(since, Attributes(segment, tier, frozenset(tags or ()), held)))
    if not named.trees:
        return found
    begins: dict[UUID, set[UUID]] = {}
    merged = await merged_of(connection, tenant, [*named.trees])
    for each in named.trees:
        begins.setdefault(merged.get(each, each), set()).add(each)
    return in_trees(found, customers, await places_of(connection, tenant, customers), begins)


_LONGEST = 30_000
"""Of a value that an audience may name, in bytes: two hundred choices of a hundred characters. No other is read."""


def _custom(custom: Any, codes: Collection[str]) -> ColumnElement[Any]:
    """Selects the values of these custom fields. What is no object has none."""
    each = func.jsonb_each(custom).table_valued("key", column("value", JSONB)).render_derived("each")
    named = each.c.key.in_(sorted(codes)) & (func.octet_length(cast(each.c.value, Text)) <= _LONGEST)
    values = select(func.jsonb_object_agg(each.c.key, each.c.value, type_=JSONB)).where(named).scalar_subquery()
    return case((func.jsonb_typeof(custom) == "object", values), else_=null())


def _among(column: ColumnElement[Any], customers: Sequence[UUID]) -> ColumnElement[bool]:
    if len(customers) > MANY:
        return column.between(min(customers), max(customers))
    return column == any_(cast(list(customers), ARRAY(Uuid)))


async def _sent(connection: AsyncConnection, tenant: str, measure: Measure, customers: Sequence[UUID]) -> Sent:
    source = input_of(measure)
    if source.kind is Kind.GROWTH:
        in_force = (await connection.execute(_spans(tenant, source, measure, customers))).one()
        return Sent(*in_force, "count")
    table: FromClause = facts
    customer: ColumnElement[Any] = facts.c.customer_id
    if source.whose is not None:
        value = _valid(field_of(facts, source.whose), "uuid")
        m = merged_customers.c
        table = facts.outerjoin(merged_customers, (m.tenant_id == tenant) & (m.customer_id == value))
        customer = func.coalesce(m.survivor, value)
    kind, value = _value(source, measure)
    row = (
        await connection.execute(
            select(
                sent(customer, "uuid_send"),
                sent(facts.c.time, "timestamptz_send"),
                sent(_end(source, measure), "timestamptz_send"),
                sent(value, _SENT[kind]),
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
    return Sent(*row, kind)


def _spans(tenant: str, source: Input, measure: Measure, customers: Sequence[UUID]) -> Select[Any, Any, Any, Any, Any]:
    """Selects how much is in force from an instant to another, with the event after which it was."""
    s, f = subscription_spans.c, facts.c
    before = f.time <= s.starts_at
    # The last one before; of one that was recorded later the first one.
    begun_by = (
        select(f.event_id, f.state, f.phase, f.currency)
        .where(f.tenant_id == tenant, f.subject == s.subject)
        .order_by(before.desc(), case((before, f.version), else_=-f.version).desc())
        .limit(1)
        .lateral("begun_by")
    )
    conditions = {**source.where, **measure.where}.items()
    return (
        select(
            sent(s.customer_id, "uuid_send"),
            sent(s.starts_at, "timestamptz_send"),
            sent(func.coalesce(s.ends_at, _INFINITY), "timestamptz_send"),
            sent(cast(s.seats, BigInteger) * UNITS, "int8send"),
            sent(begun_by.c.event_id, "uuid_send"),
        )
        .select_from(subscription_spans.join(begun_by, true()))
        .where(
            s.tenant_id == tenant,
            _among(s.customer_id, customers),
            *(field_of(begun_by, name).in_(values) for name, values in conditions),
        )
    )


_SENT = {"count": "int8send", "amount": "float8send", "time": "timestamptz_send"}


def _valid(text: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    """Returns null for an invalid value: an old event may have any."""
    return case((func.pg_input_is_valid(text, name), cast(text, _TYPES[name])), else_=None)


_TYPES: dict[str, Any] = {"uuid": Uuid, "timestamptz": Moment, "numeric": Numeric}


def _conditions(source: Input, measure: Measure) -> Iterator[ColumnElement[bool]]:
    if measure.signal is not None:
        yield field_of(facts, "signal_id") == str(measure.signal)
    if any(noun_of(type) == "service-desk.case" for type in source.events):
        # A case that a playbook opened is no sign of the customer's health: a score would react to its own alarm.
        yield field_of(facts, "playbook_id").is_(None)
    if source.kind is Kind.DISTINCT and source.reads is not None:
        yield field_of(facts, source.reads).is_not(None)  # a reference without an id does not count
    if source.kind is Kind.MEAN and source.reads not in (None, "value"):
        # An exchange of which nobody said how it went is none of those that a mean is of.
        yield _valid(field_of(facts, str(source.reads)), "numeric").is_not(None)
    if source.kind is not Kind.STANDING:  # an event of another type there ends the state
        for name, values in ({**source.where, **measure.where}).items():
            yield field_of(facts, name).in_(values)


def _end(source: Input, measure: Measure) -> ColumnElement[Any]:
    if source.kind is Kind.STANDING:
        return func.coalesce(facts.c.until, _INFINITY)
    ends: list[ColumnElement[Any]] = [_INFINITY]
    if source.until is not None:
        ends.append(_valid(field_of(facts, source.until), "timestamptz"))
    if measure.stale_after_days is not None:
        ends.append(facts.c.time + literal_column(f"interval '{round(measure.stale_after_days * 86400)} seconds'"))
    return func.least(*ends)


def _value(source: Input, measure: Measure) -> tuple[str, ColumnElement[Any]]:
    """Returns the kind of the value, and its column."""
    one, nothing = literal(UNITS, BigInteger), literal_column(f"({int(MISSING)})::bigint", BigInteger)
    if source.kind is Kind.STANDING:
        phase = facts.c.phase
        stands: ColumnElement[bool] = phase.not_in(source.over) if source.over else phase.in_(source.phases)
        for name, values in ({**source.where, **measure.where}).items():
            stands &= field_of(facts, name).in_(values)
        return "count", case((stands, one), else_=literal(0, BigInteger))
    if source.reads is None:
        return "count", one
    read = field_of(facts, source.reads)
    if source.kind is Kind.DISTINCT:
        return "count", func.coalesce(func.hashtextextended(read, 0), nothing)
    if source.kind is Kind.AHEAD:
        return "time", func.coalesce(_valid(read, "timestamptz"), _NEVER)
    if measure.values:
        words = [(read == word, literal(value, Double)) for word, value in measure.values.items()]
        return "amount", case(*words, else_=_NOTHING)
    number = _valid(read, "numeric")
    if source.reads == "value":
        number = func.coalesce(facts.c.amount, number)
    # numeric takes infinities and values beyond a double; NaN counts as missing.
    number = func.least(func.greatest(func.nullif(number, _NO_NUMBER), -_MOST), _MOST)
    return "amount", func.coalesce(cast(number, Double), _NOTHING)


_NEVER = literal_column("'-infinity'::timestamptz", Moment)
_NOTHING, _NO_NUMBER = literal_column("'NaN'::float8", Double), literal_column("'NaN'::numeric", Numeric)
_MOST = literal_column("1.7976931348623157e308::numeric", Numeric)
