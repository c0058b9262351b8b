"""Gives records the commands that follow from events: each once, a few in the transaction of the subscription."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from uuid import UUID

from prometheus_client import Counter, Gauge
from sqlalchemy import Table, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.consumer import Handler
from kith.consumer.tracing import event_span
from kith.db.connections import acting_for
from kith.events import actors
from kith.events.catalogue import current, decode
from kith.events.envelope import Envelope
from kith.nouns.batch import carry_out
from kith.nouns.calls import By, Call
from kith.reach import EVERYONE
from kith.reactions import pending, refused
from kith.reactions.declared import Reaction
from kith.reactions.refused import RefusedReaction
from kith.runtime.tasks import Task
from kith.runtime.turns import Turns

REACTED = Counter(
    "kith_reactions_total",
    "Commands that records were given because of an event, by what became of them: `done`, or `refused` by the rules",
    ["noun", "command", "outcome"],
)


PENDING = Gauge(
    "kith_reactions_pending",
    "Events of all tenants because of which more records wait for a command, or it is looked for some once more",
    ["noun", "command"],
)
AT_A_TIME = 300
"""Records that a transaction gives commands; they are locked meanwhile."""


class Reacting:
    """Carries out what follows from events, of one service.

    A command is remembered by the event and the record: however often the event is delivered, it is given once. The
    actor is the event. What the rules refuse is noted (kith.reactions.refused), and holds up nothing. What is of more
    records than a few is noted (kith.reactions.pending), and a task of the worker does it, tenants in turn.
    """

    def __init__(self, reactions: Sequence[Reaction], *, source: str, outbox: Table, idempotency: Table) -> None:
        self._by_type = defaultdict[str, dict[tuple[str, str], Reaction]](dict)
        for each in reactions:
            self._by_type[each.event.type][each.resource.name, each.command.name] = each
        self._given = sorted({key for of_type in self._by_type.values() for key in of_type})
        self._tables = {"outbox": outbox, "idempotency": idempotency}
        self._source = source

    @property
    def handler(self) -> Handler:
        async def handle(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
            # Metrics begin with zero, where reactions are: in workers.
            for key, outcome in product(self._given, ("done", "refused")):
                REACTED.labels(*key, outcome)
            left = AT_A_TIME
            for envelope in envelopes:
                for key, reaction in self._by_type.get(current(envelope.type), {}).items():
                    # One by one: each belongs to the trace of its own event.
                    with event_span(envelope, f"{reaction.command.name} {reaction.resource.name}"):
                        ids = await _ids(connection, envelope, reaction, most=left + 1)
                        if later := len(ids) <= left:
                            await self._give(connection, envelope, reaction, ids)
                            left -= len(ids)
                        if reaction.again or not later:
                            again = reaction.again and not later
                            await pending.note(connection, envelope, *key, again=again, later=later)

        return handle

    def tasks(self) -> tuple[Task, Task]:
        """Returns those that carry out, and count, what is pending. Any number of workers may do so."""
        w = pending.TABLE.c
        # Of a worker that is newer there may be others.
        mine = tuple_(w.noun, w.command).in_(self._given)
        turns = Turns(select(w.tenant_id).where(pending.IS_DUE, mine))

        async def step(engine: AsyncEngine) -> bool:
            async with engine.begin() as connection:
                if (tenant := await turns.next(connection)) is None:
                    return False
                row = (await connection.execute(pending.due(tenant).where(mine))).one_or_none()
                if row is None:  # another worker has it
                    return False
                envelope = pending.envelope_of(row)
                reaction = self._by_type[current(envelope.type)][row.noun, row.command]
                with event_span(envelope, f"{row.command} {row.noun}"):
                    ids = await _ids(connection, envelope, reaction, most=AT_A_TIME, after=row.after)
                    await self._give(connection, envelope, reaction, ids)
                await pending.go_on(connection, row, ids[-1] if len(ids) == AT_A_TIME else None)
            return True

        async def report(engine: AsyncEngine) -> bool:
            async with engine.connect() as connection:
                found = await pending.waiting(connection)
            for key in self._given:
                PENDING.labels(*key).set(found.get(key, 0))
            return False

        return Task("reactions", step, seconds=1), Task("pending reactions", report, seconds=15)

    async def _give(
        self, connection: AsyncConnection, envelope: Envelope, reaction: Reaction, ids: Sequence[UUID]
    ) -> None:
        if not ids:
            return
        resource, command = reaction.resource, reaction.command
        key, given = f"reaction/{envelope.id}/{command.name}", reaction.input(envelope)
        calls = [Call(command, given, id=id, remembered=True, once=f"{key}/{id}") for id in ids]
        async with acting_for(connection, envelope.tenant_id) as transaction:
            by = By(actors.event(envelope.id), EVERYONE)
            outcomes, now = await carry_out(transaction, resource, calls, source=self._source, by=by, **self._tables)
            refusals = [
                RefusedReaction.of(envelope, resource, command, id, outcome.error, now)
                for id, outcome in zip(ids, outcomes, strict=True)
                if outcome.error is not None
            ]
            await refused.note(connection, envelope.tenant_id, refusals)
        REACTED.labels(resource.name, command.name, "done").inc(len(outcomes) - len(refusals))
        REACTED.labels(resource.name, command.name, "refused").inc(len(refusals))


async def _ids(
    connection: AsyncConnection, envelope: Envelope, reaction: Reaction, *, most: int, after: UUID | None = None
) -> Sequence[UUID]:
    """Returns those of the records that follow, by their ids."""
    id = reaction.resource.table.c.id
    rows = (await reaction.to(connection, envelope, decode(envelope, reaction.event))).order_by(id).limit(most)
    return (await connection.scalars(rows if after is None else rows.where(id > after))).all()
