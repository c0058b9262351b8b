"""Renewals over the API: announcing one opens its opportunity in the same transaction, if the subscription says so."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from kith.ids import new_id

Headers = dict[str, str]
Do = Callable[..., Awaitable[httpx.Response]]
START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=10)
PLAN = {
    "plan": "pro",
    "seats": 3,
    "unit_price": "9.99",
    "currency": "EUR",
    "term_months": 12,
    "starts_at": START.isoformat(),
}


@pytest.fixture
def do(sales: httpx.AsyncClient, mine: Headers) -> Do:
    async def post(path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await sales.post(path, json=body or {}, headers={**mine, **headers})

    return post


async def opportunities(sales: httpx.AsyncClient, mine: Headers) -> Any:
    return (await sales.get("/v1/opportunities", headers=mine)).json()["items"]


async def started(do: Do, **fields: Any) -> str:
    made = await do("/v1/subscriptions", {**PLAN, "customer_id": str(new_id()), **fields})
    assert made.status_code == 201, made.text
    return str(made.headers["location"])


async def test_announcing_it_opens_an_opportunity_once_for_each_term(
    sales: httpx.AsyncClient, mine: Headers, do: Do
) -> None:
    path = await started(do, opens_renewals=True)
    announced = await do(f"{path}:announce")
    assert announced.status_code == 200, announced.text
    (opened,) = await opportunities(sales, mine)
    subscription = announced.json()
    assert subscription["renewal_opportunity_id"] == opened["id"]
    wanted = {
        "name": "Renewal: pro",
        "customer_id": subscription["customer_id"],
        "value": "359.6400",
        "currency": "EUR",
        "source": "renewal",
        "stage": "prospecting",
        "expected_close": subscription["term_ends_at"][:10],
    }
    assert {name: opened[name] for name in wanted} == wanted
    again = await do(f"{path}:announce")
    assert (again.status_code, len(await opportunities(sales, mine))) == (409, 1)
    assert "is announced" in again.json()["detail"]


async def test_the_next_term_has_an_opportunity_of_its_own(sales: httpx.AsyncClient, mine: Headers, do: Do) -> None:
    path = await started(do, opens_renewals=True, auto_renew=False)
    for _ in range(2):
        announced = await do(f"{path}:announce")
        assert announced.status_code == 200, announced.text
        renewed = await do(f"{path}:renew")
        assert renewed.status_code == 200, renewed.text
    found = await opportunities(sales, mine)
    assert len({each["expected_close"] for each in found}) == 2


async def test_without_that_setting_none_is_opened(sales: httpx.AsyncClient, mine: Headers, do: Do) -> None:
    path = await started(do)
    announced = await do(f"{path}:announce")
    assert (announced.status_code, announced.json()["renewal_opportunity_id"]) == (200, None)
    assert await opportunities(sales, mine) == []
    assert (await do(f"{path}:amend", {"opens_renewals": True})).json()["opens_renewals"] is True


async def test_a_term_that_comes_to_more_than_an_amount_may_be_is_renewed_without_a_value(
    sales: httpx.AsyncClient, mine: Headers, do: Do
) -> None:
    path = await started(do, opens_renewals=True, seats=1, unit_price="999999999999", term_months=120)
    assert (await do(f"{path}:announce")).status_code == 200
    (opened,) = await opportunities(sales, mine)
    assert opened["value"] is None
