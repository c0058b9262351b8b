"""Trials of models over the whole base: what if is what publishing comes to, and a backtest knows nothing of later."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, at, happened
from tests.analytics.histories import history

from analytics.consumers import handle
from analytics.health.engine.reads import customers_of
from analytics.health.evaluation import backtest_reads as backtest
from analytics.health.evaluation.observation import Part
from analytics.health.evaluation.what_if_reads import compared
from analytics.health.model.definition import DEFAULT, HealthModel, band_of
from analytics.health.scores.rescoring import process_score_queue, score_due, score_everybody
from analytics.health.scores.tables import health_scores
from analytics.jobs.kinds import JOBS
from analytics.projections.snapshot import snapshot, within
from analytics.projections.tables import merged_customers
from analytics.tables import outbox
from kith.events.contacts import CustomerAmended, CustomerCreated
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith.testing import Answer, Issuer, Tenant

BOUGHT = OrderPlaced(value=Decimal(10), currency="EUR")
ANN = new_id()


@pytest.fixture
def mine(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(analytics, issuer, tenant)


async def report_of(mine: Tenant, worker: AsyncEngine, path: str, body: Answer) -> Answer:
    """Of the job that is done of it."""
    params = await mine.post(path, body)
    assert params.status_code == 202, params.text
    report: Answer = (await ended(mine, worker, params))["report"]
    return report


async def ended(mine: Tenant, worker: AsyncEngine, params: httpx.Response) -> Answer:
    while await JOBS.step(worker):
        pass
    found: Answer = (await mine.get(params.headers["Location"])).json()
    assert found["done"] == found["total"] or found["state"] == "failed", found
    return found


async def no_progress(done: int, total: int) -> None:
    pass


def drawn(dice: random.Random, *, audience: dict[str, Any] | None = None) -> Answer:
    """A model's document."""
    inputs = {
        "purchase_recency": (365, {}),
        "orders": (8, {"window_days": dice.choice([90, 365])}),
        "revenue": (3000, {"half_life_days": 60}),
        "revenue_trend": (3, {"window_days": 120}),
        "engagement": (3, {"window_days": 200}),
        "open_cases": (3, {}),
        "tenure": (900, {}),
    }
    measures = []
    for name in dice.sample(sorted(inputs), dice.randint(1, 4)):
        width, fields = inputs[name]
        places = sorted(dice.sample(range(101), 3))
        measures.append(
            {
                "id": name,
                "title": name,
                "input": name,
                "weight": dice.choice([0.5, 1.0, 2.0]),
                "curve": [[index * width / 100, float(dice.randint(0, 100))] for index in places],
                "absence": dice.choice(["left_out", "neutral", "zero"]),
                **fields,
            }
        )
    return {
        "title": "Drawn",
        "measures": measures,
        "audience": audience or dice.choice([{}, {"segments": ["gold"]}, {"tags": ["a"]}]),
        "bands": {"steady": 35.0, "healthy": 60.0},
        "hysteresis": dice.choice([0.0, 3.0]),
    }


async def republished(worker: AsyncEngine, tenant: str) -> None:
    """What analytics published of its models comes back to it, as over the bus."""
    async with worker.begin() as connection:
        names = [name for name in Envelope.__struct_fields__ if name != "source"]
        rows = await connection.execute(
            select(*(outbox.c[name] for name in names))
            .where(outbox.c.tenant_id == tenant, outbox.c.type.startswith("analytics.health-model."))
            .order_by(outbox.c.seq)
        )
        events = [Envelope(source="analytics", **row._mapping) for row in rows]
        await handle(connection, events)


async def scored(worker: AsyncEngine, tenant: str) -> dict[UUID, Any]:
    for step in (process_score_queue, score_everybody, score_due):
        while await step(worker):
            pass
    async with worker.connect() as connection:
        rows = await connection.execute(select(health_scores).where(health_scores.c.tenant_id == tenant))
        return {row.customer_id: row for row in rows}


async def merged(worker: AsyncEngine, tenant: str) -> set[UUID]:
    """Customers that are merged into another now."""
    m = merged_customers.c
    async with worker.connect() as connection:
        return set(await connection.scalars(select(m.customer_id).where(m.tenant_id == tenant, m.into.is_not(None))))


@pytest.mark.parametrize("seed", range(4))
async def test_what_if_is_what_publishing_the_model_comes_to(
    fold: Fold, worker: AsyncEngine, mine: Tenant, tenant: str, seed: int
) -> None:
    """For every customer, to the last bit; beside a model in force, or instead of its own version before."""
    dice = random.Random(seed)
    await fold(*history(tenant, 300, dice, customers=25))
    replaced = seed % 2 == 1
    wide = {"segments": ["gold", "silver"]}
    model = await mine.made("/v1/health-models", document=drawn(dice, audience=wide if replaced else None))
    path = f"/v1/health-models/{model['id']}"
    if replaced:  # by one for fewer: the others fall to the default
        assert (await mine.post(f"{path}:publish", {})).status_code == 200
        narrow = drawn(dice, audience={"segments": ["gold"]})
        assert (await mine.post(f"{path}:revise", {"document": narrow})).status_code == 200
    else:
        other = await mine.made("/v1/health-models", document=drawn(dice))
        assert (await mine.post(f"/v1/health-models/{other['id']}:publish", {})).status_code == 200
    await republished(worker, tenant)
    await scored(worker, tenant)
    report = await report_of(mine, worker, f"{path}:what_if", {})

    async with snapshot(worker) as before:
        await customers_of(before, tenant)  # which is when it is taken
        assert (await mine.post(f"{path}:publish", {})).status_code == 200
        await republished(worker, tenant)
        found = await scored(worker, tenant)
        (instant,) = {row.scored_at for row in found.values()}
        draft = (await mine.get("/v1/health-jobs")).json()["items"][0]["params"]["model"]
        would = await compared(within(before), tenant, HealthModel.from_document(**draft), instant, no_progress)
    gone = await merged(worker, tenant)
    scores = {id: row for id, row in found.items() if row.model is not None and id not in gone}
    assert set(would.customers) == set(scores)
    for index, id in enumerate(would.customers):
        score, row = would.after.score[index], found[id]
        assert band_of(int(would.after.band[index])) == row.band
        assert (None if np.isnan(score) else score) == row.score
        assert would.after.coverage[index] == row.coverage
    assert not (would.before.score == would.after.score).all()

    # Minutes lie between the two: no band of these is so near to a border.
    bands = [row.band for row in scores.values()]
    after = dict.fromkeys({*bands, None}, 0) | {band: bands.count(band) for band in set(bands)}
    for band, number in after.items():
        assert sum(cell["customers"] for cell in report["matrix"] if cell["to_band"] == band) == number
    assert report["scored_by_it"] == sum(row.model == model["id"] for row in scores.values())


async def test_a_what_if_adds_up(fold: Fold, worker: AsyncEngine, mine: Tenant, tenant: str) -> None:
    await fold(*history(tenant, 300, random.Random(9), customers=25))
    document = drawn(random.Random(3), audience={"segments": ["gold", "silver"]})
    when = "2013-03-01T00:00:00+00:00"
    report = await report_of(mine, worker, "/v1/health:what_if", {"document": document, "at": when})
    number = report["customers"]
    assert (datetime.fromisoformat(report["at"]), number > 15) == (datetime.fromisoformat(when), True)
    assert len(report["matrix"]) == 16
    assert sum(each["customers"] for each in report["matrix"]) == number
    moves = sum(each["customers"] for each in report["moves"])
    assert moves == report["movers"] == sum(each["movers"] for each in report["segments"]) > 0
    assert sum(each["customers"] for each in report["segments"]) == number
    gold = next(each for each in report["segments"] if each["segment"] == "gold")
    assert sum(gold["before"].values()) == sum(gold["after"].values()) == gold["customers"]
    nothing = next(each for each in report["segments"] if each["segment"] is None)
    assert (nothing["movers"], nothing["mean_change"]) == (0, 0), "it is not for them"
    assert len(report["histogram"]) == 20
    unknown = sum(each["customers"] for each in report["matrix"] if each["from_band"] is None)
    assert sum(each["before"] for each in report["histogram"]) == number - unknown
    sizes = []
    for mover in report["sample"]:
        assert mover["from_band"] != mover["to_band"]
        change = (mover["after"] or 0) - (mover["before"] or 0)
        assert sum(each["change"] for each in mover["drivers"]) == pytest.approx(change, abs=1e-9)
        sizes.append(abs(change) if None not in (mover["before"], mover["after"]) else -1)
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == min(50, report["movers"])


async def test_a_model_that_cannot_be_tried_is_refused(mine: Tenant, other_tenant: str) -> None:
    document = drawn(random.Random(1))
    model = await mine.made("/v1/health-models", document=document)
    path = f"/v1/health-models/{model['id']}:what_if"
    theirs = Tenant(mine.client, mine.issuer, other_tenant)
    assert (await theirs.post(path, {})).status_code == 404
    assert (await mine.without("analytics:write").post(path, {})).status_code == 403
    wrong = await mine.post(path, {"when": "now"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "when")
    bad = {**document, "measures": [{**document["measures"][0], "weight": -1}]}
    wrong = await mine.post("/v1/health:what_if", {"document": bad})
    assert wrong.status_code == 422
    assert document["measures"][0]["id"] in wrong.json()["errors"][0]["field"]
    assert (await mine.post(f"/v1/health-models/{model['id']}:retire", {})).status_code == 200
    assert (await mine.post(path, {})).status_code == 409


async def test_what_is_all_optional_needs_no_body(mine: Tenant) -> None:
    model = await mine.made("/v1/health-models", document=drawn(random.Random(1)))
    path = f"/v1/health-models/{model['id']}"
    bearer = {"Authorization": f"Bearer {mine.issuer.token(mine.name, mine.scopes)}"}
    answers = [
        await mine.client.post(what, headers=bearer)
        for what in (f"{path}:what_if", "/v1/health:distribution", f"{path}:backtest")
    ]
    assert [each.status_code for each in answers] == [202, 202, 409]
    assert answers[2].json()["type"] == "urn:kith:problem:too-little-history"


def shop(tenant: str, customers: int, *, until: str = "2011-12-31") -> list[Envelope]:
    """Some buy every other week as long as they are there; the others buy ever more rarely and leave."""
    dice, found = random.Random(4), list[Envelope]()
    for number in range(customers):
        id, time, gap = new_id(), at("2011-01-01") + timedelta(days=dice.random() * 30), 10.0
        segment = "leaves" if number % 2 else "stays"
        found.append(happened(CustomerCreated(kind="person", segment=segment), tenant, time, id))
        leaves = at("2011-03-20") + timedelta(days=dice.random() * 150)
        while time < at(until) and (segment == "stays" or time < leaves):
            found.append(happened(BOUGHT, tenant, time, id))
            gap *= 1.15 if segment == "leaves" else 1
            time += timedelta(days=gap * dice.uniform(0.7, 1.3))
    return found


RETAIL = {
    "title": "How often",
    "measures": [
        {"id": "orders", "title": "Orders", "input": "orders", "weight": 1.0, "window_days": 60.0,
         "curve": [[0.0, 0.0], [5.0, 100.0]]},
    ],
    "bands": {"steady": 50.0, "healthy": 70.0},
}  # fmt: skip


async def test_a_backtest_tells_who_was_warned_of_and_who_left(
    fold: Fold, worker: AsyncEngine, mine: Tenant, tenant: str
) -> None:
    await fold(*shop(tenant, 120))
    params = {"document": RETAIL, "from": "2011-04-01T00:00:00Z", "step_days": 15}
    report = await report_of(mine, worker, "/v1/health:backtest", params)
    assert report["horizon_days"] == 90
    assert report["lapsed"] is None
    assert report["instants"][0] == "2011-04-01T00:00:00Z"
    assert report["instants"][-1] <= "2011-10-02"
    assert 60 >= report["churned_customers"] >= 55, "all who left, but for the last ones"
    assert report["rows"] == sum(each["rows"] for each in report["by_instant"])
    assert report["churned"] == sum(each["churned"] for each in report["by_instant"])
    assert report["roc_area"]["value"] > 0.8
    assert (
        report["at_risk"]["precision"]["value"]
        > report["base_rate"]["value"] + 2 * (report["at_risk"]["precision"]["standard_error"])
    )
    assert report["lead"]["ended"] == 60
    assert 0 < report["lead"]["median"] < 90
    assert report["lead"]["median"] + report["lead"]["median_after_last_event"] == pytest.approx(90, abs=30)
    assert "the events that activity is made of" in report["notes"][0]
    assert {each["name"] for each in report["comparison"]["baselines"]} == {"recency", "frequency"}

    shorter = await report_of(mine, worker, "/v1/health:backtest", {**params, "horizon_days": 30})
    assert shorter["lapsed"]["base_rate"]["value"] < shorter["base_rate"]["value"]
    assert any("shorter than an activity window" in each for each in shorter["notes"])


async def test_nothing_of_after_an_instant_is_looked_at(fold: Fold, worker: AsyncEngine, tenant: str) -> None:
    """Planted after the first instant and before the others: orders of everybody who left, and another segment. The
    first instant's scores stay the same to the last bit, and so does whom the model is for."""
    await fold(*shop(tenant, 80))
    model = HealthModel.from_document("m", 1, {**RETAIL, "audience": {"segments": ["leaves"]}})

    async def seen() -> Part:
        async with snapshot(worker) as connection:
            plan = await backtest.plan(connection, tenant, at("2011-06-01"), at("2011-07-31"), 60, 90)
            customers = await customers_of(connection, tenant)
            part = await backtest.part_of(within(connection), tenant, model, plan, customers)
        assert part is not None
        return part

    before = await seen()
    async with snapshot(worker) as connection:
        everybody = await customers_of(connection, tenant)
    later = at("2011-06-01")  # an event at the instant itself is not before it
    amended = CustomerAmended(changed=["segment"], segment="stays")
    for id in everybody:
        await fold(
            happened(BOUGHT, tenant, later, id), happened(amended, tenant, later, id, subject=id, aggregate_version=2)
        )
    after = await seen()
    first, still = (part.seen.where(part.seen.instant == 0) for part in (before, after))
    assert len(first) == 40
    for name in ("customer", "score", "coverage", "at_risk", "quiet"):
        assert (getattr(first, name) == getattr(still, name)).all(), name
    assert first.churned.any()
    assert not still.churned.any()
    assert not (after.seen.instant == 1).any()


async def test_a_backtest_that_could_tell_nothing_is_refused(
    fold: Fold, worker: AsyncEngine, mine: Tenant, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(**params: object) -> tuple[object, ...]:
        answer = await mine.post("/v1/health:backtest", {"document": RETAIL, **params})
        found = answer.json()
        fields = [each["field"] for each in found.get("errors", [])]
        return answer.status_code, found["type"].rpartition(":")[2], *fields

    assert await refused() == (409, "too-little-history")
    await fold(*shop(tenant, 4, until="2011-03-01"))
    assert await refused() == (409, "too-little-history")
    await fold(*shop(tenant, 20))
    assert await refused() == (409, "too-few-churned")
    assert (await refused(to="2011-12-01T00:00:00Z")) == (422, "invalid", "to")
    assert (await refused(**{"from": "2011-12-01T00:00:00Z"})) == (422, "invalid", "from")
    assert (await refused(step_days=1)) == (422, "invalid", "step_days")
    # Now enough have left; but none of whom the model is for.
    await fold(*shop(tenant, 60))
    narrow = {**RETAIL, "audience": {"segments": ["nobody"]}}
    params = await mine.post("/v1/health:backtest", {"document": narrow})
    assert params.status_code == 202
    failed = await ended(mine, worker, params)
    assert (failed["state"], failed["reason"].split(",")[0]) == ("failed", "0 customers churned in that time")
    monkeypatch.setattr(backtest, "MOST_ROWS", 10)
    failed = await ended(mine, worker, await mine.post("/v1/health:backtest", {"document": RETAIL}))
    assert failed["reason"].startswith("Over 10 times a customer was active")


async def test_a_distribution_counts_everybody_once_and_says_the_same_live(
    fold: Fold, worker: AsyncEngine, mine: Tenant, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    people = {new_id(): (segment, tags) for segment in ("gold", "silver") for tags in (["a"], ["a", "b"], [])}
    crowd = new_id()
    await fold(
        happened(CustomerCreated(kind="person", tags=["unidentified"]), tenant, now - timedelta(days=300), crowd),
        happened(BOUGHT, tenant, now - timedelta(days=2), crowd),
    )
    for number, (id, (segment, tags)) in enumerate(people.items()):
        born = now - timedelta(days=250)
        await fold(happened(CustomerCreated(kind="person", segment=segment, tags=tags, owner_id=ANN), tenant, born, id))
        if number:  # of the first nothing is known
            days = 5 + 13 * number
            await fold(*(happened(BOUGHT, tenant, now - timedelta(days=days + step), id) for step in range(2)))
    await scored(worker, tenant)
    by_tag = (await mine.get("/v1/health/distribution", groupBy="tag")).json()
    whole = by_tag["whole"]
    assert (by_tag["source"], whole["customers"], sum(whole["bands"].values()), whole["bands"]["unknown"]) == (
        "computed", 6, 6, 1,
    )  # fmt: skip
    assert {each["group"]: each["customers"] for each in by_tag["groups"]} == {"a": 4, "b": 2, None: 2}
    assert whole["trend"]["customers"] == 0
    assert sum(whole["trend"]["bands"].values()) == 0
    assert whole["trend"]["mean"] < 0, "they have been silent since"
    assert whole["lower_quartile"] < whole["median"] < whole["upper_quartile"]
    then = (await mine.get("/v1/health/distribution", at=(now - timedelta(days=30)).isoformat())).json()
    for band, number in then["whole"]["bands"].items():
        assert whole["bands"][band] - whole["trend"]["bands"][band] == number
    by_owner = (await mine.get("/v1/health/distribution", groupBy="owner")).json()
    assert [(each["group"], each["customers"]) for each in by_owner["groups"]] == [(str(ANN), 6)]
    by_model = (await mine.get("/v1/health/distribution", groupBy="model")).json()
    assert [(each["group"], each["customers"]) for each in by_model["groups"]] == [(DEFAULT.id, 6)]
    wrong = await mine.get("/v1/health/distribution", groupBy="colour")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "groupBy")

    params = await mine.post("/v1/health:distribution", {"groupBy": "tag"})
    job = (await ended(mine, worker, params))["report"]
    assert [each["bands"] for each in job["groups"]] == [each["bands"] for each in by_tag["groups"]]
    query = "{healthDistribution(groupBy: SEGMENT) {source whole {customers} groups {group bands {atRisk} mean}}}"
    segments = (await mine.ask(query))["healthDistribution"]
    assert {each["group"] for each in segments["groups"]} == {"gold", "silver"}

    monkeypatch.setattr("analytics.health.evaluation.distribution_reads.MOST", 3)
    for by in (*("segment", "tag", "owner", "model"), None):
        query_ = {} if by is None else {"groupBy": by}
        monkeypatch.setattr("analytics.health.evaluation.distribution_reads.MOST", 3)
        stored = (await mine.get("/v1/health/distribution", **query_)).json()
        monkeypatch.setattr("analytics.health.evaluation.distribution_reads.MOST", 100)
        live = (await mine.get("/v1/health/distribution", **query_)).json()
        assert (stored["source"], live["source"]) == ("stored", "computed")
        for one, other in ((stored["whole"], live["whole"]), *zip(stored["groups"], live["groups"], strict=True)):
            assert one["bands"] == other["bands"]
            for name in ("mean", "lower_quartile", "median", "upper_quartile", "coverage"):
                assert one[name] == pytest.approx(other[name], abs=0.01)
    monkeypatch.setattr("analytics.health.evaluation.distribution_reads.MOST", 3)
    past = await mine.get("/v1/health/distribution", at="2011-01-01T00:00:00Z")
    assert (past.status_code, past.json()["errors"][0]["field"]) == (422, "at")
