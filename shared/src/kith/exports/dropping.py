"""Drops the contents of exports: of those that are cancelled, that are old, and that cover somebody who is erased."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Table, case, cast, delete, func, literal_column, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.exports.tables import EXPORTS, PIECES
from kith.jobs.changes import hold_off
from kith.jobs.table import OPEN, JobState

KEPT: ColumnElement[Any] = literal_column("interval '7 days'")
ERASED = "Somebody was erased of whom it may tell: make it again."
EXPIRED = "Exports are kept for 7 days: make it again."
CANCELLED = "It was cancelled."
_AT_ONCE = 500
"""Pieces that one statement deletes, so that it takes no longer than a request's may."""


async def withdraw(connection: AsyncConnection, tenant: str, table: Table, ids: Collection[UUID]) -> None:
    """Drops the contents that may have these records of a table, which are being erased: in the transaction that does
    it, and after their rows. Pieces are looked at by the ids that they lie between."""
    if EXPORTS.name not in table.metadata.tables or not ids:
        return
    await hold_off(connection, EXPORTS, tenant)
    e, p = EXPORTS.c, PIECES.c
    kept = select(e.id, e.state, e.checkpoint).where(e.tenant_id == tenant, e.checkpoint.is_not(None))
    # Locked: a piece that was read before is there now, or is not committed any more.
    jobs = (await connection.execute(kept.order_by(e.id).with_for_update(key_share=True))).all()
    of_noun = [each for each in jobs if each.checkpoint["table"] == table.name]
    if reading := [each.id for each in of_noun if each.state == JobState.RUNNING]:
        again = {"state": JobState.REQUESTED, "leased_until": None, "attempts": 0}
        await connection.execute(update(EXPORTS).where(e.tenant_id == tenant, e.id.in_(reading)).values(again))
    covering = select(p.export_id).where(
        p.tenant_id == tenant,
        p.export_id.in_([each.id for each in of_noun]),
        p.first_id <= max(ids),
        p.last_id >= min(ids),
    )
    gone = {*(await connection.scalars(covering.distinct()))} if of_noun else set[UUID]()
    # What is searched for may be somebody's name.
    gone |= {each.id for each in jobs if "where" in each.checkpoint}
    for id in sorted(gone):
        await drop(connection, tenant, id, ERASED, JobState.FAILED)


async def drop(connection: AsyncConnection, tenant: str, id: UUID, reason: str, state: JobState) -> None:
    """Drops the content of an export, for this reason; one that is not ended ends in this state."""
    e, p = EXPORTS.c, PIECES.c
    ended = {
        "state": case((e.state.in_(OPEN), state), else_=e.state),
        "finished_at": func.coalesce(e.finished_at, func.clock_timestamp()),
        "leased_until": None,
        "checkpoint": null(),
        "reason": reason,
    }
    await connection.execute(update(EXPORTS).where(e.tenant_id == tenant, e.id == id).values(ended))
    mine = (p.tenant_id == tenant, p.export_id == id)
    some = select(p.position).where(*mine).limit(_AT_ONCE).scalar_subquery()
    while (await connection.execute(delete(PIECES).where(*mine, p.position.in_(some)))).rowcount == _AT_ONCE:
        pass


async def bytes_kept(connection: AsyncConnection, tenant: str) -> int:
    """Returns how many bytes of contents are kept, compressed."""
    size = func.coalesce(func.sum(func.octet_length(PIECES.c.content)), 0)
    return int(await connection.scalar(select(cast(size, BigInteger)).where(PIECES.c.tenant_id == tenant)) or 0)


async def sweep(engine: AsyncEngine) -> bool:
    """Drops the content of one that was asked for long ago. Returns whether there was one."""
    e = EXPORTS.c
    old = select(e.tenant_id, e.id).where(e.checkpoint.is_not(None), e.requested_at < func.now() - KEPT).limit(1)
    async with engine.begin() as connection:
        row = (await connection.execute(old.with_for_update(skip_locked=True))).one_or_none()
        if row is not None:
            await drop(connection, row.tenant_id, row.id, EXPIRED, JobState.CANCELLED)
    return row is not None
