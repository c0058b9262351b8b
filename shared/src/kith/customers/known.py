"""Customers as a service learns them from the events of contacts: the few facts that its lists are filtered by."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import TEXT, Column, Index, MetaData, Table, Uuid, any_, cast, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.consumer import Handler
from kith.customers.links import merge_columns, relink, survivors, take_turn
from kith.customers.repointing import Repointing
from kith.customers.stating import CustomerStated
from kith.db.owned import owned_by
from kith.db.tables import DERIVED, FORMER, tenant_column
from kith.events.catalogue import EVENTS, current, decode
from kith.events.contacts import (
    ContactMerged,
    ContactUnmerged,
    CustomerAmended,
    CustomerCreated,
    CustomerLifecycleMoved,
    CustomerMerged,
    CustomerUnmerged,
)
from kith.events.envelope import Envelope
from kith.events.event import Event

_TEXTS = ("kind", "segment", "tier", "stage")
FACTS = (*_TEXTS, "owner_id")
_ROWS = 2000
"""A statement takes 32767 parameters."""
_Key = tuple[str, UUID]
_Facts = dict[str, Any]


def known_customers_table(metadata: MetaData) -> Table:
    table = Table(
        "known_customers",
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        *(Column(name, TEXT) for name in _TEXTS),
        Column("owner", TEXT, info={FORMER: "owner_id"}),
        Column("owner_id", Uuid),
        *merge_columns(),
        info={DERIVED: "the customers of the tenant are in contacts"},
    )
    Index("known_customers_by_merged_into", table.c.tenant_id, table.c.merged_into)
    for name in (*FACTS, "owner"):
        # Of a text the migration says COLLATE "C": see kith.db.tables.compared.
        Index(f"known_customers_by_{name}", table.c.tenant_id, table.c[name], table.c.id)
    return owned_by(table, "owner_id")


def keeping_customers(table: Table) -> Handler:
    """Returns a handler that keeps the facts of customers, and gives the records of merged ones to others."""
    keep_merges = keeping_merges(table, CustomerMerged, CustomerUnmerged)

    async def handle(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        changes: dict[_Key, _Facts] = {}
        for each in envelopes:
            if (said := _said_by(each)) is not None:
                changes.setdefault((each.tenant_id, each.subject), {}).update(said)
        # In the order of keys, like all writes, so that no two transactions deadlock.
        keys = sorted(changes)
        for start in range(0, len(keys), _ROWS):
            piece = {key: changes[key] for key in keys[start : start + _ROWS]}
            before = await _kept(connection, table, piece)
            rows = [_row(key, before.get(key, {}) | said) for key, said in piece.items()]
            statement = insert(table).values(rows)
            new = {name: statement.excluded[name] for name in FACTS}
            await connection.execute(statement.on_conflict_do_update(index_elements=["tenant_id", "id"], set_=new))
        await keep_merges(connection, envelopes)

    return handle


def keeping_merges(
    table: Table, merges: type[CustomerMerged | ContactMerged], separates: type[CustomerUnmerged | ContactUnmerged]
) -> Handler:
    """Returns a handler that keeps who in the table is merged, and gives the records of merged ones to others."""
    repointing = Repointing(table.metadata)

    async def handle(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        found: dict[str, dict[UUID, UUID | None]] = {}
        for each in envelopes:
            if (type := current(each.type)) in (merges.type, separates.type):
                into = decode(each, merges).into if type == merges.type else None
                found.setdefault(each.tenant_id, {})[each.subject] = into
        for tenant, merged in sorted(found.items()):
            await take_turn(connection, tenant)
            changed = await relink(connection, tenant, table, await _link(connection, tenant, table, merged))
            await repointing.begin(connection, tenant, changed)

    return handle


async def _link(
    connection: AsyncConnection, tenant: str, table: Table, merged: Mapping[UUID, UUID | None]
) -> dict[UUID, UUID]:
    """Notes into whom they are merged; None: separated again. Returns which one remained for each before."""
    before = await survivors(connection, tenant, table, merged.keys())
    for id, into in sorted(merged.items()):
        linked = update(table).where(table.c.tenant_id == tenant, table.c.id == id)
        await connection.execute(linked.values(merged_into=into, told_merged_into=None))
    return {id: before.get(id, id) for id in merged}


def _said_by(envelope: Envelope) -> _Facts | None:
    """Returns the facts that it says of a customer; None: it is of none."""
    if envelope.type == CustomerStated.type:
        return _read_statement(envelope)
    kind = EVENTS.get(current(envelope.type))
    return _said(decode(envelope, kind)) if kind is not None and kind.noun == CustomerCreated.noun else None


def _read_statement(envelope: Envelope) -> _Facts:
    stated = msgspec.json.decode(envelope.data, type=CustomerStated)
    return {name: getattr(stated, name) for name in FACTS}


def _said(event: Event) -> _Facts:
    """Returns the facts that an event says. It says no others: those stay as they were."""
    match event:
        case CustomerCreated():
            names: Sequence[str] = FACTS
        case CustomerAmended():
            names = [name for name in FACTS if name in event.changed_fields]
        case CustomerLifecycleMoved():
            names = ["stage"]
        case _:
            names = []
    return {name: getattr(event, name) for name in names}


async def _kept(connection: AsyncConnection, table: Table, keys: Mapping[_Key, Any]) -> Mapping[_Key, _Facts]:
    """Returns the facts as they are kept of those customers that the events say only some of."""
    partly = [key for key, said in keys.items() if len(said) < len(FACTS)]
    tenants, ids = sorted({tenant for tenant, _ in partly}), [id for _, id in partly]
    if not partly:
        return {}
    c = table.c
    rows = await connection.execute(
        select(c.tenant_id, c.id, *(c[name] for name in FACTS)).where(
            c.tenant_id == any_(cast(tenants, ARRAY(TEXT))), c.id == any_(cast(ids, ARRAY(Uuid)))
        )
    )
    return {(row.tenant_id, row.id): {name: getattr(row, name) for name in FACTS} for row in rows}


def _row(key: _Key, facts: _Facts) -> dict[str, Any]:
    return {"tenant_id": key[0], "id": key[1], **dict.fromkeys(FACTS), **facts}
