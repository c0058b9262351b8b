"""What is known of records of before is stated once: their events are on the bus for a time only, and a service that
began to keep facts of them later would not learn of one until it changes. It is no event: nothing has happened, and
analytics does not count it."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.statements import insert_many
from kith.events import actors
from kith.ids import new_id
from kith.nouns.fills import Fill
from kith.nouns.resource import Resource


def stated_once(
    resource: Resource,
    outbox: Table,
    *,
    source: str,
    type: str,
    statement_of: Callable[[Any], msgspec.Struct | None],
    version: int = 1,
) -> Fill:
    """Returns the fill that states the records that were there before, but those of which there is no statement."""

    async def state(connection: AsyncConnection, tenant: str, records: Sequence[Any]) -> None:
        now = await connection.scalar(select(func.clock_timestamp()))
        rows = [
            {
                "id": new_id(),
                "tenant_id": tenant,
                "type": type,
                "subject": each.id,
                "aggregate_version": each.version,
                "customer_id": each.relationship(),
                "time": each.updated_at,
                "recorded_at": now,
                "traceparent": None,
                "actor": actors.service(source),
                "data": msgspec.json.encode(statement),
            }
            for each in records
            if (statement := statement_of(each)) is not None
        ]
        await insert_many(connection, outbox, rows)

    return Fill(f"stated/{resource.name}/{version}", resource, state)
