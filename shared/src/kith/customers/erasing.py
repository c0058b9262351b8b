"""When contacts erases a customer or a contact, every other service takes out what its records say of people: of the
customer's records, and of those that name the contact. What happened stays, and the service confirms it by an event.

The handler notes what is to be erased, and a task of the worker does it, some records at a time.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    any_,
    cast,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.consumer import Handler
from kith.db.connections import acting_for
from kith.db.removed import TABLE as REMOVED
from kith.db.tables import ERASED_TOO, EncodedJson, Moment, tenant_column
from kith.events import actors
from kith.events.catalogue import current
from kith.events.contacts import ContactErased, CustomerErased
from kith.events.envelope import Envelope
from kith.events.erasures import Confirmation
from kith.ids import new_id
from kith.nouns.blinding import blind_keys
from kith.nouns.erasing import take_out
from kith.nouns.resource import Resource
from kith.nouns.search.entries import TABLE as SEARCH_ENTRIES
from kith.runtime.tasks import Task
from kith.runtime.telemetry import current_traceparent
from kith.runtime.turns import Turns

AT_A_TIME = 1000
"""Records that a transaction takes something out of; they are locked meanwhile."""
VERSION = 1
"""Of what is taken out: where it was less once, it is done again."""
NOUNS = {CustomerErased.type: "customer", ContactErased.type: "contact"}
"""What is erased by each event."""
NAMED_BY = {"customer": ("customer_id", "told_customer_id"), "contact": ("contact_id", "told_contact_id")}
"""The columns by which records of any noun name it."""


def erasures_table(metadata: MetaData) -> Table:
    table = Table(
        "erasures",
        metadata,
        tenant_column(),
        Column("record_id", Uuid, primary_key=True, comment="of what was erased in contacts"),
        Column("service", Text(collation="C"), primary_key=True, comment="that erases it, too"),
        Column("noun", Text(collation="C"), nullable=False),
        Column("noted_at", Moment, nullable=False),
        Column("erased_at", Moment, comment="null: it is being erased"),
        Column("records", EncodedJson, comment="how many of each noun something was taken out of"),
        Column("version", Integer, nullable=False, server_default="0", comment="of what was taken out"),
    )
    Index("erasures_due", table.c.tenant_id, postgresql_where=is_due(table))
    return table


def is_due(erasures: Table) -> ColumnElement[bool]:
    """In the words of the index, which is of few rows."""
    return or_(erasures.c.erased_at.is_(None), erasures.c.version < literal_column(str(VERSION)))


TABLE = erasures_table(MetaData())
"""The same again for Kith's own statements: it is alike in every service."""


class Erasing:
    """Of one service, given its nouns and the event by which it confirms an erasure."""

    def __init__(
        self, service: str, resources: Sequence[Resource], confirmed: type[Confirmation], outbox: Table, keys: Table
    ) -> None:
        self._service = service
        self._resources = resources
        self._confirmed = confirmed
        self._outbox = outbox
        self._keys = keys

    @property
    def handler(self) -> Handler:
        """Notes what contacts has erased."""

        async def handle(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
            rows = [
                {"record_id": each.subject, "noun": NOUNS[current(each.type)], "noted_at": func.clock_timestamp()}
                | {"tenant_id": each.tenant_id, "service": self._service}
                for each in envelopes
                if current(each.type) in NOUNS
            ]
            for row in rows:
                await connection.execute(insert(TABLE).values(row).on_conflict_do_nothing())

        return handle

    def task(self) -> Task:
        """Returns the task that erases what is noted. Any number of workers may do so."""
        w = TABLE.c
        removed = select(REMOVED.c.tenant_id).where(REMOVED.c.readmitted_at.is_(None))
        mine = (w.service == self._service, is_due(TABLE), w.tenant_id.not_in(removed))
        turns = Turns(select(w.tenant_id).where(*mine))
        due = (
            select(w.tenant_id, w.record_id, w.noun, w.records, w.erased_at).where(*mine).order_by(w.noted_at).limit(1)
        )

        async def step(engine: AsyncEngine) -> bool:
            async with engine.begin() as connection:
                if (tenant := await turns.next(connection)) is None:
                    return False
                next_one = due.where(w.tenant_id == tenant).with_for_update(skip_locked=True)
                row = (await connection.execute(next_one)).one_or_none()
                if row is None:  # another worker has it
                    return False
                done = Counter(await self._some(connection, row.tenant_id, row.noun, row.record_id))
                records = dict(Counter(row.records or {}) + done)
                values: dict[str, Any] = {"records": msgspec.json.encode(records).decode()}
                if not done:
                    values["version"] = VERSION
                    await self._forget_keys(connection, tenant, row.noun, row.record_id)
                if not done and row.erased_at is None:
                    values["erased_at"] = func.clock_timestamp()
                    event = self._confirmed(of_noun=row.noun, record_id=row.record_id, records=records)
                    await confirm(connection, tenant, self._service, event, self._outbox)
                its = (w.tenant_id == row.tenant_id, w.record_id == row.record_id, w.service == self._service)
                await connection.execute(update(TABLE).where(*its).values(values))
            return True

        return Task("erasures", step, seconds=1)

    async def _some(self, connection: AsyncConnection, tenant: str, noun: str, id: UUID) -> dict[str, int]:
        """Takes what is personal out of some of the records. Returns how many of each noun; none, if there are none."""
        found: dict[str, int] = {}
        for resource in self._resources:
            names = [each for each in NAMED_BY[noun] if each in resource.table.c]
            left = AT_A_TIME - sum(found.values())
            if not names or left <= 0:
                continue
            columns = personal_columns(resource)
            of = or_(*(resource.table.c[each] == id for each in names))
            ids = await take_out(
                connection,
                tenant,
                resource.table,
                columns,
                of,
                idempotency=self._keys,
                most=left,
                named=resource.plural,
            )
            if ids:
                found[resource.plural] = len(ids)
                await _forget_words(connection, tenant, resource, ids)
        return found

    async def _forget_keys(self, connection: AsyncConnection, tenant: str, noun: str, id: UUID) -> None:
        for resource in self._resources:
            c = resource.table.c
            of = [c[each] == id for each in NAMED_BY[noun] if each in c]
            if of:
                them = select(c.id).where(c.tenant_id == tenant, or_(*of))
                await blind_keys(connection, tenant, self._keys.c.subject.in_(them), self._keys)


def personal_columns(resource: Resource) -> list[str]:
    """Returns those that are emptied when the person is erased whom a record is of."""
    too = (each.name for each in resource.table.c if ERASED_TOO in each.info)
    return sorted({*resource.personal_fields, *too})


async def confirm(connection: AsyncConnection, tenant: str, service: str, event: Confirmation, outbox: Table) -> None:
    """Publishes it in the worker's transaction."""
    async with acting_for(connection, tenant) as transaction:
        row = {
            "id": new_id(),
            "tenant_id": tenant,
            "type": event.type,
            "subject": new_id(),
            "aggregate_version": 1,
            "customer_id": None,
            "time": transaction.now,
            "recorded_at": transaction.now,
            "traceparent": current_traceparent(),
            "actor": actors.service(service),
            "data": msgspec.json.encode(event),
        }
        await connection.execute(plain_insert(outbox).values(row))


async def _forget_words(connection: AsyncConnection, tenant: str, resource: Resource, ids: Sequence[UUID]) -> None:
    fields = [each.name for each in resource.searched_fields if each.personal]
    if fields:
        c = SEARCH_ENTRIES.c
        them = (c.id == any_(cast(ids, ARRAY(Uuid))), c.field.in_(fields))
        await connection.execute(delete(SEARCH_ENTRIES).where(c.tenant_id == tenant, *them))
