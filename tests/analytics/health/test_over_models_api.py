"""Over a publication: every answer is by the models that were in force at its instants."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.analytics.conftest import at, happened

from kith.events.analytics import HealthModelPublished, HealthModelRetired
from kith.events.contacts import CustomerAmended, CustomerCreated
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith.testing import Issuer, Tenant

DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)
MODEL = new_id()
FIRST, SECOND = at("2026-01-01"), at("2026-03-01")
OVER = {"from": "2026-02-20T00:00:00Z", "to": "2026-03-11T00:00:00Z"}


def recency(lasts: float, weight: float = 1) -> dict[str, Any]:
    """100 points at a purchase, none after so many days; and 50 for an order."""
    measures = [
        {"id": "recency", "input": "purchase_recency", "weight": weight, "curve": [[0, 100], [lasts, 0]]},
        {"id": "orders", "input": "orders", "weight": 1, "curve": [[0, 0], [2, 100]]},
    ]
    return {"title": "m", "measures": measures, "bands": {"steady": 40, "healthy": 60}, "hysteresis": 0}


@pytest.fixture
def acme(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(analytics, issuer, tenant)


@pytest.fixture
async def buyer(fold: Any, tenant: str) -> UUID:
    """Bought once, a month before a model was published that is stricter than the one before."""
    customer = new_id()
    await fold(
        happened(HealthModelPublished(1, recency(200)), tenant, FIRST, subject=MODEL),
        happened(HealthModelPublished(2, recency(100, 3)), tenant, SECOND, subject=MODEL, aggregate_version=2),
        happened(OrderPlaced(value=Decimal(30), currency="EUR"), tenant, at("2026-01-30"), customer),
    )
    return customer


async def explained(tenant: Tenant, customer: UUID, what: str = "", **query: str) -> Any:
    answer = await tenant.get(f"/v1/customers/{customer}/health{what}", **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_difference_says_what_the_other_model_made_of_it_and_what_happened(acme: Tenant, buyer: UUID) -> None:
    found = await explained(acme, buyer, "/difference", **OVER)
    before, after = [await explained(acme, buyer, at=OVER[each]) for each in ("from", "to")]
    assert (before["model_version"], after["model_version"]) == (1, 2)
    # 21 days after the purchase (1 - 21/200) and 50; 40 days after it (1 - 40/100), thrice, and 50.
    assert before["score"] == pytest.approx((89.5 + 50) / 2)
    assert after["score"] == pytest.approx((3 * 60 + 50) / 4)
    assert found["change"] == pytest.approx(after["score"] - before["score"], abs=1e-9)
    (swap,) = found["model_changes"]
    assert datetime.fromisoformat(swap["at"]) == SECOND + INSTANT
    by_both = (100 - 30 / 2 + 50) / 2, (3 * 70 + 50) / 4  # 30 days after the purchase
    assert (swap["before"]["score"], swap["after"]["score"]) == pytest.approx(by_both)
    assert found["by_model"] == swap["change"] == pytest.approx(by_both[1] - by_both[0])
    assert sum(each["change"] for each in found["changes"]) == pytest.approx(found["change"], abs=1e-9)
    for each in found["changes"]:
        parts = each["by_input"] + each["by_share"] + each["by_model"]
        assert each["change"] == pytest.approx(parts, abs=1e-9)
    assert sum(each["by_model"] for each in found["changes"]) == pytest.approx(found["by_model"], abs=1e-9)
    assert found["words"].endswith("; \u221212.2. \u22122.5 of it as the model changed.")
    assert swap["words"] == (
        "On 1 March 2026 the model changed: 67.5 (healthy) by the model \u201cm\u201d, number 1, then 65.0 (healthy) "
        "by the model \u201cm\u201d, number 2; \u22122.5."
    )
    chinese = await explained(acme, buyer, "/difference", **OVER, language="zh")
    assert "分来自模型的更换。" in chinese["words"]


async def test_history_is_by_the_model_of_each_instant_and_names_it(acme: Tenant, tenant: str, fold: Any) -> None:
    customer = new_id()
    strict = recency(40, 3)
    await fold(
        happened(HealthModelPublished(1, recency(200)), tenant, FIRST, subject=MODEL),
        happened(HealthModelPublished(2, strict), tenant, SECOND, subject=MODEL, aggregate_version=2),
        happened(HealthModelRetired(), tenant, at("2026-03-05"), subject=MODEL, aggregate_version=3),
        happened(OrderPlaced(value=Decimal(30), currency="EUR"), tenant, at("2026-01-30"), customer),
    )
    found = await explained(acme, customer, "/history", **OVER)
    assert [(each["model"], each["model_version"]) for each in found["models"]] == [
        (str(MODEL), 1), (str(MODEL), 2), ("default", 2),
    ]  # fmt: skip
    assert (found["model"], found["model_version"]) == ("default", 2)
    swapped, *_ = found["changes"]
    assert (swapped["from_band"], swapped["band"], swapped["cause"], swapped["silent"]) == (
        "healthy", "at_risk", "model", False,
    )  # fmt: skip
    assert datetime.fromisoformat(swapped["at"]) == SECOND + INSTANT
    assert swapped["words"] == "1 March 2026: from healthy to at risk, as the model changed."
    for point in found["points"]:
        as_of = await explained(acme, customer, at=point["at"])
        assert as_of["score"] == pytest.approx(point["score"], abs=1e-9)
    for each in found["changes"]:
        as_of = await explained(acme, customer, at=each["at"])
        assert (as_of["band"], as_of["model"], as_of["model_version"]) == (
            each["band"], each["model"], each["model_version"],
        )  # fmt: skip


async def test_the_trend_is_as_of_now_less_as_of_thirty_days_before(acme: Tenant, buyer: UUID) -> None:
    now, then = at("2026-03-11"), at("2026-03-11") - 30 * DAY
    found, before = [await explained(acme, buyer, at=each.isoformat()) for each in (now, then)]
    assert (before["model_version"], found["model_version"]) == (1, 2)
    assert found["trend"] == pytest.approx(found["score"] - before["score"], abs=1e-9)
    assert sum(each["change"] for each in found["drivers"]) == pytest.approx(found["trend"], abs=1e-9)


async def test_a_customer_that_comes_to_another_segment_comes_under_its_model(
    acme: Tenant, buyer: UUID, tenant: str, fold: Any
) -> None:
    gold = new_id()
    published = HealthModelPublished(1, recency(60) | {"audience": {"segments": ["gold"]}})
    amended = CustomerAmended(changed=["segment"], segment="gold")
    await fold(
        happened(published, tenant, FIRST, subject=gold),
        happened(CustomerCreated(kind="person"), tenant, FIRST, buyer),
        happened(amended, tenant, at("2026-02-25"), buyer, aggregate_version=2),
    )
    found = await explained(acme, buyer, "/difference", **OVER)
    assert [each["after"]["model"] for each in found["model_changes"]] == [str(gold)]
    before, after = [await explained(acme, buyer, at=OVER[each]) for each in ("from", "to")]
    assert (before["model"], after["model"]) == (str(MODEL), str(gold))
    assert found["change"] == pytest.approx(after["score"] - before["score"], abs=1e-9)


async def test_the_tree_that_was_known_decides_on_the_model(acme: Tenant, buyer: UUID, tenant: str, fold: Any) -> None:
    of_tree, group, company = new_id(), new_id(), new_id()
    today = datetime.now(UTC)
    recorded: dict[str, Any] = {"recorded_at": today + timedelta(minutes=2)}
    amended = CustomerAmended(changed=["parent_id"])

    def organisation(id: UUID, parent: UUID | None = None) -> Any:
        return happened(CustomerCreated(kind="organisation", parent_id=parent), tenant, FIRST, id)

    published = HealthModelPublished(1, recency(60) | {"audience": {"within": [str(group)]}})
    await fold(
        happened(published, tenant, FIRST, subject=of_tree),
        *(organisation(*each) for each in ((group,), (company, group), (buyer, company))),
        happened(amended, tenant, at("2026-02-25"), company, aggregate_version=2, **recorded),
    )
    for minutes, model in ((1, of_tree), (3, MODEL)):
        known = {"knownAt": (today + timedelta(minutes=minutes)).isoformat()} if minutes == 1 else {}
        assert (await explained(acme, buyer, at=OVER["to"], **known))["model"] == str(model)


async def test_what_was_known_is_by_the_models_that_were_known(
    acme: Tenant, buyer: UUID, tenant: str, fold: Any
) -> None:
    late = HealthModelPublished(3, recency(300))
    today = datetime.now(UTC)
    recorded: dict[str, Any] = {"recorded_at": today + timedelta(minutes=2)}
    then = {"knownAt": (today + timedelta(minutes=1)).isoformat()}
    await fold(happened(late, tenant, at("2026-03-05"), subject=MODEL, aggregate_version=3, **recorded))
    now, before = (
        await explained(acme, buyer, "/difference", **OVER),
        await explained(acme, buyer, "/difference", **OVER, **then),
    )
    assert [each["after"]["model_version"] for each in now["model_changes"]] == [2, 3]
    assert [each["after"]["model_version"] for each in before["model_changes"]] == [2]
    for found, known in ((now, {}), (before, then)):
        ends = [await explained(acme, buyer, at=OVER[each], **known) for each in ("from", "to")]
        assert found["change"] == pytest.approx(ends[1]["score"] - ends[0]["score"], abs=1e-9)


async def test_the_change_of_a_distribution_is_from_as_it_was_to_as_it_is(acme: Tenant, buyer: UUID) -> None:
    now, then = at("2026-03-11"), at("2026-03-11") - 30 * DAY
    found = (await acme.get("/v1/health/distribution", at=now.isoformat())).json()["whole"]
    before = (await acme.get("/v1/health/distribution", at=then.isoformat())).json()["whole"]
    assert before["mean"] == pytest.approx((await explained(acme, buyer, at=then.isoformat()))["score"])
    assert found["mean"] == pytest.approx((await explained(acme, buyer, at=now.isoformat()))["score"])
    assert found["trend"]["mean"] == pytest.approx(found["mean"] - before["mean"], abs=1e-9)


async def test_over_graphql_the_model_is_a_part_of_its_own_too(acme: Tenant, buyer: UUID) -> None:
    query = """query ($r: [_Any!]!, $at: DateTime, $from: DateTime!) { _entities(representations: $r) {
        ... on Customer { health(at: $at) {
            difference(from: $from) { change byModel modelChanges { at change before { score } after { score } }
                changes { measure change byInput byShare byModel } }
            history(from: $from) { models { model modelVersion startsAt } changes { at cause model } } } } } }"""
    variables = {"r": [{"__typename": "Customer", "id": str(buyer)}], "at": OVER["to"], "from": OVER["from"]}
    (shown,) = (await acme.ask(query, **variables))["_entities"]
    rest = await explained(acme, buyer, "/difference", **OVER)
    assert shown["health"]["difference"]["byModel"] == rest["by_model"]
    assert [each["byModel"] for each in shown["health"]["difference"]["changes"]] == [
        each["by_model"] for each in rest["changes"]
    ]
    history = await explained(acme, buyer, "/history", **OVER)
    assert [each["cause"] for each in shown["health"]["history"]["changes"]] == [
        each["cause"].upper() for each in history["changes"]
    ]
    assert len(shown["health"]["history"]["models"]) == len(history["models"]) == 2


async def test_of_whom_no_model_is_for_it_says_why(acme: Tenant, tenant: str, fold: Any) -> None:
    many, start = new_id(), datetime.now(UTC) - DAY
    await fold(happened(CustomerCreated(kind="person", tags=["unidentified"]), tenant, start, many))
    found = await explained(acme, many)
    assert (found["score"], found["band"], found["model"], found["model_version"]) == (None, None, None, None)
    assert "It stands for many customers" in found["words"]
    assert found["contributions"] == []
    path = await explained(acme, many, "/path")
    assert (path["up"], path["down"], path["model"]) == (None, None, None)
    difference = await explained(acme, many, "/difference", **OVER)
    assert (difference["change"], difference["changes"]) == (0, [])
    assert await explained(acme, many, "/history", **OVER) is None
    assert "它代表许多未识别的客户" in (await explained(acme, many, language="zh"))["words"]
