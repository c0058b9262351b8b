"""One record against the events and the facts of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import zip_longest
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from analytics.projections.facts import PHASES
from analytics.reconciliation.collections import Collection, Record

MARGIN = timedelta(seconds=60)
"""What was recorded so shortly before an export may have been committed after it: longer than a request may write."""


class Kind(StrEnum):
    """How a record and what analytics has of it may differ."""

    MISSING = "missing"
    """The ledger has no event of it."""
    GAP = "gap"
    """The ledger lacks some of its events."""
    AHEAD = "ahead"
    """The ledger has events of it that its service does not know of."""
    UNKNOWN = "unknown"
    """The ledger has events of it, and its service has no such record."""
    NOT_FOLDED = "not_folded"
    """An event is in the ledger, and not among the facts."""
    NOT_IN_LEDGER = "not_in_ledger"
    """A fact is of an event that is not in the ledger."""
    FIELD = "field"
    """A fact says something else than the record, or than the event."""


@dataclass(slots=True)
class Mismatch:
    """`expected` is what the service holds, `found` what analytics has, each as text."""

    id: UUID
    kind: Kind
    version: int | None
    field: str | None
    expected: str | None
    found: str | None


class LedgerEvent(NamedTuple):
    """An event in the ledger."""

    subject: UUID
    version: int
    id: UUID
    type: str
    time: datetime
    recorded_at: datetime
    customer_id: UUID | None


class Stood(NamedTuple):
    """A fact."""

    subject: UUID
    version: int
    event_id: UUID
    type: str
    time: datetime
    until: datetime | None
    customer_id: UUID | None
    origin_id: UUID | None
    amount: Decimal | None
    currency: str | None
    phase: str | None
    state: str
    """JSON. Read for one version of each aggregate only."""


@dataclass(frozen=True)
class Comparison:
    """Of one collection, exported at `taken_at`."""

    collection: Collection
    taken_at: datetime
    survivors: Mapping[UUID, UUID]
    """Who merged customers are now."""
    margin: timedelta = MARGIN

    def in_flight(self, version: int, events: Sequence[LedgerEvent]) -> list[LedgerEvent]:
        """The events newer than the record, at that version, that it may be too old to know of."""
        return [each for each in events if each.version > version and self._may_be_later(each)]

    def _may_be_later(self, event: LedgerEvent) -> bool:
        return event.recorded_at >= self.taken_at - self.margin

    def mismatches(
        self, id: UUID, record: Record | None, events: Sequence[LedgerEvent], facts: Sequence[Stood]
    ) -> Iterator[Mismatch]:
        """`events` and `facts` are all there are of it, by version."""
        version = record["version"] if record is not None else 0
        yield from self._completeness(id, version, events)
        yield from self._folding(id, events, facts)
        yield from self._course(id, facts)
        known = next((fact for fact in facts if fact.version == version), None)
        if record is not None and known is not None:
            yield from self._state(id, record, known)
            if facts[0].version == 1:
                yield from self._field(id, 1, "created_at", _moment(record["created_at"]), facts[0].time)

    def _completeness(self, id: UUID, version: int, events: Sequence[LedgerEvent]) -> Iterator[Mismatch]:
        there = sorted({each.version for each in events})
        expected, found = _up_to(version) if version else None, _versions(there)
        if version and not there:
            yield Mismatch(id, Kind.MISSING, None, None, expected, None)
        # Not by counting up to the last: whatever wrote an event may have made its version two thousand million.
        elif lacking := [index for index, each in enumerate([*there, max(version, *there) + 1], 1) if index != each]:
            yield Mismatch(id, Kind.GAP, lacking[0], None, expected, found)
        beyond = [each.version for each in events if each.version > version and not self._may_be_later(each)]
        if beyond:
            yield Mismatch(id, Kind.AHEAD if version else Kind.UNKNOWN, beyond[0], None, expected, found)

    def _folding(self, id: UUID, events: Sequence[LedgerEvent], facts: Sequence[Stood]) -> Iterator[Mismatch]:
        by_version = {fact.version: fact for fact in facts}
        for event in events:
            fact = by_version.pop(event.version, None)
            if fact is None:
                yield Mismatch(id, Kind.NOT_FOLDED, event.version, None, event.type, None)
                continue
            yield from self._field(id, event.version, "event", event.id, fact.event_id)
            yield from self._field(id, event.version, "type", event.type, fact.type)
            yield from self._field(id, event.version, "time", event.time, fact.time)
            if event.customer_id is not None:
                yield from self._customer(id, event.customer_id, fact)
        for fact in by_version.values():
            yield Mismatch(id, Kind.NOT_IN_LEDGER, fact.version, None, None, fact.type)

    def _course(self, id: UUID, facts: Sequence[Stood]) -> Iterator[Mismatch]:
        """Each fact stands until the next."""
        for fact, following in zip_longest(facts, facts[1:]):
            yield from self._field(id, fact.version, "until", following.time if following else None, fact.until)

    def _state(self, id: UUID, record: Record, fact: Stood) -> Iterator[Mismatch]:
        version = fact.version
        yield from self._field(id, version, "updated_at", _moment(record["updated_at"]), fact.time)
        if customer := record.get("customer_id"):
            yield from self._customer(id, UUID(customer), fact)
        state = msgspec.json.decode(fact.state)
        for name, field in self.collection.fields.items():
            if name not in record:
                continue
            expected, found = record[name], state.get(field.encode_name, _default(field))
            # Events carry of a list of addresses what is not personal, and an erasure empties it without telling of it.
            emptied = expected == [] and fact.type.endswith(".erased.v1")
            if expected != found and not emptied:
                yield from self._field(id, version, name, _typed(expected, field), _typed(found, field))
        # What figures are made of is kept beside the state, too.
        if "value" in self.collection.fields:
            yield from self._field(id, version, "amount", _number(record["value"]), fact.amount)
        if "currency" in self.collection.fields and fact.amount is not None:
            yield from self._field(id, version, "currency", record["currency"], fact.currency)
        if phases := [record[name] for name in PHASES if name in self.collection.fields]:
            yield from self._field(id, version, "phase", phases[0], fact.phase)

    def _customer(self, id: UUID, named: UUID, fact: Stood) -> Iterator[Mismatch]:
        yield from self._field(id, fact.version, "customer", named, fact.origin_id or fact.customer_id)
        yield from self._field(id, fact.version, "survivor", self.survivors.get(named, named), fact.customer_id)

    def _field(self, id: UUID, version: int, name: str, expected: object, found: object) -> Iterator[Mismatch]:
        if expected != found:
            yield Mismatch(id, Kind.FIELD, version, name, _text(expected), _text(found))


def _default(field: msgspec.structs.FieldInfo) -> Any:
    """Returns what a body means that does not have the field."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.default is msgspec.NODEFAULT else field.default


def _typed(value: Any, field: msgspec.structs.FieldInfo) -> Any:
    """`5`, `5.00` and `"5.0000"` are one price. What is not of the type at all is left as it is, and differs."""
    try:
        return msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError:
        return value


def _moment(text: str) -> datetime:
    return msgspec.convert(text, datetime)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _up_to(version: int) -> str:
    """`1-3`."""
    return "1" if version == 1 else f"1-{version}"


def _versions(versions: Sequence[int]) -> str:
    """`1-3, 5`."""
    parts: list[list[int]] = []
    for version in versions:
        if parts and version == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], version]
        else:
            parts.append([version])
    return ", ".join("-".join(map(str, part)) for part in parts)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, datetime) else msgspec.json.encode(value).decode().strip('"')
