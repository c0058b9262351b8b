"""What is asked of a process: that it be tried again at once, called off, abandoned."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.errors import Conflict, NotFound
from kith.processes.table import BACKWARDS, OPEN, TABLE, ProcessState

_C = TABLE.c
_AT_ONCE = case((_C.in_hand, _C.next_at), else_=func.clock_timestamp())
"""Where a step is under way it is waited for, as it may yet be done."""


async def retry(connection: AsyncConnection, _: Table, tenant: str, id: UUID) -> None:
    """Tries it again now, and not when its turn would come. Raises NotFound, and Conflict for one that has ended."""
    going = case((_C.state == ProcessState.STUCK, ProcessState.UNDOING), else_=_C.state)
    now = {"next_at": _AT_ONCE, "failures": 0, "state": going}
    await _change(connection, tenant, id, _C.state.in_(OPEN), now, "there is nothing to try")


async def cancel(connection: AsyncConnection, _: Table, tenant: str, id: UUID) -> None:
    """Calls it off: what it has done is undone. Raises NotFound, and Conflict."""
    back = {"state": ProcessState.UNDOING, "reason": "It was called off.", "failures": 0, "next_at": _AT_ONCE}
    await _change(connection, tenant, id, _C.state == ProcessState.RUNNING, back, "there is nothing to call off")


async def abandon(connection: AsyncConnection, _: Table, tenant: str, id: UUID) -> None:
    """Leaves what could not be undone as it is. Raises NotFound, and Conflict for one that is not being undone."""
    left = {"left": _C.made, "failures": 0, "next_at": _AT_ONCE, "state": ProcessState.UNDOING}
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
