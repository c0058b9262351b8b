"""Reads a tenant's events from the ledger, by the hundred thousand."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from analytics.projections.facts import RecordedEvent
from analytics.projections.merging import MERGES, Merged, merged_by
from kith.db.sessions import Driver
from kith.events.catalogue import versions_of
from kith.events.contacts import CustomerCreated

CHUNK = 10_000
_EVENT = "tenant_id, id, type, subject, aggregate_version, time, customer_id, data::text"


class Past:
    """The events that one transaction of the driver sees; only those recorded up to an instant, if one is given."""

    def __init__(self, driver: Driver, tenant: str, known_at: datetime | None = None) -> None:
        self.driver, self.tenant, self.known_at = driver, tenant, known_at
        self._read: dict[frozenset[str], list[RecordedEvent]] = {}

    async def events(self, types: frozenset[str]) -> Sequence[RecordedEvent]:
        """Reads all events of types of which there are few, at once."""
        if types not in self._read:
            where, values = self._which(sorted(types))
            rows = await self.driver.fetch(f"SELECT {_EVENT} FROM public.ledger WHERE {where}", *values)  # noqa: S608 - made here
            self._read[types] = [RecordedEvent.of(*row) for row in rows]
        return self._read[types]

    async def merged(self) -> Sequence[Merged]:
        return merged_by(await self.events(MERGES))

    async def stream(
        self, types: Sequence[str] | None = None, customers: Sequence[UUID] | None = None, *, chunk: int = CHUNK
    ) -> AsyncIterator[list[RecordedEvent]]:
        """Yields the events aggregate by aggregate, each one's by version. For some customers, events without a
        customer and those of customers they referred are included."""
        where, values = self._which(types, customers)
        statement = f"SELECT {_EVENT} FROM public.ledger WHERE {where} ORDER BY subject, aggregate_version"  # noqa: S608 - made here
        cursor = await self.driver.cursor(statement, *values)
        while rows := await cursor.fetch(chunk):
            yield [RecordedEvent.of(*row) for row in rows]

    async def count(self, types: Sequence[str] | None, customers: Sequence[UUID] | None, *, up_to: int) -> int:
        """Counts the events, and stops at `up_to`."""
        where, values = self._which(types, customers)
        counted: int = await self.driver.fetchval(
            f"SELECT count(*) FROM (SELECT FROM public.ledger WHERE {where} LIMIT {int(up_to)}) counted",  # noqa: S608 - made here
            *values,
        )
        return counted

    def _which(self, types: Iterable[str] | None, customers: Sequence[UUID] | None = None) -> tuple[str, list[Any]]:
        where = "tenant_id = $1"
        values: list[Any] = [self.tenant]
        for condition, value in (
            ("recorded_at <= $%d", self.known_at),
            ("type = ANY($%d::text[])", types and [each for type in types for each in versions_of(type)]),
            (_OF_CUSTOMERS, customers),
        ):
            if value is not None:
                values.append(value)
                where += " AND " + condition.replace("%d", str(len(values)))
        return where, values


_OF_CUSTOMERS = (
    "(customer_id IS NULL OR customer_id = ANY($%d::uuid[]) OR "
    f"type = '{CustomerCreated.type}' AND (data->>'referred_by')::uuid = ANY($%d::uuid[]))"
)
