"""The ledger: every event that analytics has received, once, as it was published."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.ledger.unnest import UnnestParams
from kith.events.envelope import Envelope

_NAMED = 1000
"""The events of a tenant in a batch up to which their customers are named to subscribers; with more, any customer may
have changed."""
_GIVEN = UnnestParams(
    id="uuid",
    tenant_id="name",
    type="name",
    source="name",
    subject="uuid",
    version="int",
    customer_id="uuid",
    time="timestamptz",
    recorded_at="timestamptz",
    actor="name",
    data="text",
)


async def record(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> list[Envelope]:
    """Inserts the events into the ledger. Returns those it did not have yet."""
    # Not by COPY: it cannot skip existing rows, and fills no table under row-level security.
    found: Any = await connection.exec_driver_sql(
        f"""
        WITH put AS (
            INSERT INTO ledger
                (id, tenant_id, type, source, subject, aggregate_version, customer_id, time, recorded_at, actor,
                 data)
            SELECT id, tenant_id, type, source, subject, version, customer_id, time, recorded_at, actor, data::jsonb
            FROM {_GIVEN.sql}
            WHERE NOT EXISTS (SELECT FROM withdrawn_events w WHERE w.tenant_id = t.tenant_id AND w.id = t.id)
            ON CONFLICT DO NOTHING RETURNING id, tenant_id, type, customer_id
        ), announced AS (
            INSERT INTO arrivals (tenant_id, types, customers)
            SELECT tenant_id, array_agg(DISTINCT type),
                   CASE WHEN count(*) <= {_NAMED} THEN array_agg(DISTINCT customer_id) END
            FROM put GROUP BY tenant_id
        )
        SELECT count(*), CASE WHEN count(*) < $12::int THEN array_agg(id) END FROM put
        """,  # noqa: S608 - made here
        (
            *_GIVEN.values(
                [each.id for each in envelopes],
                [each.tenant_id for each in envelopes],
                [each.type for each in envelopes],
                [each.source for each in envelopes],
                [each.subject for each in envelopes],
                [each.aggregate_version for each in envelopes],
                [each.customer_id for each in envelopes],
                [each.time for each in envelopes],
                [each.recorded_at for each in envelopes],
                [each.actor for each in envelopes],
                [each.data.decode() for each in envelopes],
            ),
            len(envelopes),
        ),
    )
    count, ids = found.one()
    if count == len(envelopes):  # as nearly always
        return list(envelopes)
    new = set(ids or ())
    return list({each.id: each for each in envelopes if each.id in new}.values())
