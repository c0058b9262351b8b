"""Customers over REST."""

from kith.ids import new_id
from kith.testing import Answer, Tenant

PATH = "/v1/customers"


async def test_a_customer_is_created_and_found_again(acme: Tenant) -> None:
    body = {"kind": "person", "name": "Ada", "country": "GB", "tags": ["vip", "beta", "vip"], "external_id": "c-1"}
    created = await acme.post(PATH, body)
    assert created.status_code == 201
    shown = created.json()
    assert shown | body | {"tags": ["beta", "vip"], "version": 1} == shown
    assert created.headers["ETag"] == '"1"'
    found = await acme.get(created.headers["Location"])
    assert (found.status_code, found.json()) == (200, shown)


async def test_a_customer_is_amended_field_by_field(acme: Tenant, customer: Answer) -> None:
    amended = await acme.post(f"{PATH}/{customer['id']}:amend", {"tier": "gold", "segment": None, "tags": ["vip"]})
    assert amended.status_code == 200
    assert (await acme.get(f"{PATH}/{customer['id']}")).json() == amended.json()
    changed = {name for name, value in amended.json().items() if value != customer[name]}
    assert changed == {"tier", "segment", "tags", "version", "updated_at"}


async def test_an_amendment_that_changes_nothing_is_a_conflict(acme: Tenant, customer: Answer) -> None:
    refused = await acme.post(f"{PATH}/{customer['id']}:amend", {"segment": "smb"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kith:problem:nothing-amended")


async def test_a_field_nobody_knows_is_refused(acme: Tenant, customer: Answer) -> None:
    for path in (PATH, f"{PATH}/{customer['id']}:amend"):
        refused = await acme.post(path, {"kind": "person", "name": "Ada", "shoe_size": 38})
        assert (refused.status_code, [e["field"] for e in refused.json()["errors"]]) == (422, ["shoe_size"])


async def test_a_referrer_must_exist_and_be_another(acme: Tenant, other: Tenant, customer: Answer) -> None:
    referred = await acme.made(PATH, kind="person", name="Bea", referred_by=customer["id"])
    assert referred["referred_by"] == customer["id"]
    elsewhere = await other.made(PATH, kind="person", name="Eve")
    for wrong in (str(new_id()), elsewhere["id"]):
        refused = await acme.post(PATH, {"kind": "person", "name": "Cy", "referred_by": wrong})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "referred_by")
    refused = await acme.post(f"{PATH}/{referred['id']}:amend", {"referred_by": referred["id"]})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "referred_by")
