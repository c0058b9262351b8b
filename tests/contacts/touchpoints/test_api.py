"""Touchpoints over REST."""

import pytest

from kith.ids import new_id
from kith.testing import Answer, Tenant

PATH = "/v1/touchpoints"


@pytest.fixture
def call(customer: Answer) -> Answer:
    return {"customer_id": customer["id"], "channel": "phone", "direction": "outbound"}


async def test_a_touchpoint_is_recorded_and_found_again(acme: Tenant, call: Answer) -> None:
    contact = await acme.made("/v1/contacts", customer_id=call["customer_id"], name="Ada")
    body = {
        **call,
        "contact_id": contact["id"],
        "outcome": "answered",
        "duration_seconds": 0,
        "attempts": 2,
        "campaign": "spring",
        "responded": True,
    }
    created = await acme.made(PATH, **body)
    assert created | body == created
    assert (await acme.get(f"{PATH}/{created['id']}")).json() == created


async def test_a_contact_is_dealt_with_wherever_it_has_a_role(acme: Tenant, call: Answer) -> None:
    second, third = [
        (await acme.made("/v1/customers", kind="organisation", name=name))["id"] for name in ("Second", "Third")
    ]
    first = call["customer_id"]
    ada = await acme.made("/v1/contacts", customer_id=first, name="Ada", roles=[{"customer_id": second}])
    named = {"channel": "email", "direction": "inbound", "contact_id": ada["id"]}
    assert (await acme.made(PATH, **named))["customer_id"] == first
    assert (await acme.made(PATH, **named, customer_id=second))["customer_id"] == second
    assert (await acme.post(f"/v1/customers/{second}:merge", {"into": third})).status_code == 200
    again = [await acme.made(PATH, **named, customer_id=each) for each in (second, third)]
    assert [each["customer_id"] for each in again] == [third, third]
    elsewhere = await acme.made("/v1/customers", kind="organisation", name="Elsewhere")
    refused = await acme.post(PATH, {**named, "customer_id": elsewhere["id"]})
    rule = {"field": "customer_id", "rule": "The contact has another customer."}
    assert (refused.status_code, refused.json()["errors"]) == (422, [rule])


async def test_it_takes_one_attempt_unless_more_are_given(acme: Tenant, call: Answer) -> None:
    created = await acme.made(PATH, **call)
    assert (created["attempts"], created["duration_seconds"], created["responded"]) == (1, None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"channel": "pigeon"},
        {"direction": "sideways"},
        {"attempts": 0},
        {"duration_seconds": -1},
        {"duration_seconds": 2**31},
        {"responded": "yes"},
        {"customer_id": None},
        {"contact_id": str(new_id())},
        {"customer_id": str(new_id())},
        {"subject": "hello"},
    ],
)
async def test_what_makes_no_sense_is_refused(acme: Tenant, call: Answer, wrong: Answer) -> None:
    refused = await acme.post(PATH, call | wrong)
    assert (refused.status_code, [each["field"] for each in refused.json()["errors"]]) == (422, list(wrong))
