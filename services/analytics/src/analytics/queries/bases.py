"""What metrics are built on: one count each, straight from the ledger and the activity spans."""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.activity import PURCHASES
from analytics.domain.metric import Base, Counts, Interval
from kith.domain import Conflict
from kith.events.contacts import CustomerCreated
from kith.events.sales import OpportunityWon, OrderPlaced, OrderReturned
from kith.events.service_desk import CaseResolved

# Both look at each customer's rows once and join nothing: of a tenant that has just come the planner knows too little,
# and would join thousands of customers row by row.
_ACTIVITY = text("""
    SELECT count(*) FILTER (WHERE at_start) AS "S",
           count(*) FILTER (WHERE at_end) AS "E",
           count(*) FILTER (WHERE at_end AND NOT before) AS "N",
           count(*) FILTER (WHERE at_end AND before AND NOT at_start) AS "W",
           count(*) FILTER (WHERE at_end AND at_start) AS kept
    FROM (
        SELECT bool_or(starts_at < :from AND ends_at >= :from) AS at_start,
               bool_or(ends_at >= :to) AS at_end,
               bool_or(starts_at < :from) AS before
        FROM activity_spans
        WHERE tenant_id = :tenant AND definition = :definition AND starts_at < :to
        GROUP BY customer_id
    ) customers
""")

_RELATIONSHIP = text("""
    SELECT count(*) FILTER (WHERE helped) AS helped,
           count(*) FILTER (WHERE helped AND (times >= 2 OR referred)) AS loyal,
           count(*) FILTER (WHERE helped AND times >= 2) AS repeat,
           count(*) FILTER (WHERE helped AND referred) AS referred,
           count(*) FILTER (WHERE times > 0) AS buyers
    FROM (
        SELECT bool_or(type = ANY(:helping) AND time >= CAST(:to AS timestamptz) - interval '12 months') AS helped,
               count(*) FILTER (WHERE type = :purchase) AS times,
               bool_or(type = :created AND data ->> 'referred_by' IS NOT NULL) AS referred
        FROM ledger
        WHERE tenant_id = :tenant AND type = ANY(:types) AND customer_id IS NOT NULL AND time < :to
        GROUP BY customer_id
    ) customers
""")

_REVENUE = text("""
    SELECT count(*) FILTER (WHERE type = :placed) AS orders,
           coalesce(sum((data ->> 'value')::numeric) FILTER (WHERE type = :placed), 0) AS ordered,
           count(*) FILTER (WHERE type = :returned) AS returns,
           coalesce(sum((data ->> 'value')::numeric) FILTER (WHERE type = :returned), 0) AS returned,
           array_agg(DISTINCT data ->> 'currency') AS currencies
    FROM ledger
    WHERE tenant_id = :tenant AND type IN (:placed, :returned) AND time >= :from AND time < :to
""")


async def _activity(connection: AsyncConnection, tenant: str, interval: Interval) -> Counts:
    given = {"tenant": tenant, "definition": PURCHASES.id, "from": interval.starts_at, "to": interval.ends_at}
    return _counts(await _row(connection, _ACTIVITY, given))


async def _relationship(connection: AsyncConnection, tenant: str, interval: Interval) -> Counts:
    helping = [OrderPlaced.type, OpportunityWon.type, CaseResolved.type]
    given = {
        "tenant": tenant,
        "to": interval.ends_at,
        "helping": helping,
        "purchase": OrderPlaced.type,
        "created": CustomerCreated.type,
        "types": [*helping, CustomerCreated.type],
    }
    return _counts(await _row(connection, _RELATIONSHIP, given))


async def _revenue(connection: AsyncConnection, tenant: str, interval: Interval) -> Counts:
    given = {
        "tenant": tenant,
        "from": interval.starts_at,
        "to": interval.ends_at,
        "placed": OrderPlaced.type,
        "returned": OrderReturned.type,
    }
    row = await _row(connection, _REVENUE, given)
    currencies = row.pop("currencies") or []
    if len(currencies) > 1:
        raise SeveralCurrencies(currencies)
    return _counts(row)


class SeveralCurrencies(Conflict):
    """Without the tenant's rates amounts in different currencies have no sum."""

    code = "several-currencies"

    def __init__(self, currencies: list[str]) -> None:
        super().__init__(f"The amounts are in {', '.join(sorted(currencies))}: they have no sum without rates.")


async def _row(connection: AsyncConnection, query: TextClause, given: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in (await connection.execute(query, given)).mappings().one().items()}


def _counts(row: Mapping[str, Any]) -> Counts:
    return {name: Decimal(value) for name, value in row.items()}


COUNT: Mapping[Base, Callable[[AsyncConnection, str, Interval], Awaitable[Counts]]] = {
    Base.ACTIVITY: _activity,
    Base.RELATIONSHIP: _relationship,
    Base.REVENUE: _revenue,
}
