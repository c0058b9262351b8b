"""Timelines: whose, of what, since when; also of customers that were merged."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
from tests.analytics.conftest import Fold, at, happened

from kith.events.contacts import CustomerMerged, CustomerUnmerged
from kith.events.exchanges import TouchpointRecorded
from kith.events.sales import OrderPlaced
from kith.ids import new_id

Headers = dict[str, str]
BOUGHT = OrderPlaced(value=Decimal(1), currency="EUR")
CALLED = TouchpointRecorded(channel="phone", direction="inbound")


async def times(analytics: httpx.AsyncClient, headers: Headers, customer: UUID, **params: Any) -> list[str]:
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        answer = await analytics.get(f"/v1/customers/{customer}/timeline", params=params | after, headers=headers)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [each["time"][:10] for each in page["items"]]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}


async def test_a_timeline_is_of_an_interval_and_of_types(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    customer = new_id()
    await fold(
        *(happened(BOUGHT, tenant, at(f"2011-01-0{day}"), customer) for day in range(1, 6)),
        happened(CALLED, tenant, at("2011-01-03T12:00"), customer),
    )
    params = {"from": "2011-01-02T00:00:00Z", "to": "2011-01-04T00:00:00Z", "first": 2}
    assert await times(analytics, mine, customer, **params) == ["2011-01-03", "2011-01-03", "2011-01-02"]
    assert await times(analytics, mine, customer, **params, type=BOUGHT.type) == ["2011-01-03", "2011-01-02"]


async def test_a_timeline_says_who_did_it_as_far_as_events_do(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    customer, by = new_id(), "user:2f0c7d5e-7c1f-5f0e-8c3a-5b0d1f9e6400"
    await fold(
        happened(BOUGHT, tenant, at("2011-01-01"), customer),
        happened(BOUGHT, tenant, at("2011-01-02"), customer, actor=by),
    )
    page = (await analytics.get(f"/v1/customers/{customer}/timeline", headers=mine)).json()
    assert [each["actor"] for each in page["items"]] == [by, None]
    query = f"""{{ _entities(representations: [{{__typename: "Customer", id: "{customer}"}}]) {{
        ... on Customer {{ timeline {{ nodes {{ actor }} }} }} }} }}"""
    answer = (await analytics.post("/graphql", json={"query": query}, headers=mine)).json()
    assert answer["data"]["_entities"][0]["timeline"]["nodes"] == [{"actor": by}, {"actor": None}]


async def test_who_was_merged_brings_its_past_along_until_it_is_separated(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    survivor, absorbed = new_id(), new_id()
    await fold(
        *(happened(BOUGHT, tenant, at(f"2011-01-0{day}"), (survivor, absorbed)[day % 2]) for day in range(1, 7)),
        happened(CustomerMerged(into=survivor), tenant, at("2011-02-01"), absorbed, aggregate_version=2),
    )
    together = ["2011-02-01", *(f"2011-01-0{day}" for day in range(6, 0, -1))]
    assert await times(analytics, mine, survivor, first=2) == together
    health = (await analytics.get(f"/v1/customers/{survivor}/health?at=2011-03-01T00:00:00Z", headers=mine)).json()
    (frequency,) = (each["input"] for each in health["contributions"] if each["measure"] == "frequency")
    assert frequency == 6
    separate = happened(CustomerUnmerged(out_of=survivor), tenant, at("2011-02-02"), absorbed, aggregate_version=3)
    await fold(separate)
    assert await times(analytics, mine, survivor) == ["2011-01-06", "2011-01-04", "2011-01-02"]
