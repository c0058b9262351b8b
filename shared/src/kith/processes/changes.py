"""What is asked of a process: that it be tried again at once, called off, abandoned."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, case, func, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.errors import Conflict, NotFound
from kith.processes.table import BACKWARDS, IN_HAND, OPEN, TABLE, ProcessState

_C = TABLE.c
_AT_ONCE = case((_C.in_hand, _C.next_at), else_=func.clock_timestamp())
"""Who has it in hand is waited for."""
_UNSTUCK = case((and_(_C.state == ProcessState.STUCK, not_(_C.in_hand)), ProcessState.UNDOING), else_=_C.state)
"""In the hand of somebody it stays what it is, so that what that one does is written."""
_SETTLED = case((_C.in_hand, _C.next_at), (_C.failures > 0, func.clock_timestamp() + IN_HAND), else_=_AT_ONCE)
"""A step that was not answered may yet be done, too."""


async def retry(connection: AsyncConnection, _: Table, tenant: str, id: UUID) -> None:
    """Tries it again now, and not when its turn would come. Raises NotFound, and Conflict for one that has ended."""
    now = {"next_at": _AT_ONCE, "failures": 0, "state": _UNSTUCK}
    await _change(connection, tenant, id, _C.state.in_(OPEN), now, "there is nothing to try")


async def cancel(connection: AsyncConnection, _: Table, tenant: str, id: UUID) -> None:
    """Calls it off: what it has done is undone. Raises NotFound, and Conflict."""
    back: dict[str, Any] = {"state": ProcessState.UNDOING, "reason": "It was called off.", "failures": 0}
    back |= {"held": None, "next_at": _SETTLED}
    await _change(connection, tenant, id, _C.state == ProcessState.RUNNING, back, "there is nothing to call off")


async def abandon(connection: AsyncConnection, _: Table, tenant: str, id: UUID) -> None:
    """Leaves what could not be undone as it is. Raises NotFound, and Conflict for one that is not being undone."""
    left: dict[str, Any] = {"left": {}, "failures": 0, "next_at": _AT_ONCE, "state": _UNSTUCK}
    why = "only one that is being undone is abandoned; cancel it first"
    await _change(connection, tenant, id, _C.state.in_(BACKWARDS), left, why)


async def _change(
    connection: AsyncConnection, tenant: str, id: UUID, allowed: ColumnElement[bool], values: dict[str, Any], why: str
) -> None:
    own = (_C.tenant_id == tenant, _C.id == id)
    if (await connection.execute(update(TABLE).where(*own, allowed).values(values))).rowcount:
        return
    state = await connection.scalar(select(_C.state).where(*own))
    if state is None:
        raise NotFound.of("process", id)
    raise Conflict(f"It is {state}: {why}.")
