"""When customers were active, by the rule of each one's segment: from spans of qualifying events, and, of contractual
customers, as from their first subscription, from the spans in which one was in force."""

from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Interval,
    Select,
    and_,
    case,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    union_all,
)

from analytics.metrics.query import MetricQuery, customers
from analytics.projections.activity import ActivityPolicy, ActivityRule
from analytics.projections.subscriptions import subscription_spans
from analytics.projections.tables import activity_spans, facts
from kith.db.tables import Moment

_INSTANT = literal(timedelta(microseconds=1), Interval)
"""The least time between two instants."""
_FOR_EVER = literal_column("'infinity'::timestamptz", Moment)


def spans(query: MetricQuery) -> FromClause:
    """Selects when customers were active: disjoint spans of `starts_at < T <= ends_at`, each customer's by the rule of
    its segment. `since` is when it began to be: at an event, it is active as from the next instant."""
    s, policy = activity_spans.c, query.policy
    record = customers(query) if policy.segments else None
    source: FromClause = activity_spans
    if record is not None:
        source = source.outerjoin(record, record.c.id == s.customer_id)
    ends_at: ColumnElement[Any] = s.ends_at
    kept: ColumnElement[bool] = true()
    if policy.is_contractual:
        first = first_subscriptions(query.tenant)
        source = source.outerjoin(first, and_(first.c.customer_id == s.customer_id, contractual(record, policy)))
        ends_at = func.least(s.ends_at, first.c.starts_at - _INSTANT)
        kept = or_(first.c.starts_at.is_(None), s.starts_at < first.c.starts_at - _INSTANT)
    by_events = (
        select(s.customer_id, s.starts_at, ends_at.label("ends_at"), s.starts_at.label("since"))
        .select_from(source)
        .where(s.tenant_id == query.tenant, s.starts_at < query.ends_at, s.rule == rule_of(record, policy), kept)
    )
    if not policy.is_contractual:
        return by_events.subquery("s")
    return union_all(by_events, in_force(query)).subquery("s")


def in_force(query: MetricQuery) -> Select[Any]:
    """Selects the spans in which contractual customers had a subscription in force, on trial or paused as well: from
    its start to before its end."""
    s = subscription_spans.c
    held = (
        select(s.customer_id, func.unnest(func.range_agg(func.tstzrange(s.starts_at, s.ends_at))).label("held"))
        .where(s.tenant_id == query.tenant, s.customer_id.is_not(None), s.starts_at <= query.ends_at)
        .group_by(s.customer_id)
        .subquery("held")
    )
    since, until = func.lower(held.c.held, type_=Moment), func.upper(held.c.held, type_=Moment)
    ends_at = func.coalesce(until - _INSTANT, _FOR_EVER)
    found = select(
        held.c.customer_id, (since - _INSTANT).label("starts_at"), ends_at.label("ends_at"), since.label("since")
    )
    if not query.policy.segments:
        return found
    record = customers(query)
    joined = held.outerjoin(record, record.c.id == held.c.customer_id)
    return found.select_from(joined).where(contractual(record, query.policy))


def subscribed(query: MetricQuery, customer_id: ColumnElement[Any], before: ColumnElement[Any]) -> Select[Any]:
    """Selects the proof that a contractual customer was active at an instant, or had been before: the last event of its
    subscription that had started by then and lasted the longest. It says the whole course."""
    s, f = subscription_spans.c, facts.c
    source: FromClause = subscription_spans.join(facts, f.subject == s.subject)
    mine: ColumnElement[bool] = true()
    if query.policy.segments:
        record = customers(query).alias("subscriber")
        source = source.outerjoin(record, record.c.id == s.customer_id)
        mine = contractual(record, query.policy)
    return (
        select(f.subject, f.event_id, f.type, f.time)
        .select_from(source)
        .where(s.tenant_id == query.tenant, s.customer_id == customer_id, s.starts_at <= before, mine)
        .where(f.tenant_id == query.tenant, f.until.is_(None))
        .order_by(func.coalesce(s.ends_at, _FOR_EVER).desc(), s.subject)
        .limit(1)
    )


def first_subscriptions(tenant: str) -> FromClause:
    """Selects when the first subscription of each customer started."""
    s = subscription_spans.c
    return (
        select(s.customer_id, func.min(s.starts_at).label("starts_at"))
        .where(s.tenant_id == tenant, s.customer_id.is_not(None))
        .group_by(s.customer_id)
        .subquery("first_subscription")
    )


def first_activity(query: MetricQuery) -> FromClause:
    """Selects since when each customer has been one: its first activity."""
    s = spans(query)
    return select(s.c.customer_id, func.min(s.c.since).label("at")).group_by(s.c.customer_id).subquery("first")


def rule_of(record: FromClause | None, policy: ActivityPolicy) -> ColumnElement[str]:
    """Returns the id of the customer's rule: that of its segment, as its record says. Without a record, the default."""
    return _by_segment(record, policy, literal(policy.default.id), {n: each.id for n, each in policy.segments.items()})


def contractual(record: FromClause | None, policy: ActivityPolicy) -> ColumnElement[bool]:
    """Returns whether the customer's rule is contractual."""
    default = true() if policy.default.contractual else false()
    return _by_segment(record, policy, default, {n: each.contractual for n, each in policy.segments.items()})


def _by_segment(record: FromClause | None, policy: ActivityPolicy, default: Any, others: Any) -> ColumnElement[Any]:
    if not policy.segments:
        found: ColumnElement[Any] = default
        return found
    assert record is not None
    return case(others, value=record.c.state["segment"].astext, else_=default)


class Qualifying:
    """The facts that make their customers active: those of the types of the customer's rule; of a contractual customer,
    those before its first subscription."""

    def __init__(self, query: MetricQuery) -> None:
        self._policy = policy = query.policy
        self.facts: FromClause = facts
        self._rule_of: ColumnElement[str] | None = None
        self._before: ColumnElement[bool] = true()
        record = None
        if policy.segments:
            record = customers(query).alias("whose")
            self.facts = self.facts.outerjoin(record, record.c.id == facts.c.customer_id)
            self._rule_of = rule_of(record, policy)
        if policy.is_contractual:
            first = first_subscriptions(query.tenant)
            of_customer = and_(first.c.customer_id == facts.c.customer_id, contractual(record, policy))
            self.facts = self.facts.outerjoin(first, of_customer)
            self._before = or_(first.c.starts_at.is_(None), facts.c.time < first.c.starts_at)

    def by_any(self) -> ColumnElement[bool]:
        return or_(*(self.by(rule) for rule in self._policy.rules))

    def by(self, rule: ActivityRule) -> ColumnElement[bool]:
        of_type = and_(facts.c.type.in_(sorted(rule.types)), self._before)
        return of_type if self._rule_of is None else and_(self._rule_of == rule.id, of_type)
