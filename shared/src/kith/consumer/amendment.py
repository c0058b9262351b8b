"""A dead letter mended: what may be changed of a message, and what it must be then."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec

from kith.bus.port import Headers
from kith.errors import Invalid, NothingAmended
from kith.events.catalogue import EVENTS, NAMING_USERS
from kith.events.envelope import MAX_BYTES, Envelope, UnknownVersion
from kith.events.event import Event
from kith.events.named_users import naming_by_id
from kith.scalars import Code, Id, Instant, Pattern, Whole, must_be_carried, reading

AMENDABLE = (
    "ce_actor",
    "ce_aggregateversion",
    "ce_customerid",
    "ce_id",
    "ce_recordedat",
    "ce_source",
    "ce_specversion",
    "ce_subject",
    "ce_time",
    "ce_traceparent",
    "ce_type",
)
"""All that makes an event but its tenant."""
_SPELT: Mapping[str, Any] = {
    "ce_actor": Annotated[str, Pattern("(user|client|run|service):.{1,500}", "It is an actor, as in user:<id>.")],
    "ce_aggregateversion": Annotated[int, Whole(1)],
    "ce_customerid": Id,
    "ce_id": Id,
    "ce_recordedat": Instant,
    "ce_subject": Id,
    "ce_time": Instant,
    "ce_traceparent": Annotated[str, Pattern("[ -~]{1,100}", "It is a traceparent of W3C Trace Context.")],
}
_IDENTITY = ("ce_id", "ce_subject")
"""By its id an event counts once, and by its subject others wait behind it: they are mended, but never changed."""


class Amended(NamedTuple):
    headers: Headers
    value: bytes


def amend(
    headers: Headers, value: bytes, *, tenant: str, body: bytes | None, changes: Mapping[str, str | None]
) -> tuple[Amended, Envelope]:
    """The message with another body (JSON) and other headers; null takes a header away. Raises Invalid unless it is
    an event of the catalogue then, of that tenant; NothingAmended if it is what it was."""
    mended = dict(headers)
    for name, text in changes.items():
        _check_name(name, headers)
        if text is None:
            mended.pop(name, None)
        else:
            reading(_SPELT.get(name, Code), text, field=f"headers.{name}")
            mended[name] = text.encode()
    amended = Amended(tuple(mended.items()), value if body is None else body)
    try:
        envelope = Envelope.from_message(*amended)
    except UnknownVersion as unreadable:
        raise Invalid(f"It is not an event yet: {unreadable}.", field="headers") from unreadable
    _check(envelope, tenant)
    if mended == dict(headers) and amended.value == value:
        raise NothingAmended("It is what it was: send another body, other headers, or both.")
    return amended, envelope


def _check_name(name: str, headers: Headers) -> None:
    if name == "ce_tenantid":
        raise Invalid("Whose it is cannot be changed.", field=f"headers.{name}")
    if name not in AMENDABLE:
        raise Invalid(f"It is one of {', '.join(AMENDABLE)}.", field=f"headers.{name}")
    if name in _IDENTITY and _is_uuid(dict(headers).get(name, b"")):
        raise Invalid("It can be mended where it cannot be read, and not be changed.", field=f"headers.{name}")


def _check(envelope: Envelope, tenant: str) -> None:
    if envelope.tenant_id != tenant:
        raise Invalid("Whose it is cannot be changed.", field="headers.ce_tenantid")
    kind = EVENTS.get(envelope.type)
    if kind is None:
        raise Invalid(f"It is one of {', '.join(EVENTS)}.", field="headers.ce_type")
    source = envelope.type.partition(".")[0]
    if envelope.source != source:
        raise Invalid(f"{envelope.type} comes from {source}.", field="headers.ce_source")
    if not 1 <= envelope.aggregate_version < 2**31:
        raise Invalid("It is 1 or more.", field="headers.ce_aggregateversion")
    for name, moment in (("ce_time", envelope.time), ("ce_recordedat", envelope.recorded_at)):
        reading(Instant, moment, field=f"headers.{name}")
    if len(envelope.data) > MAX_BYTES:
        raise Invalid(f"It has at most {MAX_BYTES} bytes.", field="body")
    _check_body(kind, envelope)


def _check_body(kind: type[Event], envelope: Envelope) -> None:
    body = envelope.data
    try:
        if kind.type in NAMING_USERS:  # an event of before may name one by a text
            given = msgspec.json.decode(body, type=dict[str, Any])
            body = msgspec.json.encode(naming_by_id(envelope.tenant_id, given))
        # Once more as a struct that knows no other fields: a slip in a name must not pass for a field left out.
        event = msgspec.json.decode(body, type=_strict(kind))
    except msgspec.ValidationError as wrong:
        words, _, where = str(wrong).partition(" - at `$")
        fields = ", ".join(kind.__struct_encode_fields__) or "none"
        raise Invalid(f"{words}. Its fields: {fields}.", field="body" + where.rstrip("`")) from wrong
    except (msgspec.DecodeError, ValueError, RecursionError) as wrong:
        raise Invalid(f"It is not JSON: {wrong}.", field="body") from wrong
    must_be_carried(msgspec.structs.asdict(event), "body")


def _strict(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    # What it defaults to does not matter here.
    fields: list[Any] = [
        (field.encode_name, field.type) if field.required else (field.encode_name, field.type, None)
        for field in msgspec.structs.fields(kind)
    ]
    return msgspec.defstruct(kind.__name__, fields, forbid_unknown_fields=True)


def _is_uuid(value: bytes) -> bool:
    try:
        UUID(value.decode())
    except ValueError:
        return False
    return True


def readable(value: bytes) -> tuple[Any, str | None]:
    """A body as JSON, or in base64 if it is not JSON."""
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None, b64encode(value).decode()
    return msgspec.Raw(value), None
