"""A tenant with a list of reasons takes no others."""

import httpx
import pytest
from tests.statements import statements
from tests.turns import sent_during

from kith.testing import Answer, Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres
from sales.reasons.form import MOST_REASONS
from sales.reasons.listed import NAMED


@pytest.fixture
def acme(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


async def opened(acme: Tenant) -> str:
    made = await acme.made("/v1/opportunities", name="Lease", currency="EUR", value=1)
    return f"/v1/opportunities/{made['id']}"


async def listed(acme: Tenant, kind: str, *codes: str) -> list[Answer]:
    return [await acme.made("/v1/reasons", kind=kind, code=code) for code in codes]


async def test_without_a_list_any_reason_is_taken(acme: Tenant) -> None:
    await listed(acme, "opportunity_won", "service")
    assert (await acme.post(f"{await opened(acme)}:lose", {"reason": "whim"})).status_code == 200


async def test_with_a_list_one_of_it_is_taken_or_none(acme: Tenant) -> None:
    price, _ = await listed(acme, "opportunity_lost", "price", "timing")
    it = await opened(acme)
    refused = await acme.post(f"{it}:lose", {"reason": "whim"})
    assert (refused.status_code, refused.json()["errors"]) == (
        422,
        [{"field": "reason", "rule": "It is one of the reasons price, timing."}],
    )
    assert (await acme.post(f"{it}:win", {"reason": "whim"})).status_code == 200, "of what is won there is no list"
    assert (await acme.post(f"{await opened(acme)}:lose", {"reason": "price"})).status_code == 200
    assert (await acme.post(f"{await opened(acme)}:lose", {})).status_code == 200
    await acme.post(f"/v1/reasons/{price['id']}:archive", {})
    assert (await acme.post(f"{await opened(acme)}:lose", {"reason": "price"})).status_code == 422


async def test_quotes_leads_and_subscriptions_are_held_to_theirs(acme: Tenant) -> None:
    for kind in ("quote_declined", "lead_disqualified", "subscription_cancelled"):
        await listed(acme, kind, "price")
    line = {"quantity": 1, "unit_price": 1}
    quote = await acme.made("/v1/quotes", currency="EUR", lines=[line])
    await acme.post(f"/v1/quotes/{quote['id']}:send", {})
    lead = await acme.made("/v1/leads", name="Ida")
    paid = await acme.made("/v1/subscriptions", plan="pro", unit_price=1, currency="EUR")
    for path in (
        f"/v1/quotes/{quote['id']}:decline",
        f"/v1/leads/{lead['id']}:disqualify",
        f"/v1/subscriptions/{paid['id']}:cancel",
    ):
        answers = [(await acme.post(path, {"reason": reason})).status_code for reason in ("whim", "price")]
        assert answers == [422, 200], path


async def test_a_reason_is_in_a_list_once(acme: Tenant) -> None:
    await listed(acme, "opportunity_lost", "price")
    again = await acme.post("/v1/reasons", {"kind": "opportunity_lost", "code": "price"})
    assert (again.status_code, again.json()["errors"][0]["field"]) == (409, "code")
    await listed(acme, "opportunity_won", "price")


async def test_the_lists_of_a_tenant_are_read_once_for_a_request_and_are_its_own(
    acme: Tenant, theirs: dict[str, str], sales: httpx.AsyncClient
) -> None:
    await listed(acme, "opportunity_lost", "price")
    at = "2026-03-01T00:00:00Z"
    rows = [
        row
        for n in range(20)
        for row in (
            {"name": "Lease", "currency": "EUR", "external_id": str(n), "occurred_at": at},
            {"command": "lose", "external_id": str(n), "reason": ("price", "whim")[n % 2], "occurred_at": at},
        )
    ]
    with statements() as sent:
        answer = (await acme.post("/v1/opportunities:bulk", {"rows": rows})).json()
    assert (answer["accepted"], answer["rejected"]) == (30, 10)
    assert len([each for each in sent if "FROM reasons" in each]) == 1
    others = (await sales.post("/v1/opportunities:bulk", json={"rows": rows}, headers=theirs)).json()
    assert others["accepted"] == 40


async def test_of_several_at_once_a_list_has_one(acme: Tenant, postgres: EmbeddedPostgres) -> None:
    (other,) = await listed(acme, "opportunity_lost", "timing")
    sales, turn = postgres.url("kith_sales"), f"{acme.name}/reasons"
    request = acme.post("/v1/reasons", {"kind": "opportunity_lost", "code": "price"})
    change = "UPDATE reasons SET code = 'price' WHERE id = $1"
    assert (await sent_during(sales, turn, change, other["id"], request=request)).status_code == 409


def rows_of(codes: range) -> list[Answer]:
    at = "2026-01-01T00:00:00Z"
    return [{"kind": "opportunity_lost", "code": f"{n:03}", "external_id": f"{n}", "occurred_at": at} for n in codes]


async def test_a_refusal_names_some_of_a_long_list_and_a_list_has_an_end(acme: Tenant) -> None:
    made = (await acme.post("/v1/reasons:bulk", {"rows": rows_of(range(MOST_REASONS + 1))})).json()
    assert (made["accepted"], made["rejected"]) == (MOST_REASONS, 1)
    assert made["results"][-1]["problem"]["errors"][0]["field"] == "kind"
    refused = await acme.post(f"{await opened(acme)}:lose", {"reason": "whim"})
    named = ", ".join(f"{n:03}" for n in range(NAMED))
    rule = f"It is one of the reasons {named} and {MOST_REASONS - NAMED} more."
    assert refused.json()["errors"] == [{"field": "reason", "rule": rule}]
    await listed(acme, "opportunity_won", "price")
    first, second = (each["id"] for each in made["results"][:2])
    answers = [
        (await acme.post(f"/v1/reasons/{id}:{verb}", {})).status_code
        for id, verb in ((first, "archive"), (second, "archive"), (first, "restore"))
    ]
    assert answers == [200, 200, 200]
    await listed(acme, "opportunity_lost", "another")
    assert (await acme.post(f"/v1/reasons/{second}:restore", {})).status_code == 409


async def test_a_list_of_which_all_are_archived_is_none(acme: Tenant) -> None:
    (price,) = await listed(acme, "opportunity_lost", "price")
    await acme.post(f"/v1/reasons/{price['id']}:archive", {})
    assert (await acme.post(f"{await opened(acme)}:lose", {"reason": "whim"})).status_code == 200
