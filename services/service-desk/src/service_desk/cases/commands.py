"""What can be done with a case."""

from kith.nouns.inputs import Input, NewInput
from kith.nouns.resource import Command
from kith.scalars import Code, Flag, Id, Text
from service_desk.cases.rules import Case, CaseChannel, Priority


class OpenCase(NewInput):
    customer_id: Id | None = None
    contact_id: Id | None = None
    subject: Text
    priority: Priority = Priority.MODERATE
    channel: CaseChannel
    category: Code | None = None
    queue: Code | None = None
    assignee: Code | None = None
    explanation: Text | None = None
    playbook_id: Id | None = None
    run_id: Id | None = None


class StartCase(Input):
    assignee: Code | None = None


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
    assignee: Code | None = None
    queue: Code | None = None


COMMANDS = (
    Command("open", OpenCase, Case.open),
    Command("start", StartCase, Case.start),
    Command("wait", WaitCase, Case.wait),
    Command("resolve", ResolveCase, Case.resolve),
    Command("close", CloseCase, Case.close),
    Command("reopen", ReopenCase, Case.reopen),
    Command("escalate", EscalateCase, Case.escalate),
    Command("assign", AssignCase, Case.assign),
)
