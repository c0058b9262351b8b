"""Fits: made with the first question that needs one, and again when purchases have drifted from them."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.analytics.conftest import Fold, at
from tests.analytics.shop import Shop

from analytics.customer_value.fits import CHECK_AFTER, KeptFit, Model, applying, is_due
from analytics.customer_value.value_models import ValueModels
from kith.ids import new_id

Headers = dict[str, str]
FITS = "/v1/customer-value/fits"
END = at("2012-01-01")


@pytest.fixture
def shop(tenant: str) -> Shop:
    return Shop.of_two_years(tenant)


async def alive(analytics: httpx.AsyncClient, headers: Headers, to: str) -> float:
    answer = await analytics.get(
        "/v1/metrics/customers.alive", params={"from": "2010-01-01T00:00:00Z", "to": to}, headers=headers
    )
    assert answer.status_code == 200, answer.text
    value: float = answer.json()["value"]
    return value


async def fits(analytics: httpx.AsyncClient, headers: Headers) -> list[Any]:
    answer = await analytics.get(FITS, headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["items"]
    return found


async def test_a_fit_made_on_demand_says_how_sure_it_is(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    made = await analytics.post(FITS, json={"until": "2012-01-01T00:00:00Z"}, headers=mine)
    assert made.status_code == 201, made.text
    buying, spending = made.json()["fits"]
    assert made.json()["refused"] == []
    assert (buying["model"], buying["currency"], buying["time_unit"]) == ("bg_nbd", None, "week")
    assert (spending["model"], spending["currency"]) == ("gamma_gamma", "EUR")
    assert buying["customers"] == len(shop.buyers(END))
    assert set(buying["parameters"]) == set(buying["standard_errors"]) == {"r", "alpha", "a", "b"}
    assert set(spending["parameters"]) == {"p", "q", "gamma"}
    assert all(error > 0 for each in (buying, spending) for error in each["standard_errors"].values())
    assert buying["log_likelihood"] < 0
    assert buying["data_until"].startswith("2012-01-01")
    assert await fits(analytics, mine) == [spending, buying]
    assert (await analytics.get(f"{FITS}/{buying['id']}", headers=mine)).json() == buying


async def test_a_fit_is_its_tenants_own(
    analytics: httpx.AsyncClient, mine: Headers, theirs: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    made = (await analytics.post(FITS, headers=mine)).json()["fits"]
    assert await fits(analytics, theirs) == []
    assert (await analytics.get(f"{FITS}/{made[0]['id']}", headers=theirs)).status_code == 404
    refused = await analytics.post(FITS, headers=theirs)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kith:problem:model-not-fitted")


async def test_to_fit_takes_the_scope_to_write(
    analytics: httpx.AsyncClient, tenant: str, token: Callable[..., Headers]
) -> None:
    reader = token(tenant, "analytics:read")
    assert (await analytics.post(FITS, headers=reader)).status_code == 403
    assert (await analytics.get(FITS, headers=reader)).status_code == 200
    unknown = await analytics.post(FITS, json={"untill": "2012-01-01T00:00:00Z"}, headers=token(tenant))
    assert (unknown.status_code, "untill" in unknown.text) == (422, True)


async def test_the_first_question_makes_the_fit_that_others_use(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    both = await asyncio.gather(*(alive(analytics, mine, "2012-01-01T00:00:00Z") for _ in range(3)))
    assert len(set(both)) == 1
    (only,) = await fits(analytics, mine)
    assert (only["model"], only["data_until"][:10]) == ("bg_nbd", "2012-01-01")
    await alive(analytics, mine, "2012-01-20T00:00:00Z")
    assert await fits(analytics, mine) == [only]


async def test_the_past_is_scored_without_hindsight(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    await alive(analytics, mine, "2012-01-01T00:00:00Z")
    before = await alive(analytics, mine, "2011-06-01T00:00:00Z")
    assert [each["data_until"][:10] for each in await fits(analytics, mine)] == ["2011-06-01", "2012-01-01"]
    await analytics.post(FITS, headers=mine)
    assert await alive(analytics, mine, "2011-06-01T00:00:00Z") == before


async def test_what_cannot_be_known_of_the_past_is_not_taken_from_a_later_fit(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    """Whether a later instant was queried before makes no difference."""
    await fold(*shop.events())
    first = min(time for _, time, _ in shop.orders)
    early = {"from": "2000-01-01T00:00:00Z", "to": (first + timedelta(days=2)).isoformat()}
    before = await analytics.get("/v1/metrics/customers.alive", params=early, headers=mine)
    await alive(analytics, mine, "2012-01-01T00:00:00Z")
    after = await analytics.get("/v1/metrics/customers.alive", params=early, headers=mine)
    assert (before.status_code, after.json()) == (409, before.json())


async def test_a_fit_that_still_describes_its_customers_stays(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    await alive(analytics, mine, "2012-01-01T00:00:00Z")
    await alive(analytics, mine, "2012-02-15T00:00:00Z")
    (only,) = await fits(analytics, mine)
    assert (only["data_until"][:10], only["checked_until"][:10]) == ("2012-01-01", "2012-02-15")


async def test_a_fit_from_which_purchases_have_drifted_is_made_again(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    for id in shop.buyers(END)[::2]:  # half of them buy every day, all at once
        shop.orders += [(id, END + timedelta(days=day), Decimal(10)) for day in range(40)]
    await fold(*shop.events())
    await alive(analytics, mine, "2012-01-01T00:00:00Z")
    await alive(analytics, mine, "2012-01-20T00:00:00Z")
    assert len(await fits(analytics, mine)) == 1  # too soon to look
    await alive(analytics, mine, "2012-02-10T00:00:00Z")
    new, old = await fits(analytics, mine)
    assert (old["data_until"][:10], new["data_until"][:10]) == ("2012-01-01", "2012-02-10")
    assert new["parameters"] != old["parameters"]


async def test_a_costly_fit_that_failed_is_not_tried_again_that_day(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = set(shop.buyers(END)[:20])
    everything, shop.orders = shop.orders, [order for order in shop.orders if order[0] in few]
    await fold(*shop.events())
    monkeypatch.setattr("analytics.customer_value.fitting.COSTLY", 0)
    params = {"from": "2011-01-01T00:00:00Z", "to": "2012-01-01T00:00:00Z"}
    first = await analytics.get("/v1/metrics/customers.alive", params=params, headers=mine)
    rest = [order for order in everything if order[0] not in few]
    shop.orders, shop.returns, shop.segments = rest, [], {}  # their records have been published
    await fold(*shop.events())
    again = await analytics.get("/v1/metrics/customers.alive", params=params, headers=mine)
    assert (first.status_code, again.json()) == (409, first.json())
    on_demand = await analytics.post(FITS, json={"until": params["to"]}, headers=mine)
    assert on_demand.status_code == 201
    assert await alive(analytics, mine, params["to"]) > 0


def kept(model: Model, until: str, currency: str | None = None, checked: str | None = None) -> KeptFit:
    return KeptFit(new_id(), model, currency, END, at(until), at(checked or until), {}, {}, 0.0, 0)


def test_the_newest_fit_without_hindsight_applies() -> None:
    spring, summer = kept(Model.BG_NBD, "2011-03-01"), kept(Model.BG_NBD, "2011-06-01")
    again = kept(Model.BG_NBD, "2011-03-01")
    known = [summer, spring, kept(Model.GAMMA_GAMMA, "2011-04-01", "EUR"), again]
    assert applying(known, Model.BG_NBD, None, at("2011-05-31")) is again
    assert applying(known, Model.BG_NBD, None, at("2011-06-01")) is summer
    assert applying(known, Model.BG_NBD, None, at("2011-01-01")) is spring
    assert applying(known, Model.GAMMA_GAMMA, "USD", END) is None


def test_what_is_newer_than_a_fit_is_looked_at_after_four_weeks() -> None:
    old = kept(Model.BG_NBD, "2011-01-01", checked="2011-03-01")
    assert is_due([], Model.BG_NBD, None, END)
    assert is_due([old], Model.BG_NBD, None, at("2010-12-31"))
    assert not is_due([old], Model.BG_NBD, None, at("2011-03-01") + CHECK_AFTER)
    assert is_due([old], Model.BG_NBD, None, at("2011-03-01") + CHECK_AFTER + timedelta(seconds=1))
    # What lies between two fits has been looked at.
    assert not is_due([old, kept(Model.BG_NBD, "2011-12-01")], Model.BG_NBD, None, at("2011-11-01"))


# Per customer


async def test_a_customers_value_is_its_part_of_the_figures(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    buyers = shop.buyers(END)
    scores, labels = shop.rfm(END, buyers), shop.labels(END, buyers)
    for id in buyers[::30]:
        answer = await analytics.get(f"/v1/customers/{id}/value", params={"at": "2012-01-01T00:00:00Z"}, headers=mine)
        assert answer.status_code == 200, answer.text
        value = answer.json()
        assert value["historic"] == float(shop.revenue(id, END))
        assert value["orders"] == sum(who == id and time < END for who, time, _ in shop.orders)
        recency, frequency, monetary = scores[id]
        assert value["rfm"] == {
            "recency": recency,
            "frequency": frequency,
            "monetary": monetary,
            "label": labels[id],
        }
        assert (value["currency"], value["weeks_ahead"], value["unpredicted"]) == ("EUR", 52, None)
        for field, metric in (("predicted", "clv.predicted"), ("p_alive", "customers.alive")):
            params = {"from": "2010-01-01T00:00:00Z", "to": "2012-01-01T00:00:00Z", "first": "500"}
            members = (await analytics.get(f"/v1/metrics/{metric}/members", params=params, headers=mine)).json()
            (its,) = [each["value"] for each in members["items"] if each["customer_id"] == str(id)]
            assert value[field] == pytest.approx(its, abs=0.006)


async def test_who_never_bought_and_who_stands_for_many_have_no_value(
    analytics: httpx.AsyncClient, mine: Headers, theirs: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    collective = next(id for id, tags in shop.tags.items() if "unidentified" in tags)
    only_returned = next(id for id, *_ in shop.returns if id not in {who for who, *_ in shop.orders})
    for id in (collective, only_returned):
        value = (await analytics.get(f"/v1/customers/{id}/value", headers=mine)).json()
        assert (value["orders"], value["historic"], value["rfm"], value["p_alive"]) == (0, None, None, None)
    for id, headers in ((new_id(), mine), (shop.buyers(END)[0], theirs)):
        assert (await analytics.get(f"/v1/customers/{id}/value", headers=headers)).status_code == 404


async def test_without_a_fit_a_value_says_why_it_predicts_nothing(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    shop, id = Shop(tenant), new_id()
    shop.segments[id] = None
    shop.orders = [(id, at("2011-01-01"), Decimal(10))]
    await fold(*shop.events())
    value = (await analytics.get(f"/v1/customers/{id}/value", headers=mine)).json()
    assert (value["historic"], value["rfm"]["label"], value["predicted"]) == (10, "champions", None)
    assert "takes 40" in value["unpredicted"]


async def test_graphql_scores_all_requested_customers_at_once(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fold(*shop.events())
    times = 0
    original = ValueModels.of.__func__  # type: ignore[attr-defined]

    async def counted(cls: type[ValueModels], *given: Any) -> ValueModels:
        nonlocal times
        times += 1
        models: ValueModels = await original(cls, *given)
        return models

    monkeypatch.setattr(ValueModels, "of", classmethod(counted))
    buyers = shop.buyers(END)[:3]
    query = """query ($of: [_Any!]!) {
        _entities(representations: $of) { ... on Customer {
            id value(at: "2012-01-01T00:00:00Z") { historic pAlive predicted rfm { label recency } }
        } }
        customerValueFits { model currency parameters logLikelihood }
    }"""
    of = [{"__typename": "Customer", "id": str(id)} for id in buyers]
    answer = (await analytics.post("/graphql", json={"query": query, "variables": {"of": of}}, headers=mine)).json()
    assert "errors" not in answer, answer
    labels = shop.labels(END, shop.buyers(END))
    for each, id in zip(answer["data"]["_entities"], buyers, strict=True):
        assert each["value"]["historic"] == float(shop.revenue(id, END))
        assert each["value"]["rfm"]["label"] == labels[id]
        assert 0 < each["value"]["pAlive"] <= 1
    assert times == 1
    assert {each["model"] for each in answer["data"]["customerValueFits"]} <= {"BG_NBD", "GAMMA_GAMMA"}
