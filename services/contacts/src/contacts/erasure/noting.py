"""Notes that a customer or a contact is erased, in the transaction that does it: by what it was known, so that rows of
imports that name it are found, until they were looked for (contacts.erasure.confirming)."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Uuid, any_, cast, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.tables import erasures
from kith.imports.forgetting import KnownBy
from kith.nouns.aggregate import Aggregate
from kith.nouns.history import TABLE as HISTORY
from kith.nouns.resource import Resource

SERVICE = "contacts"


async def noting(connection: AsyncConnection, tenant: str, resource: Resource, records: Sequence[Aggregate]) -> None:
    h, changes = HISTORY.c, defaultdict[UUID, list[dict[str, Any]]](list)
    them = h.subject == any_(cast([each.id for each in records], ARRAY(Uuid)))
    before = select(h.subject, h.changes).where(h.tenant_id == tenant, them, h.changes.is_not(None))
    for row in await connection.execute(before):
        changes[row.subject].append(row.changes)
    rows = [
        {
            "tenant_id": tenant,
            "record_id": each.id,
            "service": SERVICE,
            "noun": resource.name,
            "noted_at": func.clock_timestamp(),
            "known_by": msgspec.json.encode(KnownBy.of(resource, each, changes[each.id])).decode(),
        }
        for each in records
    ]
    statement = insert(erasures).values(rows)
    again = {name: statement.excluded[name] for name in ("noted_at", "known_by")} | {"erased_at": None, "records": None}
    await connection.execute(statement.on_conflict_do_update(index_elements=erasures.primary_key, set_=again))
