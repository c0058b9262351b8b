"""The aggregates of one transaction: loaded and locked together, changed by rules, written with their events."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Insert,
    Select,
    Table,
    Uuid,
    any_,
    bindparam,
    cast,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.connections import Transaction
from kith.db.owned import PARAMETER, within
from kith.db.statements import Statement, insert_many, streamed, update_many, zoned
from kith.db.tables import Moment, TenantId, columns_in_use
from kith.errors import Invalid
from kith.events.envelope import MAX_BYTES
from kith.events.event import Event
from kith.ids import new_id
from kith.nouns import history, side_tables
from kith.nouns.aggregate import Aggregate
from kith.nouns.blinding import blinding_of
from kith.nouns.calls import By
from kith.nouns.resource import Command, Resource
from kith.runtime.telemetry import current_traceparent

_encode = msgspec.json.Encoder().encode


EVENT_COLUMNS = (
    "id",
    "tenant_id",
    "type",
    "subject",
    "aggregate_version",
    "customer_id",
    "time",
    "recorded_at",
    "traceparent",
    "actor",
    "data",
)
"""The columns that a command writes into the outbox; the relay writes the rest."""


class UnitOfWork:
    """Wraps one write transaction. `flush` writes; the transaction's own block commits."""

    def __init__(self, transaction: Transaction, *, source: str, outbox: Table, by: By) -> None:
        self.connection: AsyncConnection = transaction.connection
        self.tenant = transaction.tenant
        self.now = transaction.now
        """The database's clock, read after the transaction has its id (see kith.db.connections) and after it acquired
        its last lock: of two transactions that change a row, the second one records later."""
        self._source = source
        self._outbox = outbox
        self._events: list[dict[str, Any]] = []
        self._entries: list[dict[str, Any]] = []
        """Of the history."""
        self._repositories: dict[str, Repository] = {}
        self.actor, self.reach = by
        self._traceparent = current_traceparent()

    def repository(self, resource: Resource) -> "Repository":
        return self._repositories.setdefault(resource.plural, Repository(self, resource))

    def locked(self, at: datetime) -> None:
        """Moves the clock forward to when a row was locked."""
        self.now = max(self.now, at)

    def record(self, aggregate: Aggregate, *events: Event, at: datetime) -> int:
        """Gives the events their versions in the aggregate's history and adds them to the outbox. Returns how many
        there are. Raises Invalid, and records none, if one is too large."""
        rows = []
        for event in events:
            aggregate.version += 1
            row = outbox_row(self.tenant, aggregate, event, self.actor, self._traceparent)
            rows.append(row | {"time": at, "recorded_at": self.now})
        self._events += rows
        return len(rows)

    def note(
        self, resource: Resource, command: Command, before: Aggregate | None, after: Aggregate, *, at: datetime
    ) -> None:
        """Adds to the history what the command has changed; `before` is None if it has created."""
        if resource.insert_only:
            return
        self._entries.append(
            {
                "tenant_id": self.tenant,
                "subject": after.id,
                "version": after.version,
                "command": command.name,
                "actor": self.actor,
                "time": at,
                "recorded_at": self.now,
                "changes": None if before is None else history.changes_of(resource, before, after),
            }
        )

    async def flush(self) -> None:
        """Writes rows first and events after: the outbox draws its sequence numbers while the rows are locked."""
        await self._flush_rows_and_events()
        for repository in self._repositories.values():
            await repository.flush_side_tables()

    async def _flush_rows_and_events(self) -> None:
        if await self._flush_one():
            return
        # What a command created of another noun comes first: its record names it.
        for repository in reversed(self._repositories.values()):
            await repository.flush()
        if len(self._events) == len(self._entries) == 1:
            await _publish_one(self._outbox).fetch(self.connection, self._only_event())
            return
        for table, rows in ((self._outbox, self._events), (history.TABLE, self._entries)):
            await insert_many(self.connection, table, rows)
        self._events, self._entries = [], []

    async def _flush_one(self) -> bool:
        """Writes one row changed by one event, the common case, in one statement."""
        if not (len(self._events) == len(self._entries) == len(self._repositories) == 1):
            return False
        (repository,) = self._repositories.values()
        if (row := repository.only_change()) is None:
            return False
        values = {f"row_{name}": value for name, value in row.items()} | self._only_event()
        await _change_one(repository.table, self._outbox).fetch(self.connection, values | {"tenant": self.tenant})
        return True

    def _only_event(self) -> dict[str, Any]:
        """Takes the parameters of the event and of its entry."""
        event, entry = self._events.pop(), self._entries.pop()
        return {f"event_{name}": value for name, value in event.items()} | {
            f"entry_{name}": value for name, value in entry.items()
        }


class Repository:
    """The aggregates of one noun in this transaction, each once. One that is out of reach is as if it were not there,
    but that its external id is taken."""

    def __init__(self, uow: UnitOfWork, resource: Resource) -> None:
        self._uow = uow
        self._resource = resource
        self.table = resource.table
        self._by_id: dict[UUID, Aggregate] = {}
        self._by_external_id: dict[str, Aggregate] = {}
        self._taken: set[str] = set()
        """External ids of records that are out of reach."""
        self._new: set[UUID] = set()
        self._changed: set[UUID] = set()
        self._before: dict[UUID, Aggregate | None] = {}
        """What is written, as it was before."""

    async def load(self, *, ids: Iterable[UUID] = (), external_ids: Iterable[str] = ()) -> None:
        """Loads and locks the aggregates that exist, in the order of their ids, so that no two batches deadlock."""
        wanted, named = list(ids), list(external_ids)
        if not wanted and not named:
            return
        if len(wanted) == 1 and not named:
            await self._load_one(wanted[0])
            return
        table = self.table
        matches = []
        if wanted:
            matches.append(table.c.id == any_(cast(wanted, ARRAY(Uuid))))
        sent: dict[str, str] = {}
        if named:
            blinding, tenant = await blinding_of(self._uow.connection), self._uow.tenant
            sent = {blinding.of(tenant, each): each for each in named}
            matches.append(table.c.external_id == any_(cast([*named, *sent], ARRAY(TenantId))))
        # By external ids all rows are read: of one that is out of reach it is said that the id is taken.
        reached = self._reached()
        rows = _locking(
            select(*(table.c[name] for name in self._resource.attributes), reached.label(_REACHED))
            .where(table.c.tenant_id == self._uow.tenant, or_(*matches))
            .order_by(table.c.id)
        )
        async for row in streamed(self._uow.connection, rows, most=len(wanted) + len(named)):
            fields = row._asdict()
            self._uow.locked(fields.pop(_LOCKED_AT))
            external_id = sent.get(fields["external_id"], fields["external_id"])
            if fields.pop(_REACHED):
                self._keep(aggregate := self._resource.aggregate(**zoned(fields)))
                if external_id is not None:
                    self._by_external_id[external_id] = aggregate
            elif external_id is not None:
                self._taken.add(external_id)

    def _reached(self) -> ColumnElement[bool]:
        owners = self._uow.reach.owners
        return true() if owners is None else within(self.table, owners=cast([*owners], ARRAY(Uuid)))

    async def _load_one(self, id: UUID) -> None:
        reach = self._uow.reach
        values = {"tenant": self._uow.tenant, "row_id": id, PARAMETER: reach.owners}
        for row in await _lock_one(self.table, reach.is_limited).fetch(self._uow.connection, values):
            fields = dict(row)
            self._uow.locked(fields.pop(_LOCKED_AT))
            for name, decode in self._resource.decoders.items():
                fields[name] = decode(fields[name])
            self._keep(self._resource.aggregate(**zoned(fields)))

    def get(self, id: UUID) -> Aggregate | None:
        return self._by_id.get(id)

    def get_by_external_id(self, external_id: str) -> Aggregate | None:
        """Returns the one that was sent under this id. It has another one if that was erased."""
        return self._by_external_id.get(external_id)

    def is_taken(self, external_id: str) -> bool:
        """Whether a record that is out of reach has this external id."""
        return external_id in self._taken

    def add(self, aggregate: Aggregate) -> None:
        self._new.add(aggregate.id)
        self._before[aggregate.id] = None
        self._keep(aggregate)

    def replace(self, aggregate: Aggregate) -> None:
        self._before.setdefault(aggregate.id, self._by_id.get(aggregate.id))
        if aggregate.id not in self._by_id:
            self._new.add(aggregate.id)
        elif aggregate.id not in self._new:
            self._changed.add(aggregate.id)
        self._keep(aggregate)

    def only_change(self) -> dict[str, Any] | None:
        """Returns the row if it is the only one to write and not a new one; it counts as written then."""
        if self._new or len(self._changed) != 1:
            return None
        return encoded(self._resource, self._values(self._changed.pop()))

    def _keep(self, aggregate: Aggregate) -> None:
        self._by_id[aggregate.id] = aggregate
        if aggregate.external_id is not None:
            self._by_external_id[aggregate.external_id] = aggregate

    async def flush(self) -> None:
        table, tenant = self.table, self._uow.tenant
        if self._new:
            # In the order of keys: two batches of the same new rows wait for each other in one order, and so never
            # deadlock.
            new = sorted(self._new, key=lambda each: (self._by_id[each].external_id or "", each))
            rows = ({"tenant_id": tenant, **self._values(id)} for id in new)
            await insert_many(self._uow.connection, table, rows)
        if self._changed:
            changing = [name for name in self._resource.attributes if name not in _FIXED]
            rows = ({"id": id, **self._values(id, changing)} for id in sorted(self._changed))
            await update_many(self._uow.connection, table, tenant, rows)
        self._new, self._changed = set(), set()

    async def flush_side_tables(self) -> None:
        """Writes what follows from the records, which are written already."""
        for side in self._resource.side_tables:
            written = (side_tables.Written(before, self._by_id[id]) for id, before in self._before.items())
            await side_tables.write(self._uow.connection, self._uow.tenant, side, written)
        self._before = {}

    def _values(self, id: UUID, names: Iterable[str] | None = None) -> dict[str, Any]:
        aggregate = self._by_id[id]
        values = {name: getattr(aggregate, name) for name in names or self._resource.attributes}
        return values | {"recorded_at": self._uow.now}


_FIXED = frozenset({"id", "external_id", "external_hash", "created_at"})


def encoded(resource: Resource, row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row as the driver writes it."""
    return row | {name: encode(row[name]) for name, encode in resource.encoders.items()}


def encode_event(event: Event) -> bytes:
    """Returns the body. Raises Invalid for one that is too large for the bus."""
    if len(data := _encode(event)) > MAX_BYTES:
        rule = f"Its event would have {len(data)} bytes, and an event has at most {MAX_BYTES}."
        raise Invalid(rule, field="body")
    return data


def outbox_row(tenant: str, aggregate: Aggregate, event: Event, actor: str, traceparent: str | None) -> dict[str, Any]:
    """Returns the event's row without its times. Raises Invalid for an event that is too large for the bus."""
    data = encode_event(event)
    return {
        "id": new_id(),
        "tenant_id": tenant,
        "type": event.type,
        "subject": aggregate.id,
        "aggregate_version": aggregate.version,
        "customer_id": aggregate.relationship(),
        "traceparent": traceparent,
        "actor": actor,
        "data": data,
    }


@cache
def _lock_one(table: Table, limited: bool) -> Statement:
    columns = [column for column in columns_in_use(table) if column.name not in {"tenant_id", "recorded_at"}]
    reached = within(table) if limited else true()
    return Statement(_locking(select(*columns).where(*_is_the_row(table), reached)))


_LOCKED_AT, _REACHED = "locked_at", "reached"


def _locking(rows: Select[Any]) -> Select[Any]:
    """Returns the select of the rows with a lock on each, and the clock read after the lock: read beside it, it might
    be earlier. The lock is `FOR NO KEY UPDATE`: inserts that refer to the row by a foreign key need not wait."""
    locked = rows.with_for_update(key_share=True).cte("locked").prefix_with("MATERIALIZED")
    return select(*locked.c, func.clock_timestamp(type_=Moment).label(_LOCKED_AT))


@cache
def _change_one(table: Table, outbox: Table) -> Statement:
    changing = [column.name for column in columns_in_use(table) if column.name not in {"tenant_id", *_FIXED}]
    row = update(table).where(*_is_the_row(table)).values({name: bindparam(f"row_{name}") for name in changing})
    return Statement(_event_and_entry(outbox).add_cte(row.cte("changed")))


@cache
def _publish_one(outbox: Table) -> Statement:
    return Statement(_event_and_entry(outbox))


def _event_and_entry(outbox: Table) -> Insert:
    entry = insert(history.TABLE).values({each.name: bindparam(f"entry_{each.name}") for each in history.TABLE.c})
    event = insert(outbox).values({name: bindparam(f"event_{name}") for name in EVENT_COLUMNS})
    return event.add_cte(entry.cte("noted"))


def _is_the_row(table: Table) -> tuple[ColumnElement[bool], ...]:
    return table.c.tenant_id == bindparam("tenant"), table.c.id == bindparam("row_id")
