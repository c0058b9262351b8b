"""Every metric, queried in every way it allows, and every way it does not."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.analytics.conftest import Fold, at, happened
from tests.analytics.filters import written

from analytics.metrics.catalogue import METRICS
from analytics.metrics.definition import Metric
from analytics.metrics.filtering import FilterBy
from kith.events.contacts import CustomerAmended, CustomerCreated
from kith.events.envelope import Envelope
from kith.events.exchanges import TouchpointRecorded
from kith.events.sales import (
    Line,
    OpportunityAdvanced,
    OpportunityAmended,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWon,
    OrderPlaced,
    OrderReturned,
)
from kith.events.service_desk import CaseOpened, CaseReopened, CaseResolved, CaseStarted, CaseWaiting
from kith.ids import new_id

Headers = dict[str, str]
SPRING = {"from": "2011-03-01T00:00:00Z", "to": "2011-06-01T00:00:00Z"}
CASE: dict[str, Any] = {"priority": "low", "channel": "email"}
TEA = Line(line=1, quantity=Decimal(4), unit_price=Decimal(25), amount=Decimal(100), product_id=new_id(), family="tea")
CUP = Line(line=1, quantity=Decimal(2), unit_price=Decimal(20), amount=Decimal(40), product_id=new_id(), family="china")
CAKE = Line(line=2, quantity=Decimal("0.5"), unit_price=Decimal(20), amount=Decimal(10))


ANN, BOB = new_id(), new_id()


def course(tenant: str, customer: UUID | None, *steps: tuple[str, Any]) -> list[Envelope]:
    """The events of one aggregate, a version each."""
    subject = new_id()
    return [
        happened(event, tenant, at(time), customer, subject=subject, aggregate_version=version)
        for version, (time, event) in enumerate(steps, start=1)
    ]


def some_of_everything(tenant: str) -> list[Envelope]:
    gold, silver = new_id(), new_id()
    return [
        *(
            happened(CustomerCreated(kind="person", segment=segment, tags=tags), tenant, at("2010-01-01"), customer)
            for customer, segment, tags in ((gold, "gold", ["a", "b"]), (silver, "silver", []))
        ),
        happened(
            OrderPlaced(value=Decimal(100), currency="EUR", country="France", lines=[TEA]),
            *(tenant, at("2011-02-01"), gold),
        ),
        happened(
            OrderPlaced(value=Decimal(50), currency="EUR", country="Spain", lines=[CUP, CAKE]),
            *(tenant, at("2011-05-01"), gold),
        ),
        happened(OrderPlaced(value=Decimal(30), currency="EUR", country="France"), tenant, at("2011-04-01"), silver),
        happened(OrderPlaced(value=Decimal(7), currency="EUR"), tenant, at("2011-04-02")),
        happened(OrderReturned(value=Decimal(20), currency="EUR", country="France"), tenant, at("2011-04-03"), gold),
        *course(
            tenant,
            gold,
            ("2011-03-01", OpportunityOpened(stage="prospecting", currency="EUR", owner_id=ANN, value=Decimal(10))),
            ("2011-03-03", OpportunityAdvanced(stage="engaging", from_stage="prospecting")),
            ("2011-03-04", OpportunityAmended(changed=["value"], value=Decimal(90))),
            ("2011-03-11", OpportunityLost(from_stage="engaging")),
        ),
        *course(
            tenant,
            silver,
            ("2011-03-01", OpportunityOpened(stage="engaging", currency="EUR", owner_id=BOB, value=Decimal(5))),
            ("2011-04-01", OpportunityWon(from_stage="engaging", value=Decimal(30), currency="EUR")),
        ),
        *course(
            tenant,
            gold,
            ("2011-05-01", OpportunityOpened(stage="proposing", currency="EUR", owner_id=ANN, value=Decimal(40))),
        ),
        *course(
            tenant,
            gold,
            ("2011-03-01", CaseOpened(state="new", **CASE)),
            ("2011-03-02", CaseStarted(state="open", from_state="new", **CASE)),
            ("2011-03-03", CaseWaiting(state="pending", from_state="open", reason="customer", **CASE)),
            (
                "2011-03-04",
                CaseResolved(
                    state="resolved", from_state="pending", seconds_to_resolve=3 * 86_400, sla_met=True, **CASE
                ),
            ),
            ("2011-03-10", CaseReopened(state="open", from_state="resolved", reopened_count=1, **CASE)),
            (
                "2011-03-10T06:00",
                CaseResolved(state="resolved", from_state="open", seconds_to_resolve=21_600, sla_met=False, **CASE),
            ),
        ),
        *course(tenant, None, ("2011-05-31", CaseOpened(state="new", **CASE))),
        happened(
            TouchpointRecorded(channel="phone", direction="outbound", responded=True), tenant, at("2011-04-01"), gold
        ),
        happened(TouchpointRecorded(channel="email", direction="inbound"), tenant, at("2011-04-01"), silver),
    ]


@pytest.fixture(scope="session")
def unmodelled() -> list[Metric]:
    return [metric for metric in METRICS.values() if not metric.id.startswith(("clv.", "rfm", "customers.alive"))]


async def ask(analytics: httpx.AsyncClient, headers: Headers, id: str, **params: Any) -> Any:
    answer = await analytics.get(f"/v1/metrics/{id}", params=SPRING | params, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_forecast_goes_by_what_stages_say_and_leaves_out_what_is_omitted(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    def opened(value: int, percent: str, category: str, close: str) -> OpportunityOpened:
        return OpportunityOpened(
            stage="tasting",
            currency="EUR",
            value=Decimal(value),
            pipeline_id=new_id(),
            pipeline_version=3,
            probability_percent=Decimal(percent),
            forecast_category=category,
            expected_close=date.fromisoformat(close),
        )

    await fold(
        *course(tenant, None, ("2011-03-01", opened(1000, "80.0000", "commit", "2011-06-30"))),
        *course(
            tenant,
            None,
            ("2011-03-01", opened(500, "80.0000", "commit", "2011-06-01")),
            (
                "2011-05-30",
                OpportunityAdvanced(
                    stage="call", from_stage="tasting", probability_percent=Decimal(10), forecast_category="best_case"
                ),
            ),
        ),
        *course(tenant, None, ("2011-03-01", opened(4000, "90.0000", "omitted", "2011-07-01"))),
        *course(
            tenant,
            None,
            ("2011-03-01", opened(70, "80.0000", "commit", "2011-06-30")),
            ("2011-03-02", OpportunityLost(from_stage="tasting")),
        ),
        # Of before stages said it themselves.
        *course(tenant, None, ("2011-03-01", OpportunityOpened(stage="engaging", currency="EUR", value=Decimal(20)))),
    )

    async def by(dimension: str, **params: str) -> dict[str | None, float]:
        answer = await ask(analytics, mine, "sales.forecast", groupBy=dimension, **params)
        return {each["group"][0]["value"]: each["value"] for each in answer["breakdown"]}

    assert await by("forecast_category") == {"commit": 800, "best_case": 50, "pipeline": 6}
    assert await by("expected_close_month") == {"2011-06": 850, None: 6}
    assert await by("expected_close_month", filter="expected_close_month:2011-06") == {"2011-06": 850}
    assert await by("forecast_category", to="2011-04-01T00:00:00Z") == {"commit": 1200, "pipeline": 6}
    whole = await ask(analytics, mine, "sales.forecast")
    assert {each["name"]: each["value"] for each in whole["components"]} == {
        "weighted": 856,
        "value": 1520,
        "open": 3,
    }
    assert (await ask(analytics, mine, "sales.weighted_pipeline"))["value"] == 856 + 3600


async def test_every_metric_by_every_dimension_and_grain(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, unmodelled: list[Metric]
) -> None:
    await fold(*some_of_everything(tenant))
    for metric in unmodelled:
        whole = await ask(analytics, mine, metric.id)
        for grain in ("month", "week"):
            series = await ask(analytics, mine, metric.id, grain=grain)
            assert series["value"] == whole["value"]
            assert series["breakdown"][0]["starts_at"].startswith("2011-03-01")
            assert series["breakdown"][-1]["ends_at"].startswith("2011-06-01")
        groups = [each for each in metric.dimensions if each.groups]
        for dimension in groups[:4] + groups[-2:]:
            found = await ask(analytics, mine, metric.id, groupBy=dimension.name)
            assert found["value"] == whole["value"], (metric.id, dimension.name)
            for each in found["breakdown"][:1]:
                (key,) = each["group"]
                filtered = await ask(analytics, mine, metric.id, filter=f"{dimension.name}:{key['value'] or ''}")
                assert filtered["numerator"] == each["numerator"], (metric.id, key)
                assert filtered["denominator"] == each["denominator"], (metric.id, key)


async def test_members_come_to_what_they_prove(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, unmodelled: list[Metric]
) -> None:
    await fold(*some_of_everything(tenant))
    for metric in unmodelled:
        figure = await ask(analytics, mine, metric.id)
        parts = {"numerator": figure["numerator"], "denominator": figure["denominator"]}
        parts |= {each["name"]: each["value"] for each in figure["components"]}
        for part, value in parts.items():
            if value is None or "median" in metric.id:
                continue
            found, after = [], None
            while True:
                params = SPRING | {"part": part, "first": "1"} | ({"after": after} if after else {})
                answer = await analytics.get(f"/v1/metrics/{metric.id}/members", params=params, headers=mine)
                assert answer.status_code == 200, answer.text
                page = answer.json()
                found += page["items"]
                if (after := page["next"]) is None:
                    break
            assert sum(each["value"] for each in found) == pytest.approx(value), (metric.id, part, found)
            assert all(each["event_id"] for each in found), (metric.id, part)


async def test_the_figures_of_the_example(analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold) -> None:
    await fold(*some_of_everything(tenant))

    async def value(id: str, **params: Any) -> Any:
        return (await ask(analytics, mine, id, **params))["value"]

    day = 86_400
    assert await value("revenue") == 50 + 30 + 7 - 20
    assert await value("arpu") == (50 + 30 - 20) / 2
    assert await value("sales.close_rate") == 50
    assert await value("sales.close_rate_value") == 25  # lost at its last estimate, 90
    assert await value("sales.new_revenue") == 30
    assert await value("sales.product_revenue") == 40 + 10
    assert await value("sales.product_revenue", filter="family:china") == 40
    assert await value("sales.units_sold") == 2.5
    assert await value("marketing.cross_sell") == 100  # of one customer who bought of families
    assert await value("marketing.cross_sell", to="2011-05-01T00:00:00Z") == 0  # only one family by then
    assert await value("sales.new_customers") == 1
    assert await value("sales.stage_duration") == round((2 + 8 + 31) / 3, 4)
    assert await value("sales.stage_duration_median") == 8
    assert await value("sales.cycle_duration") == (10 + 31) / 2
    assert await value("sales.open_pipeline") == 40
    assert await value("sales.weighted_pipeline") == 20
    assert await value("sales.open_pipeline", to="2011-03-04T00:00:00Z", **{"from": "2011-03-01T00:00:00Z"}) == 15
    assert await value("service.cases_handled") == 1
    assert await value("service.same_day") == 50
    assert await value("service.time_to_resolve") == (3 * day + 21_600) / 2
    assert await value("service.sla_met") == 50
    assert await value("service.reopened_rate") == 50
    assert await value("service.backlog") == 1
    assert await value("service.first_contact_resolution") == 0
    assert await value("marketing.response_rate") == 100
    (backlog,) = (await ask(analytics, mine, "service.backlog", groupBy="age"))["breakdown"]
    assert backlog["group"] == [{"dimension": "age", "value": "up to 1 day"}]


async def test_several_metrics_at_once_are_what_each_is_alone(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, unmodelled: list[Metric]
) -> None:
    await fold(*some_of_everything(tenant))
    ids = [metric.id for metric in unmodelled][:20]
    query = SPRING | {"metrics": ids, "grain": "month", "groupBy": ["segment"]}
    answer = await analytics.post("/v1/metrics:query", json=query, headers=mine)
    assert answer.status_code == 200, answer.text
    for figure in answer.json()["figures"]:
        alone = await ask(analytics, mine, figure["id"], grain="month", groupBy="segment")
        assert figure["breakdown"] == alone["breakdown"], figure["id"]


async def test_the_country_is_the_customers_and_that_of_an_order_has_a_name_of_its_own(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    """A customer of France has an order delivered to Spain."""
    customer = new_id()
    await fold(
        happened(CustomerCreated(kind="person", country="France"), tenant, at("2011-01-01"), customer),
        happened(OrderPlaced(value=Decimal(50), currency="EUR", country="Spain"), tenant, at("2011-04-01"), customer),
    )
    for id in ("revenue", "arpu", "orders", "sales.new_revenue"):
        (one,) = (await ask(analytics, mine, id, groupBy="country"))["breakdown"]
        assert one["group"] == [{"dimension": "country", "value": "France"}], id
        assert (await ask(analytics, mine, id, filter="country:Spain"))["numerator"] == 0
    (one,) = (await ask(analytics, mine, "revenue", groupBy="order_country"))["breakdown"]
    assert one["group"] == [{"dimension": "order_country", "value": "Spain"}]


async def test_a_customer_counts_where_it_belonged_at_the_end(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    customer = new_id()
    await fold(
        happened(CustomerCreated(kind="person", segment="trial"), tenant, at("2011-01-01"), customer),
        happened(OrderPlaced(value=Decimal(1), currency="EUR"), tenant, at("2011-04-01"), customer),
        happened(
            CustomerAmended(changed=["segment"], segment="paying"),
            tenant,
            at("2011-05-01"),
            customer,
            aggregate_version=2,
        ),
    )

    async def segments(to: str) -> list[str]:
        found = await ask(analytics, mine, "orders", to=to, groupBy="segment")
        return [each["group"][0]["value"] for each in found["breakdown"]]

    assert await segments("2011-05-01T00:00:00Z") == ["trial"]
    assert await segments("2011-05-01T00:00:01Z") == ["paying"]


NAMES = (
    "Food, Drink & Tobacco",
    "Food",
    " Drink & Tobacco",
    "!Retail",
    "Retail",
    '6" pipe',
    '"quoted"',
    '"',
    "a:b",
    "back\\slash",
    "it's",
    " blanks ",
    "",
    ",",
    "100 %_",
    "{braces}",
    "null",
    "Größe",
    "食品、饮料",
)


@pytest.mark.parametrize("dimension", ["segment", "country", "source", "tier", "tag"])
async def test_every_name_that_can_be_stored_can_be_queried(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, dimension: str
) -> None:
    for number, name in enumerate((*NAMES, None), start=1):
        customer = new_id()
        said: dict[str, Any] = {"tags": [name] if name is not None else []} if dimension == "tag" else {dimension: name}
        order = OrderPlaced(value=Decimal(number), currency="EUR")
        await fold(
            happened(CustomerCreated(kind="person", **said), tenant, at("2011-01-01"), customer),
            happened(order, tenant, at("2011-04-01"), customer),
        )
    groups = (await ask(analytics, mine, "arpu", groupBy=dimension))["breakdown"]
    assert {each["group"][0]["value"] for each in groups} == {*NAMES, None}
    for each in groups:
        (key,) = each["group"]
        kept, rest = (FilterBy(dimension, (key["value"],), exclude) for exclude in (False, True))
        assert (await ask(analytics, mine, "arpu", filter=written(kept)))["value"] == each["value"], key
        assert (await ask(analytics, mine, "arpu", filter=written(rest)))["denominator"] == len(NAMES), key
        body = SPRING | {"metrics": ["arpu"], "filter": [{"dimension": dimension, "values": [key["value"]]}]}
        (alone,) = (await analytics.post("/v1/metrics:query", json=body, headers=mine)).json()["figures"]
        assert alone["value"] == each["value"], key
        query = """query ($filter: [String!]) { metric(id: "arpu", filter: $filter,
                   from: "2011-03-01T00:00:00Z", to: "2011-06-01T00:00:00Z") { value } }"""
        sent = {"query": query, "variables": {"filter": [written(kept)]}}
        answer = (await analytics.post("/graphql", json=sent, headers=mine)).json()
        assert answer["data"]["metric"]["value"] == each["value"], key


def apart(figure: Any) -> dict[str | None, float | None]:
    return {each["currency"]: each["value"] for each in figure["by_currency"]}


async def trade_in_two_currencies(tenant: str, fold: Fold) -> UUID:
    """Of two customers one buys in euros only; the other, who is answered, in both. Somebody nobody knows, too."""
    faithful, both = new_id(), new_id()
    for customer in (faithful, both):
        await fold(happened(CustomerCreated(kind="person", segment="gold"), tenant, at("2011-01-01"), customer))
    await fold(
        happened(OrderPlaced(value=Decimal(100), currency="EUR"), tenant, at("2011-04-01"), faithful),
        happened(OrderPlaced(value=Decimal(50), currency="EUR"), tenant, at("2011-04-02"), both),
        happened(OrderPlaced(value=Decimal(8), currency="USD"), tenant, at("2011-05-01"), both),
        happened(OrderReturned(value=Decimal(3), currency="USD"), tenant, at("2011-05-02"), both),
        happened(OrderPlaced(value=Decimal(1), currency="USD"), tenant, at("2011-05-03")),
    )
    return both


async def test_figures_of_amounts_are_shown_currency_by_currency(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    await trade_in_two_currencies(tenant, fold)
    revenue = await ask(analytics, mine, "revenue")
    assert (revenue["value"], revenue["numerator"], revenue["currency"]) == (None, None, None)
    assert {each["name"]: each["value"] for each in revenue["components"]} == {
        "orders": 4,
        "ordered": None,
        "returns": 1,
        "returned": None,
    }
    assert apart(revenue) == {"EUR": 150, "USD": 6}
    (_, dollars) = revenue["by_currency"]
    assert {each["name"]: each["value"] for each in dollars["components"]} == {
        "orders": 2,
        "ordered": 9,
        "returns": 1,
        "returned": 3,
    }


@pytest.mark.parametrize("id", ["revenue", "arpu", "sales.new_revenue", "clv.historic"])
async def test_what_a_currency_comes_to_is_the_figure_that_is_filtered_by_it(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, id: str
) -> None:
    await trade_in_two_currencies(tenant, fold)
    for params in ({}, {"grain": "month"}, {"groupBy": "segment"}, {"grain": "quarter", "groupBy": "segment"}):
        mixed = await ask(analytics, mine, id, **params)
        assert set(apart(mixed)) == {"EUR", "USD"}
        for each in mixed["by_currency"]:
            filtered = await ask(analytics, mine, id, filter=f"currency:{each['currency']}", **params)
            assert each == {name: filtered[name] for name in each}
            assert filtered["by_currency"] == [each]
            parts = {
                (part["starts_at"], str(part["group"])): mine["value"]
                for part in mixed["breakdown"]
                for mine in part["by_currency"]
                if mine["currency"] == each["currency"]
            }
            for part in filtered["breakdown"]:
                if part["by_currency"]:
                    assert parts.pop((part["starts_at"], str(part["group"]))) == part["value"]
            assert parts == {}
        grouped = await ask(analytics, mine, id, groupBy="currency")
        assert {part["group"][0]["value"]: part["value"] for part in grouped["breakdown"]} == apart(mixed)
        assert (grouped["value"], grouped["by_currency"]) == (None, mixed["by_currency"])


async def test_average_revenue_is_of_all_who_were_active_whatever_the_currency(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    await trade_in_two_currencies(tenant, fold)
    arpu = await ask(analytics, mine, "arpu")
    assert (arpu["value"], arpu["denominator"], apart(arpu)) == (None, 2, {"EUR": 75, "USD": 2.5})


async def test_a_period_and_a_group_with_one_currency_have_a_value(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    await fold(
        happened(OrderPlaced(value=Decimal(1), currency="EUR", country="France"), tenant, at("2011-04-01")),
        happened(OrderPlaced(value=Decimal(2), currency="USD", country="Peru"), tenant, at("2011-05-01")),
    )
    for params in ({"grain": "month"}, {"groupBy": "order_country"}):
        found = await ask(analytics, mine, "revenue", **params)
        assert (found["value"], apart(found)) == (None, {"EUR": 1, "USD": 2})
        amounts = [(each["value"], each["currency"]) for each in found["breakdown"] if each["by_currency"]]
        assert amounts == [(1, "EUR"), (2, "USD")]


async def test_one_order_of_nothing_in_another_currency_takes_no_figure_away(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    await fold(
        happened(OrderPlaced(value=Decimal(5), currency="EUR"), tenant, at("2011-04-01")),
        happened(OrderPlaced(value=Decimal(0), currency="USD"), tenant, at("2011-04-01")),
    )
    found = await ask(analytics, mine, "revenue")
    assert (found["value"], found["currency"], apart(found)) == (5, "EUR", {"EUR": 5, "USD": 0})


async def test_a_ratio_of_values_is_shown_by_currency_and_one_of_counts_is_not(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    for currency, won, lost in (("EUR", 30, 10), ("USD", 1, 1)):
        opened = OpportunityOpened(stage="engaging", currency=currency, value=Decimal(lost))
        await fold(
            *course(
                tenant,
                None,
                ("2011-03-02", opened),
                ("2011-04-01", OpportunityWon(from_stage="engaging", value=Decimal(won), currency=currency)),
            ),
            *course(tenant, None, ("2011-03-02", opened), ("2011-04-02", OpportunityLost(from_stage="engaging"))),
        )
    by_value = await ask(analytics, mine, "sales.close_rate_value")
    assert (by_value["value"], apart(by_value)) == (None, {"EUR": 75, "USD": 50})
    by_count = await ask(analytics, mine, "sales.close_rate")
    assert (by_count["value"], by_count["by_currency"]) == (50, [])
    pipeline = await ask(analytics, mine, "sales.open_pipeline", to="2011-03-15T00:00:00Z", grain="month")
    assert (pipeline["value"], apart(pipeline)) == (None, {"EUR": 20, "USD": 2})


async def test_members_say_in_which_currency_they_add(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    both = await trade_in_two_currencies(tenant, fold)

    async def members(id: str, part: str = "numerator") -> list[Any]:
        answer = await analytics.get(f"/v1/metrics/{id}/members", params=SPRING | {"part": part}, headers=mine)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    trade = [(each["value"], apart(each)) for each in await members("revenue")]
    assert trade == [(100, {"EUR": 100}), (50, {"EUR": 50}), (8, {"USD": 8}), (-3, {"USD": -3}), (1, {"USD": 1})]
    assert [each["by_currency"] for each in await members("orders")] == [[]] * 4
    worth = {each["customer_id"]: (each["value"], apart(each)) for each in await members("clv.historic")}
    assert worth.pop(str(both)) == (None, {"EUR": 50, "USD": 5})
    assert list(worth.values()) == [(100, {"EUR": 100})]


async def test_more_groups_and_periods_than_can_be_shown_are_refused_by_name(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    await trade_in_two_currencies(tenant, fold)
    monkeypatch.setattr("analytics.metrics.reads.MAX_SLICES", 5)
    params = SPRING | {"groupBy": ["segment", "currency"]}
    assert len((await ask(analytics, mine, "revenue", **params))["breakdown"]) == 3
    refused = await analytics.get("/v1/metrics/revenue", params=params | {"grain": "month"}, headers=mine)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "groupBy")


@pytest.mark.parametrize(
    ("params", "field", "words"),
    [
        ({"to": "2011-01-01T00:00:00Z"}, "to", "later"),
        ({"zone": "Europe/Berln"}, "zone", "IANA"),
        ({"groupBy": "colour"}, "groupBy", "country"),
        ({"groupBy": ["country", "country"]}, "groupBy", "different"),
        ({"filter": "colour:red"}, "filter", "country"),
        ({"filter": "country"}, "filter", "dimension:value"),
        ({"filter": "segment:Food, Drink & Tobacco"}, "filter", "double quotes"),
        ({"filter": ["segment:a"] * 21}, "filter", "20"),
        ({"from": "1980-01-01T00:00:00Z", "grain": "day"}, "grain", "week"),
        ({"grain": "fortnight"}, "grain", "month"),
        ({"activity": "7"}, "activity", "0"),
        ({"gruopBy": "country"}, "gruopBy", "groupBy"),
    ],
)
async def test_what_cannot_be_queried_is_refused_by_name(
    analytics: httpx.AsyncClient, mine: Headers, params: dict[str, Any], field: str, words: str
) -> None:
    answer = await analytics.get("/v1/metrics/revenue", params=SPRING | params, headers=mine)
    assert 400 <= answer.status_code < 500, answer.text
    problem = answer.json()
    assert field in answer.text, problem
    assert words in answer.text, problem


async def test_a_metric_that_is_not_there_tells_which_are(analytics: httpx.AsyncClient, mine: Headers) -> None:
    answer = await analytics.get("/v1/metrics/revenu", params=SPRING, headers=mine)
    assert answer.status_code == 404
    assert "retention.crr" in answer.text


async def test_of_several_metrics_the_one_that_is_not_there_is_named(
    analytics: httpx.AsyncClient, mine: Headers
) -> None:
    answer = await analytics.post("/v1/metrics:query", json=SPRING | {"metrics": ["orders", "revenu"]}, headers=mine)
    assert (answer.status_code, '"metrics"' in answer.text, "revenu." in answer.text) == (404, True, True)


async def test_a_part_that_a_metric_has_not_tells_which_it_has(analytics: httpx.AsyncClient, mine: Headers) -> None:
    params = SPRING | {"part": "top"}
    answer = await analytics.get("/v1/metrics/retention.crr/members", params=params, headers=mine)
    assert answer.status_code == 422, answer.text
    assert "numerator, denominator, S, E, N, W" in answer.text


async def test_days_are_the_zones(analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold) -> None:
    """The clocks went forward in Berlin on 27 March 2011 and back on 30 October: days of 23 and of 25 hours."""
    await fold(
        *(
            happened(OrderPlaced(value=Decimal(1), currency="EUR"), tenant, at("2011-03-26T23:00") + timedelta(hours=n))
            for n in range(24)
        )
    )
    params = {"from": "2011-03-26T23:00:00Z", "to": "2011-03-28T22:00:00Z", "grain": "day", "zone": "Europe/Berlin"}
    found = await ask(analytics, mine, "orders", **params)
    assert [each["value"] for each in found["breakdown"]] == [23, 1]
