"""Contacts over REST."""

from typing import Any

import pytest

from kith.ids import new_id
from kith.testing import Answer, Tenant

PATH = "/v1/contacts"
PERSONAL = {"name", "email", "phone"}


@pytest.fixture
def ada(customer: Answer) -> dict[str, Any]:
    return {"customer_id": customer["id"], "name": "Ada", "email": "ada@example.org", "phone": "+44 20 7946"}


async def test_a_contact_is_created_amended_and_found_again(acme: Tenant, ada: dict[str, Any]) -> None:
    created = await acme.made(PATH, **ada, role="buyer")
    assert created | ada | {"role": "buyer", "version": 1} == created
    amended = (await acme.post(f"{PATH}/{created['id']}:amend", {"email": None, "role": "signatory"})).json()
    assert (amended["email"], amended["role"], amended["phone"]) == (None, "signatory", ada["phone"])
    assert (await acme.get(f"{PATH}/{created['id']}")).json() == amended


async def test_a_contact_needs_a_customer_of_its_own_tenant(acme: Tenant, other: Tenant, ada: dict[str, Any]) -> None:
    for wrong in ({"customer_id": str(new_id())}, {"customer_id": None}):
        refused = await acme.post(PATH, ada | wrong)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "customer_id")
    refused = await other.post(PATH, ada)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "customer_id")


async def test_a_contact_does_not_move_to_another_customer(acme: Tenant, ada: dict[str, Any]) -> None:
    created = await acme.made(PATH, **ada)
    works = await acme.made("/v1/customers", kind="organisation", name="Other Works")
    refused = await acme.post(f"{PATH}/{created['id']}:amend", {"customer_id": works["id"]})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "customer_id")


async def test_a_bulk_request_sent_twice_is_done_once(acme: Tenant, ada: dict[str, Any]) -> None:
    at = "2026-03-02T12:00:00Z"
    rows = [
        {**ada, "external_id": "p-1", "occurred_at": at},
        {**ada, "external_id": "p-2", "occurred_at": at, "customer_id": str(new_id())},
        {"command": "amend", "external_id": "p-1", "occurred_at": "2026-03-03T12:00:00Z", "role": "buyer"},
    ]
    first = (await acme.post(f"{PATH}:bulk", {"rows": rows})).json()
    again = (await acme.post(f"{PATH}:bulk", {"rows": rows})).json()
    assert [each["status"] for each in first["results"]] == ["accepted", "rejected", "accepted"]
    assert [each["status"] for each in again["results"]] == ["unchanged", "rejected", "unchanged"]
    assert again["events"] == 0
