"""What analytics erases when contacts erases a customer or a contact; and what each service confirms of it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.resources import RESOURCES
from analytics.tables import erasures, idempotency, outbox
from kith.customers.erasing import NOUNS, Erasing
from kith.events import sales, service_desk
from kith.events.analytics import ErasureConfirmed
from kith.events.catalogue import current, decode
from kith.events.envelope import Envelope

ERASING = Erasing("analytics", RESOURCES, ErasureConfirmed, outbox, idempotency)
_CONFIRMED = {each.type: each for each in (sales.ErasureConfirmed, service_desk.ErasureConfirmed)}


async def keep_receipts(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
    """Keeps what is erased, and by whom: contacts has when its event tells it."""
    for each in envelopes:
        type = current(each.type)
        row: dict[str, Any] = {"tenant_id": each.tenant_id, "service": each.source, "noted_at": each.recorded_at}
        row |= {"erased_at": each.recorded_at}
        if type in NOUNS:
            noun = NOUNS[type]
            row |= {"record_id": each.subject, "noun": noun, "records": {f"{noun}s": 1}}
        elif type in _CONFIRMED:
            event = decode(each, _CONFIRMED[type])
            row |= {"record_id": event.record_id, "noun": event.of_noun, "records": event.records}
        else:
            continue
        row["records"] = msgspec.json.encode(row["records"]).decode()
        await connection.execute(insert(erasures).values(row).on_conflict_do_nothing())
    await ERASING.handler(connection, envelopes)
