"""The aggregates of one transaction: loaded and locked together, changed by rules, written with their events."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Table, Uuid, any_, bindparam, cast, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db import Statement, Transaction
from kith.domain import Aggregate
from kith.events.envelope import Event
from kith.ids import new_id
from kith.resource import Resource
from kith.tables import TenantId
from kith.telemetry import current_traceparent

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
    "data",
)
"""What a command writes into the outbox; the rest is the relay's."""


class UnitOfWork:
    """Wraps one write transaction. `flush` writes; the transaction's own block commits."""

    def __init__(self, transaction: Transaction, *, source: str, outbox: Table) -> None:
        self.connection: AsyncConnection = transaction.connection
        self.tenant = transaction.tenant
        self.now = transaction.now
        self._source = source
        self._outbox = outbox
        self._events: list[dict[str, Any]] = []
        self._repositories: dict[str, Repository] = {}
        self._traceparent = current_traceparent()

    def repository(self, resource: Resource) -> "Repository":
        return self._repositories.setdefault(resource.plural, Repository(self, resource))

    def record(self, aggregate: Aggregate, event: Event, *, at: datetime) -> None:
        """Give the event its place in the aggregate's history and put it in the outbox."""
        aggregate.version += 1
        self._events.append(
            {
                "id": new_id(),
                "tenant_id": self.tenant,
                "type": event.type,
                "subject": aggregate.id,
                "aggregate_version": aggregate.version,
                "customer_id": aggregate.relationship(),
                "time": at,
                "recorded_at": self.now,
                "traceparent": self._traceparent,
                "data": _encode(event),
            }
        )

    async def flush(self) -> None:
        """Rows first: the outbox takes its sequence while they are locked."""
        if await self._flush_one():
            return
        for repository in self._repositories.values():
            await repository.flush()
        if self._events:
            await self.connection.execute(insert(self._outbox), self._events)
            self._events = []

    async def _flush_one(self) -> bool:
        """One row changed by one event, as most commands do: both in one statement."""
        if len(self._events) != 1 or len(self._repositories) != 1:
            return False
        (repository,) = self._repositories.values()
        if (row := repository.only_change()) is None:
            return False
        values = {f"event_{name}": value for name, value in self._events.pop().items()} | {
            f"row_{name}": value for name, value in row.items()
        }
        await _change_one(repository.table, self._outbox).fetch(self.connection, values | {"tenant": self.tenant})
        return True


class Repository:
    """The aggregates of one noun in this transaction, each once."""

    def __init__(self, uow: UnitOfWork, resource: Resource) -> None:
        self._uow = uow
        self._resource = resource
        self.table = resource.table
        self._by_id: dict[UUID, Aggregate] = {}
        self._by_external_id: dict[str, Aggregate] = {}
        self._new: set[UUID] = set()
        self._changed: set[UUID] = set()

    async def load(self, *, ids: Iterable[UUID] = (), external_ids: Iterable[str] = ()) -> None:
        """Load and lock those that exist, in the order of their ids: no two batches wait for each other in a ring."""
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
        if named:
            matches.append(table.c.external_id == any_(cast(named, ARRAY(TenantId))))
        rows = await self._uow.connection.execute(
            select(*(table.c[name] for name in self._resource.attributes))
            .where(table.c.tenant_id == self._uow.tenant, or_(*matches))
            .order_by(table.c.id)
            .with_for_update()
        )
        for row in rows.mappings():
            self._keep(self._resource.aggregate(**row))

    async def _load_one(self, id: UUID) -> None:
        values = {"tenant": self._uow.tenant, "row_id": id}
        for row in await _lock_one(self.table).fetch(self._uow.connection, values):
            fields = dict(row)
            for name, kind in self._resource.stored_enums.items():
                if fields[name] is not None:
                    fields[name] = kind(fields[name])
            self._keep(self._resource.aggregate(**fields))

    def get(self, id: UUID) -> Aggregate | None:
        return self._by_id.get(id)

    def get_by_external_id(self, external_id: str) -> Aggregate | None:
        return self._by_external_id.get(external_id)

    def add(self, aggregate: Aggregate) -> None:
        self._new.add(aggregate.id)
        self._keep(aggregate)

    def replace(self, aggregate: Aggregate) -> None:
        if aggregate.id not in self._new:
            self._changed.add(aggregate.id)
        self._keep(aggregate)

    def only_change(self) -> dict[str, Any] | None:
        """The row, if it is the only one to write and no new one; it counts as written then."""
        if self._new or len(self._changed) != 1:
            return None
        return self._values(self._changed.pop())

    def _keep(self, aggregate: Aggregate) -> None:
        self._by_id[aggregate.id] = aggregate
        if aggregate.external_id is not None:
            self._by_external_id[aggregate.external_id] = aggregate

    async def flush(self) -> None:
        table, tenant = self.table, self._uow.tenant
        if self._new:
            await self._uow.connection.execute(
                insert(table), [{"tenant_id": tenant, **self._values(id)} for id in self._new]
            )
        if self._changed:
            changing = [name for name in self._resource.attributes if name not in _FIXED]
            await self._uow.connection.execute(
                update(table)
                .where(table.c.tenant_id == tenant, table.c.id == bindparam("the_id"))
                .values({name: bindparam(name) for name in changing}),
                [{"the_id": id, **self._values(id, changing)} for id in sorted(self._changed)],
            )
        self._new, self._changed = set(), set()

    def _values(self, id: UUID, names: Iterable[str] | None = None) -> dict[str, Any]:
        aggregate = self._by_id[id]
        return {name: getattr(aggregate, name) for name in names or self._resource.attributes}


_FIXED = frozenset({"id", "external_id", "external_hash", "created_at"})


@cache
def _lock_one(table: Table) -> Statement:
    columns = [column for column in table.c if column.name != "tenant_id"]
    return Statement(select(*columns).where(*_is_the_row(table)).with_for_update())


@cache
def _change_one(table: Table, outbox: Table) -> Statement:
    changing = [column.name for column in table.c if column.name not in {"tenant_id", *_FIXED}]
    row = update(table).where(*_is_the_row(table)).values({name: bindparam(f"row_{name}") for name in changing})
    event = insert(outbox).values({name: bindparam(f"event_{name}") for name in EVENT_COLUMNS})
    return Statement(event.add_cte(row.cte("changed")))


def _is_the_row(table: Table) -> tuple[ColumnElement[bool], ...]:
    return table.c.tenant_id == bindparam("tenant"), table.c.id == bindparam("row_id")
