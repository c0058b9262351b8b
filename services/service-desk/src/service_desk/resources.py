"""The nouns of service-desk, each as one filled-in form."""

from kith.nouns.resource import Follows, Resource
from service_desk import tables
from service_desk.cases import commands as cases
from service_desk.cases.rules import Case
from service_desk.cases.views import CaseView

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
