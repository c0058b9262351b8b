"""The custom fields of a service's nouns, as it learns them from the events of contacts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Uuid, and_, case, cast
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.consumer import Handler
from kith.custom.field import SERVICES, FieldType
from kith.custom.stating import FIELD_STATED
from kith.custom.tables import DEFINITIONS
from kith.errors import Invalid
from kith.events.catalogue import EVENTS, current, decode
from kith.events.custom_fields import FieldDefined, FieldDefinitionCreated
from kith.events.envelope import Envelope

_ROWS = 1000
"""A statement takes 32767 parameters."""
_OWN = frozenset({"tenant_id", "id", "version", "swept_at", "entries_after", "entries_made"})
"""The columns that no event carries."""


def keeping_fields(service: str) -> Handler:
    """Returns a handler that keeps the fields of this service's nouns. Each event carries all that is kept of one: its
    last one is what holds, and none of before takes its place, whenever it comes."""

    async def handle(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        known: dict[tuple[str, UUID], dict[str, Any]] = {}
        for each in envelopes:
            defined = _defined_by(each)
            if defined is not None and SERVICES.get(defined.of_noun) == service:
                row = _row(each, defined)
                if known.get((each.tenant_id, each.subject), row)["version"] <= each.aggregate_version:
                    known[each.tenant_id, each.subject] = row
        # In the order of keys, like all writes, so that no two transactions deadlock.
        rows = [known[key] for key in sorted(known)]
        for start in range(0, len(rows), _ROWS):
            await _write(connection, rows[start : start + _ROWS])

    return handle


def _defined_by(envelope: Envelope) -> Any:
    """Returns what it says of a field; None: it is of none."""
    if envelope.type == FIELD_STATED:
        return msgspec.json.decode(envelope.data, type=FieldDefined)
    kind = EVENTS.get(current(envelope.type))
    return decode(envelope, kind) if kind is not None and kind.noun == FieldDefinitionCreated.noun else None


def _row(envelope: Envelope, defined: Any) -> dict[str, Any]:
    """Raises Invalid for a type of values that no field has: whoever reads fields could not read this one."""
    if defined.value_type not in {*FieldType}:
        raise Invalid(f"There is no type of values {defined.value_type!r}.", field="value_type")
    kept = {each.name: getattr(defined, each.name) for each in DEFINITIONS.c if each.name not in _OWN}
    return {
        "tenant_id": envelope.tenant_id,
        "id": envelope.subject,
        "version": envelope.aggregate_version,
        **kept,
    }


async def _write(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    statement = insert(DEFINITIONS).values(rows)
    c, told = DEFINITIONS.c, statement.excluded
    new: dict[str, Any] = {name: column for name, column in told.items() if name not in _OWN - {"version"}}
    # Records may have values of before.
    is_new = and_(told.filterable, ~c.filterable)
    new |= {"entries_after": case((is_new, cast(UUID(int=0), Uuid)), else_=c.entries_after)}
    new |= {"entries_made": case((is_new, 0), else_=c.entries_made)}
    later = c.version < told.version
    await connection.execute(statement.on_conflict_do_update(index_elements=["tenant_id", "id"], set_=new, where=later))
