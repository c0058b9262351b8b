"""Events that their service withdrew: it was restored to before them, and does not know them any more."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.ledger.unnest import UnnestParams
from kith.events.envelope import Envelope
from kith.events.withdrawal import Withdrawal

_GIVEN = UnnestParams(
    tenant_id="name",
    id="uuid",
    type="name",
    source="name",
    subject="uuid",
    version="int",
    customer_id="uuid",
    withdrawn_at="timestamptz",
)
_read = msgspec.json.Decoder(Withdrawal).decode


class Withdrawn(NamedTuple):
    """An event that the ledger had."""

    tenant_id: str
    event_id: UUID
    type: str
    subject: UUID


async def withdraw(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> list[Withdrawn]:
    """Moves the events that these withdrawals name from the ledger to the withdrawn ones, where they are noted also if
    they have not come yet. Returns those that the ledger had."""
    bodies = [_read(each.data) for each in envelopes]
    rows: Any = await connection.exec_driver_sql(
        f"""
        WITH gone AS (
            DELETE FROM ledger l USING {_GIVEN.sql} WHERE l.tenant_id = t.tenant_id AND l.id = t.id
            RETURNING l.tenant_id, l.id, l.type, l.subject, l.time, l.recorded_at, l.actor, l.data
        ), noted AS (
            INSERT INTO withdrawn_events
                (tenant_id, id, type, source, subject, aggregate_version, customer_id, withdrawn_at, time, recorded_at,
                 actor, data)
            SELECT t.*, gone.time, gone.recorded_at, gone.actor, gone.data
            FROM (SELECT DISTINCT ON (tenant_id, id) * FROM {_GIVEN.sql}) t LEFT JOIN gone USING (tenant_id, id)
            ON CONFLICT DO NOTHING
        ), announced AS (
            INSERT INTO arrivals (tenant_id, types, customers)
            SELECT tenant_id, array_agg(DISTINCT type), NULL FROM gone GROUP BY tenant_id
        )
        SELECT tenant_id, id, type, subject FROM gone
        """,  # noqa: S608 - made here
        _GIVEN.values(
            [each.tenant_id for each in envelopes],
            [body.event_id for body in bodies],
            [body.event_type for body in bodies],
            [each.source for each in envelopes],
            [each.subject for each in envelopes],
            [each.aggregate_version for each in envelopes],
            [each.customer_id for each in envelopes],
            [each.recorded_at for each in envelopes],
        ),
    )
    return [Withdrawn(*row) for row in rows]
