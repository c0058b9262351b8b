"""The aggregates of one transaction: loaded and locked together, changed by rules, written with their events."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Table, Uuid, any_, bindparam, cast, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db import Transaction
from kith.domain import Aggregate
from kith.events.envelope import Event
from kith.ids import new_id
from kith.resource import Resource
from kith.tables import TenantId
from kith.telemetry import current_traceparent

_encode = msgspec.json.Encoder().encode


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
        for repository in self._repositories.values():
            await repository.flush()
        if self._events:
            await self.connection.execute(insert(self._outbox), self._events)
            self._events = []


class Repository:
    """The aggregates of one noun in this transaction, each once."""

    def __init__(self, uow: UnitOfWork, resource: Resource) -> None:
        self._uow = uow
        self._resource = resource
        self._by_id: dict[UUID, Aggregate] = {}
        self._by_external_id: dict[str, Aggregate] = {}
        self._new: set[UUID] = set()
        self._changed: set[UUID] = set()

    async def load(self, *, ids: Iterable[UUID] = (), external_ids: Iterable[str] = ()) -> None:
        """Load and lock those that exist, in the order of their ids: no two batches wait for each other in a ring."""
        wanted, named = list(ids), list(external_ids)
        if not wanted and not named:
            return
        table = self._resource.table
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

    def _keep(self, aggregate: Aggregate) -> None:
        self._by_id[aggregate.id] = aggregate
        if aggregate.external_id is not None:
            self._by_external_id[aggregate.external_id] = aggregate

    async def flush(self) -> None:
        table, tenant = self._resource.table, self._uow.tenant
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
