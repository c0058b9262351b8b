"""The query that measures are evaluated for, and the common parts of their statements."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Date,
    FromClause,
    Numeric,
    Text,
    and_,
    any_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy import Interval as Duration
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.selectable import LateralFromClause, TableValuedAlias

from analytics.health.scores.tables import health_changes
from analytics.metrics.definition import ULTIMATE_PARENT, USERS, WITHIN, Dimension, Source
from analytics.metrics.measure import (
    Condition,
    CustomerInUse,
    DayIn,
    Has,
    InstantIn,
    InUse,
    Is,
    Measure,
    Never,
    OfNewCustomer,
    Overridden,
    SameDay,
    Stands,
    Sum,
)
from analytics.projections.activity import ActivityPolicy
from analytics.projections.facts import types_of
from analytics.projections.fields import field_of
from analytics.projections.tables import facts
from analytics.projections.teams import teams_of_users
from analytics.projections.tree import parts_of, ultimate_parents, within
from kith.db.tables import Moment

CUSTOMER_TYPES = types_of("contacts.customer")

_NOTHING = literal_column("'[]'::jsonb", JSONB)
_LONGEST = 500
"""The longest text of a record, in characters: events may have longer ones, which are cut."""

Value = Decimal | None
M_co = TypeVar("M_co", bound=Measure, covariant=True)


class Cell(NamedTuple):
    """A period, by its index among those of the query, and a group: a value per dimension."""

    period: int
    group: tuple[str | None, ...]


Cells = dict[Cell, dict[Measure, Value]]

WHOLE = -1
"""The index of all periods and groups together, where the same pass yields it."""


@dataclass(frozen=True)
class Filter:
    dimension: Dimension
    values: tuple[str | None, ...]
    """None stands for customers or aggregates without a value."""
    exclude: bool = False


@dataclass(frozen=True)
class MetricQuery:
    tenant: str
    boundaries: tuple[datetime, ...]
    """The n + 1 boundaries of n consecutive periods."""
    zone: str
    policy: ActivityPolicy
    group_by: tuple[Dimension, ...] = ()
    filters: tuple[Filter, ...] = ()
    settled: bool = True
    """Whether totals may be read: not where facts are read as known at an instant, or in one currency."""
    until: datetime | None = None
    """Where the last period ends that has begun; its boundary is cut to now."""

    @property
    def starts_at(self) -> datetime:
        return self.boundaries[0]

    @property
    def ends_at(self) -> datetime:
        return self.boundaries[-1]

    @property
    def periods(self) -> int:
        return len(self.boundaries) - 1


class Member(NamedTuple):
    """A customer or aggregate that a figure counts, and the event that proves it. `value` is its contribution."""

    customer_id: UUID | None
    subject: UUID | None
    event_id: UUID | None
    type: str | None
    time: datetime | None
    value: Value
    """None: it contributes amounts in several currencies."""
    key: UUID
    """The key by which members are distinguished and paged."""
    amounts: Mapping[str | None, Decimal]
    """For a part that is an amount: the contribution in each currency."""


class Weighed(NamedTuple, Generic[M_co]):
    """A measure, and whether its members add to the figure or are subtracted."""

    sign: int
    measure: M_co


# The statements' parts


def periods_of(query: MetricQuery) -> ColumnElement[Any]:
    return literal(list(query.boundaries), ARRAY(Moment))


def period_of(moment: ColumnElement[Any], query: MetricQuery) -> ColumnElement[int]:
    """Returns the index of the period; -1 before the first."""
    return func.width_bucket(moment, periods_of(query)) - 1


def customers(query: MetricQuery) -> FromClause:
    """Selects the customers' records as of the end. The first record also holds for the time before it was made."""
    f = facts.alias("record")
    return (
        select(f.c.subject.label("id"), f.c.state)
        .where(
            f.c.tenant_id == query.tenant,
            f.c.type.in_(CUSTOMER_TYPES),
            or_(f.c.version == 1, f.c.time < query.ends_at),
            or_(f.c.until.is_(None), f.c.until >= query.ends_at),
        )
        .subquery("c")
    )


def number_of(table: FromClause, of: Sum | Any) -> ColumnElement[Any]:
    """Returns the number that a sum or a median is computed from."""
    number: ColumnElement[Any] = (
        table.c.amount if of.field == "amount" else cast(table.c.state[of.field].astext, Numeric)
    )
    if (weight := _weight_of(table, of)) is not None:
        number = number * weight
    return number


def _weight_of(table: FromClause, of: Sum | Any) -> ColumnElement[Any] | None:
    if not isinstance(of, Sum) or not (of.percent or of.weights):
        return None
    by_phase = {phase: cast(weight, Numeric) for phase, weight in (of.weights or {}).items()}
    weight: ColumnElement[Any] = case(by_phase, value=table.c.phase, else_=0) if by_phase else literal(0, Numeric)
    if of.percent is None:
        return weight
    text = field_of(table, of.percent)
    percent = case((func.pg_input_is_valid(text, "numeric"), cast(text, Numeric)), else_=None)
    return case((percent.between(0, 100), percent / 100), else_=weight)


class Ends(NamedTuple):
    """Those of a period."""

    starts_at: ColumnElement[Any]
    at: ColumnElement[Any]
    """Its end, or now."""
    first_day: ColumnElement[Any]
    """As text, as is the next one."""
    after_last: ColumnElement[Any]
    """The day after its last, also of one that is not over."""


def holds(  # noqa: C901, PLR0911 - one for each
    condition: Condition,
    table: FromClause,
    query: MetricQuery,
    first_at: ColumnElement[Any] | None = None,
    ends: Ends | None = None,
    overrides: Mapping[str, FromClause] | None = None,
) -> ColumnElement[bool]:
    """Returns the condition; `first_at` is when the customer was first active, which only OfNewCustomer needs, and
    `ends` those of the period, which only conditions of stocks need, and `overrides`, by whose they are, Overridden."""
    match condition:
        case Is(field, values, negated):
            found = field_of(table, field).in_(values)
            return not_(func.coalesce(found, false())) if negated else found
        case Has(field):
            return field_of(table, field).is_not(None)
        case Never(verbs):
            return not_(func.coalesce(table.c.state["seen"].has_any(cast(list(verbs), ARRAY(Text))), false()))
        case SameDay():
            return _day(table.c.time, query) == _day(table.c.clock_since, query)
        case OfNewCustomer():
            assert first_at is not None
            return period_of(first_at, query) == period_of(table.c.time, query)
        case CustomerInUse():
            return and_(table.c.subject == table.c.customer_id, _in_use(table))
        case InUse():
            return _in_use(table)
        case DayIn(field):
            assert ends is not None
            return _in_days(field_of(table, field), ends)
        case InstantIn(field):
            assert ends is not None
            text = field_of(table, field)
            instant = case((func.pg_input_is_valid(text, "timestamptz"), cast(text, Moment)))
            return and_(instant >= ends.starts_at, instant < ends.at)
        case Stands(types):
            return _stands(types, table, query)
        case Overridden(whose):
            assert overrides is not None
            return overrides[whose].c.days.bool_op("@>")(_day_of(field_of(table, "expected_close")))


def _stands(types: Iterable[str], table: FromClause, query: MetricQuery) -> ColumnElement[bool]:
    f, later = table.c, facts.alias()
    boundaries: Any = select(periods_of(query)).scalar_subquery()
    end = boundaries[func.width_bucket(f.time, periods_of(query)) + 1]
    followed = exists().where(
        later.c.tenant_id == query.tenant,
        later.c.subject == f.subject,
        later.c.version > f.version,
        later.c.type.in_(types),
        later.c.time < end,
    )
    return or_(f.until.is_(None), f.until >= end, not_(followed))


def _in_days(day: ColumnElement[Any], ends: Ends) -> ColumnElement[bool]:
    return and_(day >= ends.first_day, day < ends.after_last)


def _day_of(text: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((func.pg_input_is_valid(text, "date"), cast(text, Date)))


def overrides_of(whose: str, query: MetricQuery, instants: TableValuedAlias, slices: "Slices") -> FromClause:
    """Selects what overrides stand for that pass the query's filters, a row for each instant, user, currency and
    category; or team instead of user, where figures are divided by team."""
    a, at = facts.alias("adjustment"), instants.alias("judged")
    said, ends = a.c.state, Ends(*(at.c[name] for name in Ends._fields))
    mine = Slices(replace(query, group_by=()), a, a.c.customer_id, ends.at, slices)
    source, of_whom = mine.join(a.join(at, true())), said[whose].astext
    if whose == "team_id" and not slices.by_team:
        source = source.join(mine.teams, mine.teams.c.team_id == of_whom)
        of_whom = mine.teams.c.user_id
    agreed = (said[name].astext.label(name) for name in ("currency", "forecast_category"))
    keys = [at.c.index, of_whom.label("whose"), *agreed]
    first, last = (_day_of(said[name].astext) for name in ("starts_on", "ends_on"))
    days = func.range_agg(case((first <= last, func.daterange(first, last, "[]"))))
    return (
        select(*keys, days.label("days"))
        .select_from(source)
        .where(
            a.c.tenant_id == query.tenant,
            a.c.type.in_(types_of("sales.forecast-adjustment")),
            a.c.time < ends.at,
            or_(a.c.until.is_(None), a.c.until >= ends.at),
            _in_use(a),
            said["direction"].astext == "override",
            _in_days(said["starts_on"].astext, ends),
            _in_days(said["ends_on"].astext, ends),
            *mine.where,
        )
        .group_by(*keys)
        .subquery(f"overrides_by_{whose}")
    )


def may_be_overridden(
    by: FromClause, whose: str, table: FromClause, instants: TableValuedAlias, slices: "Slices"
) -> ColumnElement[bool]:
    """Returns the condition by which `overrides_of` are joined, one at most."""
    by_team = whose == "team_id" and slices.by_team  # each row is of one of its owner's teams
    return and_(
        by.c.index == instants.c.index,
        by.c.whose == (slices.teams.c.team_id if by_team else field_of(table, "owner")),
        by.c.currency == table.c.state["currency"].astext,
        by.c.forecast_category == field_of(table, "forecast_category"),
    )


def _in_use(table: FromClause) -> ColumnElement[bool]:
    archived = cast(table.c.state["seen"], Text).regexp_match('"archived"(?!.*"restored")')
    return not_(func.coalesce(archived, false()))


def _day(moment: ColumnElement[Any], query: MetricQuery) -> ColumnElement[Any]:
    return cast(func.timezone(query.zone, moment), Date)


class Slices:
    """Joins the customers, if needed, and groups and filters by dimensions."""

    def __init__(
        self,
        query: MetricQuery,
        table: FromClause,
        customer_id: ColumnElement[Any],
        at: ColumnElement[Any],
        beside: "Slices | None" = None,
    ) -> None:
        """`beside` are those of the same statement whose teams they share."""
        joined = [*query.group_by, *(each.dimension for each in query.filters if not _chooses_customers(each))]
        used = [*query.group_by, *(each.dimension for each in query.filters)]
        self._query, self._table, self._at, self._customer_id, self._beside = query, table, at, customer_id, beside
        of_record = any(each.source is Source.CUSTOMER and not each.names_customers for each in joined)
        self.customers = customers(query) if of_record else None
        self._parts = parts_of(customers(query), query.tenant) if any(each.names_customers for each in used) else None
        self._parents = ultimate_parents(self._parts) if self._parts is not None and ULTIMATE_PARENT in used else None
        self._several: dict[Dimension, Any] = {
            each: func.jsonb_array_elements_text(self._list(each))
            .table_valued("value")
            .render_derived()
            .lateral(f"several_{number}")
            for number, each in enumerate(query.group_by)
            if each.several and each.source is Source.CUSTOMER
        }
        self._health = self._bands() if any(each.source is Source.BAND for each in used) else None
        self.by_team = any(each.source is Source.TEAM for each in query.group_by)
        self.by = [self._value(each) for each in query.group_by]
        self.where = [self._kept(each) for each in query.filters]

    @cached_property
    def teams(self) -> CTE:
        """The teams of all users, at the end of the interval."""
        return self._beside.teams if self._beside else teams_of_users(self._query.tenant, self._query.ends_at)

    def join(self, source: FromClause) -> FromClause:
        if self.customers is not None:
            source = source.outerjoin(self.customers, self.customers.c.id == self._customer_id)
        if self._parents is not None:
            source = source.outerjoin(self._parents, self._parents.c.id == self._customer_id)
        if self._health is not None:
            source = source.outerjoin(self._health, true())
        if self.by_team:
            source = source.outerjoin(self.teams, self.teams.c.user_id == field_of(self._table, "owner"))
        for dimension, values in self._several.items():
            source = source.outerjoin(values, values.c.value.in_(dimension.only) if dimension.only else true())
        return source

    def _value(self, dimension: Dimension) -> ColumnElement[Any]:  # noqa: PLR0911 - one for each
        match dimension.source:
            case Source.EVENT:
                said = field_of(self._table, dimension.field)
                return func.left(said, dimension.first) if dimension.first else said
            case Source.CUSTOMER:
                if dimension.several:
                    value: ColumnElement[Any] = self._several[dimension].c.value
                    return value
                if dimension == ULTIMATE_PARENT:
                    assert self._parents is not None
                    return cast(func.coalesce(self._parents.c.top, self._customer_id), Text)
                return _text(dimension, self.customers)
            case Source.AGE:
                age = self._at - self._table.c.clock_since
                *steps, (_, oldest) = dimension.steps
                return case(*((age <= literal(limit, Duration), name) for limit, name in steps), else_=oldest)
            case Source.TEAM:
                return func.coalesce(field_of(self._table, "team_id"), self.teams.c.team_id)
            case Source.LABEL:
                return self._table.c.label
            case Source.BAND:
                assert self._health is not None
                return self._health.c.band

    def _bands(self) -> LateralFromClause:
        """Selects the band of a customer's health as of the last change that was published."""
        h = health_changes.c
        return (
            select(h.band)
            .where(h.tenant_id == self._query.tenant, h.customer_id == self._customer_id, h.at <= self._at)
            .order_by(h.at.desc(), h.seq.desc())
            .limit(1)
            .lateral("health")
        )

    def _kept(self, one: Filter) -> ColumnElement[bool]:
        if _chooses_customers(one):
            chosen = customers(self._query)
            values = cast([*one.values], ARRAY(Text))
            return self._customer_id.in_(select(chosen.c.id).where(_text(one.dimension, chosen) == any_(values)))
        named = [value for value in one.values if value is not None]
        if one.dimension.several and one.dimension.source is Source.CUSTOMER:
            values = self._list(one.dimension)
            found = values.has_any(cast(named, ARRAY(Text))) if named else false()
            only = cast(list(one.dimension.only), ARRAY(Text))
            nothing = not_(values.has_any(only)) if one.dimension.only else values == _NOTHING
        elif one.dimension.source is Source.TEAM:
            found, nothing = self._of_team(one.dimension, cast(named, ARRAY(Text)), exclude=one.exclude)
        elif one.dimension == WITHIN:
            assert self._parts is not None
            those = within(self._parts, self._query.tenant, [UUID(each) for each in named])
            found, nothing = func.coalesce(self._customer_id.in_(select(those.c.id)), false()), false()
        else:
            value = self._value(one.dimension)
            found = func.coalesce(value == any_(cast(named, ARRAY(Text))), false())
            nothing = value.is_(None)
        kept = or_(found, nothing) if None in one.values else found
        return not_(kept) if one.exclude else kept

    def _of_team(
        self, dimension: Dimension, named: Any, *, exclude: bool
    ) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """Returns the conditions of what is of these teams, or users, and of what is of none. To `exclude` a team is to
        exclude what is of a team that its users are in, too."""
        t, owner, team = self.teams.c, field_of(self._table, "owner"), field_of(self._table, "team_id")
        if dimension == USERS:
            theirs = select(t.team_id).group_by(t.team_id).having(func.bool_and(t.user_id == any_(named)))
            found = or_(owner == any_(named), team.in_(theirs))
        else:
            users = select(t.user_id).where(t.team_id == any_(named))
            found = or_(owner.in_(users), team == any_(named))
            if exclude:
                found = or_(found, team.in_(select(t.team_id).where(t.user_id.in_(users))))
        in_none = func.coalesce(owner.not_in(select(t.user_id)), true())
        return func.coalesce(found, false()), and_(team.is_(None), in_none)

    def _list(self, dimension: Dimension) -> Any:
        """Returns the list of its values, as JSON; what is no list counts as none."""
        said = _said(dimension, self.customers)
        return case((func.jsonb_typeof(said) == "array", said), else_=_NOTHING)


def _chooses_customers(one: Filter) -> bool:
    """Whether it keeps customers by a text of their records: then it is a list of ids, of which few may be left, and no
    record need be joined."""
    by = one.dimension
    return by.source is Source.CUSTOMER and not (by.several or by.names_customers or one.exclude or None in one.values)


def _said(dimension: Dimension, customers: FromClause | None) -> Any:
    """Returns what the customer's record has of it, as JSON."""
    assert customers is not None
    record: Any = customers.c.state
    return (record[dimension.held_in] if dimension.held_in else record)[dimension.field]


def _text(dimension: Dimension, customers: FromClause | None) -> ColumnElement[Any]:
    said = _said(dimension, customers).astext
    if dimension.only:
        return case((said.in_(dimension.only), said))
    text: ColumnElement[Any] = func.left(said, _LONGEST) if dimension.held_in else said
    return text


def all_hold(conditions: Iterable[ColumnElement[bool]]) -> ColumnElement[bool]:
    return and_(true(), *conditions)
