"""What sales does with what happens in the other services: a task for each that a playbook asks for. And it notes whose
the runs of playbooks are, which tasks name, and who the people of the tenants are."""

from kith.consumer import Subscription
from kith.consumer.positions import keep_watermarks
from kith.custom.keeping import keeping_fields
from kith.customers.known import keeping_customers
from kith.events.analytics import ActionRequested
from kith.events.envelope import Envelope
from kith.nouns.elsewhere import in_turn, noting
from kith.nouns.reactions import Body, creating, run_of
from kith.outbox.relay import topic_of
from kith.people.directory import keeping
from sales.erasing import ERASING
from sales.tables import idempotency, known_customers, known_runs, outbox, people
from sales.tasks.form import TASKS


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
note_runs = noting(known_runs, {ActionRequested.type: run_of})
SUBSCRIPTIONS = (
    Subscription(
        "sales",
        (topic_of("analytics"), topic_of("contacts")),
        in_turn(
            keep_watermarks,
            keeping(people),
            keeping_customers(known_customers),
            keeping_fields("sales"),
            note_runs,
            create_tasks,
            ERASING.handler,
        ),
    ),
)
