"""The projection of how subscriptions stand: the steps that their last event has, each with its end and its customer.

An event says the whole course, past and to come, so the last one by version is all that counts. Steps that cannot be
read count for nothing, and hold up nobody else's.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Column, Index, Integer, Numeric, Table, Text, Uuid
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.ledger.unnest import UnnestParams
from analytics.projections.facts import Customer, Fact, Survivors, noun_of, types_of
from analytics.projections.fold_facts import Aggregate, last_facts
from analytics.projections.lines import line_of
from analytics.projections.past import Past
from analytics.projections.projection import Batch, Moved, Projection, ReadModel
from analytics.projections.replay import CountedFact, Recomputation
from analytics.tables import metadata
from kith.db.tables import DERIVED, Moment, tenant_column
from kith.events.subscriptions import SubscriptionStarted, SubscriptionStep

TYPES = types_of(SubscriptionStarted.noun)
ENDED, ACTIVE = "ended", "active"
_MOST = Decimal(10) ** 16
_MOST_SEATS = 2**31

# How each subscription stands from an instant to another. Before the first of its rows, and after the last, it is not
# in force.
subscription_spans = Table(
    "subscription_spans",
    metadata,
    tenant_column(),
    Column("subject", Uuid, primary_key=True),
    Column("starts_at", Moment, primary_key=True),
    Column("ends_at", Moment, comment="null: it goes on"),
    Column("customer_id", Uuid, comment="after merges"),
    Column("status", Text(collation="C"), nullable=False),
    Column("mrr", Numeric(20, 4), nullable=False),
    Column("currency", Text(collation="C")),
    Column("plan", Text(collation="C")),
    Column("product_id", Uuid),
    Column("seats", Integer, nullable=False),
    info={DERIVED: "folded from the ledger"},
)
Index("subscription_spans_by_customer", *(subscription_spans.c[name] for name in ("tenant_id", "customer_id")))

COLUMNS = tuple(subscription_spans.c.keys())
_SPANS = UnnestParams(
    tenant_id="name",
    subject="uuid",
    starts_at="timestamptz",
    ends_at="timestamptz",
    customer_id="uuid",
    status="name",
    mrr="name",
    currency="name",
    plan="name",
    product_id="uuid",
    seats="int",
)
_SUBJECTS = UnnestParams(tenant_id="name", subject="uuid")


class SubscriptionSpan(NamedTuple):
    """A row of the table."""

    tenant_id: str
    subject: UUID
    starts_at: datetime
    ends_at: datetime | None
    customer_id: UUID | None
    status: str
    mrr: str
    currency: str | None
    plan: str
    product_id: UUID | None
    seats: int


class Subscriptions(Projection):
    tables = (ReadModel(subscription_spans, indexes=("customer_id",)),)

    async def apply(self, connection: AsyncConnection, batch: Batch) -> None:
        last = [fact for fact in batch.written if _is_last(fact)]
        await _forget(connection, [Aggregate(fact.tenant_id, fact.subject) for fact in last if fact.version > 1])
        await _hold(connection, last, batch.survivors)

    async def retract(self, connection: AsyncConnection, batch: Batch) -> None:
        """Also where some events of a subscription remain."""
        subscriptions = {Aggregate(each.tenant_id, each.subject) for each in batch.written if _is_last(each)}
        await _forget(connection, subscriptions)
        await _hold(connection, (await last_facts(connection, list(subscriptions))).values(), batch.survivors)

    async def move(self, connection: AsyncConnection, tenant: str, moved: Moved) -> None:
        await connection.exec_driver_sql(
            """
            UPDATE subscription_spans s SET customer_id = f.customer_id FROM facts f
            WHERE f.tenant_id = $1 AND f.customer_id = ANY($2::uuid[]) AND f.type = ANY($3::text[])
              AND s.tenant_id = $1 AND s.subject = f.subject AND s.customer_id IS DISTINCT FROM f.customer_id
            """,
            (tenant, list(moved.customers), list(TYPES)),
        )

    async def recompute(self, past: Past) -> Sequence[Recomputation]:  # noqa: ARG002 - its facts are all it needs
        return [_SpanRows()]


class _SpanRows(Recomputation):
    table, columns = subscription_spans.name, COLUMNS
    event_types = frozenset(TYPES)

    def take(self, facts: Sequence[CountedFact]) -> Iterable[str]:
        last = (fact for fact, _ in facts if _is_last(fact))
        return [line_of(*span) for fact in last for span in _spans(fact)]


def _is_last(fact: Fact) -> bool:
    """Whether it is how a subscription stands."""
    return fact.until is None and noun_of(fact.type) == SubscriptionStarted.noun


def _spans(fact: Fact) -> Iterator[SubscriptionSpan]:
    steps = _read(fact.state.get("steps"))
    product = _id(fact.state.get("product_id"))
    for step, after in pairwise([*steps, None]):
        assert step is not None
        if step.status != ENDED:
            yield SubscriptionSpan(
                fact.tenant_id,
                fact.subject,
                step.starts_at,
                after.starts_at if after is not None else None,
                fact.customer_id,
                step.status,
                f"{step.mrr:f}",
                fact.currency,
                step.plan,
                product,
                step.seats,
            )


def _read(said: Any) -> list[SubscriptionStep]:
    """Returns the steps in order; none if one of them cannot be."""
    try:
        steps = msgspec.convert(said, list[SubscriptionStep])
    except msgspec.ValidationError:
        return []
    for step in steps:
        can_be = step.mrr.is_finite() and 0 <= step.mrr < _MOST and 0 <= step.seats < _MOST_SEATS
        if not can_be or step.starts_at.tzinfo is None:
            return []
    return list({step.starts_at: step for step in sorted(steps, key=lambda step: step.starts_at)}.values())


def _id(said: Any) -> UUID | None:
    try:
        return UUID(said)
    except (ValueError, TypeError, AttributeError):
        return None


def _of_survivor(fact: Fact, survivors: Survivors) -> Fact:
    if fact.customer_id is None:
        return fact
    return fact._replace(customer_id=survivors.get(Customer(fact.tenant_id, fact.customer_id), fact.customer_id))


async def _hold(connection: AsyncConnection, last: Iterable[Fact], survivors: Survivors) -> None:
    spans = [span for fact in last for span in _spans(_of_survivor(fact, survivors))]
    if spans:
        await connection.exec_driver_sql(
            f"""
            INSERT INTO subscription_spans ({", ".join(COLUMNS)})
            SELECT tenant_id, subject, starts_at, ends_at, customer_id, status, mrr::numeric, currency, plan,
                   product_id, seats
            FROM {_SPANS.sql}
            """,  # noqa: S608 - made here
            _SPANS.values(*(list(column) for column in zip(*spans, strict=True))),
        )


async def _forget(connection: AsyncConnection, subscriptions: Collection[Aggregate]) -> None:
    if subscriptions:
        await connection.exec_driver_sql(
            f"""
            DELETE FROM subscription_spans s USING {_SUBJECTS.sql}
            WHERE s.tenant_id = t.tenant_id AND s.subject = t.subject
            """,  # noqa: S608 - made here
            _SUBJECTS.values(*(list(column) for column in zip(*subscriptions, strict=True))),
        )
