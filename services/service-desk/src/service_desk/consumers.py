"""What service-desk does with what happens in the other services: a case for each that a playbook asks for. And it
notes whose the contacts and the runs of playbooks are, which cases name, and who the people of the tenants are."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kith.consumer import Subscription
from kith.consumer.positions import keep_watermarks
from kith.custom.keeping import keeping_fields
from kith.customers.known import keeping_customers, keeping_merges
from kith.db.statements import update_many
from kith.events.analytics import ActionRequested
from kith.events.catalogue import current, decode
from kith.events.contacts import ContactAmended, ContactCreated, ContactMerged, ContactUnmerged
from kith.events.envelope import Envelope
from kith.nouns.elsewhere import Known, in_turn, noting
from kith.outbox.relay import topic_of
from kith.people.directory import keeping
from kith.reactions.creating import Body, creating, run_of
from service_desk.cases.form import CASES
from service_desk.cases.rules import CaseChannel
from service_desk.erasing import ERASING
from service_desk.tables import idempotency, known_contacts, known_customers, known_runs, outbox, people


def case_for(envelope: Envelope, action: ActionRequested) -> Body | None:
    if action.kind != "case":
        return None
    return {
        "external_id": f"playbook-action:{envelope.subject}",
        "subject": action.title,
        "customer_id": envelope.customer_id,
        "priority": action.priority,
        "channel": CaseChannel.PLAYBOOK,
        "category": action.category,
        "queue": action.queue,
        "assignee_id": action.owner_id,
        "explanation": action.explanation,
        "playbook_id": action.playbook_id,
        "run_id": action.run_id,
    }


open_cases = creating(CASES, ActionRequested, case_for, source="service-desk", outbox=outbox, idempotency=idempotency)


def contact_of(created: Envelope) -> Known:
    return {"id": created.subject, "role_at": _role_at(decode(created, ContactCreated))}


async def keep_roles(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
    """Keeps at which customers the contacts have roles. Of one that takes over another's they are not known."""
    found: dict[str, dict[UUID, list[str] | None]] = {}
    for each in envelopes:
        of_tenant = found.setdefault(each.tenant_id, {})
        if (type := current(each.type)) == ContactMerged.type:
            of_tenant[decode(each, ContactMerged).into] = None
        elif type == ContactAmended.type and "roles" in (amended := decode(each, ContactAmended)).changed:
            of_tenant[each.subject] = _role_at(amended)
    # In the order of keys, like all writes, so that no two transactions deadlock.
    for tenant, contacts in sorted(found.items()):
        rows = [{"id": id, "role_at": contacts[id]} for id in sorted(contacts)]
        await update_many(connection, known_contacts, tenant, rows)


def _role_at(event: ContactCreated | ContactAmended) -> list[str]:
    return [str(each.customer_id) for each in event.roles]


note_contacts = noting(known_contacts, {ContactCreated.type: contact_of})
keep_merged_contacts = keeping_merges(known_contacts, ContactMerged, ContactUnmerged)
note_runs = noting(known_runs, {ActionRequested.type: run_of})
SUBSCRIPTIONS = (
    Subscription(
        "service-desk",
        (topic_of("analytics"), topic_of("contacts")),
        in_turn(
            keep_watermarks,
            keeping(people),
            keeping_customers(known_customers),
            keeping_fields("service-desk"),
            note_contacts,
            keep_merged_contacts,
            keep_roles,
            note_runs,
            open_cases,
            ERASING.handler,
        ),
    ),
)
