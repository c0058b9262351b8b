"""The form of a case: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Boolean, Column, Index, Integer, Uuid

from kith.db.owned import owned_by
from kith.db.tables import ERASED_TOO, FORMER, Moment, aggregate_table, one_of
from kith.nouns.inputs import UNSENT, Amendment, Archive, CustomValues, Input, NewInput, Restore
from kith.nouns.resource import ArchivableView, Command, Follows, One, Resource, personal
from kith.scalars import Code, Flag, Id, Text
from service_desk.cases.rules import Case, CaseChannel, CaseState, Priority
from service_desk.tables import CUSTOMER, USER, known_contacts, known_runs, metadata


class OpenCase(NewInput):
    customer_id: Id | None = None
    contact_id: Id | None = None
    subject: Text
    priority: Priority = Priority.MODERATE
    channel: CaseChannel
    category: Code | None = None
    queue: Code | None = None
    assignee_id: Id | None = None
    explanation: Text | None = None
    playbook_id: Id | None = None
    run_id: Id | None = None
    custom: CustomValues = Field(default_factory=dict)
    custom_personal: CustomValues = Field(default_factory=dict)


class AmendCase(Amendment):
    subject: Text = UNSENT
    category: Code | None = UNSENT
    custom: CustomValues = UNSENT
    custom_personal: CustomValues = UNSENT


class StartCase(Input):
    assignee_id: Id | None = None


class WaitCase(Input):
    reason: Code


class ResolveCase(Input):
    sla_met: Flag | None = None
    resolution_code: Code | None = None


class CloseCase(Input):
    pass


class ReopenCase(Input):
    reason: Code | None = None


class EscalateCase(Input):
    priority: Priority


class AssignCase(Input):
    assignee_id: Id | None = None
    queue: Code | None = None


cases = aggregate_table(
    "cases",
    metadata,
    Column("contact_id", Uuid),
    Column("subject", TEXT, comment="null: it was erased"),
    Column("priority", one_of(Priority), nullable=False),
    Column("channel", one_of(CaseChannel), nullable=False),
    Column("category", TEXT),
    Column("queue", TEXT),
    Column("assignee", TEXT, info={FORMER: "assignee_id"}),
    Column("assignee_id", Uuid),
    Column("state", one_of(CaseState), nullable=False),
    Column("pending_reason", TEXT),
    Column("first_responded_at", Moment),
    Column("reopened_at", Moment),
    Column("reopened_count", Integer, nullable=False),
    Column("resolved_at", Moment),
    Column("closed_at", Moment),
    Column("sla_met", Boolean),
    Column("resolution_code", TEXT),
    Column("explanation", TEXT, info={ERASED_TOO: True}),
    Column("playbook_id", Uuid),
    Column("run_id", Uuid),
    customer_owned=True,
    told=("contact_id",),
    archivable=True,
    customisable=True,
    listed_by=(
        "state",
        "priority",
        "channel",
        "category",
        "assignee",
        "assignee_id",
        "queue",
        "contact_id",
        "resolved_at",
        "playbook_id",
    ),
)
owned_by(cases, "assignee_id")
Index("cases_by_run", cases.c.tenant_id, cases.c.run_id, postgresql_where=cases.c.run_id.is_not(None))


@dataclass(slots=True)
class CaseView(ArchivableView):
    customer_id: UUID | None
    contact_id: UUID | None
    priority: Priority
    channel: CaseChannel
    category: str | None
    queue: str | None
    assignee_id: UUID | None
    state: CaseState
    pending_reason: str | None
    first_responded_at: datetime | None
    reopened_at: datetime | None
    reopened_count: int
    resolved_at: datetime | None
    closed_at: datetime | None
    sla_met: bool | None
    resolution_code: str | None
    explanation: str | None
    playbook_id: UUID | None
    run_id: UUID | None
    custom: dict[str, Any]
    subject: str | None = personal()
    custom_personal: dict[str, Any] | None = personal()


CASES = Resource(
    "case",
    "cases",
    Case,
    cases,
    CaseView,
    (
        Command("open", OpenCase, Case.open),
        Command("amend", AmendCase, Case.amend),
        Command("start", StartCase, Case.start),
        Command("wait", WaitCase, Case.wait),
        Command("resolve", ResolveCase, Case.resolve),
        Command("close", CloseCase, Case.close),
        Command("reopen", ReopenCase, Case.reopen),
        Command("escalate", EscalateCase, Case.escalate),
        Command("assign", AssignCase, Case.assign),
        Command("archive", Archive, Case.archive),
        Command("restore", Restore, Case.restore, of_archived=True),
    ),
    filters=(
        "customer_id",
        "contact_id",
        "state",
        "priority",
        "channel",
        "category",
        "assignee_id",
        "queue",
        "resolved_at",
        "run_id",
        "playbook_id",
    ),
    searched=("subject",),
    unpublished={
        "explanation": "A path that follows from the run.",
        "reopened_count": "None yet when it opens; from then on its events say it.",
    },
    follows={
        "customer_id": CUSTOMER,
        "assignee_id": USER,
        "contact_id": Follows(known_contacts.c.id, ("customer_id",), or_one_of=known_contacts.c.role_at, on_sight=True),
        "run_id": Follows(known_runs.c.id, ("customer_id", "playbook_id"), on_sight=True),
    },
    relations=(One("customer", many="cases"), One("assignee", to="user", many="cases")),
)
