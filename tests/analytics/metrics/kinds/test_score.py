"""Scores of customers, against plain Python."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest
from tests.analytics.conftest import Fold, at, happened
from tests.analytics.shop import Shop

from analytics.customer_value.lifetime import BgNbd, Fit, GammaGamma, p_alive, predicted_clv
from analytics.customer_value.purchases import numbered
from kith.events.sales import OrderPlaced
from kith.ids import new_id

Headers = dict[str, str]
YEAR = {"from": "2011-01-01T00:00:00Z", "to": "2012-01-01T00:00:00Z"}
END = at("2012-01-01")


@pytest.fixture
def shop(tenant: str) -> Shop:
    return Shop.of_two_years(tenant)


async def ask(analytics: httpx.AsyncClient, headers: Headers, id: str, **params: Any) -> Any:
    answer = await analytics.get(f"/v1/metrics/{id}", params=YEAR | params, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def by_group(figure: Any) -> dict[tuple[str | None, ...], float | None]:
    return {tuple(key["value"] for key in each["group"]): each["value"] for each in figure["breakdown"]}


def parts(figure: Any) -> dict[str, float]:
    return {each["name"]: each["value"] for each in figure["components"]}


async def test_rfm_counts_the_customers_of_each_label(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    buyers = shop.buyers(END)
    figure = await ask(analytics, mine, "rfm", groupBy="label")
    assert figure["value"] == len(buyers)
    assert by_group(figure) == {(label,): n for label, n in Counter(shop.labels(END, buyers).values()).items()}

    by_segment = await ask(analytics, mine, "rfm", groupBy=["label", "segment"])
    labels = shop.labels(END, buyers)
    assert by_group(by_segment) == Counter((labels[id], shop.segments[id]) for id in buyers)
    swapped = await ask(analytics, mine, "rfm", groupBy=["segment", "label"])
    assert by_group(swapped) == {(b, a): n for (a, b), n in by_group(by_segment).items()}


async def test_the_fifths_are_of_the_customers_whom_the_filter_chooses(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    golden = shop.buyers(END, "gold")
    labels = Counter(shop.labels(END, golden).values())
    assert by_group(await ask(analytics, mine, "rfm", groupBy="label", filter="segment:gold")) == {
        (label,): number for label, number in labels.items()
    }
    some = await ask(analytics, mine, "rfm", filter=["segment:gold", "label:champions,lost"])
    assert some["value"] == labels["champions"] + labels["lost"]
    others = await ask(analytics, mine, "rfm", filter=["segment:gold", "label:!champions"])
    assert others["value"] == len(golden) - labels["champions"]


async def test_customers_who_bought_alike_are_called_alike(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    await fold(
        *(
            happened(OrderPlaced(value=Decimal(10), currency="EUR"), tenant, at("2011-05-01"), new_id())
            for _ in range(10)
        )
    )
    assert by_group(await ask(analytics, mine, "rfm", groupBy="label")) == {("needs_attention",): 10}


async def test_historic_value_is_net_revenue_exactly(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    buyers = shop.buyers(END)
    total = sum(shop.revenue(id, END) for id in buyers)
    figure = await ask(analytics, mine, "clv.historic")
    assert parts(figure) == {"value": float(total), "customers": len(buyers)}
    assert figure["value"] == pytest.approx(float(total / len(buyers)), abs=1e-4)
    tags = await ask(analytics, mine, "clv.historic", groupBy="tag")
    assert by_group(tags)["b",] == pytest.approx(
        float(np.mean([float(shop.revenue(id, END)) for id in buyers if "b" in shop.tags[id]])), abs=1e-4
    )
    assert sum(each["denominator"] for each in tags["breakdown"]) == sum(max(len(shop.tags[id]), 1) for id in buyers)


async def test_each_period_is_scored_at_its_end(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    await analytics.post("/v1/customer-value/fits", json={"until": "2011-01-01T00:00:00Z"}, headers=mine)
    for id in ("rfm", "clv.historic", "clv.simple", "clv.predicted", "customers.alive"):
        series = await ask(analytics, mine, id, grain="month", groupBy="segment")
        assert len({each["ends_at"] for each in series["breakdown"]}) == 12
        for each in series["breakdown"]:
            if each["ends_at"].startswith(("2011-02", "2011-09", "2012")):
                alone = await ask(analytics, mine, id, to=each["ends_at"], groupBy="segment")
                group = tuple(key["value"] for key in each["group"])
                if each["ends_at"].startswith("2012") or id in ("rfm", "clv.historic"):
                    assert by_group(alone)[group] == each["value"], (id, each)
                assert each["value"] is None or each["value"] > 0


async def test_simple_value_is_the_years_revenue_for_as_long_as_the_segment_stays(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    expected = shop.simple(END)
    figure = await ask(analytics, mine, "clv.simple", groupBy="segment")
    assert parts(figure)["customers"] == len(expected)
    assert figure["value"] == pytest.approx(sum(expected.values()) / len(expected))
    for (segment,), value in by_group(figure).items():
        of_segment = [value for id, value in expected.items() if shop.segments[id] == segment]
        assert value == pytest.approx(sum(of_segment) / len(of_segment))
    # The churn is the segment's, whatever the filter.
    some = [value for id, value in expected.items() if "b" in shop.tags[id]]
    filtered = await ask(analytics, mine, "clv.simple", filter="tag:b")
    assert filtered["value"] == pytest.approx(sum(some) / len(some))


async def test_a_segment_that_nobody_left_has_no_simple_value(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    shop, id = Shop(tenant), new_id()
    shop.segments[id] = "gold"
    shop.orders = [(id, at("2010-12-01"), Decimal(10)), (id, at("2011-12-01"), Decimal(10))]
    await fold(*shop.events())
    figure = await ask(analytics, mine, "clv.simple")
    assert (figure["value"], figure["denominator"]) == (None, 0)


async def test_predicted_value_is_that_of_the_fit(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    alive = await ask(analytics, mine, "customers.alive")
    figure = await ask(analytics, mine, "clv.predicted")
    listed = (await analytics.get("/v1/customer-value/fits", headers=mine)).json()["items"]
    buying, spending = (next(each for each in listed if each["model"] == model) for model in ("bg_nbd", "gamma_gamma"))
    fits: list[Any] = [
        Fit(kind(**fit["parameters"]), kind(**fit["standard_errors"]), fit["log_likelihood"], fit["customers"])
        for kind, fit in ((BgNbd, buying), (GammaGamma, spending))
    ]
    x, t_x, age, mean = (np.array(column) for column in zip(*shop.histories(END), strict=True))
    assert buying["customers"] == len(x)
    assert alive["value"] == pytest.approx(p_alive(fits[0], x, t_x, age).sum(), abs=1e-4)
    predicted = predicted_clv(fits[0], fits[1], x, t_x, age, mean, 52)
    assert figure["value"] == pytest.approx(predicted.mean(), abs=1e-3)
    assert figure["denominator"] == len(x)


async def test_members_come_to_what_they_prove(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    placed = {(id, time) for id, time, _ in shop.orders}
    for id in ("rfm", "clv.historic", "clv.simple", "clv.predicted", "customers.alive"):
        figure = await ask(analytics, mine, id, filter="segment:gold,silver")
        for part, value in parts(figure).items():
            found: list[Any] = []
            after = None
            while True:
                params = YEAR | {"part": part, "first": "40", "filter": "segment:gold,silver"}
                params |= {"after": after} if after else {}
                answer = await analytics.get(f"/v1/metrics/{id}/members", params=params, headers=mine)
                assert answer.status_code == 200, answer.text
                found += answer.json()["items"]
                if (after := answer.json()["next"]) is None:
                    break
            assert sum(each["value"] for each in found) == pytest.approx(value), (id, part)
            assert len({each["customer_id"] for each in found}) == len(found)
            for each in found:
                who, last = UUID(each["customer_id"]), datetime.fromisoformat(each["time"])
                assert (who, last) in placed
                assert last == max(time for other, time in placed if other == who and time < END)
    labelled = await analytics.get(
        "/v1/metrics/rfm/members", params=YEAR | {"filter": "label:champions", "first": "500"}, headers=mine
    )
    labels = shop.labels(END, shop.buyers(END))
    assert {UUID(each["customer_id"]) for each in labelled.json()["items"]} == {
        id for id, label in labels.items() if label == "champions"
    }


async def test_no_tenant_scores_anothers_customers(
    analytics: httpx.AsyncClient, mine: Headers, theirs: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    assert (await ask(analytics, theirs, "rfm"))["value"] == 0
    assert (await ask(analytics, theirs, "clv.historic"))["value"] is None
    assert (await ask(analytics, theirs, "clv.simple", grain="month"))["value"] is None
    refused = await analytics.get("/v1/metrics/customers.alive", params=YEAR, headers=theirs)
    assert refused.status_code == 409
    assert "takes 40" in refused.json()["detail"]


async def test_amounts_in_several_currencies_are_scored_one_currency_at_a_time(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    before = {id: await ask(analytics, mine, id) for id in ("clv.historic", "clv.simple", "clv.predicted")}
    dollars = happened(OrderPlaced(value=Decimal(7), currency="USD"), shop.tenant, at("2011-02-02"), shop.orders[0][0])
    await fold(dollars)
    for id, alone in before.items():
        mixed = await ask(analytics, mine, id)
        euros, others = mixed["by_currency"]
        assert (mixed["value"], mixed["currency"]) == (None, None), id
        assert (euros["currency"], euros["value"]) == ("EUR", pytest.approx(alone["value"], rel=1e-6)), id
        assert others["currency"] == "USD"
        assert others["value"] == {"clv.historic": 7, "clv.predicted": None}.get(id, others["value"])
        found = await ask(analytics, mine, id, filter="currency:EUR", groupBy="currency")
        assert by_group(found) == {("EUR",): found["value"]}
        assert found["value"] == euros["value"]
    assert (await ask(analytics, mine, "customers.alive"))["value"] > 0
    unfitted = await analytics.get("/v1/metrics/clv.predicted", params=YEAR | {"filter": "currency:USD"}, headers=mine)
    assert unfitted.status_code == 409
    assert "USD" in unfitted.json()["detail"]


async def test_a_currency_in_which_people_begin_to_buy_gets_a_fit_of_its_own(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analytics.customer_value.fitting.LOOK_AGAIN", 0.0)
    await fold(*shop.events())
    alone = await ask(analytics, mine, "clv.predicted")
    abroad = Shop.of_two_years(shop.tenant)
    await fold(
        *(
            happened(OrderPlaced(value=value * 3, currency="USD"), shop.tenant, time, id)
            for id, time, value in abroad.orders
            if "unidentified" not in abroad.tags[id]
        )
    )
    euros, dollars = (await ask(analytics, mine, "clv.predicted"))["by_currency"]
    assert euros["value"] == pytest.approx(alone["value"], rel=1e-6)
    assert dollars["value"] > euros["value"]


async def test_what_one_spends_is_compared_within_the_currency_of_most_of_its_orders(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    """Five buy for 1,000 to 5,000 yen, five for 10 to 50 euros, and one of them, once, for a million dong."""
    rank: dict[UUID, int] = {}
    for currency, unit in (("JPY", 1000), ("EUR", 10)):
        for number in range(1, 6):
            customer = new_id()
            rank[customer] = number
            order = OrderPlaced(value=Decimal(unit * number), currency=currency)
            await fold(*(happened(order, tenant, at("2011-05-01") + timedelta(days=day), customer) for day in range(2)))
    poorest = next(id for id, number in reversed(rank.items()) if number == 1)
    await fold(happened(OrderPlaced(value=Decimal(10**6), currency="VND"), tenant, at("2011-05-03"), poorest))
    for id, number in rank.items():
        answer = await analytics.get(f"/v1/customers/{id}/value", params={"at": YEAR["to"]}, headers=mine)
        assert answer.json()["rfm"]["monetary"] == number
    assert (await ask(analytics, mine, "rfm"))["value"] == 10
    by_currency = await ask(analytics, mine, "rfm", groupBy="currency")
    assert by_group(by_currency) == {("EUR",): 5, ("JPY",): 5, ("VND",): 1}
    assert (by_currency["value"], by_currency["by_currency"]) == (10, [])


async def test_a_customer_that_bought_in_one_currency_is_worth_what_it_was_when_others_buy_in_another(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop
) -> None:
    await fold(*shop.events())
    path, instant = "/v1/customers/{}/value", {"at": "2012-01-01T00:00:00Z"}
    faithful, changing = shop.buyers(END)[:2]
    before = (await analytics.get(path.format(faithful), params=instant, headers=mine)).json()
    await fold(happened(OrderPlaced(value=Decimal(7), currency="USD"), shop.tenant, at("2011-02-02"), changing))
    after = (await analytics.get(path.format(faithful), params=instant, headers=mine)).json()
    for field in ("currency", "orders", "historic", "p_alive", "predicted", "expected_transactions"):
        assert after[field] == before[field]
    assert after["by_currency"] == [{each: after[each] for each in ("currency", "orders", "historic", "predicted")}]
    two = (await analytics.get(path.format(changing), params=instant, headers=mine)).json()
    assert (two["currency"], two["historic"], two["predicted"], two["p_alive"] > 0) == (None, None, None, True)
    euros, dollars = two["by_currency"]
    assert dollars == {"currency": "USD", "orders": 1, "historic": 7, "predicted": None}
    assert euros["historic"] == float(shop.revenue(changing, END))
    assert "USD" in two["unpredicted"]
    only = (await analytics.get(path.format(changing), params=instant | {"currency": "EUR"}, headers=mine)).json()
    assert only["by_currency"] == [euros]
    query = 'query ($representations: [_Any!]!) { _entities(representations: $representations) { ... on Customer { value(at: "2012-01-01T00:00:00Z") { historic byCurrency { currency historic } } } } }'  # noqa: E501
    representation = {"__typename": "Customer", "id": str(changing)}
    answer = await analytics.post(
        "/graphql", json={"query": query, "variables": {"representations": [representation]}}, headers=mine
    )
    (entity,) = answer.json()["data"]["_entities"]
    assert [each["currency"] for each in entity["value"]["byCurrency"]] == ["EUR", "USD"]


async def test_what_a_customer_will_be_is_not_shown_yet(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, shop: Shop
) -> None:
    late = datetime.now(UTC) - (END - timedelta(days=1))
    moved = [(id, time + late, value) for id, time, value in shop.orders if time + late < datetime.now(UTC)]
    shop.orders, shop.returns = moved, []
    await fold(*shop.events())
    next_year = (datetime.now(UTC) + timedelta(days=365)).isoformat()
    today = datetime.now(UTC).isoformat()
    for id in ("customers.alive", "clv.simple", "rfm"):
        now, then = [await ask(analytics, mine, id, to=to) for to in (today, next_year)]
        assert now["value"] > 0
        assert (then["value"], then["numerator"], then["ends_at"] > then["complete_up_to"] >= today[:19]) == (
            None,
            None,
            True,
        )


async def test_more_than_can_be_scored_at_once_is_refused(
    analytics: httpx.AsyncClient, mine: Headers, fold: Fold, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fold(*shop.events())
    monkeypatch.setattr("analytics.customer_value.value_models.MAX_SCORED", 1000)
    refused = await analytics.get("/v1/metrics/rfm", params=YEAR | {"grain": "week"}, headers=mine)
    assert refused.status_code == 422
    assert "longer grain" in refused.text


def test_customers_are_numbered_as_their_ids_sort() -> None:
    rng = np.random.default_rng(3)
    for bits in (16, 1):  # the second: ids that differ in few bytes, so that halves come twice
        halves = rng.integers(0, 2**bits, (500, 2), np.uint64)
        ids = np.frombuffer(halves.astype(">u8").tobytes(), "S16")
        unique, index = numbered(ids)
        expected, expected_place = np.unique(ids, return_inverse=True)
        assert unique.tolist() == expected.tolist()
        assert index.tolist() == expected_place.tolist()
