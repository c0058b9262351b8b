"""Quotes that need approval, clones, and documents, over the API."""

from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Any

import httpx
import pytest

from kith.ids import new_id
from kith.testing import Issuer, Tenant

CHEAP = [{"quantity": 10, "unit_price": "9.50", "discount_percent": 20}]


@pytest.fixture
def acme(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


async def done(acme: Tenant, path: str, **body: Any) -> Any:
    answer = await acme.post(path, body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_above_the_limit_it_is_sent_once_somebody_with_the_right_has_approved_it(acme: Tenant) -> None:
    seller = acme.without("sales:approve")
    assert (await seller.post("/v1/quote-settings:amend", {"discount_limit": 50})).status_code == 403
    await done(acme, "/v1/quote-settings:amend", discount_limit=15)
    path = f"/v1/quotes/{(await seller.made('/v1/quotes', currency='EUR', lines=CHEAP))['id']}"
    refused = await seller.post(f"{path}:send", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "quote-needs-approval")
    assert (await seller.post(f"{path}:approve", {})).status_code == 403
    rejected = await done(acme, f"{path}:reject", note="Too cheap.")
    assert (rejected["approval"], rejected["decision_note"]) == ("rejected", "Too cheap.")
    approved = await done(acme, f"{path}:approve", note="After all.")
    assert (approved["approval"], approved["decided_by"][:7]) == ("approved", "client:")
    assert (await acme.get("/v1/quotes", approval="approved")).json()["items"] == [approved]
    assert (await done(seller, f"{path}:send"))["state"] == "sent"
    other = await seller.made("/v1/quotes", currency="EUR", lines=[CHEAP[0] | {"discount_percent": 15}])
    assert (await done(seller, f"/v1/quotes/{other['id']}:send"))["state"] == "sent"


async def test_a_clone_has_the_lines_of_the_other_and_a_life_of_its_own(acme: Tenant) -> None:
    product = await acme.made("/v1/products", name="Tea", price="9.50", currency="EUR")
    customer = str(new_id())
    lines = [{"product_id": product["id"], "quantity": 10, "unit_price": 9}]
    quote = await acme.made("/v1/quotes", customer_id=customer, currency="EUR", lines=lines)
    for step, body in (("send", {}), ("decline", {"reason": None})):
        await done(acme, f"/v1/quotes/{quote['id']}:{step}", **body)
    clone = await acme.made("/v1/quotes", clone_of_id=quote["id"])
    assert (clone["state"], clone["clone_of_id"], clone["customer_id"]) == ("draft", quote["id"], customer)
    assert (clone["lines"], clone["value"]) == (quote["lines"], quote["value"])
    other = await acme.made("/v1/quotes", clone_of_id=quote["id"], customer_id=str(new_id()))
    assert other["customer_id"] not in (None, customer)
    own = await acme.made("/v1/quotes", clone_of_id=quote["id"], lines=[lines[0] | {"quantity": 1}])
    assert own["value"] == "9.0000"
    refused = await acme.post("/v1/quotes", {"currency": "EUR"})
    assert [each["field"] for each in refused.json()["errors"]] == ["lines"]
    dear = await acme.made("/v1/price-books", name="Retail", currency="EUR", is_default=True)
    await acme.made("/v1/prices", price_book_id=dear["id"], product_id=product["id"], unit_price=20)
    clone = await acme.made("/v1/quotes", clone_of_id=quote["id"])
    assert [(each["unit_price"], each["list_price"]) for each in clone["lines"]] == [("9.0000", "20.0000")]
    refused = await acme.post("/v1/quotes", {"clone_of_id": str(new_id())})
    assert "clone_of_id" in [each["field"] for each in refused.json()["errors"]]


async def test_the_document_says_what_is_offered_and_loads_nothing(acme: Tenant) -> None:
    product = await acme.made("/v1/products", name="<b>Tea</b> & cake", price="9.50", currency="EUR")
    lines = [
        {"product_id": product["id"], "quantity": 1200, "discount_percent": "12.5"},
        {"description": "<script>alert(1)</script>", "quantity": "0.5", "unit_price": "9.999"},
    ]
    made = await acme.made("/v1/quotes", external_id='Q"1', currency="EUR", lines=lines)
    shown = await acme.get(f"/v1/quotes/{made['id']}/document")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<script" not in shown.text
    for said in (
        "<h1>Quote Q&quot;1</h1>",
        "Draft: it is not offered yet",
        "<td>&lt;b&gt;Tea&lt;/b&gt; &amp; cake</td><td>1,200</td><td>EUR 9.50</td><td>12.5 %</td><td>EUR 9,975.00</td>",
        "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td><td>0.5</td><td>EUR 9.999</td><td></td><td>EUR 5.00</td>",
        "EUR 9,980.00",
    ):
        assert said in shown.text, said
    assert "//" not in shown.text
    style = shown.text.partition("<style>")[2].partition("</style>")[0]
    policy = shown.headers["content-security-policy"]
    assert f"style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'; ")


async def test_who_accepted_it_is_shown_to_those_who_may_see_it(
    acme: Tenant, sales: httpx.AsyncClient, theirs: Any
) -> None:
    made = await acme.made("/v1/quotes", currency="JPY", lines=[{"quantity": 3, "unit_price": 1000}])
    path = f"/v1/quotes/{made['id']}"
    await done(acme, f"{path}:send")
    await done(acme, f"{path}:accept", signature="Ada Graben")
    shown = (await acme.get(f"{path}/document")).text
    assert "Ada Graben" in shown
    assert "JPY 3,000<" in shown
    assert "Ada Graben" not in (await acme.without("sales:personal").get(f"{path}/document")).text
    assert (await sales.get(f"{path}/document", headers=theirs)).status_code == 404
    assert (await replace(acme, scopes="sales:read:own", subject="bob").get(f"{path}/document")).status_code == 404
