"""The envelope of every event: CloudEvents 1.0, binary mode, in the headers of a bus message.

What is said here of an event is all that a ledger, a dedupe index or a trace needs; the body is the event's own.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from itertools import compress, product
from typing import Self
from uuid import UUID

import msgspec

from kith.bus.port import Headers

MAX_BYTES = 1_000_000
"""Of a body: what a Kafka broker takes by default, less room for the headers."""


class UnknownVersion(ValueError):
    """Not an event of Kith: specversion or an attribute is missing."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):  # nothing it holds could hold it
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
    actor: str | None = None
    """Who caused it: see kith.events.actors. None: it was published before events said so."""
    data: bytes
    """The body, JSON."""

    def headers(self) -> Headers:
        """In the order in which `from_message` reads them fastest."""
        pairs: Headers = (
            _SPECVERSION,
            ("ce_id", str(self.id).encode()),
            _recurring("ce_source", self.source),
            _recurring("ce_type", self.type),
            ("ce_subject", str(self.subject).encode()),
            ("ce_time", _iso(self.time)),
            _recurring("ce_tenantid", self.tenant_id),
            ("ce_aggregateversion", b"%d" % self.aggregate_version),
            ("ce_recordedat", _iso(self.recorded_at)),
            _CONTENT_TYPE,
        )
        if self.customer_id is not None:
            pairs += (("ce_customerid", str(self.customer_id).encode()),)
        if self.traceparent is not None:
            pairs += (("ce_traceparent", self.traceparent.encode()),)
        if self.actor is not None:
            pairs += (_recurring("ce_actor", self.actor),)
        return pairs

    def key(self) -> bytes:
        """The bus key: all of a customer's events take one partition."""
        return (self.customer_id or self.subject).bytes

    @classmethod
    def from_message(cls, headers: Headers, value: bytes) -> Self:
        """Raises UnknownVersion naming what is missing or malformed."""
        try:
            # Nearly all are written like this, and it is most of what reading an event costs: so in few steps.
            names, texts = zip(*headers, strict=True)
            customer, trace, actor = _PLACES[names]
            spec, id, source, type_, subject, time, tenant_id, version, recorded_at, *_ = texts
            id, subject, time, recorded_at, customer_id = _read_array(
                b'["%b","%b","%b","%b",%b]'
                % (id, subject, time, recorded_at, b'"%b"' % texts[customer] if customer else b"null")
            )
            if spec == b"1.0":
                return cls(
                    id=id,
                    source=source.decode(),
                    type=type_.decode(),
                    subject=subject,
                    time=time,
                    tenant_id=tenant_id.decode(),
                    customer_id=customer_id,
                    aggregate_version=int(version),
                    recorded_at=recorded_at,
                    traceparent=texts[trace].decode() if trace else None,
                    actor=texts[actor].decode() if actor else None,
                    data=value,
                )
        except (KeyError, ValueError, TypeError, AttributeError):  # the last two for a header without a value
            pass
        return cls._as_written_elsewhere(headers, value)

    @classmethod
    def _as_written_elsewhere(cls, headers: Headers, value: bytes) -> Self:
        found: Mapping[str, bytes] = dict(headers)
        try:
            if found["ce_specversion"] != b"1.0":
                raise UnknownVersion(f"ce_specversion is {found['ce_specversion']!r}, not 1.0")
            customer, trace, actor = map(found.get, ("ce_customerid", "ce_traceparent", "ce_actor"))
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
                actor=actor.decode() if actor else None,
                data=value,
            )
        except KeyError as missing:
            raise UnknownVersion(f"header {missing} is missing") from missing
        except UnknownVersion:
            raise
        except (ValueError, AttributeError, TypeError) as malformed:  # the last two for a header without a value
            raise UnknownVersion(f"malformed header: {malformed}") from malformed


_SPECVERSION = ("ce_specversion", b"1.0")
_CONTENT_TYPE = ("content-type", b"application/json")
_ALWAYS = (
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_subject",
    "ce_time",
    "ce_tenantid",
    "ce_aggregateversion",
    "ce_recordedat",
    "content-type",
)
_SOMETIMES = ("ce_customerid", "ce_traceparent", "ce_actor")


def _places(names: tuple[str, ...]) -> tuple[int, int, int]:
    customer, trace, actor = (names.index(each) if each in names else 0 for each in _SOMETIMES)
    return customer, trace, actor


_PLACES: Mapping[tuple[str, ...], tuple[int, int, int]] = {
    names: _places(names)
    for some in product((True, False), repeat=len(_SOMETIMES))
    for names in [(*_ALWAYS, *compress(_SOMETIMES, some))]
}
"""Names of headers -> where the customer's, the trace's and the actor's are, if anywhere."""

_read_array = msgspec.json.Decoder(tuple[UUID, UUID, datetime, datetime, UUID | None]).decode
_write = msgspec.json.Encoder().encode


@lru_cache(maxsize=4096)
def _recurring(name: str, text: str) -> tuple[str, bytes]:
    return name, text.encode()


def _uuid(text: bytes) -> UUID:
    return msgspec.convert(text.decode(), UUID)


def _iso(moment: datetime) -> bytes:
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return _write(utc)[1:-2] + b"+00:00"  # for the "Z" and the quotes; several times as fast as isoformat()
