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


async def test_it_takes_one_attempt_unless_more_are_told(acme: Tenant, call: Answer) -> None:
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


async def test_touchpoints_are_filtered(acme: Tenant, call: Answer) -> None:
    works = await acme.made("/v1/customers", kind="organisation", name="Other Works")
    wanted = await acme.made(PATH, **call)
    await acme.made(PATH, customer_id=works["id"], channel="email", direction="inbound")
    for name, value in call.items():
        assert [each["id"] for each in (await acme.get(PATH, **{name: value})).json()["items"]] == [wanted["id"]], name


async def test_no_other_tenant_sees_a_touchpoint_or_has_one_with_the_customer(
    acme: Tenant, other: Tenant, call: Answer
) -> None:
    created = await acme.made(PATH, **call)
    assert (await other.get(PATH)).json()["items"] == []
    assert (await other.get(f"{PATH}/{created['id']}")).status_code == 404
    assert (await other.post(PATH, call)).status_code == 422


async def test_a_bulk_request_sent_twice_is_done_once(acme: Tenant, call: Answer) -> None:
    rows = [{**call, "external_id": f"t-{n}", "occurred_at": f"2026-03-0{n}T12:00:00Z"} for n in range(1, 4)]
    first = (await acme.post(f"{PATH}:bulk", {"rows": rows})).json()
    again = (await acme.post(f"{PATH}:bulk", {"rows": rows})).json()
    assert (first["accepted"], first["events"]) == (3, 3)
    assert (again["unchanged"], again["events"]) == (3, 0)
    assert len((await acme.get(PATH)).json()["items"]) == 3
