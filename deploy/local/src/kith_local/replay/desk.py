"""Incident log of a service desk: each row is one audit entry of a case. Customers, contacts, cases and their
transitions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from kith_local.replay.cells import BadRow, instant, some_text
from kith_local.replay.commands import CASES, CONTACTS, CUSTOMERS, USERS, DataSet, Mapped, Reference
from kith_local.replay.files import Row, Source, Tables

TIMES = ("%d-%m-%Y %H:%M", "%d/%m/%Y %H:%M")
UNKNOWN = ("", "?")
UNKNOWN_LOCATION = "Location not known"
AWAITING = "Awaiting "
PRIORITIES = ("critical", "high", "moderate", "low")
CHANNELS = {"phone": "phone", "ivr": "phone", "email": "email", "self service": "web", "direct opened": "web"}
SETTLED = ("Resolved", "Closed")
TICK = timedelta(seconds=1)


class Decision(StrEnum):
    READING = "Times are read day-month-year, UTC"
    CUSTOMER = "A location is an organisation, from its first case on"
    CALLER = "A caller is a contact, named by its number, from its first case on, of the location of that"
    SEVERAL_LOCATIONS = "... with cases of several locations: it has a role at each, first at the first"
    NO_LOCATION = "A case whose location is '?' is of its caller's; a caller of none other is of one that is not known"
    MOVED = "... whose last location is not its first: no command changes it"
    RESOLVER = "Who is named in assigned_to is a user of the tenant, from the first case on"
    NO_CALLER = "A case whose caller is '?' has no contact"
    CASE = "A case opens at opened_at with its first row's values; subject = category and symptom"
    FIRST_STATE = "... whose first row is past New: it opens, and the transition to that state follows"
    CATEGORY_UNSAID = "... whose last category is not its first: no command changes it"
    TRANSITION = "A change of incident_state is a transition at sys_updated_at"
    ASSIGNED = "A change of assignment_group or assigned_to is assign; to '?' is no change"
    ASSIGNED_UNSAID = "... made after the case was settled: not sent, a settled case is assigned to nobody new"
    ESCALATED = "A higher priority is escalate"
    PRIORITY_UNSAID = (
        "... whose last priority is lower than before, or changed after it was settled: no command says it"
    )
    ENTRY = "A row that changes none of these: an audit entry, nothing is sent"
    BACK_TO_NEW = "... from Active or Awaiting back to New: no command says it, it stays what it was"
    WAITING = "Awaiting X: wait, with X as the reason"
    REOPENED = "Resolved or Closed to anything before: reopen"
    UNRESOLVED_CLOSE = "Closed without having been Resolved: resolved at the same time"
    TIME_BACK = "A row timed before the case's last: that time is taken, as a case's times never go back"
    SAME_MINUTE = "... the same command twice in a minute: the second a second later, to differ from the first"
    VERDICT = "made_sla of the case's last row is carried with its last resolution: the log knows only on closing"
    BREACHED = "... FALSE: the SLA was missed"
    NO_VERDICT = "... a resolution that was reopened has no verdict"
    RESOLVED_AT = "resolved_at is not used: the audit row's time is; where the two differ"
    CLOSED_AT = "closed_at is not used: the audit row's time is; where the two differ"


@dataclass(frozen=True, slots=True)
class Entry:
    row: Row
    number: str
    state: str
    opened: datetime
    updated: datetime
    caller: str | None
    location: str | None
    priority: str
    channel: str
    assigned: dict[str, Any]

    @classmethod
    def of(cls, row: Row) -> "Entry":
        return cls(
            row=row,
            number=some_text(row, "number"),
            state=_state(row),
            opened=instant(row, "opened_at", *TIMES),
            updated=instant(row, "sys_updated_at", *TIMES),
            caller=_known(row, "caller_id"),
            location=_known(row, "location"),
            priority=_priority(row),
            channel=_channel(row),
            assigned=_assigned(row),
        )


def _assigned(row: Row) -> dict[str, Any]:
    resolver, queue = _known(row, "assigned_to"), _known(row, "assignment_group")
    found = {"assignee_id": resolver and Reference(USERS, resolver), "queue": queue}
    return {name: value for name, value in found.items() if value}


def _state(row: Row) -> str:
    state = row["incident_state"]
    if state not in ("New", "Active", "Resolved", "Closed") and not state.startswith(AWAITING):
        raise BadRow("incident_state", "is no state of a case", state)
    return state


def _priority(row: Row) -> str:
    priority = row["priority"].rpartition(" - ")[2].lower()
    if priority not in PRIORITIES:
        raise BadRow("priority", f"is none of {', '.join(PRIORITIES)}", row["priority"])
    return priority


def _channel(row: Row) -> str:
    if (channel := CHANNELS.get(row["contact_type"].lower())) is None:
        raise BadRow("contact_type", f"is none of {', '.join(CHANNELS)}", row["contact_type"])
    return channel


def _known(row: Row, column: str) -> str | None:
    return None if row[column] in UNKNOWN else row[column]


def map_desk(tables: Tables) -> Mapped:
    mapped = Mapped()
    cases: dict[str, list[Entry]] = {}
    for row in tables[LOG.name]:
        with mapped.mapping(row):
            entry = Entry.of(row)
            cases.setdefault(entry.number, []).append(entry)
            mapped.decide(Decision.READING)
    _resolvers(cases, mapped)
    locations = _locations(cases, mapped)
    for number, entries in cases.items():
        _open(entries, locations[number], mapped)
        _Course(entries, mapped).carry_out()
    return mapped


def _resolvers(cases: dict[str, list[Entry]], mapped: Mapped) -> None:
    """Invited when the first case was opened: whom the log names later was there already, for all that it says."""
    entries = [entry for each in cases.values() for entry in each]
    began = min((entry.opened for entry in entries), default=None)
    first = {user.external_id: entry for entry in reversed(entries) if (user := entry.assigned.get("assignee_id"))}
    for name, entry in first.items():
        assert began is not None
        mapped.invite(entry.row, name, began)
    mapped.decide(Decision.RESOLVER, len(first))


def _locations(cases: Mapping[str, Sequence[Entry]], mapped: Mapped) -> dict[str, str]:
    """Sends the locations and their callers. Returns the location that each case is of."""
    firsts = sorted((entries[0] for entries in cases.values()), key=lambda entry: entry.opened)
    of_caller: dict[str, dict[str, Entry]] = {}
    for entry in firsts:
        if entry.caller and entry.location:
            of_caller.setdefault(entry.caller, {}).setdefault(entry.location, entry)
    found: dict[str, str] = {}
    callers: dict[str, Entry] = {}
    locations: dict[str, Entry] = {}
    for entry in firsts:
        first_of_caller = next(iter(of_caller.get(entry.caller or "", ())), UNKNOWN_LOCATION)
        found[entry.number] = entry.location or first_of_caller
        locations.setdefault(found[entry.number], entry)
        if entry.caller:
            callers.setdefault(entry.caller, entry)
        mapped.decide(Decision.NO_LOCATION, entry.location is None)
    for location, entry in locations.items():
        mapped.add(CUSTOMERS, entry.row, location, entry.opened, kind="organisation", name=location)
    for caller, entry in callers.items():
        at_each = list(of_caller.get(caller, [found[entry.number]]))
        mapped.add(CONTACTS, entry.row, caller, entry.opened, **_contact(caller, at_each))
        mapped.decide(Decision.SEVERAL_LOCATIONS, len(at_each) > 1)
    mapped.decide(Decision.CUSTOMER, len(locations))
    mapped.decide(Decision.CALLER, len(callers))
    return found


def _contact(caller: str, locations: Sequence[str]) -> dict[str, Any]:
    first, *others = (Reference(CUSTOMERS, each) for each in locations)
    about: dict[str, Any] = {"customer_id": first, "name": caller}
    if others:
        about["roles"] = [{"customer_id": each, "primary": each is first} for each in (first, *others)]
    return about


def _open(entries: Sequence[Entry], location: str, mapped: Mapped) -> None:
    entry = entries[0]
    row = entry.row
    known = [value for column in ("category", "u_symptom") if (value := _known(row, column))]
    mapped.add(
        CASES,
        row,
        entry.number,
        entry.opened,
        customer_id=Reference(CUSTOMERS, location),
        contact_id=Reference(CONTACTS, entry.caller) if entry.caller else None,
        subject=", ".join(known) or entry.number,
        priority=entry.priority,
        channel=entry.channel,
        category=_known(row, "category"),
        **entry.assigned,
    )
    mapped.decide(Decision.CASE)
    mapped.decide(Decision.NO_CALLER, entry.caller is None)
    mapped.decide(Decision.MOVED, entries[-1].location != entry.location)
    mapped.decide(Decision.FIRST_STATE, entry.state != "New")


@dataclass(slots=True)
class _Course:
    """Of one case: what its audit entries say became of it, in the file's order, which is the log's."""

    entries: Sequence[Entry]
    mapped: Mapped
    state: str = "New"
    at: datetime = field(init=False)
    priority: str = field(init=False)
    assigned: dict[str, Any] = field(init=False)
    said: set[tuple[str, datetime]] = field(default_factory=set)

    def __post_init__(self) -> None:
        first = self.entries[0]
        self.at, self.priority, self.assigned = first.opened, first.priority, first.assigned

    def carry_out(self) -> None:
        verdict = self._last_resolution()
        for entry in self.entries:
            sent_before, at_before = len(self.said), self.at
            steps = () if entry.state == self.state else _steps(self.state, entry.state)
            if steps:
                self._count(steps, entry)
            # What a settled case is changed to can be said only once it is open again.
            if self.state not in SETTLED:
                self._change(entry)
            for step in steps:
                self._add(entry, step, **self._details(step, entry, knows_verdict=entry is verdict))
                if step == "reopen":
                    self._change(entry)
            sent = len(self.said) > sent_before
            self.mapped.decide(Decision.TIME_BACK, sent and entry.updated < at_before.replace(second=0))
            self.mapped.decide(Decision.ENTRY, not sent)
            if steps or entry.state == self.state:
                self.state = entry.state
            else:
                self.mapped.decide(Decision.BACK_TO_NEW)
        self._count_unsaid()

    def _change(self, entry: Entry) -> None:
        """Priority and assignment, as far as they have changed and a command says it."""
        if PRIORITIES.index(entry.priority) < PRIORITIES.index(self.priority):
            self.priority = entry.priority
            self._add(entry, "escalate", priority=entry.priority)
            self.mapped.decide(Decision.ESCALATED)
        if changed := dict(entry.assigned.items() - self.assigned.items()):
            self.assigned = self.assigned | changed
            self._add(entry, "assign", **changed)
            self.mapped.decide(Decision.ASSIGNED)

    def _add(self, entry: Entry, verb: str, **fields: object) -> None:
        self.at = max(self.at, entry.updated)
        while (verb, self.at) in self.said:
            # The API knows a command sent again by its name and time: two of a minute would be one.
            self.at += TICK
            self.mapped.decide(Decision.SAME_MINUTE)
        self.said.add((verb, self.at))
        self.mapped.add(CASES, entry.row, entry.number, self.at, verb, **fields)

    def _details(self, step: str, entry: Entry, *, knows_verdict: bool) -> dict[str, object]:
        if step == "wait":
            return {"reason": entry.state.removeprefix(AWAITING).lower()}
        if step != "resolve":
            return {}
        code = _known(entry.row, "closed_code")
        self.mapped.decide(Decision.NO_VERDICT, not knows_verdict)
        return {"resolution_code": code, "sla_met": self._verdict() if knows_verdict else None}

    def _last_resolution(self) -> Entry | None:
        states = ["New", *(entry.state for entry in self.entries)]
        resolving = [
            entry
            for before, entry in zip(states, self.entries, strict=False)
            if before != entry.state and "resolve" in _steps(before, entry.state)
        ]
        return resolving[-1] if resolving else None

    def _verdict(self) -> bool:
        met = self.entries[-1].row["made_sla"].upper() == "TRUE"
        self.mapped.decide(Decision.VERDICT)
        self.mapped.decide(Decision.BREACHED, not met)
        return met

    def _count(self, steps: Sequence[str], entry: Entry) -> None:
        self.mapped.decide(Decision.TRANSITION)
        self.mapped.decide(Decision.WAITING, "wait" in steps)
        self.mapped.decide(Decision.REOPENED, "reopen" in steps)
        self.mapped.decide(Decision.UNRESOLVED_CLOSE, steps == ("resolve", "close"))
        for step, column, decision in (
            ("resolve", "resolved_at", Decision.RESOLVED_AT),
            ("close", "closed_at", Decision.CLOSED_AT),
        ):
            if step == steps[-1] and (value := _known(entry.row, column)):
                self.mapped.decide(decision, value != entry.row["sys_updated_at"])

    def _count_unsaid(self) -> None:
        last = self.entries[-1]
        self.mapped.decide(Decision.PRIORITY_UNSAID, last.priority != self.priority)
        self.mapped.decide(Decision.ASSIGNED_UNSAID, bool(last.assigned.items() - self.assigned.items()))
        self.mapped.decide(Decision.CATEGORY_UNSAID, last.row["category"] != self.entries[0].row["category"])


def _steps(before: str, after: str) -> tuple[str, ...]:
    """The commands that bring a case from one state to another; none if none can."""
    was_done = before in SETTLED
    match after:
        case "Active":
            return ("reopen",) if was_done else ("start",)
        case "New":
            return ("reopen",) if was_done else ()
        case "Resolved":
            return ("reopen", "resolve") if was_done else ("resolve",)
        case "Closed":
            return ("close",) if before == "Resolved" else ("resolve", "close")
        case _:
            return ("reopen", "wait") if was_done else ("wait",)


LOG = Source(
    "servicenow_incident_log.csv",
    (
        "number",
        "incident_state",
        "made_sla",
        "caller_id",
        "opened_at",
        "sys_updated_at",
        "contact_type",
        "location",
        "category",
        "u_symptom",
        "priority",
        "assignment_group",
        "assigned_to",
        "closed_code",
        "resolved_at",
        "closed_at",
    ),
)
DESK = DataSet("desk", (LOG,), Decision, map_desk)
