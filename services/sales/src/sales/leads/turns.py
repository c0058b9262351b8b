"""Whose turn it is in the queues that leads are put into.

The rows of the queues are locked, in the order of their ids, until the request's transaction ends: who puts a lead into
the same queue meanwhile waits, and comes next. So shares differ by one at most, however many are sent at once. What a
rule refuses takes no turn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, cast, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, values_of
from kith.nouns.resource import Attempt
from sales.lead_queues.form import lead_queues


@dataclass
class Turn:
    members: Sequence[UUID]
    turn: int
    gives_out: bool
    is_moved: bool = False


@dataclass
class Turns:
    connection: AsyncConnection
    tenant: str
    queues: Mapping[UUID, Turn]

    def arguments(self, given: Input) -> Mapping[str, Any]:
        queue = self._given_out_by(given)
        return {} if queue is None else {"next_owner": queue.members[queue.turn % len(queue.members)]}

    def accepted(self, given: Input, _: Aggregate) -> None:
        if (queue := self._given_out_by(given)) is not None:
            queue.turn, queue.is_moved = queue.turn + 1, True

    async def flush(self) -> None:
        c = lead_queues.c
        for id, queue in self.queues.items():
            if queue.is_moved:
                moved = update(lead_queues).where(c.tenant_id == self.tenant, c.id == id).values(turn=queue.turn)
                await self.connection.execute(moved)

    def _given_out_by(self, given: Input) -> Turn | None:
        """Returns the queue that says whose the lead is; None: the input says it, or names none."""
        queue: UUID | None = getattr(given, "queue_id", None)
        if queue is None or getattr(given, "owner_id", None) is not None:
            return None
        found = self.queues.get(queue)
        return found if found is not None and found.gives_out else None


async def turns(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Turns:
    c = lead_queues.c
    wanted = sorted(values_of((given for given, _ in asked), "queue_id"))
    rows = (
        select(c.id, c.members, c.turn, c.gives_out)
        .where(c.tenant_id == tenant, c.id == any_(cast(wanted, ARRAY(Uuid))))
        .order_by(c.id)
        .with_for_update(key_share=True)
    )
    found = await connection.execute(rows) if wanted else ()
    return Turns(connection, tenant, {row.id: Turn(row.members, row.turn, row.gives_out) for row in found})
