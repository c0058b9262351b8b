"""The fold: a batch of events into the ledger and into what is kept from it, in the consumer's own transaction.

An event that the ledger has already is skipped, so its effect is exactly once, however often it is delivered. What is
folded commutes, so the order of events of different aggregates does not matter.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.activity import ActivityDefinition, Span, difference
from kith.events.envelope import Envelope
from kith.relay import Watermark


class Customer(NamedTuple):
    tenant_id: str
    id: UUID


async def record(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> list[Envelope]:
    """Put the events into the ledger. Answers those it did not have yet."""
    # By unnest and not by COPY: COPY cannot skip what is there already.
    rows = await connection.exec_driver_sql(
        """
        INSERT INTO ledger
            (id, tenant_id, type, source, subject, aggregate_version, customer_id, time, recorded_at, data)
        SELECT id, tenant_id, type, source, subject, version, customer_id, time, recorded_at, data::jsonb
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::int[], $7::uuid[],
                    $8::timestamptz[], $9::timestamptz[], $10::text[])
             AS t(id, tenant_id, type, source, subject, version, customer_id, time, recorded_at, data)
        ON CONFLICT DO NOTHING
        RETURNING id
        """,
        (
            [each.id for each in envelopes],
            [each.tenant_id for each in envelopes],
            [each.type for each in envelopes],
            [each.source for each in envelopes],
            [each.subject for each in envelopes],
            [each.aggregate_version for each in envelopes],
            [each.customer_id for each in envelopes],
            [each.time for each in envelopes],
            [each.recorded_at for each in envelopes],
            [each.data.decode() for each in envelopes],
        ),
    )
    new = {row[0] for row in rows}
    return list({each.id: each for each in envelopes if each.id in new}.values())


async def fold_activity(
    connection: AsyncConnection, definition: ActivityDefinition, envelopes: Iterable[Envelope]
) -> None:
    """Extend the spans of the customers whom qualifying events concern."""
    times: dict[Customer, list[datetime]] = defaultdict(list)
    for each in envelopes:
        if each.type in definition.event_types and each.customer_id is not None:
            times[Customer(each.tenant_id, each.customer_id)].append(each.time)
    if not times:
        return
    known = await _spans(connection, definition, list(times))
    gone: list[tuple[Customer, Span]] = []
    made: list[tuple[Customer, Span]] = []
    for customer, moments in times.items():
        before = known.get(customer, [])
        old, new = difference(before, definition.extend(before, moments))
        gone += [(customer, span) for span in old]
        made += [(customer, span) for span in new]
    if gone:
        await connection.exec_driver_sql(
            """
            DELETE FROM activity_spans s
            USING unnest($2::text[], $3::uuid[], $4::timestamptz[]) AS t(tenant_id, customer_id, starts_at)
            WHERE s.definition = $1 AND s.tenant_id = t.tenant_id AND s.customer_id = t.customer_id
              AND s.starts_at = t.starts_at
            """,
            (definition.id, *_columns(gone)[:3]),
        )
    if made:
        await connection.exec_driver_sql(
            """
            INSERT INTO activity_spans (definition, tenant_id, customer_id, starts_at, ends_at)
            SELECT $1, * FROM unnest($2::text[], $3::uuid[], $4::timestamptz[], $5::timestamptz[])
            """,
            (definition.id, *_columns(made)),
        )


async def _spans(
    connection: AsyncConnection, definition: ActivityDefinition, customers: Sequence[Customer]
) -> Mapping[Customer, list[Span]]:
    rows = await connection.exec_driver_sql(
        """
        SELECT s.tenant_id, s.customer_id, s.starts_at, s.ends_at
        FROM unnest($2::text[], $3::uuid[]) AS t(tenant_id, customer_id)
        JOIN activity_spans s ON s.definition = $1 AND s.tenant_id = t.tenant_id AND s.customer_id = t.customer_id
        """,
        (definition.id, [each.tenant_id for each in customers], [each.id for each in customers]),
    )
    found: dict[Customer, list[Span]] = defaultdict(list)
    for row in rows:
        found[Customer(row.tenant_id, row.customer_id)].append(Span(row.starts_at, row.ends_at))
    return found


def _columns(
    rows: Sequence[tuple[Customer, Span]],
) -> tuple[list[str], list[UUID], list[datetime], list[datetime]]:
    return (
        [customer.tenant_id for customer, _ in rows],
        [customer.id for customer, _ in rows],
        [span.starts_at for _, span in rows],
        [span.ends_at for _, span in rows],
    )


async def note_watermark(connection: AsyncConnection, watermark: Envelope) -> None:
    """Keep the newest few of each source: the newest one reached says how fresh the figures are."""
    ends = msgspec.json.decode(watermark.data, type=Watermark).ends
    await connection.exec_driver_sql(
        "INSERT INTO watermarks (source, up_to, ends) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        (watermark.source, watermark.time, ends),
    )
    await connection.exec_driver_sql(
        """
        DELETE FROM watermarks WHERE source = $1 AND up_to < (
            SELECT min(up_to) FROM (SELECT up_to FROM watermarks WHERE source = $1 ORDER BY up_to DESC LIMIT 100) newest
        )
        """,
        (watermark.source,),
    )
