"""The services, as far as the bus knows them: events of the published language, each aggregate's in its versions.

What is drawn is a wish. What its aggregate does not allow now becomes something that it does allow, so that no draw is
for nothing. Moments and windows are round numbers: edges meet often.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from tests.analytics.conftest import at, happened

from kith.events.contacts import (
    ActivityPolicy,
    ActivityRule,
    CustomerAmended,
    CustomerCreated,
    CustomerMerged,
    CustomerUnmerged,
    SettingsChanged,
)
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
from kith.events.service_desk import (
    CaseAssigned,
    CaseClosed,
    CaseEscalated,
    CaseOpened,
    CaseReopened,
    CaseResolved,
    CaseStarted,
    CaseWaiting,
)
from kith.events.subscriptions import SubscriptionChanged, SubscriptionStarted, SubscriptionStep
from kith.ids import uuid7_floor

BEGIN = at("2011-01-01")
CUSTOMERS = tuple(UUID(int=0xC00 + number) for number in range(4))  # of three partitions
SEGMENTS = ("gold", "silver", None)
STAGES = ("prospecting", "engaging", "proposing", "negotiating")
CASE_STEPS = {
    "new": (CaseStarted, CaseResolved, CaseWaiting, CaseEscalated),
    "open": (CaseResolved, CaseWaiting, CaseAssigned),
    "pending": (CaseStarted, CaseResolved),
    "resolved": (CaseReopened, CaseClosed),
    "closed": (CaseReopened,),
}
CASE_STATES = {
    CaseStarted: "open",
    CaseWaiting: "pending",
    CaseResolved: "resolved",
    CaseClosed: "closed",
    CaseReopened: "open",
}


class Traded(NamedTuple):
    customer: UUID | None
    time: datetime
    value: Decimal
    returned: bool


class Touched(NamedTuple):
    customer: UUID
    time: datetime
    direction: str
    responded: bool | None


class Dealt(NamedTuple):
    """With one of the opportunities there are, or a new one."""

    which: int
    customer: UUID | None
    time: datetime
    pause: timedelta
    step: int
    value: Decimal | None
    word: str


class Served(NamedTuple):
    """One of the cases there are, or a new one."""

    which: int
    customer: UUID | None
    time: datetime
    pause: timedelta
    step: int


class Subscribed(NamedTuple):
    """To one of the subscriptions there are, whose course is said anew, or to a new one."""

    which: int
    customer: UUID | None
    time: datetime
    pause: timedelta
    step: int
    value: Decimal | None


class Known(NamedTuple):
    """A customer's record was made, or amended."""

    customer: UUID
    time: datetime
    pause: timedelta
    segment: str | None
    tags: list[str]
    referred_by: UUID | None


class Merged(NamedTuple):
    """Or, where `into` is the customer itself, unmerged."""

    customer: UUID
    into: UUID
    time: datetime
    pause: timedelta


class Decided(NamedTuple):
    """The tenant's settings."""

    time: datetime
    pause: timedelta
    zone: str


Thing = Traded | Touched | Dealt | Served | Subscribed | Known | Merged | Decided

THING = 8
"""Bytes that say a thing: to draw it field by field takes Hypothesis longer than all the rest of a run."""
_PAUSES = (timedelta(0), timedelta(hours=5), timedelta(days=1), timedelta(days=20))
_VALUES = (Decimal(10), Decimal("99.99"), Decimal(0), None)


def things_in(drawn: bytes) -> list[Thing]:
    return [_thing(drawn[start : start + THING]) for start in range(0, len(drawn) - THING + 1, THING)]


def _thing(drawn: bytes) -> Thing:  # noqa: PLR0911 - one for each kind of thing
    kind, who, other, day, hours, which, step, value = drawn
    customer, maybe = CUSTOMERS[who % 4], (*CUSTOMERS, *CUSTOMERS, None)[who % 9]
    time = BEGIN + timedelta(days=5 * (day % 61), hours=3 * (hours & 1))
    pause = _PAUSES[(hours >> 1) % 4]
    match "tttoooodddduuusssskkmmmz"[kind % 24]:
        case "t":
            return Traded(maybe, time, _VALUES[value % 3] or Decimal(0), step % 3 == 2)
        case "o":
            return Touched(customer, time, ("inbound", "outbound")[step % 2], (None, True, False)[value % 3])
        case "d":
            return Dealt(which % 4, maybe, time, pause, step % 6, _VALUES[value % 4], ("ann", "bob")[other % 2])
        case "s":
            return Served(which % 4, maybe, time, pause, step % 6)
        case "u":
            return Subscribed(which % 3, maybe, time, pause, step % 4, _VALUES[value % 4])
        case "k":
            referrer = (None, *CUSTOMERS)[other % 5]
            return Known(customer, time, pause, SEGMENTS[step % 3], ["a", "b"][: value % 3], referrer)
        case "m":
            return Merged(customer, CUSTOMERS[other % 4], time, pause)
        case _:
            return Decided(time, pause, ("UTC", "America/New_York")[step % 2])


@dataclass
class Course:
    """An aggregate, as far as its next event depends on it."""

    subject: UUID
    customer: UUID | None
    time: datetime
    version: int = 0
    phase: str = ""
    clock: datetime = BEGIN
    fields: dict[str, Any] = field(default_factory=dict)


class Services:
    """Of one tenant."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.opportunities: list[Course] = []
        self.cases: list[Course] = []
        self.subscriptions: list[Course] = []
        self.customers: dict[UUID, Course] = {}
        self.settings = Course(UUID(int=0x5E7), None, BEGIN)
        self.published = 0

    def publish(self, thing: Thing) -> list[Envelope]:  # noqa: PLR0911 - one for each kind of thing
        match thing:
            case Traded(customer, time, value, returned):
                kind = OrderReturned if returned else OrderPlaced
                return [self._once(kind(value=value, currency="EUR"), customer, time)]
            case Touched(customer, time, direction, responded):
                touch = TouchpointRecorded(channel="phone", direction=direction, responded=responded)
                return [self._once(touch, customer, time)]
            case Dealt():
                return [self._deal(thing)]
            case Served():
                return [self._serve(thing)]
            case Subscribed():
                return [self._subscribe(thing)]
            case Known():
                return [self._know(thing)]
            case Merged():
                return self._merge(thing)
            case Decided(time, pause, zone):
                policy = ActivityPolicy(ActivityRule([OrderPlaced.type], 90))
                return [self._next(self.settings, SettingsChanged(time_zone=zone, activity=policy), time, pause)]

    def _deal(self, thing: Dealt) -> Envelope:
        it = _one_of(self.opportunities, thing.which)
        if it is None or it.phase in ("won", "lost"):
            it = Course(self._new_id(), thing.customer, thing.time, phase=STAGES[thing.step % 4])
            self.opportunities.append(it)
            opened = OpportunityOpened(
                stage=it.phase, currency="EUR", owner_id=named_user("", thing.word), value=thing.value
            )
            return self._next(it, opened, thing.time, thing.pause)
        left = it.phase
        match thing.step:
            case 0:
                changed = OpportunityAmended(changed=["value"], value=thing.value)
                return self._next(it, changed, it.time, thing.pause)
            case 1:
                changed = OpportunityAmended(
                    changed=["owner"], owner_id=named_user("", thing.word) if thing.value else None
                )
                return self._next(it, changed, it.time, thing.pause)
            case 2 | 3:
                it.phase = STAGES[(STAGES.index(left) + thing.step - 1) % 4]
                return self._next(it, OpportunityAdvanced(stage=it.phase, from_stage=left), it.time, thing.pause)
            case 4:
                it.phase = "won"
                won = OpportunityWon(from_stage=left, value=thing.value or Decimal(7), currency="EUR")
                return self._next(it, won, it.time, thing.pause)
            case _:
                it.phase = "lost"
                return self._next(it, OpportunityLost(from_stage=left), it.time, thing.pause)

    def _serve(self, thing: Served) -> Envelope:
        it = _one_of(self.cases, thing.which)
        if it is None:
            it = Course(self._new_id(), thing.customer, thing.time, phase="new", clock=thing.time)
            it.fields = {"priority": "low", "channel": "email"}
            self.cases.append(it)
            return self._next(it, CaseOpened(state="new", **it.fields), thing.time, timedelta(0))
        left, steps = it.phase, CASE_STEPS[it.phase]
        kind: Any = steps[thing.step % len(steps)]
        it.phase = CASE_STATES.get(kind, left)
        fields: dict[str, Any] = {"from_state": left} if kind in CASE_STATES else {}
        now = it.time + thing.pause
        if kind is CaseReopened:
            it.clock, fields["reopened_count"] = now, 1
        elif kind is CaseResolved:
            seconds = int((now - it.clock).total_seconds())
            fields |= {"seconds_to_resolve": seconds, "sla_met": (None, True, False)[thing.which % 3]}
        elif kind is CaseWaiting:
            fields["reason"] = "customer"
        elif kind is CaseEscalated:
            fields["from_priority"], it.fields["priority"] = it.fields["priority"], "high"
        elif kind is CaseAssigned:
            fields["from_queue"], it.fields["queue"] = it.fields.get("queue"), f"queue {thing.which}"
        return self._next(it, kind(state=it.phase, **it.fields, **fields), it.time, thing.pause)

    def _subscribe(self, thing: Subscribed) -> Envelope:
        """Its steps are dated before the event and after it."""
        it, mrr = _one_of(self.subscriptions, thing.which), thing.value or Decimal(0)
        of: dict[str, Any] = {"plan": "pro", "seats": 1, "unit_price": mrr, "billing_period": "monthly"}
        days = [thing.time + timedelta(days=30 * number) for number in range(-1, thing.step)]
        statuses = ("active", ("active", "paused", "ended", "trial")[thing.step], "active", "ended")
        steps = [
            SubscriptionStep(starts_at=day, status=status, mrr=mrr if status == "active" else Decimal(0), **of)
            for day, status in zip(days, statuses, strict=False)
        ]
        if it is None:
            it = Course(self._new_id(), thing.customer, thing.time)
            self.subscriptions.append(it)
            started = SubscriptionStarted(
                currency="EUR", starts_at=days[0], mrr=mrr, steps=steps, auto_renew=True, **of
            )
            return self._next(it, started, thing.time, timedelta(0))
        turned = SubscriptionChanged(effective_at=thing.time, mrr=mrr, currency="EUR", steps=steps, **of)
        return self._next(it, turned, it.time, thing.pause)

    def _know(self, thing: Known) -> Envelope:
        it, fields = self.customers.get(thing.customer), thing._asdict()
        if it is None:
            return self._create(thing.customer, thing.time, **{name: fields[name] for name in _RECORDED})
        changed = [name for name in _RECORDED if fields[name] != it.fields[name]] or ["kind"]
        it.fields |= {name: fields[name] for name in _RECORDED}
        news = {name: fields[name] for name in changed if name in fields and fields[name] is not None}
        if "segment" in changed:
            changed, news["owner_id"] = [*changed, "owner"], _owner(thing.segment)
        return self._next(it, CustomerAmended(changed=changed, **news), it.time, thing.pause)

    def _merge(self, thing: Merged) -> list[Envelope]:
        """Of what the services know; it need not have come by the same partition."""
        made = [
            self._create(each, thing.time, segment=None, tags=[], referred_by=None)
            for each in {thing.customer: None, thing.into: None}
            if each not in self.customers
        ]
        it = self.customers[thing.customer]
        event: Event = CustomerMerged(into=thing.into)
        if thing.into == thing.customer:
            if not it.phase:
                return made
            event = CustomerUnmerged(out_of=UUID(it.phase))
        it.phase = "" if thing.into == thing.customer else str(thing.into)
        return [*made, self._next(it, event, it.time, thing.pause)]

    def _create(self, customer: UUID, time: datetime, **fields: Any) -> Envelope:
        it = self.customers[customer] = Course(customer, customer, time, fields=fields)
        created = CustomerCreated(kind="person", owner_id=_owner(fields["segment"]), **fields)
        return self._next(it, created, time, timedelta(0))

    def _once(self, event: Event, customer: UUID | None, time: datetime) -> Envelope:
        return self._next(Course(self._new_id(), customer, time), event, time, timedelta(0))

    def _next(self, it: Course, event: Event, time: datetime, pause: timedelta) -> Envelope:
        it.time, it.version = max(time, it.time) + pause, it.version + 1
        return happened(
            event,
            self.tenant,
            it.time,
            it.customer,
            id=self._new_id(),
            subject=it.subject,
            aggregate_version=it.version,
            recorded_at=it.time,
        )

    def _new_id(self) -> UUID:
        """The same in every run of the same draws."""
        self.published += 1
        return UUID(int=_FIRST_ID + self.published)


_RECORDED = ("segment", "tags", "referred_by")
_FIRST_ID = uuid7_floor(BEGIN).int


def _owner(segment: str | None) -> UUID | None:
    """Returns whose the customers of a segment are: it changes hands with the segment."""
    return named_user("", segment) if segment else None


def _one_of(courses: list[Course], which: int) -> Course | None:
    """One in a few is new."""
    return courses[which % len(courses)] if courses and which else None
