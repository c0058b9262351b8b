"""What sales does with what happens in the other services, and here: a task for each that a playbook asks for, and its
reactions. And it notes whose the contacts and the runs of playbooks are, which its records name, and who the people of
the tenants are."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.consumer import Subscription
from kith.consumer.positions import keep_watermarks
from kith.custom.keeping import keeping_fields
from kith.customers.known import keeping_customers, keeping_merges
from kith.customers.stating import ContactStated
from kith.events.analytics import ActionRequested
from kith.events.catalogue import current
from kith.events.contacts import ContactCreated, ContactErased, ContactMerged, ContactUnmerged
from kith.events.envelope import Envelope
from kith.nouns.elsewhere import Known, in_turn, noting
from kith.outbox.relay import topic_of
from kith.people.directory import keeping
from kith.reactions.creating import Body, creating, run_of
from kith.reactions.reacting import Reacting
from sales.erasing import ERASING
from sales.reactions import REACTIONS
from sales.tables import idempotency, known_contacts, known_customers, known_runs, outbox, people
from sales.tasks.form import TASKS

_STANDS_FOR_ITSELF = ContactStated()


def task_for(envelope: Envelope, action: ActionRequested) -> Body | None:
    if action.kind != "task":
        return None
    return {
        "external_id": f"playbook-action:{envelope.subject}",
        "title": action.title,
        "customer_id": envelope.customer_id,
        "owner_id": action.owner_id,
        "due_at": action.due_at,
        "reason": action.trigger,
        "explanation": action.explanation,
        "playbook_id": action.playbook_id,
        "run_id": action.run_id,
    }


create_tasks = creating(TASKS, ActionRequested, task_for, source="sales", outbox=outbox, idempotency=idempotency)


def contact_of(known: Envelope, stated: ContactStated = _STANDS_FOR_ITSELF) -> Known:
    return {"id": known.subject} | msgspec.structs.asdict(stated)


async def mark_erased(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
    """A contact that is erased is named by nothing new."""
    c = known_contacts.c
    for each in envelopes:
        if current(each.type) == ContactErased.type:
            it = update(known_contacts).where(c.tenant_id == each.tenant_id, c.id == each.subject)
            await connection.execute(it.values(erased_at=each.recorded_at))


def stated_contact(stated: Envelope) -> Known:
    return contact_of(stated, msgspec.json.decode(stated.data, type=ContactStated))


# One of before is known by its merge at the latest: what names it is given to the other by that.
note_contacts = noting(
    known_contacts,
    {ContactCreated.type: contact_of, ContactMerged.type: contact_of, ContactStated.type: stated_contact},
)
keep_merged_contacts = keeping_merges(known_contacts, ContactMerged, ContactUnmerged)
REACTING = Reacting(REACTIONS, source="sales", outbox=outbox, idempotency=idempotency)
note_runs = noting(known_runs, {ActionRequested.type: run_of})
SUBSCRIPTIONS = (
    Subscription(
        "sales",
        (topic_of("analytics"), topic_of("contacts"), topic_of("sales")),
        in_turn(
            keep_watermarks,
            keeping(people),
            keeping_customers(known_customers),
            keeping_fields("sales"),
            note_contacts,
            keep_merged_contacts,
            mark_erased,
            note_runs,
            create_tasks,
            REACTING.handler,
            ERASING.handler,
        ),
    ),
)
