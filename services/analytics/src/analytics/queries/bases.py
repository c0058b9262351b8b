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

_ACTIVITY = text("""
    WITH at_start AS (
        SELECT DISTINCT customer_id FROM activity_spans
        WHERE tenant_id = :tenant AND definition = :definition AND starts_at < :from AND ends_at >= :from
    ), at_end AS (
        SELECT DISTINCT customer_id FROM activity_spans
        WHERE tenant_id = :tenant AND definition = :definition AND starts_at < :to AND ends_at >= :to
    ), before AS (
        SELECT DISTINCT customer_id FROM activity_spans
        WHERE tenant_id = :tenant AND definition = :definition AND starts_at < :from
    )
    SELECT (SELECT count(*) FROM at_start) AS "S",
           count(*) AS "E",
           count(*) FILTER (WHERE b.customer_id IS NULL) AS "N",
           count(*) FILTER (WHERE b.customer_id IS NOT NULL AND s.customer_id IS NULL) AS "W",
           count(s.customer_id) AS kept
    FROM at_end e
    LEFT JOIN before b USING (customer_id)
    LEFT JOIN at_start s USING (customer_id)
""")

_RELATIONSHIP = text("""
    WITH helped AS (
        SELECT DISTINCT customer_id FROM ledger
        WHERE tenant_id = :tenant AND type = ANY(:helping) AND customer_id IS NOT NULL
          AND time >= CAST(:to AS timestamptz) - interval '12 months' AND time < :to
    ), bought AS (
        SELECT customer_id, count(*) AS times FROM ledger
        WHERE tenant_id = :tenant AND type = :purchase AND customer_id IS NOT NULL AND time < :to
        GROUP BY customer_id
    ), referred AS (
        SELECT DISTINCT customer_id FROM ledger
        WHERE tenant_id = :tenant AND type = :created AND time < :to AND data ->> 'referred_by' IS NOT NULL
    )
    SELECT count(*) AS helped,
           count(*) FILTER (WHERE b.times >= 2 OR r.customer_id IS NOT NULL) AS loyal,
           count(*) FILTER (WHERE b.times >= 2) AS repeat,
           count(r.customer_id) AS referred,
           (SELECT count(*) FROM bought) AS buyers
    FROM helped h
    LEFT JOIN bought b USING (customer_id)
    LEFT JOIN referred r USING (customer_id)
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
    given = {
        "tenant": tenant,
        "to": interval.ends_at,
        "helping": [OrderPlaced.type, OpportunityWon.type, CaseResolved.type],
        "purchase": OrderPlaced.type,
        "created": CustomerCreated.type,
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
