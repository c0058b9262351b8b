"""What is known of a customer of before is stated once: its events are on the bus for a time only, and a service that
began to keep facts of customers later would not learn of it until it changes. It is no event: nothing has happened, and
analytics does not count it."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.statements import insert_many
from kith.events import actors
from kith.ids import new_id
from kith.nouns.fills import Fill
from kith.nouns.resource import Resource


class CustomerStated(msgspec.Struct, omit_defaults=True):
    """Its envelope has the customer, and the version of the event after which this holds."""

    type: ClassVar[str] = "contacts.customer.stated.v1"
    kind: str
    segment: str | None = None
    tier: str | None = None
    stage: str | None = None
    owner_id: UUID | None = None


def _statement_of(customer: Any) -> CustomerStated:
    return CustomerStated(**{name: getattr(customer, name) for name in CustomerStated.__struct_fields__})


def stating(customers: Resource, outbox: Table, *, source: str) -> Fill:
    """Returns the fill that states the customers that were there before."""

    async def state(connection: AsyncConnection, tenant: str, records: Sequence[Any]) -> None:
        now = await connection.scalar(select(func.clock_timestamp()))
        rows = [
            {
                "id": new_id(),
                "tenant_id": tenant,
                "type": CustomerStated.type,
                "subject": each.id,
                "aggregate_version": each.version,
                "customer_id": each.id,
                "time": each.updated_at,
                "recorded_at": now,
                "traceparent": None,
                "actor": actors.service(source),
                "data": msgspec.json.encode(_statement_of(each)),
            }
            for each in records
        ]
        await insert_many(connection, outbox, rows)

    return Fill("stated/customer/1", customers, state)
