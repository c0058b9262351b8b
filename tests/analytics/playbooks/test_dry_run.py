"""What a dry run says is what happened live, with the same events: the same runs, of the same customers, at the same
instants, left alone or suppressed alike."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, happened
from tests.analytics.playbooks.scenarios import document, runs, started

from analytics.health.explain.reads import explanations
from analytics.health.scores.rescoring import process_score_queue, score_due
from analytics.health.scores.tables import health_scores
from analytics.playbooks.daily import GRACE, scan
from analytics.playbooks.dry_run import would_run
from analytics.playbooks.firing import Firing
from analytics.playbooks.plan import Plan
from analytics.playbooks.runs import fire
from analytics.playbooks.tables import playbook_days
from analytics.projections.snapshot import within
from kith.errors import Conflict
from kith.events.analytics import HealthModelPublished, ReadingRecorded
from kith.events.contacts import CustomerAmended, CustomerCreated
from kith.events.envelope import Envelope
from kith.events.goals import MilestoneMet, MilestoneMissed, MilestoneSet
from kith.events.sales import OrderPlaced
from kith.events.service_desk import CaseOpened, CaseResolved
from kith.events.subscriptions import SubscriptionStarted
from kith.ids import new_id
from kith.testing import Issuer, Tenant
from sales.subscriptions.rules import Subscription
from sales.subscriptions.values import BillingPeriod

pytestmark = pytest.mark.own_database

DAY = timedelta(days=1)
BUSY = {
    "title": "Who must buy often",
    "audience": {"segments": ["gold"]},
    "measures": [{"id": "recency", "input": "purchase_recency", "weight": 1, "curve": [[0, 100], [20, 0]]}],
    "hysteresis": 1,
}
SIGNAL = new_id()


@pytest.fixture
def us(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(analytics, issuer, tenant)


def a_past(tenant: str, begin: datetime, days: int, customers: int = 30) -> list[Envelope]:
    """What customers of some segments did, in the order of time; their segments change meanwhile, and so do the models
    that score them."""
    random, others, events = Random(11), Random(12), []
    for _ in range(customers):
        id, version, buys = new_id(), 1, random.choice([0.005, 0.02, 0.06])
        segment = random.choice(["gold", "plain", None])
        tags = ["unidentified"] if random.random() < 0.1 else []
        events.append(
            happened(
                CustomerCreated(kind="person", segment=segment, tags=tags, owner_id=new_id()), tenant, begin - DAY, id
            )
        )
        for number in range(days):
            time = begin + (number + random.random()) * DAY
            if random.random() < buys:
                order = OrderPlaced(value=Decimal(random.randint(1, 90)), currency="EUR")
                events.append(happened(order, tenant, time, id))
            if random.random() < 0.02:
                opened, subject = CaseOpened(state="new", priority="low", channel="email"), new_id()
                events.append(happened(opened, tenant, time, id, subject=subject))
                if random.random() < 0.7:
                    resolved = CaseResolved(
                        state="resolved",
                        priority="low",
                        channel="email",
                        from_state="new",
                        seconds_to_resolve=60,
                        sla_met=random.random() < 0.5,
                    )
                    later = time + timedelta(minutes=1)
                    events.append(happened(resolved, tenant, later, id, subject=subject, aggregate_version=2))
            if others.random() < 0.04:
                subject, due = new_id(), time + (begin + days * DAY - time) * others.random()
                events.append(happened(MilestoneSet(state="open", due_at=due), tenant, time, id, subject=subject))
                ends = others.choice([MilestoneMet(state="met", kept=1), MilestoneMissed(state="missed", kept=0)])
                events.append(happened(ends, tenant, due, id, subject=subject, aggregate_version=2))
            if random.random() < 0.15:
                reading = ReadingRecorded(signal_id=SIGNAL, value=random.uniform(0, 10))
                events.append(happened(reading, tenant, time, id))
            if random.random() < 0.01:
                version += 1
                changed = CustomerAmended(changed=["segment"], segment=random.choice(["gold", "plain"]))
                events.append(happened(changed, tenant, time, id, aggregate_version=version))
    return sorted(events, key=lambda each: each.time)


async def simulated(
    worker: AsyncEngine, us: Tenant, playbook: UUID, plan: dict[str, Any], since: datetime, until: datetime
) -> list[Any]:
    async def nowhere(_: int, __: int) -> None:
        pass

    async with worker.connect() as connection:
        firing = Firing(playbook, Plan.from_document(plan))
        found = await would_run(within(connection), us.name, firing, since, until, nowhere)
    return [
        (
            each.trigger_event.at,
            each.trigger_event.customer_id,
            each.state,
            msgspec.to_builtins(each.trigger_event.payload()),
        )
        for each in found
    ]


async def lived(worker: AsyncEngine, us: Tenant, playbook: UUID) -> list[Any]:
    found = [run for run in await runs(worker, us.name) if run.playbook_id == playbook]
    return sorted(((run.at, run.customer_id, run.state, run.trigger) for run in found), key=lambda run: run[:2])


def alike(live: Sequence[Any], dry: Sequence[Any], without: Sequence[str] = ()) -> None:
    def shown(runs: Sequence[Any]) -> list[Any]:
        return [(*run, {k: v for k, v in trigger.items() if k not in without}) for *run, trigger in runs]

    assert shown(live) == shown(dry)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"audience": {"segments": ["gold"]}, "cool_down_days": 30, "control_share": 0.4, "limit_per_day": 1},
    ],
)
async def test_scores_that_dropped(us: Tenant, worker: AsyncEngine, fold: Fold, more: dict[str, Any]) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    since, until = begin + 40 * DAY, begin + 75 * DAY
    plan = document(when={"kind": "score_dropped", "points": 15, "days": 30}, **more)
    await fold(happened(HealthModelPublished(number=1, document=BUSY), us.name, begin))
    playbook = await started(us, since, **{name: plan[name] for name in ("when", *more)})
    events = a_past(us.name, begin, 75, customers=60)
    for number in range(75):
        now = begin + (number + 1) * DAY
        that_day = [each for each in events if now - DAY <= each.time < now]
        await fold(*(each for each in events if each.time < begin) if not number else (), *that_day)
        await looked(worker, now + GRACE)
    live, dry = await lived(worker, us, playbook), await simulated(worker, us, playbook, plan, since, until + DAY / 2)
    alike(live, dry)
    assert len(live) > 5
    if "limit_per_day" in more:
        assert {"suppressed"} < {run[2] for run in live}


async def test_a_day_is_looked_at_once_and_days_that_were_missed_after(
    us: Tenant, worker: AsyncEngine, fold: Fold
) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    since = begin + 40.5 * DAY
    plan = document(when={"kind": "score_dropped", "points": 12, "days": 30})
    playbook = await started(us, since, when=plan["when"])
    await fold(happened(HealthModelPublished(number=1, document=BUSY), us.name, begin), *a_past(us.name, begin, 60))
    await looked(worker, begin + 41 * DAY)
    assert await days(worker, playbook) == [], "it is not looked at the stroke of midnight"
    await asyncio.gather(*(looked(worker, begin + 41 * DAY + GRACE) for _ in range(3)))
    assert await days(worker, playbook) == [date(2026, 2, 11)]
    before = await lived(worker, us, playbook)
    await looked(worker, begin + 44.5 * DAY)
    assert await days(worker, playbook) == [date(2026, 2, day) for day in (11, 12, 13, 14)]
    live = await lived(worker, us, playbook)
    assert len(live) > len(before)
    alike(live, await simulated(worker, us, playbook, plan, since, begin + 44.5 * DAY))
    await us.post(f"/v1/playbooks/{playbook}:stop", {})
    await looked(worker, begin + 50 * DAY)
    assert len(await days(worker, playbook)) == 4


async def test_what_a_new_model_made_of_the_same_facts_is_no_drop(us: Tenant, worker: AsyncEngine, fold: Fold) -> None:
    begin, model = datetime(2026, 1, 1, tzinfo=UTC), new_id()
    fresh, silent = new_id(), new_id()

    def recency(lasts: int) -> dict[str, Any]:
        measure = {"id": "recency", "input": "purchase_recency", "weight": 1, "curve": [[0, 100], [lasts, 0]]}
        return {"title": "m", "measures": [measure], "hysteresis": 0}

    bought = OrderPlaced(value=Decimal(9), currency="EUR")
    await fold(
        happened(HealthModelPublished(number=1, document=recency(200)), us.name, begin, subject=model),
        happened(HealthModelPublished(2, recency(40)), us.name, begin + 59 * DAY, subject=model, aggregate_version=2),
        *(happened(bought, us.name, begin + day * DAY, fresh) for day in (26, 46)),
        happened(bought, us.name, begin + 26 * DAY, silent),
    )
    playbook = await started(us, begin + 58.5 * DAY, when={"kind": "score_dropped", "points": 16, "days": 30})
    midnight = begin + 60 * DAY
    await looked(worker, midnight + GRACE)
    async with worker.connect() as connection:
        now, then = [
            await explanations(connection, us.name, [fresh, silent], at) for at in (midnight, midnight - 30 * DAY)
        ]
    for customer in (fresh, silent):
        before, score = then[customer].score, now[customer].score
        assert before is not None
        assert score is not None
        assert before - score > 30, "as of both instants both have far less"
    (run,) = [run for run in await lived(worker, us, playbook) if run[0] == midnight]
    assert run[1] == silent
    assert run[3]["score"] == pytest.approx(now[silent].score)
    assert run[3]["from_score"] == pytest.approx(then[silent].score)
    # 33 days after its purchase: what is left of 100 by either model.
    assert run[3]["by_model"] == pytest.approx(100 * (1 - 33 / 40) - 100 * (1 - 33 / 200), abs=1e-6)


async def looked(worker: AsyncEngine, now: datetime) -> None:
    while await scan(worker, now):
        pass


async def days(worker: AsyncEngine, playbook: UUID) -> list[date]:
    d = playbook_days.c
    async with worker.connect() as connection:
        return sorted(await connection.scalars(select(d.day).where(d.playbook_id == playbook)))


@pytest.mark.parametrize(
    "when",
    [
        {"kind": "sla_breached"},
        {"kind": "segment_entered", "segments": ["gold"]},
        {"kind": "signal_crossed", "signal": str(SIGNAL), "below": 2.5},
        {"kind": "milestone_missed"},
    ],
)
async def test_events(us: Tenant, worker: AsyncEngine, fold: Fold, when: dict[str, Any]) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    since, until = begin + 20 * DAY, begin + 80 * DAY
    audience = {"segments": ["gold"]}
    async with worker.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO signals (tenant_id, id, version, created_at, updated_at, code, title) "
            "VALUES ($1, $2, 1, now(), now(), 'a', 'A') ON CONFLICT DO NOTHING",
            (us.name, SIGNAL),
        )
    plan = document(when=when, audience=audience, cool_down_days=15, control_share=0.2)
    playbook = await started(us, since, when=when, audience=audience, cool_down_days=15, control_share=0.2)
    events = a_past(us.name, begin, 80)
    for start in range(0, len(events), 7):
        some = events[start : start + 7]
        await fold(*some)
        async with worker.begin() as connection:
            await fire(connection, us.name, [], [(each.id, None) for each in some])
    live = await lived(worker, us, playbook)
    alike(live, await simulated(worker, us, playbook, plan, since, until), without=["event_id"])
    assert len(live) > 3


async def test_bands_that_changed(us: Tenant, worker: AsyncEngine, fold: Fold) -> None:
    """By the worker itself: it comes back after it was away since then."""
    now = datetime.now(UTC)
    begin, since = now - 120 * DAY, now - 80 * DAY
    when = {"kind": "band_changed", "to": ["at_risk", "healthy"]}
    more: dict[str, Any] = {
        "audience": {"segments": ["gold"]},
        "cool_down_days": 20,
        "control_share": 0.3,
        "when": when,
    }
    events = a_past(us.name, begin, 119)
    model = HealthModelPublished(number=1, document=BUSY | {"audience": {}})
    await fold(happened(model, us.name, begin), *events)
    await scored(worker)
    customers = {each.customer_id for each in events if each.customer_id}
    playbook = await started(us, since, **more)
    await away_since(worker, us.name, customers, since)
    await scored(worker)
    live = await lived(worker, us, playbook)
    dry = await simulated(worker, us, playbook, document(**more), since, datetime.now(UTC))
    alike(live, dry, without=["event_id"])
    assert len(live) > 3
    assert {run[3]["cause"] for run in live} == {"silence", "event"}


async def scored(worker: AsyncEngine) -> None:
    for step in (process_score_queue, score_due):
        while await step(worker):
            pass


async def away_since(worker: AsyncEngine, tenant: str, customers: set[UUID], since: datetime) -> None:
    c = health_scores.c
    async with worker.begin() as connection:
        for customer, found in (await explanations(connection, tenant, sorted(customers), since)).items():
            known = {"band": found.band, "score": found.score, "scored_at": since, "due_at": since}
            await connection.execute(
                update(health_scores).where(c.tenant_id == tenant, c.customer_id == customer).values(known)
            )


class Known(NamedTuple):
    """What a subscription said of its renewal."""

    time: datetime
    renews_at: datetime | None


def subscriptions_of(
    tenant: str, begin: datetime, customers: Sequence[UUID], days: int
) -> tuple[list[Envelope], dict[UUID, list[list[Known]]]]:
    """The events of subscriptions that are renewed, cancelled for the end of their terms and reactivated, by the rules
    of sales; and by customer what each of them said of its renewal, in the order of time."""
    random, events, knew = Random(13), list[Envelope](), dict[UUID, list[list[Known]]]()
    for customer in customers:
        knew[customer] = []
        for _ in range(random.randrange(3)):
            at, subject, known = begin - random.random() * 60 * DAY, new_id(), list[Known]()
            of: dict[str, Any] = {"plan": "team", "seats": 1, "unit_price": Decimal(10), "currency": "EUR"}
            of |= {"term_months": random.choice([1, 2, None]), "auto_renew": random.random() < 0.6}
            of |= {"billing_period": BillingPeriod.MONTHLY, "starts_at": None, "trial": False, "trial_ends_at": None}
            taken, event = Subscription.start(id=subject, at=at, **of)
            each: Any = event
            while each is not None and at < begin + days * DAY:
                taken.updated_at = at
                known.append(Known(at, taken.term_ends_at if may_be_renewed(taken, at) else None))
                events.append(happened(each, tenant, at, customer, subject=subject, aggregate_version=len(known)))
                at, each = _next(taken, at, random)
            knew[customer].append(known)
    return events, knew


def may_be_renewed(taken: Subscription, at: datetime) -> bool:
    twin = taken.copy()
    try:
        twin.announce(at=at, renewal_opportunity_id=new_id())
    except Conflict:
        return False
    return True


def _next(taken: Subscription, at: datetime, random: Random) -> tuple[datetime, Any]:
    """What happens to it next, of itself or by somebody; nothing, when there is an end of it."""
    then = at + random.random() * 20 * DAY
    if taken.next_renewal is not None and taken.next_renewal <= then:
        return taken.next_renewal, taken.renew(at=taken.next_renewal, term_months=None)
    if taken.next_end is not None and taken.next_end <= then:
        return taken.next_end, taken.end(at=taken.next_end)
    ended = taken.ends_at is not None and taken.ends_at <= then
    if ended and random.random() < 0.5:
        return then, None
    if ended or (taken.cancel_reason and random.random() < 0.5):
        return then, taken.reactivate(at=then, effective_at=None)
    if not taken.cancel_reason and taken.term_ends_at and random.random() < 0.3:
        return then, taken.cancel(at=then, effective_at=None, at_term_end=True, reason="price")
    return then, taken.change(at=then, effective_at=None, seats=taken.seats + 1)


async def test_renewals_that_are_near(us: Tenant, worker: AsyncEngine, fold: Fold) -> None:
    """Against what the subscriptions themselves said, and what health says of each midnight."""
    begin, long, near = datetime(2026, 1, 1, tzinfo=UTC), 90, 20
    since = begin + 20.5 * DAY
    when = {"kind": "renewal_near", "days": near, "bands": ["at_risk", "steady"]}
    more: dict[str, Any] = {"audience": {"without_tags": []}, "cool_down_days": 25, "control_share": 0.3}
    await fold(happened(HealthModelPublished(number=1, document=BUSY | {"audience": {}}), us.name, begin))
    playbook = await started(us, since, when=when, **more)
    events = a_past(us.name, begin, long, customers=40)
    customers = sorted({each.customer_id for each in events if each.customer_id})
    terms, knew = subscriptions_of(us.name, begin, customers, long)
    whatever: dict[str, Any] = {"plan": "p", "seats": 1, "unit_price": Decimal(1), "billing_period": "month"}
    spoilt = SubscriptionStarted(
        **whatever, currency="EUR", starts_at=begin, mrr=Decimal(1), steps=[], auto_renew=True,
        term_ends_at="never", ends_at="infinity",  # type: ignore[arg-type]
    )  # fmt: skip
    events = sorted([*events, *terms, happened(spoilt, us.name, begin, customers[0])], key=lambda each: each.time)
    for number in range(long):
        now = begin + (number + 1) * DAY
        await fold(*(each for each in events if (now - DAY <= each.time or not number) and each.time < now))
        await looked(worker, now + GRACE)
    live = await lived(worker, us, playbook)
    alike(live, await simulated(worker, us, playbook, document(when=when, **more), since, begin + (long + 0.5) * DAY))
    expected, rests = list[tuple[datetime, UUID, datetime]](), dict[UUID, datetime]()
    for midnight in (begin + day * DAY for day in range(21, long + 1)):
        renewals = {
            customer: min(found)
            for customer in customers
            if (
                found := [
                    at for each in knew[customer] if (at := said_before(midnight, each)) and at - midnight <= near * DAY
                ]
            )
        }
        async with worker.connect() as connection:
            health = await explanations(connection, us.name, sorted(renewals), midnight)
        for customer, at in sorted(renewals.items()):
            if health[customer].band in ("at_risk", "steady") and rests.get(customer, begin) <= midnight:
                expected.append((midnight, customer, at))
                rests[customer] = midnight + 25 * DAY
    assert [(at, customer, datetime.fromisoformat(of["renews_at"])) for at, customer, _, of in live] == expected
    assert len(live) > 10


def said_before(midnight: datetime, known: Sequence[Known]) -> datetime | None:
    last = [each for each in known if each.time < midnight][-1:]
    return next((each.renews_at for each in last if each.renews_at is not None and each.renews_at > midnight), None)
