"""Gives records the commands that follow from events: each once, in the transaction of the subscription."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import product

from prometheus_client import Counter
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.consumer import Handler
from kith.consumer.tracing import event_span
from kith.db.connections import acting_for
from kith.events import actors
from kith.events.catalogue import current, decode
from kith.events.envelope import Envelope
from kith.nouns.batch import carry_out
from kith.nouns.calls import By, Call
from kith.reach import EVERYONE
from kith.reactions import refused
from kith.reactions.declared import Reaction
from kith.reactions.refused import RefusedReaction

REACTED = Counter(
    "kith_reactions_total",
    "Commands that records were given because of an event, by what became of them: `done`, or `refused` by the rules",
    ["noun", "command", "outcome"],
)


def reacting(reactions: Sequence[Reaction], *, source: str, outbox: Table, idempotency: Table) -> Handler:
    """Returns a handler that carries out what follows from events, in their order.

    A command is remembered by the event and the record: however often the event is delivered, it is given once. The
    actor is the event. What the rules refuse is noted (kith.reactions.refused), and holds up nothing.
    """
    by_type = defaultdict[str, list[Reaction]](list)
    for each in reactions:
        by_type[each.event.type].append(each)

    async def handle(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        # Metrics begin with zero, where reactions are: in workers.
        for each, outcome in product(reactions, ("done", "refused")):
            REACTED.labels(each.resource.name, each.command.name, outcome)
        for envelope in envelopes:
            for reaction in by_type.get(current(envelope.type), ()):
                # One by one: each belongs to the trace of its own event.
                with event_span(envelope, f"{reaction.command.name} {reaction.resource.name}"):
                    await _react(connection, envelope, reaction)

    async def _react(connection: AsyncConnection, envelope: Envelope, reaction: Reaction) -> None:
        resource, command = reaction.resource, reaction.command
        ids = await reaction.to(connection, envelope, decode(envelope, reaction.event))
        if not ids:
            return
        key, given = f"reaction/{envelope.id}/{command.name}", reaction.input(envelope)
        calls = [Call(command, given, id=id, remembered=True, once=f"{key}/{id}") for id in ids]
        async with acting_for(connection, envelope.tenant_id) as transaction:
            outcomes, now = await carry_out(
                transaction,
                resource,
                calls,
                source=source,
                outbox=outbox,
                idempotency=idempotency,
                by=By(actors.event(envelope.id), EVERYONE),
            )
            refusals = [
                RefusedReaction.of(envelope, resource, command, id, outcome.error, now)
                for id, outcome in zip(ids, outcomes, strict=True)
                if outcome.error is not None
            ]
            await refused.note(connection, envelope.tenant_id, refusals)
        REACTED.labels(resource.name, command.name, "done").inc(len(outcomes) - len(refusals))
        REACTED.labels(resource.name, command.name, "refused").inc(len(refusals))

    return handle
