"""What analytics erases when contacts erases a customer or a contact; and what each service confirms of it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.resources import RESOURCES
from analytics.tables import erasures, idempotency, outbox
from kith.customers.erasing import NOUNS, Erasing
from kith.events import contacts, sales, service_desk
from kith.events.analytics import ErasureConfirmed
from kith.events.catalogue import current, decode
from kith.events.envelope import Envelope

ERASING = Erasing("analytics", RESOURCES, ErasureConfirmed, outbox, idempotency)
_CONFIRMED = {each.ErasureConfirmed.type: each.ErasureConfirmed for each in (contacts, sales, service_desk)}


async def keep_receipts(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
    """Keeps what is erased, and by whom."""
    for each in envelopes:
        type = current(each.type)
        row: dict[str, Any] = {"tenant_id": each.tenant_id, "service": each.source, "noted_at": each.recorded_at}
        if type in NOUNS:
            row |= {"record_id": each.subject, "noun": NOUNS[type]}
            await connection.execute(insert(erasures).values(row).on_conflict_do_nothing())
        elif type in _CONFIRMED:
            event = decode(each, _CONFIRMED[type])
            done = {"erased_at": each.recorded_at, "records": msgspec.json.encode(event.records).decode()}
            noted = insert(erasures).values(row | {"record_id": event.record_id, "noun": event.of_noun} | done)
            first = erasures.c.erased_at.is_(None)
            keys = erasures.primary_key
            await connection.execute(noted.on_conflict_do_update(index_elements=keys, set_=done, where=first))
    await ERASING.handler(connection, envelopes)
