"""Facts: each event with how its aggregate stood after it.

An event tells what changed; a figure needs what held: whose the opportunity was when it was won, how long it had been
in the stage it left. So every event of an aggregate is folded onto the one before it, by version, and becomes one fact,
which holds until the next. What is folded follows from the published language alone, the same for every noun: an event
type that comes later needs nothing here.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple
from uuid import UUID

from kith.events.catalogue import EVENTS
from kith.events.envelope import Amended, Event

PHASES = ("stage", "state")
"""The fields that say where an aggregate is on its way."""
CLOCK_STARTS = frozenset({"created", "opened", "reopened"})
"""Verbs from which an aggregate's clock runs, or runs anew."""
_FOUNDING = frozenset({"created", "opened", "placed", "returned", "recorded", "amended", "changed"})


class Customer(NamedTuple):
    tenant_id: str
    id: UUID


class RecordedEvent(NamedTuple):
    """An event, its body decoded."""

    tenant_id: str
    event_id: UUID
    type: str
    subject: UUID
    version: int
    time: datetime
    customer_id: UUID | None
    body: Mapping[str, Any]


class Fact(NamedTuple):
    """`state` is what the event told, over what still held of what was told before."""

    tenant_id: str
    event_id: UUID
    type: str
    subject: UUID
    version: int
    time: datetime
    until: datetime | None
    """When the aggregate's next event happened. None: it still stands so."""
    customer_id: UUID | None
    amount: str | None
    """A decimal, as it was told."""
    currency: str | None
    phase: str | None
    phase_since: datetime | None
    clock_since: datetime
    state: Mapping[str, Any]


def noun_of(type: str) -> str:
    """`sales.opportunity.won.v1` is of an opportunity."""
    return _parts(type)[1]


def verb_of(type: str) -> str:
    return _parts(type)[2]


def _parts(type: str) -> list[str]:
    """The ledger takes any type; one that is not named like ours is a noun of its own."""
    parts = type.split(".")
    return parts if len(parts) > 2 else ["", type, ""]


def _attributes() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for type, kind in EVENTS.items():
        if verb_of(type) in _FOUNDING:
            found.setdefault(noun_of(type), set()).update(kind.__struct_fields__)
    return {noun: frozenset(names - {"changed"}) for noun, names in found.items()}


_ATTRIBUTES = _attributes()
"""Per noun what holds until something else is told; all else is of its event only."""
_MOST = Decimal(10) ** 16
"""What a record holds is below."""
_TYPES: dict[str, list[str]] = {}
for _type in EVENTS:
    _TYPES.setdefault(noun_of(_type), []).append(_type)
SINGLE = frozenset(types[0] for types in _TYPES.values() if len(types) == 1 and verb_of(types[0]) != "changed")
"""Event types of nouns to which nothing happens a second time."""


def attributes_of(noun: str) -> frozenset[str]:
    """The fields that hold until something else is told."""
    return _ATTRIBUTES.get(noun, frozenset())


def types_of(noun: str) -> tuple[str, ...]:
    return tuple(_TYPES[noun])


def fact_of(event: RecordedEvent, before: Fact | None = None) -> Fact:
    """The fact that an event makes of the one before it."""
    if before is None:  # by far the most are: the first event tells all there is
        state, clock, phase = event.body, event.time, _phase(event.body)
        since: datetime | None = event.time
    else:
        state = told = _told(event, before)
        phase = _phase(told)
        moved = phase != before.phase
        since = event.time if moved else before.phase_since
        clock = event.time if verb_of(event.type) in CLOCK_STARTS else before.clock_since
        told["seen"] = [*before.state.get("seen", [verb_of(before.type)]), verb_of(event.type)]
        if moved and before.phase_since is not None:
            told["seconds_in_phase"] = _seconds(event.time - before.phase_since)
            told["from_phase"] = before.phase
        told["seconds_since_start"] = _seconds(event.time - before.clock_since)
    return Fact(
        event.tenant_id,
        event.event_id,
        event.type,
        event.subject,
        event.version,
        event.time,
        None,
        event.customer_id or (before.customer_id if before else None),
        _amount(state),
        state.get("currency"),
        phase,
        since if phase is not None else None,
        clock,
        state,
    )


def facts_of(events: Iterable[RecordedEvent], before: Fact | None = None) -> list[Fact]:
    """The facts of one aggregate's events, in the order of versions, after the fact that stood before them.
    The last one is open; `before` itself is not among them."""
    facts: list[Fact] = []
    last = before
    for event in events:
        if facts:
            facts[-1] = facts[-1]._replace(until=event.time)
        last = fact_of(event, last)
        facts.append(last)
    return facts


def _told(event: RecordedEvent, before: Fact) -> dict[str, Any]:
    attributes = attributes_of(noun_of(event.type))
    state = {name: value for name, value in before.state.items() if name in attributes}
    kind = EVENTS.get(event.type)
    if kind is not None:
        # What a type could tell and does not was cleared; an amendment names what it cleared.
        for name in event.body.get("changed", ()) if issubclass(kind, Amended) else _fields(kind):
            state.pop(name, None)
    state.update(event.body)
    state.pop("changed", None)
    if "from_stage" in event.body and "stage" not in event.body:
        state["stage"] = verb_of(event.type)
    return state


def _fields(kind: type[Event]) -> tuple[str, ...]:
    return kind.__struct_fields__


def _amount(state: Mapping[str, Any]) -> str | None:
    """Of money, which is told as text; a reading's value is a number of its signal's own unit. What no record can hold
    is no amount: not a number, say, in an event of before amounts were checked."""
    value = state.get("value")
    if not isinstance(value, str):
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        return None
    return value if amount.is_finite() and abs(amount) < _MOST else None


def _phase(state: Mapping[str, Any]) -> str | None:
    return state.get("stage") or state.get("state")


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
