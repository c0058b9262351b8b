"""What is published of a score when another model comes to score the customer: at that instant, by the swap."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import happened

from analytics.health.explain.reads import explanations
from analytics.health.scores.rescoring import process_score_queue, score_due, score_everybody
from analytics.health.scores.tables import health_changes, health_scores
from kith.events.analytics import HealthModelPublished, HealthModelRetired
from kith.events.contacts import CustomerAmended, CustomerCreated, CustomerMerged, CustomerUnmerged
from kith.events.sales import OrderPlaced
from kith.ids import new_id

BOUGHT = OrderPlaced(value=Decimal(100), currency="EUR")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
INSTANT = timedelta(microseconds=1)
Score = Callable[[], Awaitable[None]]


@pytest.fixture
def score(worker: AsyncEngine) -> Score:
    """What the worker does until nothing is left to do."""

    async def until_idle() -> None:
        for step in (process_score_queue, score_due, score_everybody):
            while await step(worker):
                pass

    return until_idle


def recency(lasts: float, *, number: int = 1, audience: dict[str, Any] | None = None) -> HealthModelPublished:
    """100 points at a purchase, and none after so many days."""
    measures = [
        {"id": "recency", "input": "purchase_recency", "weight": 3, "curve": [[0, 100], [lasts, 0]]},
        {"id": f"orders_{number}", "input": "orders", "weight": 1, "curve": [[0, 0], [2, 100]]},
    ]
    document = {"title": "m", "measures": measures, "bands": {"steady": 40, "healthy": 70}, "hysteresis": 0}
    return HealthModelPublished(number=number, document=document | {"audience": audience or {}})


async def changes_of(worker: AsyncEngine, tenant: str) -> list[Any]:
    async with worker.connect() as connection:
        found = select(health_changes).where(health_changes.c.tenant_id == tenant).order_by(health_changes.c.seq)
        return list((await connection.execute(found)).all())


async def as_of(worker: AsyncEngine, tenant: str, customer: UUID, at: datetime) -> Any:
    async with worker.connect() as connection:
        return (await explanations(connection, tenant, [customer], at))[customer]


async def scored_last(worker: AsyncEngine, tenant: str, at: datetime) -> None:
    """As if everybody of the tenant had last been scored then."""
    async with worker.begin() as connection:
        await connection.execute(
            update(health_scores).where(health_scores.c.tenant_id == tenant).values(scored_at=at, band_since=at)
        )


async def test_a_model_changes_the_band_at_the_instant_of_its_publication_and_its_drivers_are_the_swap(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    start, model, customer = datetime.now(UTC), new_id(), new_id()
    await fold(happened(recency(100), tenant, start - 90 * DAY, subject=model))
    await fold(happened(BOUGHT, tenant, start - 20 * DAY, customer))
    await score()
    await scored_last(worker, tenant, start - 3 * HOUR)
    published = start - 2 * HOUR
    await fold(happened(recency(40, number=2), tenant, published, subject=model, aggregate_version=2))
    await score()
    _, change = await changes_of(worker, tenant)
    assert (change.cause, change.at) == ("model", published + INSTANT)
    assert (change.from_band, change.band, change.model_version) == ("healthy", "steady", 2)
    before, after = [await as_of(worker, tenant, customer, at) for at in (published, change.at)]
    assert (before.band, after.band, after.score) == (change.from_band, change.band, pytest.approx(change.score))
    drivers = {each["measure"]: each["change"] for each in change.drivers}
    assert drivers == {"recency": pytest.approx(-22.5, abs=0.1), "orders_1": -12.5, "orders_2": 12.5}
    assert sum(drivers.values()) == pytest.approx(after.score - before.score, abs=1e-3)


async def test_what_happened_since_comes_after_it(fold: Any, score: Score, worker: AsyncEngine, tenant: str) -> None:
    start, model, customer = datetime.now(UTC), new_id(), new_id()
    await fold(happened(recency(100), tenant, start - 90 * DAY, subject=model))
    await fold(happened(BOUGHT, tenant, start - 20 * DAY, customer))
    await score()
    await scored_last(worker, tenant, start - 3 * HOUR)
    await fold(
        happened(recency(40, number=2), tenant, start - 2 * HOUR, subject=model, aggregate_version=2),
        happened(BOUGHT, tenant, start - HOUR, customer),
    )
    await score()
    recorded = [(each.cause, each.from_band, each.band, each.at) for each in await changes_of(worker, tenant)]
    assert recorded[1:] == [
        ("model", "healthy", "steady", start - 2 * HOUR + INSTANT),
        ("event", "steady", "healthy", start - HOUR + INSTANT),
    ]


async def test_a_publication_that_arrives_after_a_score_is_recorded_at_its_instant_all_the_same(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    start, model, customer = datetime.now(UTC), new_id(), new_id()
    await fold(happened(recency(100), tenant, start - 90 * DAY, subject=model))
    await fold(happened(BOUGHT, tenant, start - 20 * DAY, customer))
    await score()
    published = start - timedelta(seconds=5)
    await fold(happened(recency(40, number=2), tenant, published, subject=model, aggregate_version=2))
    await score()
    _, change = await changes_of(worker, tenant)
    assert (change.cause, change.at) == ("model", published + INSTANT)
    assert (change.from_band, change.band) == ("healthy", "steady")


async def test_retirement_and_another_audience_are_changes_of_the_model_at_their_instants(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    start, model, customer = datetime.now(UTC), new_id(), new_id()
    strict = recency(25, audience={"tags": ["vip"]})
    await fold(
        happened(recency(100), tenant, start - 90 * DAY),
        happened(strict, tenant, start - 90 * DAY, subject=model),
        happened(CustomerCreated(kind="person"), tenant, start - 80 * DAY, customer),
        happened(BOUGHT, tenant, start - 20 * DAY, customer),
    )
    await score()
    await scored_last(worker, tenant, start - 5 * HOUR)
    tagged, retired = start - 4 * HOUR, start - 2 * HOUR
    amended = CustomerAmended(changed=["tags"], tags=["vip"])
    await fold(happened(amended, tenant, tagged, customer, aggregate_version=2))
    await score()
    await scored_last(worker, tenant, start - 3 * HOUR)
    await fold(happened(HealthModelRetired(), tenant, retired, subject=model, aggregate_version=2))
    await score()
    recorded = [(each.cause, each.from_band, each.band, each.at) for each in await changes_of(worker, tenant)]
    assert recorded[1:] == [
        ("model", "healthy", "at_risk", tagged + INSTANT),
        ("model", "at_risk", "healthy", retired + INSTANT),
    ]


@pytest.mark.parametrize(("value", "names"), [("emea", "emea"), (True, "true"), (["beans", "cups"], "cups")])
async def test_a_custom_field_brings_its_model_at_the_instant_of_its_value(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str, value: Any, names: str
) -> None:
    start, customer, other = datetime.now(UTC), new_id(), new_id()
    strict = recency(25, audience={"custom": {"of": [names, "more"]}})
    await fold(
        happened(recency(100), tenant, start - 90 * DAY),
        happened(strict, tenant, start - 90 * DAY),
        happened(CustomerCreated(kind="person", custom={"of": "x" * 100_000}), tenant, start - 80 * DAY, customer),
        happened(BOUGHT, tenant, start - 20 * DAY, customer),
        happened(CustomerCreated(kind="person", custom={"else": value}), tenant, start - 80 * DAY, other),
        happened(BOUGHT, tenant, start - 20 * DAY, other),
    )
    await score()
    await scored_last(worker, tenant, start - 5 * HOUR)
    said, cleared = start - 4 * HOUR, start - 2 * HOUR
    amended = CustomerAmended(changed=["custom"], custom={"of": value, "else": 1})
    await fold(happened(amended, tenant, said, customer, aggregate_version=2))
    await score()
    await scored_last(worker, tenant, start - 3 * HOUR)
    amended = CustomerAmended(changed=["custom"], custom={"else": value})
    await fold(happened(amended, tenant, cleared, customer, aggregate_version=3))
    await score()
    recorded = [(each.customer_id, each.cause, each.band, each.at) for each in await changes_of(worker, tenant)]
    assert recorded[2:] == [
        (customer, "model", "at_risk", said + INSTANT),
        (customer, "model", "healthy", cleared + INSTANT),
    ]
    for at, band in ((said, "healthy"), (said + HOUR, "at_risk"), (cleared + HOUR, "healthy")):
        assert (await as_of(worker, tenant, customer, at)).band == band
        assert (await as_of(worker, tenant, other, at)).band == "healthy"


async def test_a_tree_brings_its_model_to_all_below_whoever_moved(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str, other_tenant: str
) -> None:
    """A company with a site is sold: out of one group, and into another, which is then found to be the first."""
    start = datetime.now(UTC)
    group, buyer, company, site = (new_id() for _ in range(4))
    long_ago = start - 90 * DAY

    def organisation(id: UUID, parent: UUID | None = None, of: str = tenant) -> Any:
        return happened(CustomerCreated(kind="organisation", parent_id=parent), of, long_ago, id)

    def moved(id: UUID, parent: UUID | None, at: datetime, version: int) -> Any:
        return happened(CustomerAmended(["parent_id"], parent_id=parent), tenant, at, id, aggregate_version=version)

    model = recency(25, audience={"within": [str(group)]})
    await fold(
        happened(recency(100), tenant, long_ago),
        happened(model, tenant, long_ago),
        # The site comes first: nobody above it is known yet.
        organisation(site, company),
        happened(BOUGHT, tenant, start - 20 * DAY, site),
        organisation(site, group, of=other_tenant),
        happened(BOUGHT, other_tenant, start - 20 * DAY, site),
    )
    await score()
    (first,) = await changes_of(worker, tenant)
    assert first.band == "healthy"
    await fold(organisation(company, group), organisation(group), organisation(buyer))
    await score()
    assert await band_of(worker, tenant, site) == "at_risk", "scored again, as it is below the group"
    sold, merged, apart = (start - hours * HOUR for hours in (6, 4, 2))
    await scored_last(worker, tenant, sold - HOUR)
    await fold(moved(company, buyer, sold, 2))
    await score()
    assert await band_of(worker, tenant, site) == "healthy"
    for at, band in ((sold, "at_risk"), (sold + INSTANT, "healthy"), (start, "healthy")):
        assert (await as_of(worker, tenant, site, at)).band == band
    await fold(happened(CustomerMerged(into=group), tenant, merged, buyer, aggregate_version=2))
    await score()
    assert await band_of(worker, tenant, site) == "at_risk", "who was merged is one with the other"
    await fold(happened(CustomerUnmerged(out_of=group), tenant, apart, buyer, aggregate_version=3))
    await score()
    assert await band_of(worker, tenant, site) == "healthy"
    (theirs,) = await changes_of(worker, other_tenant)
    assert theirs.model == "default"
    async with worker.connect() as connection:
        alone = await explanations(connection, tenant, [site], sold)
        together = await explanations(connection, tenant, [site, company, group, buyer], sold)
    assert alone[site].model == together[site].model


async def test_records_that_tell_of_a_circle_are_scored(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    start, one, other = datetime.now(UTC), new_id(), new_id()
    await fold(
        happened(recency(25, audience={"within": [str(one)]}), tenant, start - 90 * DAY),
        happened(CustomerCreated(kind="organisation", parent_id=other), tenant, start - 90 * DAY, one),
        happened(CustomerCreated(kind="organisation", parent_id=one), tenant, start - 90 * DAY, other),
        happened(BOUGHT, tenant, start - 20 * DAY, other),
    )
    await score()
    assert await band_of(worker, tenant, other) == "at_risk"


async def band_of(worker: AsyncEngine, tenant: str, customer: UUID) -> str | None:
    s = health_scores.c
    async with worker.connect() as connection:
        mine = select(s.band).where(s.tenant_id == tenant, s.customer_id == customer)
        band: str | None = (await connection.execute(mine)).scalar_one()
        return band


async def test_where_the_record_moves_the_score_and_brings_another_model_the_drivers_tell_of_both(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    start, customer = datetime.now(UTC), new_id()
    tier = {"id": "tier", "input": "loyalty_tier", "weight": 1, "curve": [[0, 0], [1, 100]], "values": {"gold": 1}}
    of_gold = {"title": "m", "measures": [tier], "audience": {"tiers": ["gold"]}}
    await fold(
        happened(recency(40), tenant, start - 90 * DAY),
        happened(HealthModelPublished(1, of_gold), tenant, start - 90 * DAY),
        happened(CustomerCreated(kind="person", tier="gold"), tenant, start - 80 * DAY, customer),
        happened(BOUGHT, tenant, start - 20 * DAY, customer),
    )
    await score()
    await scored_last(worker, tenant, start - 2 * HOUR)
    amended = CustomerAmended(changed=["tier"], tier=None)
    await fold(happened(amended, tenant, start - HOUR, customer, aggregate_version=2))
    await score()
    _, change = await changes_of(worker, tenant)
    assert (change.cause, change.from_band, change.band) == ("model", "healthy", "steady")
    drivers = {each["measure"]: each["change"] for each in change.drivers}
    assert drivers == {"tier": -100, "recency": pytest.approx(37.5, abs=0.1), "orders_1": 12.5}
    before, after = [await as_of(worker, tenant, customer, at) for at in (start - HOUR, change.at)]
    assert sum(drivers.values()) == pytest.approx(after.score - before.score, abs=1e-3)


async def test_who_comes_to_stand_for_many_leaves_its_band_at_that_instant(
    fold: Any, score: Score, worker: AsyncEngine, tenant: str
) -> None:
    start, customer = datetime.now(UTC), new_id()
    await fold(
        happened(CustomerCreated(kind="person"), tenant, start - 80 * DAY, customer),
        happened(BOUGHT, tenant, start - DAY, customer),
    )
    await score()
    await scored_last(worker, tenant, start - 2 * HOUR)
    amended = CustomerAmended(changed=["tags"], tags=["unidentified"])
    await fold(happened(amended, tenant, start - HOUR, customer, aggregate_version=2))
    await score()
    _, change = await changes_of(worker, tenant)
    assert (change.cause, change.from_band, change.band, change.at) == (
        "model", "healthy", None, start - HOUR + INSTANT,
    )  # fmt: skip
    assert (change.model, change.score) == (None, None)
