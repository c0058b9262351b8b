"""What was known at an instant: as if nothing had been recorded after it."""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, at, happened
from tests.analytics.histories import DAYS, STARTS_AT, history

from analytics.customer_value.tables import value_fits
from analytics.metrics.catalogue import METRICS
from analytics.metrics.definition import Metric
from analytics.metrics.event_types import event_types_of
from analytics.projections import as_known_at
from analytics.projections.activity import DEFAULT_POLICY, ActivityPolicy, ActivityRule
from analytics.projections.as_known_at import types_needed
from kith.db.connections import Database
from kith.events.contacts import CustomerMerged, SettingsChanged
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith_local.postgres import EmbeddedPostgres

Headers = dict[str, str]
YEAR = {"from": "2011-03-01T00:00:00Z", "to": "2012-03-01T00:00:00Z"}
WAREHOUSE = {"from": "2011-01-01T00:00:00Z", "to": "2012-01-01T00:00:00Z"}
RECORDED_FROM = STARTS_AT + timedelta(days=DAYS)


def without_fits() -> list[Metric]:
    """Fits are kept, not made again: see test_a_prediction_is_by_a_fit_of_that_time."""
    return [each for each in METRICS.values() if not each.id.startswith(("clv.", "customers.alive"))]


async def queried(analytics: httpx.AsyncClient, headers: Headers, id: str, **more: str) -> Any:
    answer = await analytics.get(f"/v1/metrics/{id}", params={**YEAR, **more}, headers=headers)
    assert answer.status_code == 200, answer.text
    return {**answer.json(), "freshness": None}


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def of_tenant(tenant: str, envelopes: list[Envelope]) -> list[Envelope]:
    return [msgspec.structs.replace(each, tenant_id=tenant, id=new_id()) for each in envelopes]


@pytest.mark.parametrize("seed", [1, 2])
async def test_what_was_known_is_what_a_tenant_knows_that_heard_of_nothing_since(
    analytics: httpx.AsyncClient,
    mine: Headers,
    theirs: Headers,
    tenant: str,
    other_tenant: str,
    fold: Fold,
    seed: int,
) -> None:
    chance = random.Random(seed)
    envelopes = history(tenant, 600, chance)
    know = envelopes[: chance.randrange(100, 500)]
    at_once = know[-1].recorded_at
    shuffled = chance.sample(envelopes, len(envelopes))  # what was recorded when is one thing, when it came another
    await fold(*shuffled)
    await fold(*of_tenant(other_tenant, know))
    for metric in without_fits():
        grouped = {"groupBy": metric.dimensions[0].name} if metric.dimensions else {}
        for how in chance.sample([{}, {"grain": "quarter"}, grouped], 1):
            then = await queried(analytics, mine, metric.id, knownAt=iso(at_once), **how)
            assert then == await queried(analytics, theirs, metric.id, **how), (metric.id, how)
    members = "/v1/metrics/retention.crr/members"
    then = await analytics.get(members, params=YEAR | {"part": "E", "knownAt": iso(at_once)}, headers=mine)
    fresh = await analytics.get(members, params=YEAR | {"part": "E"}, headers=theirs)
    customers = [each["customer_id"] for each in then.json()["items"]]
    assert customers == [each["customer_id"] for each in fresh.json()["items"]]
    assert customers


async def test_what_was_true_and_what_was_known_differ_by_what_came_late(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    def bought(time: str, recorded: str, value: int) -> Envelope:
        order = OrderPlaced(value=Decimal(value), currency="EUR")
        return happened(order, tenant, at(time), new_id(), recorded_at=at(recorded))

    await fold(bought("2011-05-01", "2011-05-02", 10), bought("2011-06-01", "2011-09-01", 5))
    assert (await queried(analytics, mine, "revenue"))["value"] == 15
    assert (await queried(analytics, mine, "revenue", to="2011-07-01T00:00:00Z"))["value"] == 15
    in_july = {"to": "2011-07-01T00:00:00Z", "knownAt": "2011-07-01T00:00:00Z"}
    assert (await queried(analytics, mine, "revenue", **in_july))["value"] == 10
    assert (await queried(analytics, mine, "revenue", knownAt="2011-09-01T00:00:00Z"))["value"] == 15
    assert (await queried(analytics, mine, "revenue", knownAt="2011-08-31T23:59:59Z"))["value"] == 10
    assert (await queried(analytics, mine, "revenue", knownAt="2010-01-01T00:00:00Z"))["value"] is None


async def test_a_merge_and_a_setting_hold_from_when_they_were_known(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    one, two = new_id(), new_id()
    order = OrderPlaced(value=Decimal(1), currency="EUR")
    policy = {"default": {"event_types": [OrderPlaced.type], "window_days": 1000}}
    settings = SettingsChanged(time_zone="Europe/Paris", activity=policy)  # type: ignore[arg-type]  # as JSON has it
    await fold(
        *(happened(order, tenant, at("2010-06-01"), each, recorded_at=at("2010-06-01")) for each in (one, two)),
        happened(CustomerMerged(into=two), tenant, at("2010-01-01"), one, recorded_at=at("2011-01-01")),
        happened(settings, tenant, at("2010-01-01"), recorded_at=at("2012-01-01")),
    )
    summer = {"from": "2010-06-02T00:00:00Z", "to": "2010-07-01T00:00:00Z", "activity": "0"}
    for known_at, active in (("2010-12-31", 2), ("2011-01-01", 1)):
        found = await queried(analytics, mine, "retention.crr", knownAt=f"{known_at}T00:00:00Z", **summer)
        assert found["denominator"] == active
    late = await queried(analytics, mine, "retention.crr", knownAt="2011-12-31T00:00:00Z")
    assert (late["zone"], late["activity_version"], late["denominator"]) == ("UTC", 0, 0)
    late = await queried(analytics, mine, "retention.crr", knownAt="2012-01-01T00:00:00Z")
    assert (late["zone"], late["activity_version"], late["denominator"]) == ("Europe/Paris", 1, 1)


async def test_it_leaves_the_live_figures_and_other_tenants_alone(
    analytics: httpx.AsyncClient, mine: Headers, theirs: Headers, tenant: str, fold: Fold, worker: AsyncEngine
) -> None:
    envelopes = history(tenant, 200, random.Random(1))
    await fold(*envelopes)
    now = await queried(analytics, mine, "revenue")
    for _ in range(7):  # often enough for a statement to be prepared and kept
        assert (await queried(analytics, mine, "revenue", knownAt=iso(RECORDED_FROM)))["value"] == 0
        assert await queried(analytics, mine, "revenue") == now
        assert (await queried(analytics, theirs, "revenue", knownAt="2020-01-01T00:00:00Z"))["value"] == 0
    async with worker.connect() as connection:
        left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kith analytics known'"
        assert await connection.scalar(text(left)) == 0


async def test_both_apis_and_all_questions_take_it(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    order = OrderPlaced(value=Decimal(3), currency="EUR")
    await fold(
        *(
            happened(order, tenant, at("2011-05-01"), new_id(), recorded_at=at(day))
            for day in ("2011-05-01", "2011-08-01")
        )
    )
    body = {**YEAR, "metrics": ["revenue", "retention.crr"], "knownAt": "2011-07-01T00:00:00Z"}
    several = (await analytics.post("/v1/metrics:query", json=body, headers=mine)).json()["figures"]
    assert several[0]["value"] == 3
    query = """query Known($at: DateTime) {
      one: metric(id: "revenue", from: "2011-03-01T00:00:00Z", to: "2012-03-01T00:00:00Z", knownAt: $at) { value }
      some: metricValues(ids: ["revenue"], from: "2011-03-01T00:00:00Z", to: "2012-03-01T00:00:00Z", knownAt: $at)
        { value }
      who: metricMembers(id: "revenue", from: "2011-03-01T00:00:00Z", to: "2012-03-01T00:00:00Z", knownAt: $at)
        { nodes { value } }
    }"""
    for known_at, count in (("2011-07-01T00:00:00Z", 1), (None, 2)):
        sent = {"query": query, "variables": {"at": known_at}}
        answer = (await analytics.post("/graphql", json=sent, headers=mine)).json()
        assert "errors" not in answer, answer["errors"]
        found = answer["data"]
        assert (found["one"]["value"], found["some"][0]["value"]) == (3 * count, 3 * count)
        assert len(found["who"]["nodes"]) == count


async def test_more_events_than_can_be_folded_for_a_question_are_refused(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(as_known_at, "MAX_EVENTS", 3)
    order = OrderPlaced(value=Decimal(3), currency="EUR")
    await fold(*(happened(order, tenant, at("2011-05-01"), new_id(), recorded_at=at("2011-05-01")) for _ in range(4)))
    asking = YEAR | {"knownAt": "2011-06-01T00:00:00Z"}
    answer = await analytics.get("/v1/metrics/revenue", params=asking, headers=mine)
    assert answer.status_code == 422, answer.text
    assert "knownAt" in answer.text
    earlier = YEAR | {"knownAt": "2011-04-01T00:00:00Z"}
    assert (await analytics.get("/v1/metrics/revenue", params=earlier, headers=mine)).status_code == 200


async def test_a_prediction_is_by_a_fit_of_that_time(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    (predicted,) = [each for each in METRICS if each == "customers.alive"] or [
        next(iter(m for m in METRICS if m.startswith("clv.")))
    ]
    await fold(*history(tenant, 300, random.Random(1)))
    answer = await analytics.get(
        f"/v1/metrics/{predicted}", params=YEAR | {"knownAt": iso(RECORDED_FROM)}, headers=mine
    )
    assert answer.status_code == 409, answer.text
    assert answer.json()["type"].endswith("model-not-fitted")


async def test_of_fits_there_are_the_ones_that_had_been_made(
    postgres: EmbeddedPostgres, tenant: str, worker: AsyncEngine
) -> None:
    fits = [{"tenant_id": tenant, "id": new_id(), "fitted_at": at(day)} for day in ("2011-05-01", "2011-07-01")]
    columns: dict[str, Any] = {name: at("2011-01-01") for name in ("data_until", "checked_until")}
    columns |= {"model": "bg_nbd", "log_likelihood": 0.0, "customers": 1, "time_unit": "week"}
    columns |= {"parameters": {}, "standard_errors": {}}
    async with worker.begin() as connection:
        await connection.execute(insert(value_fits), [fit | columns for fit in fits])
    database = Database(postgres.url("kith_analytics"), pool_size=1, application="test")
    try:
        async with as_known_at.as_known_at(database, tenant, at("2011-06-01"), ()) as connection:
            mine = select(value_fits.c.id).where(value_fits.c.tenant_id == tenant)
            assert list(await connection.scalars(mine)) == [fits[0]["id"]]
    finally:
        await database.close()


def test_only_the_events_that_matter_are_folded() -> None:
    of_revenue = event_types_of([METRICS["revenue"]])
    needed = types_needed(of_revenue, DEFAULT_POLICY)
    assert needed is not None
    assert OrderPlaced.type in needed
    assert CustomerMerged.type in needed
    assert not any("opportunity" in type or "case" in type for type in needed)
    assert types_needed(of_revenue, ActivityPolicy(1, ActivityRule.of(["billing.invoice.paid.v1"], 30))) is None
