"""Dead letters of the outbox: events that cannot be published, set aside so that all others go on.

Of one aggregate order holds: its later events are parked behind the first that failed. They are rows of `dead_letters`
like the consumers' (see kith.consumer), under a group of their own, and are seen, amended, replayed and discarded in
the same ways. The relay alone says what becomes of them: it owns the outbox, so nothing is published of an aggregate
while its dead letters are replayed.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from prometheus_client import Counter
from sqlalchemy import ColumnElement, Row, Table, Text, case, cast, func, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.bus.port import Headers
from kith.consumer.dead_letters import REASON_LENGTH, stored, without_nul
from kith.db.connections import is_tenant
from kith.db.tables import Moment
from kith.events.catalogue import EVENTS, NAMING_USERS, decode
from kith.events.envelope import MAX_BYTES, Envelope
from kith.events.withdrawal import Withdrawal
from kith.runtime.telemetry import log
from kith.scalars import BETWEEN, EARLIEST, LATEST, is_in_use

SET_ASIDE = Counter(
    "kith_outbox_set_aside_total",
    "Events that cannot be published: `failed`, or `parked` behind one",
    ["service", "kind"],
)

NO_PARTITION = -1
"""They were never on the bus. Instead of an offset they have their position in the outbox."""


def group_of(service: str) -> str:
    """Returns the group of the outbox's dead letters."""
    return f"{service}.outbox"


class NotPublishable(Exception):
    """Says what is wrong with the event."""


class DeadLetter(NamedTuple):
    seq: int
    reason: str
    parked: bool


# The bus's own are no service's.
_TYPE = re.compile(rf"{re.escape(Withdrawal.type)}|(?!kith\.)[a-z0-9-]+(\.[a-z0-9_-]+)+\.v[0-9]+")
_SHOWN = 80
_READERS = {type: msgspec.json.Decoder(kind).decode for type, kind in [*EVENTS.items(), (Withdrawal.type, Withdrawal)]}


def check(envelope: Envelope) -> None:
    """Raises NotPublishable unless everybody who reads the bus can read it. A type that is not in our catalogue is let
    through: a newer version of this service may write it."""
    if not _TYPE.fullmatch(envelope.type):
        raise NotPublishable(f"type: {envelope.type[:_SHOWN]!r} is none")
    if not _is_tenant(envelope.tenant_id):
        raise NotPublishable(f"tenant_id: {envelope.tenant_id[:_SHOWN]!r} is none")
    if not 1 <= envelope.aggregate_version < 2**31:
        raise NotPublishable(f"aggregate_version: {envelope.aggregate_version} is not 1 or more")
    for name, moment in (("time", envelope.time), ("recorded_at", envelope.recorded_at)):
        if moment is None or not is_in_use(moment):
            raise NotPublishable(f"{name}: {BETWEEN}")
    if envelope.data is None or len(envelope.data) > MAX_BYTES:
        raise NotPublishable(f"data: more than {MAX_BYTES} bytes")
    try:
        if envelope.type in NAMING_USERS:
            decode(envelope, EVENTS[envelope.type])
        else:
            _READERS.get(envelope.type, msgspec.json.decode)(envelope.data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise NotPublishable(f"data: {error}") from error


_is_tenant = lru_cache(maxsize=4096)(is_tenant)


def readable(outbox: Table, name: str) -> ColumnElement[Any]:
    """The column as the driver can bring it: null for an instant that Python has not, and for a body that is too long.
    One such value would cost the whole batch."""
    column: ColumnElement[Any] = outbox.c[name]
    if name in ("time", "recorded_at"):
        earliest, latest = (
            literal_column(f"timestamptz '{bound.isoformat()}'", Moment) for bound in (EARLIEST, LATEST)
        )
        return case((column.between(earliest, latest), column)).label(name)
    if name == "data":
        return case((func.octet_length(column) <= literal_column(str(MAX_BYTES)), column)).label(name)
    return column


async def set_aside(
    connection: AsyncConnection, service: str, topic: str, outbox: Table, dead_letters: Sequence[DeadLetter]
) -> None:
    """Moves the rows from the outbox to the dead letters, in one statement."""
    due = {dead_letter.seq: dead_letter for dead_letter in dead_letters}
    columns = outbox.c
    as_text = [cast(columns[name], Text).label(name) for name in ("time", "recorded_at")]
    plain = [columns[name] for name in _HEADERS if name not in ("time", "recorded_at")]
    rows = (
        await connection.execute(
            select(columns.seq, *plain, *as_text).where(columns.seq.in_(due)).order_by(columns.seq)
        )
    ).all()
    await connection.execute(
        _MOVE,
        {
            "group": group_of(service),
            "topic": topic,
            "partition": NO_PARTITION,
            "seqs": [row.seq for row in rows],
            "headers": [msgspec.json.encode(stored(_headers(row, service))).decode() for row in rows],
            "reasons": [without_nul(due[row.seq].reason)[:REASON_LENGTH] for row in rows],
            "parked": [due[row.seq].parked for row in rows],
        },
    )
    for row in rows:
        dead_letter = due[row.seq]
        SET_ASIDE.labels(service, "parked" if dead_letter.parked else "failed").inc()
        # Why, the letter says: a reason may quote what was sent.
        log.error("event set aside", outbox=service, message=str(row.id), parked=dead_letter.parked)


def _headers(row: Row[Any], service: str) -> Headers:
    headers = {
        "ce_specversion": "1.0",
        "ce_id": row.id,
        "ce_source": service,
        "ce_type": row.type,
        "ce_subject": row.subject,
        "ce_time": row.time,
        "ce_tenantid": row.tenant_id,
        "ce_aggregateversion": row.aggregate_version,
        "ce_recordedat": row.recorded_at,
        "content-type": "application/json",
        "ce_customerid": row.customer_id,
        "ce_traceparent": row.traceparent,
        "ce_actor": row.actor,
    }
    return tuple((name, str(value).encode()) for name, value in headers.items() if value is not None)


_HEADERS = (
    "id",
    "type",
    "subject",
    "time",
    "tenant_id",
    "aggregate_version",
    "recorded_at",
    "customer_id",
    "traceparent",
    "actor",
)

_MOVE = text("""
    WITH due AS (
        SELECT * FROM unnest(CAST(:seqs AS bigint[]), CAST(:headers AS text[]), CAST(:reasons AS text[]),
                             CAST(:parked AS boolean[])) AS t (seq, headers, reason, parked)
    ), gone AS (
        DELETE FROM outbox o USING due WHERE o.seq = due.seq
        RETURNING o.*, due.headers, due.reason, due.parked
    )
    INSERT INTO dead_letters (group_name, topic, partition, "offset", message_key, value, headers, event_id, tenant_id,
                              type, subject, reason, parked, attempts)
    SELECT :group, :topic, CAST(:partition AS int), seq, uuid_send(coalesce(customer_id, subject)), data,
           CAST(headers AS jsonb), id, tenant_id, type, subject, reason, parked, CASE WHEN parked THEN 0 ELSE 1 END
    FROM gone ORDER BY seq
""")
