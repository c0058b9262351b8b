"""The projection of activity: spans, for every rule that a tenant has (see projections.activity)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.ledger.unnest import UnnestParams
from analytics.projections.active_spans import SpanRows
from analytics.projections.activity import PURCHASES, ActivityRule, Span, difference
from analytics.projections.facts import Fact
from analytics.projections.past import Past
from analytics.projections.projection import Batch, Moved, Projection, ReadModel, Scopes
from analytics.projections.replay import Recomputation
from analytics.projections.settings import rules_known
from analytics.projections.tables import activity_spans

_SPANS = UnnestParams(tenant_id="name", rule="name", customer_id="uuid", starts_at="timestamptz", ends_at="timestamptz")
_KEYS = UnnestParams(tenant_id="name", rule="name", customer_id="uuid", first="timestamptz", last="timestamptz")


class SpanKey(NamedTuple):
    """The customer and the rule that a list of spans belongs to."""

    tenant_id: str
    rule: str
    customer_id: UUID


class Activity(Projection):
    tables = (ReadModel(activity_spans, part="rule"),)

    async def apply(self, connection: AsyncConnection, batch: Batch) -> None:
        await fold_activity(connection, batch.facts)

    async def move(self, connection: AsyncConnection, tenant: str, moved: Moved) -> None:
        """Extends the spans of who gained facts: whom a customer is merged into may have many already."""
        rules = (await rules_of(connection, [tenant]))[tenant]
        await refold_activity(connection, tenant, list(moved.lost), rules)
        gained = (each for each in moved.gained if each.customer_id not in moved.lost)
        await extend_spans(connection, _times(tenant, rules, gained), {rule.id: rule for rule in rules})

    async def recompute(self, past: Past) -> Sequence[Recomputation]:
        """Recomputes the spans of the rules that are kept; in a read as known at an instant, of all rules there were by
        then."""
        if past.known_at is not None:
            return [SpanRows(past.tenant, await rules_known(past))]
        rows = await past.driver.fetch(
            "SELECT event_types, window_days, ready_at IS NULL FROM public.activity_rules WHERE tenant_id = $1",
            past.tenant,
        )
        rules = {rule.id: (rule, computing) for *of, computing in rows for rule in (ActivityRule.of(*of),)}
        unready = [id for id, (rule, computing) in rules.items() if computing and rule != PURCHASES]
        return [SpanRows(past.tenant, [PURCHASES, *(rule for rule, _ in rules.values() if rule != PURCHASES)], unready)]

    async def complete(self, connection: AsyncConnection, scopes: Scopes) -> None:
        """Marks rules that were added meanwhile as not ready: they have no spans from before, and the worker computes
        them."""
        made = [(tenant, rule) for tenant, scope in scopes[activity_spans.name].items() for rule in scope.parts]
        values = ([tenant for tenant, _ in made], [rule for _, rule in made], PURCHASES.id)
        others = (
            "rule <> $3 AND NOT EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS made(tenant_id, rule) "
            "WHERE made.tenant_id = t.tenant_id AND made.rule = t.rule)"
        )
        await connection.exec_driver_sql(f"DELETE FROM public.activity_spans t WHERE {others}", values)  # noqa: S608
        await connection.exec_driver_sql(
            "UPDATE public.activity_rules t SET ready_at = NULL, done = 0, total = NULL, computed_to = NULL "  # noqa: S608
            f"WHERE {others}",
            values,
        )


async def rules_of(connection: AsyncConnection, tenants: Iterable[str]) -> Mapping[str, Sequence[ActivityRule]]:
    """Returns the rules whose spans are kept: the given default for a tenant that has none of its own."""
    wanted = list(tenants)
    rows: Any = await connection.exec_driver_sql(
        "SELECT tenant_id, event_types, window_days FROM activity_rules WHERE tenant_id = ANY($1::text[])", (wanted,)
    )
    rules: dict[str, dict[str, ActivityRule]] = {tenant: {PURCHASES.id: PURCHASES} for tenant in wanted}
    for tenant, event_types, days in rows:
        rule = ActivityRule.of(event_types, days)
        rules[tenant][rule.id] = rule
    return {tenant: list(of_tenant.values()) for tenant, of_tenant in rules.items()}


async def fold_activity(connection: AsyncConnection, facts: Sequence[Fact]) -> None:
    """Extends the spans of the customers that qualifying events concern."""
    rules = await rules_of(connection, {fact.tenant_id for fact in facts})
    times: dict[SpanKey, list[datetime]] = defaultdict(list)
    by_id: dict[str, ActivityRule] = {}
    by_type: dict[tuple[str, str], list[str]] = defaultdict(list)
    for tenant, kept in rules.items():
        for rule in kept:
            by_id[rule.id] = rule
            for type in rule.types:
                by_type[tenant, type].append(rule.id)
    for fact in facts:
        if fact.customer_id is not None:
            for id in by_type.get((fact.tenant_id, fact.type), ()):
                times[SpanKey(fact.tenant_id, id, fact.customer_id)].append(fact.time)
    await extend_spans(connection, times, by_id)


async def extend_spans(
    connection: AsyncConnection, times: Mapping[SpanKey, Sequence[datetime]], rules: Mapping[str, ActivityRule]
) -> None:
    if not times:
        return
    known = await _touching(connection, times, rules)
    gone: list[tuple[SpanKey, Span]] = []
    made: list[tuple[SpanKey, Span]] = []
    for key, moments in times.items():
        before = known.get(key, ())
        after = rules[key.rule].extend(before, moments)
        old, new = difference(before, after) if before else ((), after)
        gone += [(key, span) for span in old]
        made += [(key, span) for span in new]
    if gone:
        await connection.exec_driver_sql(
            f"""
            DELETE FROM activity_spans s USING {_SPANS.sql}
            WHERE s.tenant_id = t.tenant_id AND s.rule = t.rule AND s.customer_id = t.customer_id
              AND s.starts_at = t.starts_at
            """,  # noqa: S608 - made here
            _columns(gone),
        )
    if made:
        await connection.exec_driver_sql(
            f"INSERT INTO activity_spans (tenant_id, rule, customer_id, starts_at, ends_at) SELECT * FROM {_SPANS.sql}",  # noqa: S608 - made here
            _columns(made),
        )


async def refold_activity(
    connection: AsyncConnection,
    tenant: str,
    customers: Sequence[UUID],
    wanted: Sequence[ActivityRule],
) -> None:
    """Recomputes the spans of some customers by these rules, from their facts."""
    rules = {rule.id: rule for rule in wanted}
    await connection.exec_driver_sql(
        "DELETE FROM activity_spans WHERE tenant_id = $1 AND rule = ANY($2::text[]) AND customer_id = ANY($3::uuid[])",
        (tenant, list(rules), list(customers)),
    )
    types = {type for rule in wanted for type in rule.types}
    rows: Any = await connection.exec_driver_sql(
        """
        SELECT customer_id, type, time FROM facts
        WHERE tenant_id = $1 AND customer_id = ANY($2::uuid[]) AND type = ANY($3::text[])
        """,
        (tenant, list(customers), list(types)),
    )
    await extend_spans(connection, _times(tenant, wanted, rows), rules)


def _times(
    tenant: str, rules: Iterable[ActivityRule], facts: Iterable[tuple[UUID, str, datetime]]
) -> Mapping[SpanKey, Sequence[datetime]]:
    """Returns when each customer did what qualifies by each rule, of facts by customer and type."""
    times: dict[SpanKey, list[datetime]] = defaultdict(list)
    for customer, type, time in facts:
        for rule in rules:
            if type in rule.types:
                times[SpanKey(tenant, rule.id, customer)].append(time)
    return times


async def _touching(
    connection: AsyncConnection, times: Mapping[SpanKey, Sequence[datetime]], rules: Mapping[str, ActivityRule]
) -> Mapping[SpanKey, list[Span]]:
    """Reads the spans that the new events may touch."""
    rows: Any = await connection.exec_driver_sql(
        f"""
        SELECT s.tenant_id, s.rule, s.customer_id, s.starts_at, s.ends_at
        FROM {_KEYS.sql}
        JOIN activity_spans s ON s.tenant_id = t.tenant_id AND s.rule = t.rule AND s.customer_id = t.customer_id
          AND s.starts_at <= t.last AND s.ends_at >= t.first
        """,  # noqa: S608 - made here
        _KEYS.values(
            [key.tenant_id for key in times],
            [key.rule for key in times],
            [key.customer_id for key in times],
            [min(moments) for moments in times.values()],
            [max(moments) + rules[key.rule].window for key, moments in times.items()],
        ),
    )
    found: dict[SpanKey, list[Span]] = defaultdict(list)
    for tenant, rule, customer, starts_at, ends_at in rows:
        found[SpanKey(tenant, rule, customer)].append(Span(starts_at, ends_at))
    return found


def _columns(rows: Sequence[tuple[SpanKey, Span]]) -> tuple[Any, ...]:
    return _SPANS.values(
        [key.tenant_id for key, _ in rows],
        [key.rule for key, _ in rows],
        [key.customer_id for key, _ in rows],
        [span.starts_at for _, span in rows],
        [span.ends_at for _, span in rows],
    )
