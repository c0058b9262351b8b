"""Personal data that requests have shown: noted beside the requests, and written in batches."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from prometheus_client import Counter, Gauge

from kith.audit.entries import Entry, Read, add
from kith.db.connections import Database
from kith.errors import TenantRemoved
from kith.http.faults import is_transient
from kith.runtime.fairness import QueueFull
from kith.runtime.telemetry import log
from kith.runtime.waiting import pause

MOST_WAITING = 10_000
_GATHER_SECONDS = 0.1
_RETRY_SECONDS = 1.0
_CLOSE_SECONDS = 5.0

WAITING = Gauge(
    "kith_audit_waiting_entries",
    "Entries of the audit log that are not written yet: what requests have read",
    ["service"],
)
LOST = Counter("kith_audit_lost_total", "Entries of the audit log that could not be written", ["service"])


class AuditWriter:
    """Writes what the requests of a process note. Requests do not wait for it; while it cannot write for long, nobody
    is shown personal data."""

    def __init__(self, service: str, database: Database) -> None:
        self._service = service
        self._database = database
        self._waiting: list[Entry] = []
        self._closing = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        WAITING.labels(service).set_function(lambda: len(self._waiting))
        LOST.labels(service)  # from 0 on: an alert sees the first that is lost

    def note(self, entry: Entry) -> None:
        """Raises QueueFull, which refuses the request."""
        if len(self._waiting) >= MOST_WAITING:
            raise QueueFull(of_tenant=False)
        self._waiting.append(entry)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())

    async def close(self) -> None:
        """Writes what is left. What the database does not take within some seconds is lost."""
        self._closing.set()
        if self._writing is not None:
            await asyncio.wait((self._writing,), timeout=_CLOSE_SECONDS)
            self._writing.cancel()
        if self._waiting:
            self._lose(self._waiting, "the process has ended")

    async def _write_all(self) -> None:
        while self._waiting:
            await pause(self._closing, _GATHER_SECONDS)  # so that one transaction has the entries of many requests
            is_last, taken = self._closing.is_set(), len(self._waiting)
            of_tenants: dict[str, list[Entry]] = defaultdict(list)
            for entry in self._waiting:
                of_tenants[entry.tenant].append(entry)
            left = [entry for entries in of_tenants.values() for entry in await self._write(entries)]
            self._waiting = left + self._waiting[taken:]
            if left:
                if is_last:
                    return
                await pause(self._closing, _RETRY_SECONDS)

    async def _write(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Writes entries of a tenant. Returns those that are to be written again."""
        try:
            async with self._database.write(entries[0].tenant) as transaction:
                await add(transaction.connection, entries)
        except TenantRemoved:
            return ()  # and its audit log with it
        except Exception as error:  # noqa: BLE001 - whatever it was, the entries of other tenants are written
            if is_transient(error):
                log.warning("audit log not written", service=self._service, error=error)
                return entries
            self._lose(entries, error)
        return ()

    def _lose(self, entries: Sequence[Entry], reason: object) -> None:
        LOST.labels(self._service).inc(len(entries))
        log.error("entries of the audit log lost", service=self._service, count=len(entries), reason=str(reason))


@dataclass(frozen=True, slots=True)
class Disclosure:
    """That a request may be shown personal data, and where it is noted what it was shown."""

    writer: AuditWriter
    tenant: str
    actor: str

    def note(self, how: Read, noun: str, subjects: Iterable[UUID] | None = None) -> None:
        """Notes that records were shown; without subjects, all of them. Raises QueueFull."""
        ids = None if subjects is None else list(subjects)
        if ids is None or ids:
            self.writer.note(Entry(self.tenant, datetime.now(UTC), self.actor, how, noun, ids))
