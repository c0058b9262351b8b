"""Notes that a customer or a contact is erased, in the transaction that does it: by what it was known, so that rows of
imports that name it are found, until they were looked for (contacts.erasure.confirming)."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Uuid, any_, cast, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.tables import erasures
from kith.imports.forgetting import KnownBy
from kith.imports.tables import IMPORTS
from kith.nouns.aggregate import Aggregate
from kith.nouns.history import TABLE as HISTORY
from kith.nouns.resource import Resource

SERVICE = "contacts"


async def noting(connection: AsyncConnection, tenant: str, resource: Resource, records: Sequence[Aggregate]) -> None:
    has_imports = await connection.scalar(select(exists().where(IMPORTS.c.tenant_id == tenant)))
    known_by = await _known_by(connection, tenant, resource, records) if has_imports else {}
    rows = [
        {
            "tenant_id": tenant,
            "record_id": each.id,
            "service": SERVICE,
            "noun": resource.name,
            "noted_at": func.clock_timestamp(),
            "known_by": known_by.get(each.id),
        }
        for each in records
    ]
    statement = insert(erasures).values(rows)
    again = {name: statement.excluded[name] for name in ("noted_at", "known_by")} | {"erased_at": None, "records": None}
    await connection.execute(statement.on_conflict_do_update(index_elements=erasures.primary_key, set_=again))


async def _known_by(
    connection: AsyncConnection, tenant: str, resource: Resource, records: Sequence[Aggregate]
) -> dict[UUID, str]:
    h, changes = HISTORY.c, defaultdict[UUID, list[dict[str, Any]]](list)
    them = h.subject == any_(cast([each.id for each in records], ARRAY(Uuid)))
    before = select(h.subject, h.changes).where(h.tenant_id == tenant, them, h.changes.is_not(None))
    for row in await connection.execute(before):
        changes[row.subject].append(row.changes)
    found = {each.id: KnownBy.of(resource, each, changes[each.id]) for each in records}
    return {id: msgspec.json.encode(each).decode() for id, each in found.items()}
