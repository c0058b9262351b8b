"""Merges of customers, which no API offers yet: contacts' outbox is written as its command will."""

import json
from datetime import datetime
from uuid import UUID

from tests.upgrade.house import House

_NEXT_VERSION = "UPDATE customers SET version = version + 1 WHERE tenant_id = $1 AND id = $2 RETURNING version"
_INTO = "SELECT data FROM outbox WHERE tenant_id = $1 AND subject = $2 AND type = 'contacts.customer.merged.v1'"


async def merge(house: House, tenant: str, customer: UUID, into: UUID, at: datetime) -> None:
    await _insert(house, tenant, customer, at, "merged", {"into": str(into)})


async def unmerge(house: House, tenant: str, customer: UUID, at: datetime) -> None:
    ((merged,),) = await house.rows("contacts", _INTO, tenant, customer)
    await _insert(house, tenant, customer, at, "unmerged", {"out_of": json.loads(merged)["into"]})


async def _insert(house: House, tenant: str, customer: UUID, at: datetime, what: str, data: dict[str, str]) -> None:
    ((version,),) = await house.rows("contacts", _NEXT_VERSION, tenant, customer)
    type = f"contacts.customer.{what}.v1"
    await house.insert_event("contacts", tenant, type, customer, customer, version, at, json.dumps(data))
