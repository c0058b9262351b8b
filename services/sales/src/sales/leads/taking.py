"""Leads that wait in a queue are taken by its members: each by one of them, however many ask at once."""

from uuid import UUID

from sqlalchemy import select

from kith.errors import Forbidden, Invalid, NotFound
from kith.http.app import Context
from kith.http.auth import Actor
from kith.nouns.access import reach_to_write
from kith.nouns.batch import carry_out
from kith.nouns.calls import Answer, By, Call
from kith.reach import EVERYONE
from sales.lead_queues.form import lead_queues
from sales.leads.form import LEADS, AssignLead, leads
from sales.leads.rules import LeadState
from sales.tables import idempotency, outbox

_ASSIGN = next(each for each in LEADS.commands if each.name == "assign")
_OPEN = [state for state in LeadState if state.is_open]


async def take(context: Context, actor: Actor, queue_id: UUID, owner_id: UUID) -> Answer | None:
    """Gives the lead that has waited longest to a member of the queue; None: none waits. Raises NotFound for a queue,
    Invalid for somebody who is no member, and Forbidden for one out of reach."""
    if not reach_to_write(actor, "sales", LEADS).has(owner_id):
        raise Forbidden("Leads are taken for users within reach.")
    q, c = lead_queues.c, leads.c
    queue = select(q.members).where(q.tenant_id == actor.tenant, q.id == queue_id, q.archived_at.is_(None))
    waiting = (
        select(c.id)
        .where(c.tenant_id == actor.tenant, c.queue_id == queue_id, c.owner_id.is_(None), c.state.in_(_OPEN))
        .where(c.archived_at.is_(None), c.erased_at.is_(None), c.state != LeadState.CONVERTING)
        .order_by(c.created_at, c.id)
        .limit(1)
        .with_for_update(skip_locked=True, key_share=True)
    )
    async with context.database.write(actor.tenant) as transaction:
        members = await transaction.connection.scalar(queue)
        if members is None:
            raise NotFound.of("lead queue", queue_id)
        if owner_id not in members:
            raise Invalid("It is a member of the queue.", field="owner_id")
        if (id := await transaction.connection.scalar(waiting)) is None:
            return None
        call = Call(_ASSIGN, AssignLead(owner_id=owner_id, queue_id=None), id=id)
        # Whom nobody has yet is within nobody's reach.
        by = By(actor.id, EVERYONE)
        (outcome,), recorded_at = await carry_out(
            transaction, LEADS, [call], source="sales", outbox=outbox, idempotency=idempotency, by=by
        )
        if outcome.error is not None:
            raise outcome.error
        assert outcome.aggregate is not None
        return Answer(LEADS.view_of(outcome.aggregate), recorded_at)
