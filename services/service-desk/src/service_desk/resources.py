"""The nouns of service-desk, each as one filled-in form."""

from kith.resource import Follows, Resource
from service_desk.commands import cases
from service_desk.domain.case import Case
from service_desk.queries.cases import CaseView
from service_desk.storage import tables

CASES = Resource(
    "case",
    "cases",
    Case,
    tables.cases,
    CaseView,
    cases.COMMANDS,
    filters=("customer_id", "state", "priority", "assignee", "queue", "run_id", "playbook_id"),
    follows={
        "contact_id": Follows(tables.known_contacts.c.id, ("customer_id",), on_sight=True),
        "run_id": Follows(tables.known_runs.c.id, ("customer_id", "playbook_id"), on_sight=True),
    },
)
