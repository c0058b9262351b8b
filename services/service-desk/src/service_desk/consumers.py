"""What service-desk does with what happens in the other services: a case for each that a playbook asks for. And it
notes whose the contacts and the runs of playbooks are, which cases name, and who the people of the tenants are."""

from kith.consumer import Subscription
from kith.consumer.positions import keep_watermarks
from kith.custom.keeping import keeping_fields
from kith.customers.known import keeping_customers, keeping_merges
from kith.events.analytics import ActionRequested
from kith.events.contacts import ContactCreated, ContactMerged, ContactUnmerged
from kith.events.envelope import Envelope
from kith.nouns.elsewhere import in_turn, noting
from kith.nouns.reactions import Body, creating, run_of
from kith.outbox.relay import topic_of
from kith.people.directory import keeping
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
note_contacts = noting(known_contacts, {ContactCreated.type: lambda envelope: {"id": envelope.subject}})
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
            note_runs,
            open_cases,
            ERASING.handler,
        ),
    ),
)
