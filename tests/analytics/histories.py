"""Histories: many events of many kinds, as several years of several customers would leave them."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from kith.events.contacts import CustomerAmended, CustomerCreated, CustomerMerged, CustomerUnmerged
from kith.events.envelope import Envelope
from kith.events.event import Event
from kith.events.exchanges import TouchpointRecorded
from kith.events.named_users import named_user
from kith.events.sales import (
    OpportunityAdvanced,
    OpportunityAmended,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWon,
    OrderPlaced,
    OrderReturned,
)
from kith.events.service_desk import CaseOpened, CaseReopened, CaseResolved
from kith.events.subscriptions import SubscriptionPaused, SubscriptionStarted, SubscriptionStep
from kith.ids import new_id

STARTS_AT = datetime(2011, 1, 1, tzinfo=UTC)
DAYS = 900


def history(tenant: str, size: int, chance: random.Random, *, customers: int | None = None) -> list[Envelope]:
    """`size` events, in the order in which they were recorded, a second apart. Merges and unmerges are among them, and
    some events happened long before they were recorded."""
    known = [new_id() for _ in range(customers or max(2, size // 12))]
    courses = _courses(known, chance)
    envelopes: list[Envelope] = []
    recorded_at = STARTS_AT + timedelta(days=DAYS)
    while len(envelopes) < size:
        subject, customer, steps = next(courses)
        time = STARTS_AT + timedelta(days=DAYS * chance.random(), microseconds=chance.randrange(1000))
        for version, event in steps:
            envelopes.append(_envelope(event, tenant, subject, customer, version, time, recorded_at))
            time += timedelta(hours=chance.randrange(1, 400))
    del envelopes[size:]
    # Aggregates go on beside each other; each one's own events keep their order.
    by_subject: dict[UUID, list[Envelope]] = {}
    order = list(envelopes)
    chance.shuffle(order)
    for each in envelopes:
        by_subject.setdefault(each.subject, []).append(each)
    queues = {subject: iter(course) for subject, course in by_subject.items()}
    mixed = [next(queues[each.subject]) for each in order]
    return [
        msgspec.structs.replace(each, recorded_at=recorded_at + timedelta(seconds=place))
        for place, each in enumerate(mixed)
    ]


def _courses(known: list[UUID], chance: random.Random) -> Iterator[tuple[UUID, UUID | None, list[tuple[int, Event]]]]:
    """What happens to one aggregate: whose it is, and its events with their versions."""
    for customer in known:
        yield customer, customer, _record(known, customer, chance)
    while True:
        of = chance.choice(known) if chance.random() < 0.98 else None
        kind = chance.random()
        if kind < 0.7:
            yield new_id(), of, [(1, _order(chance))]
        elif kind < 0.74:
            yield new_id(), of, list(enumerate(_subscription(chance), start=1))
        elif kind < 0.8:
            yield new_id(), of, [(1, TouchpointRecorded(channel="email", direction="inbound", outcome="a\\b\tc"))]
        elif kind < 0.92:
            yield new_id(), of, list(enumerate(_opportunity(chance), start=1))
        else:
            yield new_id(), of, list(enumerate(_case(chance), start=1))


def _record(known: list[UUID], customer: UUID, chance: random.Random) -> list[tuple[int, Event]]:
    segment = chance.choice(("gold", "silver", None))
    owner = named_user("", segment) if segment else None
    events: list[Event] = [CustomerCreated(kind="person", segment=segment, tags=["a"], owner_id=owner)]
    if chance.random() < 0.3:
        segment = chance.choice(("gold", "silver"))
        owner = named_user("", segment)
        events.append(CustomerAmended(changed=["segment", "owner"], segment=segment, owner_id=owner))
    if chance.random() < 0.06:
        into = chance.choice(known)
        events.append(CustomerMerged(into=into))
        if chance.random() < 0.4:
            events.append(CustomerUnmerged(out_of=into))
    return list(enumerate(events, start=1))


def _order(chance: random.Random) -> Event:
    kind = OrderReturned if chance.random() < 0.05 else OrderPlaced
    return kind(value=Decimal(chance.randrange(1, 100_000)) / 100, currency="EUR", country=chance.choice(("FR", "ES")))


def _opportunity(chance: random.Random) -> list[Event]:
    value = Decimal(chance.randrange(1, 9_000))
    events: list[Event] = [OpportunityOpened(stage="prospecting", currency="EUR", owner_id=new_id(), value=value)]
    events.append(OpportunityAdvanced(stage="engaging", from_stage="prospecting"))
    if chance.random() < 0.5:
        events.append(OpportunityAmended(changed=["value"], value=value + 1))
    if chance.random() < 0.6:
        events.append(OpportunityWon(from_stage="engaging", value=value, currency="EUR"))
    else:
        events.append(OpportunityLost(from_stage="engaging", reason='too "dear"'))
    return events


def _subscription(chance: random.Random) -> list[Event]:
    """Started, and turned up to three times, each time with another course from then on."""
    day, mrr = STARTS_AT + timedelta(days=chance.randrange(DAYS)), Decimal(chance.randrange(100))
    of: dict[str, Any] = {"plan": "pro", "seats": 2, "unit_price": mrr / 2, "billing_period": "monthly"}
    steps = [SubscriptionStep(starts_at=day, status="active", mrr=mrr, **of)]
    events: list[Event] = [
        SubscriptionStarted(currency="EUR", starts_at=day, mrr=mrr, steps=steps, auto_renew=True, **of)
    ]
    for _ in range(chance.randrange(4)):
        day += timedelta(days=chance.randrange(1, 90))
        status = chance.choice(("active", "paused", "ended"))
        steps = [*steps, SubscriptionStep(starts_at=day, status=status, mrr=mrr * (status == "active"), **of)]
        events.append(SubscriptionPaused(effective_at=day, mrr=steps[-1].mrr, currency="EUR", steps=steps, **of))
    return events


def _case(chance: random.Random) -> list[Event]:
    of: dict[str, Any] = {"priority": "low", "channel": "email"}
    events: list[Event] = [CaseOpened(state="new", **of)]
    for times in range(1 + (chance.random() < 0.2)):
        if times:
            events.append(CaseReopened(state="open", from_state="resolved", reopened_count=times, **of))
        met = chance.random() < 0.5
        events.append(
            CaseResolved(state="resolved", from_state="new", seconds_to_resolve=3600, sla_met=met, **of),
        )
    return events


def _envelope(
    event: Event, tenant: str, subject: UUID, customer: UUID | None, version: int, time: datetime, recorded_at: datetime
) -> Envelope:
    return Envelope(
        id=new_id(),
        source=event.type.partition(".")[0],
        type=event.type,
        subject=subject,
        time=time,
        tenant_id=tenant,
        customer_id=customer,
        aggregate_version=version,
        recorded_at=recorded_at,
        traceparent=None,
        data=msgspec.json.encode(event),
    )
