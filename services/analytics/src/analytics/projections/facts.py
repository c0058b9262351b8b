"""Facts: each event with the state of its aggregate after it.

An event records what changed; a figure needs what held: whose the opportunity was when it was won, how long it had been
in the stage it left. So every event of an aggregate is folded onto the one before it, by version, and becomes one fact,
which holds until the next. What is folded follows from what the events declare, the same for every noun: an event type
that comes later needs nothing here. An event that the catalogue does not have is a fact all the same: the ledger takes
any type. It is of the noun that its type names, keeps what that noun's aggregates have, and starts no clock.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple, Self
from uuid import UUID

import msgspec

from kith.events.catalogue import EVENTS, NAMING_USERS, NEWER, NOUNS, upcast
from kith.events.event import Amended

PHASES = ("stage", "state")
"""The fields that hold the phase of an aggregate."""
_MOST = Decimal(10) ** 16
"""The upper bound, exclusive, of an amount that a record can hold."""
_NONE: frozenset[str] = frozenset()
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Customer(NamedTuple):
    tenant_id: str
    id: UUID


Survivors = Mapping[Customer, UUID]
"""The survivor that each merged customer stands for now."""


class RecordedEvent(NamedTuple):
    """An event, its body decoded, both in the newest version of its type."""

    tenant_id: str
    event_id: UUID
    type: str
    subject: UUID
    version: int
    time: datetime
    customer_id: UUID | None
    body: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        tenant_id: str,
        event_id: UUID,
        type: str,
        subject: UUID,
        version: int,
        time: datetime,
        customer_id: UUID | None,
        data: bytes | str,
    ) -> Self:
        """Decodes an event from the form in which it was published."""
        body = _decode(data)
        if type in NEWER or type in NAMING_USERS:
            type, body = upcast(tenant_id, type, body)
        return cls(tenant_id, event_id, type, subject, version, time, customer_id, body)


class Fact(NamedTuple):
    """`state` is the event's body over what still holds of the bodies before it."""

    tenant_id: str
    event_id: UUID
    type: str
    subject: UUID
    version: int
    time: datetime
    until: datetime | None
    """When the aggregate's next event happened. None: there is none yet."""
    customer_id: UUID | None
    amount: str | None
    """A decimal, in the text that was published."""
    currency: str | None
    phase: str | None
    phase_since: datetime | None
    clock_since: datetime
    state: Mapping[str, Any]


def noun_of(type: str) -> str:
    """Returns `service.noun` of the aggregate: `sales.return` of `sales.order.returned.v1`."""
    kind = EVENTS.get(type)
    return kind.noun if kind is not None else ".".join(_parts(type)[:2])


def verb_of(type: str) -> str:
    return _parts(type)[2]


def word_of(type: str) -> str:
    """Returns the noun that the type itself names: `order`, of `sales.order.returned.v1`."""
    return _parts(type)[1]


@lru_cache(1024)
def _parts(type: str) -> Sequence[str]:
    parts = type.split(".")
    return parts if len(parts) > 2 else ("", type, "")  # its name does not follow our scheme: a noun of its own


def attributes_of(noun: str) -> frozenset[str]:
    """Returns the fields that hold until another event changes them."""
    return NOUNS[noun].attributes if noun in NOUNS else _NONE


def types_of(noun: str) -> tuple[str, ...]:
    return NOUNS[noun].types


def stands_alone(event: RecordedEvent) -> bool:
    """Whether its aggregate has no other events, so that its fact is made without reading others."""
    kind = EVENTS.get(event.type)
    return event.version == 1 and kind is not None and NOUNS[kind.noun].happens_once


def fact_of(event: RecordedEvent, before: Fact | None = None) -> Fact:
    """Returns the fact that an event makes of the one before it."""
    if before is None:  # the common case: the first event carries the whole state
        state, clock, phase = event.body, event.time, _phase(event.body)
        since: datetime | None = event.time
    else:
        state = after = _state_after(event, before)
        phase = _phase(after)
        moved = phase != before.phase
        since = event.time if moved else before.phase_since
        kind = EVENTS.get(event.type)
        clock = event.time if kind is not None and kind.starts_clock else before.clock_since
        after["seen"] = [*before.state.get("seen", [verb_of(before.type)]), verb_of(event.type)]
        if moved and before.phase_since is not None:
            after["seconds_in_phase"] = _seconds(event.time - before.phase_since)
            after["from_phase"] = before.phase
        after["seconds_since_start"] = _seconds(event.time - before.clock_since)
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


def concerned(fact: Fact) -> Iterator[UUID]:
    """Yields the customers whose figures depend on the fact: its own, and the one that referred it."""
    if fact.customer_id is not None:
        yield fact.customer_id
    if (referrer := fact.state.get("referred_by")) is not None:
        yield UUID(str(referrer))


def facts_of(events: Iterable[RecordedEvent], before: Fact | None = None) -> list[Fact]:
    """Returns the facts of one aggregate's events, in the order of versions, that follow the fact before them. The last
    one is open; `before` itself is not among them."""
    facts: list[Fact] = []
    last = before
    for event in events:
        if facts:
            facts[-1] = facts[-1]._replace(until=event.time)
        last = fact_of(event, last)
        facts.append(last)
    return facts


def _state_after(event: RecordedEvent, before: Fact) -> dict[str, Any]:
    attributes = attributes_of(noun_of(event.type))
    state = {name: value for name, value in before.state.items() if name in attributes}
    kind = EVENTS.get(event.type)
    if kind is not None:
        # A field that the type declares and the event lacks was cleared; an amendment names the fields that it cleared.
        for name in event.body.get("changed", ()) if issubclass(kind, Amended) else kind.__struct_encode_fields__:
            state.pop(name, None)
    state.update(event.body)
    state.pop("changed", None)
    if "from_stage" in event.body and "stage" not in event.body:
        state["stage"] = verb_of(event.type)
    return state


def _amount(state: Mapping[str, Any]) -> str | None:
    """Returns an amount of money, which is published as text; a reading's value is a number in its signal's own unit. A
    value that no record can hold is no amount: not a number, say, in an event from before amounts were checked."""
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
