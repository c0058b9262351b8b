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


async def test_contacts_are_filtered_by_customer(acme: Tenant, ada: dict[str, Any]) -> None:
    created = await acme.made(PATH, **ada)
    works = await acme.made("/v1/customers", kind="organisation", name="Other Works")
    await acme.made(PATH, **ada | {"customer_id": works["id"]})
    found = (await acme.get(PATH, customer_id=ada["customer_id"])).json()
    assert [each["id"] for each in found["items"]] == [created["id"]]
    assert (await acme.get(PATH, email=ada["email"])).status_code == 422, "what is personal is not filtered by"


async def test_a_person_shows_only_to_those_who_may_see_it(acme: Tenant, ada: dict[str, Any]) -> None:
    stranger = acme.without("contacts:personal")
    created = (await stranger.post(PATH, ada)).json()
    where = f"{PATH}/{created['id']}"
    amended = (await stranger.post(f"{where}:amend", {"phone": "12345"}, **{"Idempotency-Key": "once"})).json()
    again = (await stranger.post(f"{where}:amend", {"phone": "12345"}, **{"Idempotency-Key": "once"})).json()
    (listed,) = (await stranger.get(PATH)).json()["items"]
    found = (await stranger.get(where)).json()
    assert again == amended == listed == found
    for shown in (created, found):
        assert not PERSONAL & set(shown)
    assert set((await acme.get(where)).json()) - set(found) == PERSONAL


async def test_no_other_tenant_sees_or_moves_a_contact(acme: Tenant, other: Tenant, ada: dict[str, Any]) -> None:
    created = await acme.made(PATH, **ada)
    where = f"{PATH}/{created['id']}"
    assert (await other.get(PATH)).json()["items"] == []
    assert (await other.get(PATH, customer_id=ada["customer_id"])).json()["items"] == []
    assert (await other.get(where)).status_code == 404
    assert (await other.post(f"{where}:amend", {"role": "buyer"})).status_code == 404
    assert (await acme.get(where)).json() == created


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
