"""A changed definition of activity: computed in the background, under live events, and queried beside the old one."""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.analytics.conftest import Fold, at, happened

from analytics.consumers import handle
from analytics.metrics.kinds.distinct import DistinctKind
from analytics.metrics.measure import Did, DistinctCount, IsActive
from analytics.metrics.query import MetricQuery, Weighed
from analytics.projections import compute_rules as computing
from analytics.projections.activity import ActivityPolicy as Policy
from analytics.projections.compute_rules import compute_rules
from analytics.projections.fold_activity import refold_activity
from kith.events.contacts import (
    ActivityPolicy,
    ActivityRule,
    CustomerAmended,
    CustomerCreated,
    CustomerMerged,
    SettingsChanged,
)
from kith.events.envelope import Envelope
from kith.events.exchanges import TouchpointRecorded
from kith.events.sales import OrderPlaced
from kith.ids import new_id

Headers = dict[str, str]
BOUGHT = OrderPlaced(value=Decimal(1), currency="EUR")
TOUCHED = TouchpointRecorded(channel="email", direction="inbound")
ORDERS, TOUCHES = [OrderPlaced.type], [TouchpointRecorded.type]
START, END = at("2011-03-01"), at("2011-06-01")
INTERVAL = {"from": "2011-03-01T00:00:00Z", "to": "2011-06-01T00:00:00Z"}
MONTH = ActivityPolicy(default=ActivityRule(ORDERS, 30), segments={"salon": ActivityRule(ORDERS + TOUCHES, 200)})


def settings(tenant: str, version: int, policy: ActivityPolicy, **more: Any) -> Envelope:
    changed = SettingsChanged(time_zone="UTC", activity=policy)
    given = {"subject": UUID(int=version // 100 + 7), "aggregate_version": version, **more}
    return happened(changed, tenant, at("2011-01-01") + timedelta(days=version), **given)


class Shop:
    """Customers of two segments, what they did, and who was active when by a rule: computed straight from the list."""

    def __init__(self, tenant: str, customers: int = 30) -> None:
        self.tenant, self._chance = tenant, random.Random(11)
        self.segments = {new_id(): self._chance.choice(["salon", "office"]) for _ in range(customers)}
        self.did: list[tuple[UUID, str, datetime]] = []

    def customers(self) -> list[Envelope]:
        return [
            happened(CustomerCreated(kind="person", segment=segment), self.tenant, at("2010-01-01"), id)
            for id, segment in self.segments.items()
        ]

    def some(self, count: int) -> list[Envelope]:
        found = []
        for _ in range(count):
            event = self._chance.choice([BOUGHT, TOUCHED])
            customer = self._chance.choice(list(self.segments))
            time = at("2010-06-01") + timedelta(hours=self._chance.randrange(24 * 400))
            self.did.append((customer, event.type, time))
            found.append(happened(event, self.tenant, time, customer))
        return found

    def is_active(self, policy: ActivityPolicy, customer: UUID, instant: datetime) -> bool:
        rule = policy.segments.get(self.segments[customer], policy.default)
        since = instant - timedelta(days=rule.window_days)
        return any(
            who == customer and type in rule.event_types and since <= time < instant for who, type, time in self.did
        )

    def counts(self, policy: ActivityPolicy) -> dict[str, float]:
        def before(customer: UUID) -> bool:
            rule = policy.segments.get(self.segments[customer], policy.default)
            return any(who == customer and type in rule.event_types and time < START for who, type, time in self.did)

        starts = {each for each in self.segments if self.is_active(policy, each, START)}
        ends = {each for each in self.segments if self.is_active(policy, each, END)}
        known = {each for each in self.segments if before(each)}
        return {"S": len(starts), "E": len(ends), "N": len(ends - known), "W": len((ends & known) - starts)}


async def counts(analytics: httpx.AsyncClient, headers: Headers, **query: Any) -> dict[str, float]:
    answer = await analytics.get("/v1/metrics/retention.crr", params=INTERVAL | query, headers=headers)
    assert answer.status_code == 200, answer.text
    return {each["name"]: each["value"] for each in answer.json()["components"]}


async def definitions(analytics: httpx.AsyncClient, headers: Headers) -> dict[int, Any]:
    answer = await analytics.get("/v1/activity-definitions", headers=headers)
    assert answer.status_code == 200, answer.text
    return {each["version"]: each for each in answer.json()["definitions"]}


async def compute(worker: AsyncEngine) -> int:
    """Does all that is due. Returns in how many steps."""
    steps = 0
    while await compute_rules(worker):
        steps += 1
        assert steps < 1000, "it does not come to an end"
    return steps


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "FACTS_AT_A_TIME", 40)


QUARTER = ActivityPolicy(default=ActivityRule(ORDERS, 90))


@pytest.mark.usefixtures("small_steps")
async def test_both_definitions_are_right_while_one_is_computed_and_after(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, worker: AsyncEngine
) -> None:
    shop = Shop(tenant)
    await fold(*shop.customers(), *shop.some(300))
    assert await counts(analytics, mine) == shop.counts(QUARTER)
    await fold(settings(tenant, 1, MONTH))
    steps = 0
    while await compute_rules(worker):
        steps += 1
        await fold(*shop.some(3))
        shown = await definitions(analytics, mine)
        newest = 0 if shown[1]["state"] == "computing" else 1
        assert [version for version, each in shown.items() if each["is_default"]] == [newest]
        assert await counts(analytics, mine) == shop.counts(MONTH if newest else QUARTER)
    assert steps > 2 * (330 // 40)
    assert await counts(analytics, mine) == await counts(analytics, mine, activity="1") == shop.counts(MONTH)
    assert await counts(analytics, mine, activity="0") == shop.counts(QUARTER)
    assert shop.counts(MONTH) != shop.counts(QUARTER)
    await fold(*shop.some(40))
    assert await counts(analytics, mine) == shop.counts(MONTH)


@pytest.mark.usefixtures("small_steps")
async def test_progress_is_shown_and_what_is_not_ready_is_not_queried(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, worker: AsyncEngine
) -> None:
    shop = Shop(tenant)
    await fold(*shop.customers(), *shop.some(200), settings(tenant, 1, QUARTER), settings(tenant, 2, MONTH))
    shown = await definitions(analytics, mine)
    assert list(shown) == [2, 1, 0]
    assert shown[1]["state"] == "ready", "it says what holds anyway"
    assert (shown[2]["state"], shown[2]["done"], shown[2]["total"]) == ("computing", 0, None)
    refused = await analytics.get("/v1/metrics/retention.crr", params=INTERVAL | {"activity": "2"}, headers=mine)
    assert refused.status_code == 404
    assert "1, 0" in refused.text
    seen = []
    while await compute_rules(worker):
        one = (await analytics.get("/v1/activity-definitions/2", headers=mine)).json()
        seen.append((one["done"], one["total"]))
    halfway = [done for done, total in seen if total == 60 and 0 < done < 60]
    assert halfway == sorted(halfway)
    assert len(set(halfway)) > 4
    assert (seen[-1], one["state"], one["is_default"]) == ((60, 60), "ready", True)
    assert [(each["segment"], each["window_days"], each["done"]) for each in one["rules"]] == [
        (None, 30, 30),
        ("salon", 200, 30),
    ]


@pytest.mark.usefixtures("small_steps")
async def test_a_computation_that_is_killed_goes_on_where_it_was(
    analytics: httpx.AsyncClient,
    mine: Headers,
    tenant: str,
    fold: Fold,
    worker: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await compute(worker)
    shop = Shop(tenant)
    await fold(*shop.customers(), *shop.some(300), settings(tenant, 1, MONTH))
    computed: list[UUID] = []
    lives = [3]

    async def killed(connection: AsyncConnection, tenant: str, customers: Sequence[UUID], wanted: Any) -> None:
        await refold_activity(connection, tenant, customers, wanted)
        lives[0] -= 1
        if lives[0] == 0:
            raise ConnectionResetError("killed")
        computed.extend(customers)

    monkeypatch.setattr(computing, "refold_activity", killed)
    with pytest.raises(ConnectionResetError):
        await compute(worker)
    await fold(*shop.some(20))
    await compute(worker)
    assert len(computed) == 2 * 30, "each customer once by each rule: nothing that was done is done again"
    assert await counts(analytics, mine, activity="1") == shop.counts(MONTH)


@pytest.mark.usefixtures("small_steps")
async def test_several_workers_compute_side_by_side_while_events_are_folded(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, worker: AsyncEngine
) -> None:
    shop = Shop(tenant)
    await fold(*shop.customers(), *shop.some(300), settings(tenant, 1, MONTH))
    batches = [shop.some(5) for _ in range(12)]
    done = asyncio.Event()

    async def live() -> None:
        for batch in batches:
            await fold(*batch)
        done.set()

    async def work() -> None:
        while not done.is_set():
            await compute(worker)

    await asyncio.gather(work(), work(), live())
    await compute(worker)
    assert await counts(analytics, mine) == shop.counts(MONTH)


async def test_a_rule_that_another_worker_has_in_hand_is_left_to_it(
    analytics: httpx.AsyncClient,
    mine: Headers,
    theirs: Headers,
    tenant: str,
    other_tenant: str,
    fold: Fold,
    worker: AsyncEngine,
) -> None:
    await fold(settings(tenant, 1, MONTH), settings(other_tenant, 1, MONTH))
    async with worker.begin() as busy:
        in_hand = text("SELECT 1 FROM activity_rules WHERE tenant_id = :t FOR UPDATE")
        await busy.execute(in_hand, {"t": tenant})
        async with asyncio.timeout(30):
            await compute(worker)
        assert (await definitions(analytics, mine))[1]["state"] == "computing"
        assert (await definitions(analytics, theirs))[1]["state"] == "ready"


async def test_a_fold_that_did_not_know_the_rule_yet_is_waited_for(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, worker: AsyncEngine
) -> None:
    """It began before the settings were heard of and ends after: its events are computed like older ones."""
    customer = new_id()
    await fold(happened(CustomerCreated(kind="person"), tenant, at("2010-01-01"), customer))
    async with worker.begin() as slow:
        await handle(slow, [happened(BOUGHT, tenant, at("2011-05-20"), customer)])
        await fold(settings(tenant, 1, MONTH))
        computing = asyncio.create_task(compute(worker))
        await asyncio.sleep(0.3)
        assert not computing.done()
    async with asyncio.timeout(30):
        await computing
    assert await counts(analytics, mine, activity="1") == {"S": 0, "E": 1, "N": 1, "W": 0}


async def test_settings_that_come_late_do_not_replace_newer_ones(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, worker: AsyncEngine
) -> None:
    shop = Shop(tenant)
    old = ActivityPolicy(default=ActivityRule(TOUCHES, 10))
    await fold(*shop.customers(), *shop.some(100), settings(tenant, 2, MONTH))
    await compute(worker)
    await fold(settings(tenant, 1, old))
    assert (await definitions(analytics, mine))[2]["is_default"]
    await compute(worker)
    assert (await definitions(analytics, mine))[2]["is_default"]
    assert await counts(analytics, mine) == shop.counts(MONTH)
    assert await counts(analytics, mine, activity="1") == shop.counts(old)


async def test_a_customer_goes_by_the_rule_of_the_segment_it_is_in_at_the_end(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, worker: AsyncEngine
) -> None:
    customer = new_id()
    moved = CustomerAmended(changed=["segment"], segment="salon")
    await fold(
        settings(tenant, 1, MONTH),
        happened(CustomerCreated(kind="person", segment="office"), tenant, at("2010-01-01"), customer),
        happened(BOUGHT, tenant, at("2011-02-25"), customer),
        happened(moved, tenant, at("2011-05-01"), customer, aggregate_version=2),
    )
    await compute(worker)
    assert (await counts(analytics, mine, to="2011-05-01T00:00:00Z"))["E"] == 0, "30 days, in the office"
    assert (await counts(analytics, mine, to="2011-05-02T00:00:00Z"))["E"] == 1, "200 days, in the salon"


async def test_who_is_active_and_did_something_goes_by_the_segments_rule_too(
    tenant: str, fold: Fold, worker: AsyncEngine
) -> None:
    shop = Shop(tenant)
    await fold(*shop.customers(), *shop.some(200))
    active, twice = DistinctCount((IsActive(),)), DistinctCount((Did(tuple(ORDERS), at_least=2), IsActive()))
    for policy in (MONTH, QUARTER):
        query = MetricQuery(tenant, (START, END), "UTC", Policy.of_event(1, msgspec.to_builtins(policy)))
        often = [
            each
            for each in shop.segments
            if sum(who == each and type in ORDERS and time < END for who, type, time in shop.did) >= 2
        ]
        now = {each for each in shop.segments if shop.is_active(policy, each, END)}
        async with worker.connect() as connection:
            ((_, found),) = (await DistinctKind().evaluate(connection, query, [active, twice])).items()
            assert found == {active: len(now), twice: len(now.intersection(often))}
            proofs = await DistinctKind().members(connection, query, [Weighed(1, active)], None, 100)
        assert {each.customer_id for each in proofs} == now
        for proof in proofs:
            assert proof.customer_id is not None
            rule = policy.segments.get(shop.segments[proof.customer_id], policy.default)
            assert proof.type in rule.event_types
            assert proof.time is not None
            assert END - timedelta(days=rule.window_days) <= proof.time < END


async def test_the_event_that_proves_a_customer_active_is_one_of_its_own_rule(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, worker: AsyncEngine
) -> None:
    office = new_id()
    await fold(
        settings(tenant, 1, MONTH),
        happened(CustomerCreated(kind="person", segment="office"), tenant, at("2010-01-01"), office),
        happened(BOUGHT, tenant, at("2011-05-20"), office),
        happened(TOUCHED, tenant, at("2011-05-25"), office),
    )
    await compute(worker)
    found = await analytics.get("/v1/metrics/retention.crr/members", params=INTERVAL | {"part": "E"}, headers=mine)
    assert [each["type"] for each in found.json()["items"]] == [OrderPlaced.type]


@pytest.mark.usefixtures("small_steps")
async def test_customers_merged_while_it_is_computed_are_one(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, worker: AsyncEngine
) -> None:
    shop = Shop(tenant)
    await fold(*shop.customers(), *shop.some(200), settings(tenant, 1, MONTH))
    kept, *gone = sorted(shop.segments)[::7]
    for absorbed in gone:
        await compute_rules(worker)
        await fold(happened(CustomerMerged(into=kept), tenant, at("2011-07-01"), absorbed, aggregate_version=2))
    await compute(worker)
    shop.did = [(kept if who in gone else who, type, time) for who, type, time in shop.did]
    assert await counts(analytics, mine) == shop.counts(MONTH)


async def test_definitions_are_the_tenants_own(
    analytics: httpx.AsyncClient,
    mine: Headers,
    theirs: Headers,
    tenant: str,
    other_tenant: str,
    fold: Fold,
    worker: AsyncEngine,
) -> None:
    await fold(settings(tenant, 1, MONTH))
    await compute(worker)
    assert list(await definitions(analytics, mine)) == [1, 0]
    assert list(await definitions(analytics, theirs)) == [0]
    missing = await analytics.get("/v1/activity-definitions/1", headers=theirs)
    assert missing.status_code == 404
    assert "There are: 0." in missing.text
    async with worker.connect() as connection:
        of = await connection.scalars(
            text("SELECT tenant_id FROM activity_rules WHERE tenant_id IN (:a, :b)"), {"a": tenant, "b": other_tenant}
        )
        assert set(of) == {tenant}


async def test_definitions_over_graphql(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, worker: AsyncEngine
) -> None:
    await fold(settings(tenant, 1, MONTH))
    await compute(worker)
    query = """{ activityDefinitions { version state isDefault since rules { segment windowDays eventTypes } }
                 activityDefinition(version: 0) { state rules { windowDays } } }"""
    answer = (await analytics.post("/graphql", json={"query": query}, headers=mine)).json()
    assert "errors" not in answer, answer
    newest, default = answer["data"]["activityDefinitions"]
    assert (newest["version"], newest["state"], newest["isDefault"]) == (1, "READY", True)
    assert newest["rules"][1] == {"segment": "salon", "windowDays": 200, "eventTypes": sorted(ORDERS + TOUCHES)}
    assert (default["version"], default["since"], default["isDefault"]) == (0, None, False)
    assert answer["data"]["activityDefinition"] == {"state": "READY", "rules": [{"windowDays": 90}]}
