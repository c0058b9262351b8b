"""The task of the workers that removes content from the store: what was erased, what was never attached, and what has
come in by half."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from sqlalchemy import Column, ColumnElement, Table, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.attachments.store import Store, StoreFault
from kith.attachments.tables import CONTENTS, DROPS
from kith.db.removed import TABLE as REMOVED
from kith.runtime.tasks import Task

UNATTACHED_HOURS = 24
"""So long content may wait to be attached: by far longer than it may take to come in."""
AT_A_TIME = 100


def sweeping(attachments: Table, store: Callable[[], Store | None]) -> Task:
    """Returns the task, given the table of what is attached by its column `content_id`, and where what is kept. Any
    number of workers may do it."""

    async def step(engine: AsyncEngine) -> bool:
        if (keeps := store()) is None:
            return False
        async with engine.begin() as connection:
            found = [
                await _erased(connection, attachments),
                await _never_attached(connection, attachments.c.content_id),
            ]
        return max(AT_A_TIME in found, await _dropped(engine, keeps))

    return Task("attachments", step, seconds=5)


async def _erased(connection: AsyncConnection, attachments: Table) -> int:
    """Has the content of attachments that were erased removed."""
    a = attachments.c
    due = (
        select(a.tenant_id, a.id, a.content_id)
        .where(a.erased_at.is_not(None), a.content_id.is_not(None), _is_here(a.tenant_id))
        .limit(AT_A_TIME)
        .with_for_update(skip_locked=True)
    )
    rows = (await connection.execute(due)).all()
    if rows:
        them = tuple_(a.tenant_id, a.id).in_([(each.tenant_id, each.id) for each in rows])
        await connection.execute(update(attachments).where(them).values(content_id=None))
        await _drop(connection, {(each.tenant_id, each.content_id): each.id for each in rows})
    return len(rows)


async def _never_attached(connection: AsyncConnection, attached: Column[object]) -> int:
    """Has old content removed that nothing has attached, and says of the other that it stays."""
    c, table = CONTENTS.c, attached.table
    due = (
        select(c.tenant_id, c.id)
        .where(c.kept.is_(False), c.begun_at < func.now() - timedelta(hours=UNATTACHED_HOURS), _is_here(c.tenant_id))
        .limit(AT_A_TIME)
        .with_for_update(skip_locked=True)  # so that nobody attaches it now
    )
    rows = [tuple(each) for each in await connection.execute(due)]
    if not rows:
        return 0
    is_attached = select(table.c.tenant_id, attached).where(tuple_(table.c.tenant_id, attached).in_(rows))
    kept = {tuple(each) for each in await connection.execute(is_attached)}
    if kept:
        await connection.execute(update(CONTENTS).where(tuple_(c.tenant_id, c.id).in_(kept)).values(kept=True))
    await _drop(connection, dict.fromkeys(each for each in rows if each not in kept))
    return len(rows)


def _is_here(tenant: Column[str]) -> ColumnElement[bool]:
    return tenant.not_in(select(REMOVED.c.tenant_id).where(REMOVED.c.readmitted_at.is_(None)))


async def _drop(connection: AsyncConnection, them: Mapping[tuple[object, ...], object]) -> None:
    """Has content removed, given the attachment of each that was attached."""
    if them:
        c = CONTENTS.c
        await connection.execute(delete(CONTENTS).where(tuple_(c.tenant_id, c.id).in_([*them])))
        rows = [{"tenant_id": tenant, "id": id, "attachment_id": of} for (tenant, id), of in them.items()]
        await connection.execute(insert(DROPS).values(rows).on_conflict_do_nothing())


async def _dropped(engine: AsyncEngine, store: Store) -> bool:
    """Removes from the store what is to go, with no transaction open: a store may be slow. Raises StoreFault when the
    others are removed."""
    d, fault = DROPS.c, None
    async with engine.begin() as connection:
        # In any order, so that what cannot be removed is not always before the others.
        rows = await connection.execute(select(d.tenant_id, d.id).order_by(func.random()).limit(AT_A_TIME))
        wanted = [tuple(each) for each in rows]
    gone = []
    for each in wanted:
        try:
            await store.drop(*each)
            gone.append(each)
        except StoreFault as error:
            fault = error
    if gone:
        async with engine.begin() as connection:
            await connection.execute(delete(DROPS).where(tuple_(d.tenant_id, d.id).in_(gone)))
    if fault is not None:
        raise fault
    return len(wanted) == AT_A_TIME
