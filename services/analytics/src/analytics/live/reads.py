"""Following what arrives: rows in the order in which their transactions began, none left out and none twice.

Each row carries in `arrived` the id of the transaction that wrote it. Rows do not become visible in that order: one may
commit late that has an earlier id, and a reader that is past it would never see it. So a reader goes up to the
*horizon* only, below which every transaction has ended: what it then sees there is all there will ever be. A position
in that order stays valid for ever.

A long transaction, of any database of the cluster, holds the horizon up, and what arrives after is delivered late. It
is not lost (docs/adr/0027).
"""

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2s
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.health.model.definition import Band, Cause
from analytics.timeline.reads import TimelineEvent
from kith.error_codes import ErrorCode
from kith.errors import Invalid
from kith.nouns.lists.pages import decoded

R = TypeVar("R")
PAGE = 500
"""Rows that are read at a time."""


_LOST = (
    "The database was restored, moved or failed over since, and may have lost what came after this cursor. "
    "Ask for how things stand, and subscribe without `after`."
)


class CursorLost(Invalid):
    """Since it was given out, the order it is a position in has changed."""

    code = ErrorCode.CURSOR_LOST


class Position(NamedTuple):
    """In the order of arrival; of a transaction's rows, `row` says which. By itself a position is before them all."""

    arrived: int
    row: int = 0


class Page(NamedTuple, Generic[R]):
    rows: Sequence[tuple[Position, R]]
    position: Position
    """Where to read on."""
    more: bool


class Arrived(NamedTuple):
    """What one fold brought."""

    types: frozenset[str]
    customers: frozenset[UUID] | None
    """None: too many to name."""

    def is_of(self, customers: Collection[UUID]) -> bool:
        return self.customers is None or not self.customers.isdisjoint(customers)


class Horizon(NamedTuple):
    arrived: int
    epoch: str
    """Of another epoch, positions mean nothing."""


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """A position as clients keep it."""

    kind: str
    of: str
    """What is watched; see `digest`."""
    state: str
    """The epoch in which the position means something; of a figure, which one it was."""
    arrived: int = 0
    row: int = 0

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def of_text(cls, cursor: str, *, kind: str, of: str) -> "Cursor":
        """Raises Invalid for what is none, and for one of another subscription."""
        try:
            found = msgspec.json.decode(decoded(cursor), type=cls)
        except (ValueError, msgspec.DecodeError) as error:
            raise Invalid("It is not a cursor.", field="after") from error
        if (found.kind, found.of) != (kind, of):
            raise Invalid("It is a cursor of another subscription.", field="after")
        return found

    def position(self, horizon: Horizon) -> Position:
        """Raises CursorLost, and Invalid for a position that nobody has come to."""
        if self.state != horizon.epoch:
            raise CursorLost(_LOST, field="after")
        if not 0 <= self.arrived <= horizon.arrived or self.row < 0:
            raise Invalid("It is not a cursor.", field="after")
        return Position(self.arrived, self.row)


def digest(*parts: object) -> str:
    """Short, and the same in every process."""
    return blake2s(msgspec.json.encode(parts), digest_size=9).hexdigest()


async def horizon_of(connection: AsyncConnection, epoch: str | None = None) -> Horizon:
    """Raises CursorLost if the epoch is not that one any more."""
    row = (await connection.execute(_HORIZON)).one()
    if not row.here:
        raise CursorLost("This database was restored from another cluster: its owner has to run `analytics migrate`.")
    if epoch is not None and row.epoch != epoch:
        raise CursorLost(_LOST, field="after")
    return Horizon(row.horizon, row.epoch)


# After a failover to a standby, or a restore to a point in time, the timeline is another one.
_HORIZON = text("""
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,
           e.epoch || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) AS epoch,
           e.system_identifier = c.system_identifier::text AS here
    FROM live_epoch e, pg_control_system() c
""")


async def arrivals(connection: AsyncConnection, tenant: str, start: int, end: int) -> list[Arrived]:
    """Of the transactions from `start` on and before `end`, which the horizon must have passed."""
    rows = await connection.execute(_ARRIVALS, {"tenant": tenant, "start": str(start), "end": str(end)})
    return [Arrived(frozenset(types), None if customers is None else frozenset(customers)) for types, customers in rows]


_ARRIVALS = text("""
    SELECT types, customers FROM arrivals
    WHERE tenant_id = :tenant AND arrived >= (:start)::text::xid8 AND arrived < (:end)::text::xid8
""")


@dataclass(slots=True)
class Timeline:
    """A page of what arrived for a customer, and whose events count as its own."""

    page: Page[TimelineEvent]
    selves: frozenset[UUID]


async def timeline_after(
    connection: AsyncConnection, tenant: str, customer: UUID, position: Position, epoch: str
) -> Timeline:
    """With the events of the customers it has absorbed, as of now; of a merged one, its survivor's. Raises
    CursorLost."""
    horizon = await horizon_of(connection, epoch)
    selves = list(await connection.scalars(_SELVES, {"tenant": tenant, "customer": customer}))
    found = await connection.execute(
        _TIMELINE,
        {
            "tenant": tenant,
            "selves": selves,
            "arrived": str(position.arrived),
            "id": UUID(int=position.row),
            "horizon": str(horizon.arrived),
            "limit": PAGE,
        },
    )
    rows = [(Position(row[0], row[1].int), TimelineEvent(*row[1:])) for row in found]
    return Timeline(page_of(rows, horizon.arrived), frozenset(selves))


@dataclass(slots=True)
class HealthDriver:
    measure: str
    change: float
    """Of its part of the score, in points, over the 30 days before."""


@dataclass(slots=True)
class HealthChange:
    """A customer came into another band. Null as a band: nothing is known of it, not before or not any more."""

    id: UUID
    customer_id: UUID
    at: datetime
    recorded_at: datetime
    cause: Cause
    model: str | None
    model_version: int | None
    from_band: Band | None
    band: Band | None
    score: float | None
    coverage: float
    drivers: list[HealthDriver]
    trace_id: str | None


async def health_changes_after(
    connection: AsyncConnection, tenant: str, position: Position, horizon: Horizon, limit: int = PAGE
) -> list[tuple[Position, HealthChange]]:
    found = await connection.execute(
        _CHANGES,
        {
            "tenant": tenant,
            "arrived": str(position.arrived),
            "seq": position.row,
            "horizon": str(horizon.arrived),
            "limit": limit,
        },
    )
    return [(Position(row[0], row[1]), msgspec.convert(row._asdict(), HealthChange)) for row in found]


_CHANGES = text("""
    SELECT h.arrived::text::bigint, seq, id, customer_id, at, recorded_at, cause, model, model_version, from_band, band,
           score, coverage, drivers, trace_id
    FROM health_changes h
    WHERE tenant_id = :tenant
      AND (h.arrived, seq) > ((:arrived)::text::xid8, :seq) AND h.arrived < (:horizon)::text::xid8
    ORDER BY h.arrived, seq  -- the column, by the index, and not what is selected of it
    LIMIT :limit
""")


def page_of(rows: Sequence[tuple[Position, R]], horizon: int) -> Page[R]:
    """Of all rows up to the horizon, or of the first PAGE."""
    more = len(rows) == PAGE
    return Page(rows, rows[-1][0] if more else Position(horizon), more)


_SELVES = text("""
    WITH it AS (
        SELECT coalesce(
            (SELECT survivor FROM merged_customers WHERE tenant_id = :tenant AND customer_id = (:customer)::uuid),
            (:customer)::uuid
        ) AS survivor
    )
    SELECT survivor FROM it
    UNION
    SELECT m.customer_id FROM merged_customers m JOIN it USING (survivor) WHERE m.tenant_id = :tenant
""")
_TIMELINE = text("""
    SELECT l.arrived::text::bigint, id, type, source, subject, time, recorded_at, data, actor
    FROM ledger l
    WHERE tenant_id = :tenant AND customer_id = ANY(:selves)
      AND (l.arrived, id) > ((:arrived)::text::xid8, :id) AND l.arrived < (:horizon)::text::xid8
    ORDER BY l.arrived, id
    LIMIT :limit
""")
