"""Scores kept live: by what happens, by silence, by a new model; what is published of it, and when."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import happened

from analytics.health.engine.base import micros
from analytics.health.explain.reads import explanations
from analytics.health.model.definition import DEFAULT
from analytics.health.scores.rescoring import process_score_queue, score_due, score_everybody, try_lock
from analytics.health.scores.tables import health_changes, health_queue, health_scores
from analytics.tables import outbox
from kith.events.analytics import HealthChanged, HealthModelPublished, HealthModelRetired, PulseSet
from kith.events.contacts import CustomerCreated, CustomerMerged, CustomerUnmerged
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced
from kith.events.service_desk import CaseOpened
from kith.ids import new_id

BOUGHT = OrderPlaced(value=Decimal(100), currency="EUR")
CASE = CaseOpened(state="new", priority="high", channel="email")
DAY = timedelta(days=1)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Score = Callable[[], Awaitable[None]]


@pytest.fixture
def score(worker: AsyncEngine) -> Score:
    """What the worker does until nothing is left to do."""

    async def until_idle() -> None:
        for step in (process_score_queue, score_due, score_everybody):
            while await step(worker):
                pass

    return until_idle


def now() -> datetime:
    return datetime.now(UTC)


async def stored(worker: AsyncEngine, tenant: str, customer: UUID) -> Any:
    async with worker.connect() as connection:
        c = health_scores.c
        return (
            await connection.execute(select(health_scores).where(c.tenant_id == tenant, c.customer_id == customer))
        ).one_or_none()


async def changes(worker: AsyncEngine, tenant: str) -> list[Any]:
    async with worker.connect() as connection:
        found = select(health_changes).where(health_changes.c.tenant_id == tenant).order_by(health_changes.c.seq)
        return list((await connection.execute(found)).all())


async def published(worker: AsyncEngine, tenant: str) -> list[Any]:
    async with worker.connect() as connection:
        o = outbox.c
        found = select(outbox).where(o.tenant_id == tenant, o.type == HealthChanged.type).order_by(o.seq)
        return list((await connection.execute(found)).all())


async def pretend(worker: AsyncEngine, tenant: str, customer: UUID, scored: datetime) -> None:
    """As if it had last been scored then: with the score and the band there were, and what was due from there."""
    async with worker.begin() as connection:
        found = (await explanations(connection, tenant, [customer], scored))[customer]
        await connection.execute(
            update(health_scores)
            .where(health_scores.c.tenant_id == tenant, health_scores.c.customer_id == customer)
            .values(scored_at=scored, band=found.band, score=found.score, due_at=scored, band_since=scored)
        )


async def test_who_is_new_comes_into_a_band_and_is_published_once(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    customer = new_id()
    await fold(happened(BOUGHT, tenant, now() - DAY, customer, traceparent=TRACE))
    await score()
    row = await stored(worker, tenant, customer)
    assert (row.band, row.model, row.model_version, row.version) == ("healthy", "default", 2, 1)
    assert row.due_band == "steady"
    assert now() - row.band_since > timedelta(hours=23), "it has been so since it bought, whenever that was heard of"
    await score()
    (change,), (event,) = await changes(worker, tenant), await published(worker, tenant)
    assert (change.from_band, change.band, change.cause, change.score) == (None, "healthy", "event", row.score)
    assert (event.customer_id, event.aggregate_version, event.id) == (customer, 1, change.id)
    assert change.trace_id is None or change.trace_id in TRACE


async def test_silence_alone_changes_the_band_at_the_instant_that_was_known_before(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    customer, start = new_id(), now()
    await fold(happened(BOUGHT, tenant, start - 130 * DAY, customer))
    await score()
    await pretend(worker, tenant, customer, start - 90 * DAY)
    before = await stored(worker, tenant, customer)
    assert before.band == "steady"
    await score()
    _, silent = await changes(worker, tenant)
    assert (silent.cause, silent.from_band, silent.band) == ("silence", "steady", "at_risk")
    # Below 38, two points under the border, falls (0.45 x recency + 0.35 x 40) / 0.8.
    recency = (38 * 0.8 - 14) / 0.45
    days = 60 + (40 - recency) / 30 * 30
    assert (silent.at - (start - 130 * DAY)) / DAY == pytest.approx(days, abs=1e-6)
    assert silent.score == pytest.approx(38, abs=1e-6)
    assert [each["measure"] for each in silent.drivers] == ["recency"]
    async with worker.connect() as connection:
        at = (await explanations(connection, tenant, [customer], silent.at))[customer]
        just_before = (await explanations(connection, tenant, [customer], silent.at - timedelta(microseconds=1)))[
            customer
        ]
    assert (just_before.band, at.band) == ("steady", "at_risk")


async def test_nobody_is_looked_at_before_it_is_due(fold: Any, score: Score, worker: AsyncEngine, tenant: str) -> None:
    customer = new_id()
    await fold(happened(BOUGHT, tenant, now() - DAY, customer))
    await score()
    first = await stored(worker, tenant, customer)
    assert first.due_at > now() + 10 * DAY
    await score_due(worker)
    assert (await stored(worker, tenant, customer)).scored_at == first.scored_at


async def test_what_comes_late_corrects_what_was_published(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    customer, start = new_id(), now()
    await fold(happened(BOUGHT, tenant, start - 200 * DAY, customer))
    await score()
    assert (await stored(worker, tenant, customer)).band == "at_risk"
    await fold(happened(BOUGHT, tenant, start - 20 * DAY, customer))
    await score()
    _, correction = await changes(worker, tenant)
    assert (correction.cause, correction.from_band, correction.band) == ("correction", "at_risk", "healthy")


async def test_what_comes_with_the_usual_delay_is_no_correction(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    """It happened before the customer was scored for something else, and was only heard of after."""
    customer = new_id()
    await fold(happened(BOUGHT, tenant, now() - 200 * DAY, customer))
    time = now()
    await score()
    await fold(happened(BOUGHT, tenant, time, customer))
    await score()
    _, change = await changes(worker, tenant)
    assert (change.cause, change.from_band, change.band) == ("event", "at_risk", "healthy")
    assert change.at == time + timedelta(microseconds=1)


async def test_what_happens_now_is_no_correction(fold: Any, score: Score, worker: AsyncEngine, tenant: str) -> None:
    customer = new_id()
    await fold(happened(BOUGHT, tenant, now() - 200 * DAY, customer))
    await score()
    time = now()
    await fold(happened(BOUGHT, tenant, time, customer))
    await score()
    _, change = await changes(worker, tenant)
    assert (change.cause, change.from_band, change.band) == ("event", "at_risk", "healthy")
    assert change.at == time + timedelta(microseconds=1)


def model(steady: float, *, tags: tuple[str, ...] = (), number: int = 1) -> HealthModelPublished:
    measure = {"id": "r", "input": "purchase_recency", "weight": 1, "curve": [[0, 100], [100, 0]]}
    document = {"title": "m", "measures": [measure], "bands": {"steady": steady, "healthy": 90}, "hysteresis": 0}
    return HealthModelPublished(number=number, document=document | {"audience": {"tags": list(tags)}})


async def test_a_published_model_scores_everybody_it_is_for_again_and_a_retired_one_gives_them_back(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    plain, tagged, many = new_id(), new_id(), new_id()
    start = now()
    for customer in (plain, tagged, many):
        await fold(happened(BOUGHT, tenant, start - 50 * DAY, customer))
    await fold(happened(CustomerCreated(kind="person", tags=["vip"]), tenant, start - 60 * DAY, tagged))
    await fold(happened(CustomerCreated(kind="person", tags=["vip", "unidentified"]), tenant, start - 60 * DAY, many))
    await score()
    id = new_id()
    await fold(happened(model(60, tags=("vip",)), tenant, start, subject=id))
    await score()
    rows = [await stored(worker, tenant, customer) for customer in (plain, tagged, many)]
    assert [(row.model, row.band) for row in rows] == [("default", "steady"), (str(id), "at_risk"), (None, None)]
    assert [each.cause for each in await changes(worker, tenant)] == ["event", "event", "model"]
    await fold(happened(HealthModelRetired(), tenant, start, subject=id, aggregate_version=2))
    await score()
    assert (await stored(worker, tenant, tagged)).model == "default"


async def test_a_pulse_counts_until_it_expires(fold: Any, score: Score, worker: AsyncEngine, tenant: str) -> None:
    customer, start = new_id(), now()
    measures = [{"id": "pulse", "input": "pulse", "weight": 1, "curve": [[0, 0], [100, 100]]}]
    published = HealthModelPublished(number=1, document={"title": "p", "measures": measures})
    await fold(happened(published, tenant, start - DAY))
    await fold(happened(PulseSet(score=20, expires_at=start + DAY), tenant, start - DAY, customer))
    await score()
    row = await stored(worker, tenant, customer)
    assert (row.band, row.score, row.due_band) == ("at_risk", 20, None)
    assert row.due_at == start + DAY + timedelta(microseconds=1)


async def test_drivers_name_what_happened_at_the_instant_and_not_what_has_long_been_moving(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    customer, start = new_id(), now()
    await fold(happened(BOUGHT, tenant, start - 58 * DAY, customer))
    await score()
    await fold(*[happened(CASE, tenant, now(), customer) for _ in range(3)])
    await score()
    _, change = await changes(worker, tenant)
    assert (change.cause, change.band) == ("event", "at_risk")
    parts = {each["measure"]: each["change"] for each in change.drivers}
    async with worker.connect() as connection:
        instants = (change.at - timedelta(microseconds=1), change.at)
        before, after = [(await explanations(connection, tenant, [customer], at))[customer] for at in instants]
    assert after.score is not None
    assert before.score is not None
    assert sum(parts.values()) == pytest.approx(after.score - before.score, abs=1e-3)


async def test_the_first_case_of_who_is_at_risk_does_not_lift_it(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    customer = new_id()
    await fold(happened(BOUGHT, tenant, now() - 70 * DAY, customer))
    await score()
    silent = await stored(worker, tenant, customer)
    await fold(happened(CASE, tenant, now(), customer))
    await score()
    assert (await stored(worker, tenant, customer)).score < silent.score


async def test_who_was_merged_away_has_no_score_and_who_survives_has_both_pasts(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    kept, absorbed, start = new_id(), new_id(), now()
    await fold(happened(BOUGHT, tenant, start - 300 * DAY, kept), happened(BOUGHT, tenant, start - DAY, absorbed))
    await score()
    await fold(happened(CustomerMerged(into=kept), tenant, start, absorbed, aggregate_version=2))
    await score()
    gone = await stored(worker, tenant, absorbed)
    assert (gone.band, gone.model, gone.due_at) == (None, None, None)
    assert (await stored(worker, tenant, kept)).band == "healthy"


async def test_who_was_separated_is_in_its_band_since_it_came_into_it(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    kept, absorbed, start = new_id(), new_id(), now()
    await fold(happened(BOUGHT, tenant, start - 300 * DAY, kept), happened(BOUGHT, tenant, start - 20 * DAY, absorbed))
    await score()
    before = await stored(worker, tenant, absorbed)
    await fold(happened(CustomerMerged(into=kept), tenant, start, absorbed, aggregate_version=2))
    await score()
    await fold(happened(CustomerUnmerged(out_of=kept), tenant, start, absorbed, aggregate_version=3))
    await score()
    after = await stored(worker, tenant, absorbed)
    assert (after.band, after.band_since) == (before.band, before.band_since)
    assert before.band_since < start - DAY


async def test_who_refers_another_is_looked_at_again(fold: Any, worker: AsyncEngine, tenant: str) -> None:
    referrer, referred = new_id(), new_id()
    await fold(happened(CustomerCreated(kind="person", referred_by=referrer), tenant, now(), referred))
    async with worker.connect() as connection:
        noted = await connection.scalars(select(health_queue.c.customer_id).where(health_queue.c.tenant_id == tenant))
        assert set(noted) == {referrer, referred}


async def test_a_killed_step_leaves_nothing_and_loses_nothing(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = new_id()
    await fold(happened(BOUGHT, tenant, now() - DAY, customer))

    async def dies(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr("analytics.health.scores.piece.playbooks.fire", dies)
        with pytest.raises(ConnectionError):
            await score()
    assert await stored(worker, tenant, customer) is None
    assert await changes(worker, tenant) == await published(worker, tenant) == []
    await score()
    assert len(await changes(worker, tenant)) == len(await published(worker, tenant)) == 1


async def test_a_tenant_that_cannot_be_scored_does_not_keep_others_waiting(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    bad, customer = f"{tenant}-bad", new_id()
    broken = {"measures": [{"id": "r", "input": "of another world", "weight": 1, "curve": [[0, 100], [100, 0]]}]}
    id = new_id()
    await fold(happened(HealthModelPublished(number=1, document=broken), bad, now(), subject=id))
    await fold(happened(BOUGHT, bad, now() - DAY, customer))
    await fold(happened(BOUGHT, tenant, now() - DAY, customer))
    assert not await process_score_queue(worker)
    assert (await stored(worker, tenant, customer)).band == "healthy"
    assert await stored(worker, bad, customer) is None
    await fold(happened(HealthModelRetired(), bad, now(), subject=id, aggregate_version=2))
    await score()
    assert (await stored(worker, bad, customer)).band == "healthy"


@pytest.mark.parametrize("seed", range(4))
async def test_as_of_an_instant_is_what_a_fresh_system_says_that_heard_of_nothing_after(
    fold: Any, worker: AsyncEngine, tenant: str, seed: int
) -> None:
    dice, start = random.Random(seed), now() - 400 * DAY
    customers = [new_id() for _ in range(5)]
    events = [_random_event(dice, tenant, start, dice.choice(customers)) for _ in range(60)]
    dice.shuffle(events)
    await fold(*events)
    for number in range(3):
        at = start + dice.uniform(10, 420) * DAY
        fresh = f"{tenant}-fresh-{number}"
        heard = [_of(fresh, each) for each in events if each.time < at]
        if heard:
            await fold(*heard)
        async with worker.connect() as connection:
            whole = await explanations(connection, tenant, customers, at)
            only_then = await explanations(connection, fresh, customers, at)
        assert [_told(whole[each]) for each in customers] == [_told(only_then[each]) for each in customers]


def _random_event(dice: random.Random, tenant: str, start: datetime, customer: UUID) -> Envelope:
    event = dice.choice([BOUGHT, BOUGHT, CASE, CustomerCreated(kind="person")])
    time = start + dice.uniform(0, 400) * DAY
    return happened(event, tenant, time, customer, subject=new_id())


def _of(tenant: str, envelope: Envelope) -> Envelope:
    given = {name: getattr(envelope, name) for name in envelope.__struct_fields__}
    return Envelope(**given | {"tenant_id": tenant})


def _told(found: Any) -> Any:
    return found.score, found.band, found.coverage, found.contributions


async def test_what_is_stored_is_what_is_computed(fold: Any, score: Score, worker: AsyncEngine, tenant: str) -> None:
    dice, customers = random.Random(9), [new_id() for _ in range(30)]
    for _ in range(3):
        await fold(*[_random_event(dice, tenant, now() - 380 * DAY, dice.choice(customers)) for _ in range(40)])
        await score()
    async with worker.connect() as connection:
        for customer in customers:
            row = await stored(worker, tenant, customer)
            if row is None:
                continue
            found = (await explanations(connection, tenant, [customer], row.scored_at))[customer]
            assert (row.score, row.band, row.coverage) == (found.score, found.band, found.coverage)
            assert (row.model, micros(row.scored_at)) == (DEFAULT.id, found.at)
        left = await connection.scalar(text("SELECT count(*) FROM health_queue WHERE tenant_id = :t"), {"t": tenant})
    assert left == 0


async def test_who_is_cut_off_while_it_scores_gets_the_reason(worker: AsyncEngine) -> None:
    async def cut_off() -> None:
        async with worker.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            async with try_lock(connection, "cut off") as mine:
                assert mine
                await connection.invalidate()
                raise TimeoutError

    with pytest.raises(TimeoutError):
        await cut_off()
    async with worker.connect() as another, try_lock(another, "cut off") as mine:
        assert mine
