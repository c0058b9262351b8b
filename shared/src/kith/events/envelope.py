"""The envelope of every event: CloudEvents 1.0, binary mode, in the headers of a bus message.

What is said here of an event is all that a ledger, a dedupe index or a trace needs; the body is the event's own.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Self
from uuid import UUID

import msgspec

from kith.bus.port import Headers


class Event(msgspec.Struct, omit_defaults=True):
    """Base of the published language. A subclass is one event type; its fields are the body.

    Additive changes only: a new field has a default. A breaking change is a new type ending in the next `.vN`.
    Ids, enums, numbers, times and tags; never personal data, so that erasing a person rewrites no history.
    """

    type: ClassVar[str]
    """`service.noun.happened.v1`"""
    qualifies: ClassVar[bool] = True
    """Whether a tenant may count it as activity of the customer in its envelope."""

    @classmethod
    def of(cls, aggregate: object, **told: Any) -> Self:
        """The event with what it tells of the aggregate, by the names of its fields; the rest is told here."""
        known = {name: getattr(aggregate, name) for name in cls.__struct_fields__ if hasattr(aggregate, name)}
        return cls(**(known | told))


class Amended(Event):
    """Fields were set. `changed` names them; one that is named but not told was cleared, or is personal."""

    changed: list[str]

    @classmethod
    def of_changed(cls, aggregate: object, changed: list[str]) -> Self:
        told = {name: getattr(aggregate, name) for name in changed if name in cls.__struct_fields__}
        return cls(changed=changed, **told)


class UnknownVersion(ValueError):
    """Not an event of ours: specversion or an attribute is missing."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    source: str
    """The service that published it."""
    type: str
    subject: UUID
    """The aggregate it happened to."""
    time: datetime
    """When it happened."""
    tenant_id: str
    customer_id: UUID | None
    aggregate_version: int
    """Version of the aggregate after it: 1, 2, 3 without gaps."""
    recorded_at: datetime
    """When we learned of it, by the database's clock."""
    traceparent: str | None
    data: bytes
    """The body, JSON."""

    def headers(self) -> Headers:
        pairs = [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(self.id).encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", self.type.encode()),
            ("ce_subject", str(self.subject).encode()),
            ("ce_time", _iso(self.time)),
            ("ce_tenantid", self.tenant_id.encode()),
            ("ce_aggregateversion", b"%d" % self.aggregate_version),
            ("ce_recordedat", _iso(self.recorded_at)),
            ("content-type", b"application/json"),
        ]
        if self.customer_id is not None:
            pairs.append(("ce_customerid", str(self.customer_id).encode()))
        if self.traceparent is not None:
            pairs.append(("ce_traceparent", self.traceparent.encode()))
        return tuple(pairs)

    def key(self) -> bytes:
        """The bus key: all of a customer's events take one partition."""
        return (self.customer_id or self.subject).bytes

    @classmethod
    def from_message(cls, headers: Headers, value: bytes) -> Self:
        """Raises UnknownVersion naming what is missing or malformed."""
        found: Mapping[str, bytes] = dict(headers)
        try:
            if found["ce_specversion"] != b"1.0":
                raise UnknownVersion(f"ce_specversion is {found['ce_specversion']!r}, not 1.0")
            customer, trace = found.get("ce_customerid"), found.get("ce_traceparent")
            return cls(
                id=_uuid(found["ce_id"]),
                source=found["ce_source"].decode(),
                type=found["ce_type"].decode(),
                subject=_uuid(found["ce_subject"]),
                time=datetime.fromisoformat(found["ce_time"].decode()),
                tenant_id=found["ce_tenantid"].decode(),
                customer_id=_uuid(customer) if customer else None,
                aggregate_version=int(found["ce_aggregateversion"]),
                recorded_at=datetime.fromisoformat(found["ce_recordedat"].decode()),
                traceparent=trace.decode() if trace else None,
                data=value,
            )
        except KeyError as missing:
            raise UnknownVersion(f"header {missing} is missing") from missing
        except UnknownVersion:
            raise
        except ValueError as malformed:
            raise UnknownVersion(f"malformed header: {malformed}") from malformed


def _uuid(text: bytes) -> UUID:
    return msgspec.convert(text.decode(), UUID)  # a third of what UUID() itself takes


def _iso(moment: datetime) -> bytes:
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return _encode(utc)[1:-2] + b"+00:00"  # for the "Z" and the quotes; several times as fast as isoformat()


_encode = msgspec.json.Encoder().encode
