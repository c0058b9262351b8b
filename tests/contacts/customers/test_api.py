"""Customers over REST."""

import asyncpg

from kith.ids import new_id
from kith.testing import Answer, Tenant
from kith_local.postgres import EmbeddedPostgres

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


async def test_an_amendment_of_another_version_is_refused(acme: Tenant, customer: Answer) -> None:
    where = f"{PATH}/{customer['id']}:amend"
    refused = await acme.post(where, {"tier": "gold"}, **{"If-Match": '"7"'})
    assert (refused.status_code, refused.json()["type"]) == (412, "urn:kith:problem:version-mismatch")
    amended = await acme.post(where, {"tier": "gold"}, **{"If-Match": '"1"'})
    assert (amended.status_code, amended.headers["ETag"]) == (200, '"2"')


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


async def test_customers_are_listed_newest_first_page_by_page(acme: Tenant) -> None:
    made = [(await acme.made(PATH, kind="person", name=f"No {n}"))["id"] for n in range(3)]
    first = (await acme.get(PATH, first=2)).json()
    second = (await acme.get(PATH, first=2, after=first["next"])).json()
    assert [each["id"] for each in first["items"] + second["items"]] == made[::-1]
    assert (len(first["items"]), second["next"]) == (2, None)


async def test_customers_are_filtered(acme: Tenant) -> None:
    fields = {"segment": "smb", "owner": "eve", "country": "GB", "source": "fair"}
    wanted = await acme.made(PATH, kind="person", name="Ada", **fields)
    await acme.made(PATH, kind="organisation", name="Works")
    for name, value in {"kind": "person", **fields}.items():
        assert [each["id"] for each in (await acme.get(PATH, **{name: value})).json()["items"]] == [wanted["id"]], name
    assert (await acme.get(PATH, name="Ada")).status_code == 422, "what is personal is not filtered by"


async def test_a_bulk_request_sent_twice_is_done_once(acme: Tenant) -> None:
    at = "2026-03-02T12:00:00Z"
    rows = [
        {"external_id": "c-1", "occurred_at": at, "kind": "person", "name": "Ada", "segment": "smb"},
        {"command": "amend", "external_id": "c-1", "occurred_at": "2026-03-03T12:00:00Z", "segment": None},
        {"external_id": "c-2", "occurred_at": at, "kind": "robot", "name": "Bob"},
    ]
    first = (await acme.post(f"{PATH}:bulk", {"rows": rows})).json()
    again = (await acme.post(f"{PATH}:bulk", {"rows": rows})).json()
    counts = ("accepted", "unchanged", "rejected", "events")
    assert [first[each] for each in counts] == [2, 0, 1, 2]
    assert [again[each] for each in counts] == [0, 2, 1, 0]
    assert first["results"][2]["problem"]["errors"][0]["field"] == "kind"
    (only,) = (await acme.get(PATH)).json()["items"]
    assert (only["version"], only["segment"], only["created_at"]) == (2, None, at)


async def test_no_other_tenant_sees_or_moves_a_customer(acme: Tenant, other: Tenant, customer: Answer) -> None:
    where = f"{PATH}/{customer['id']}"
    assert (await other.get(PATH)).json()["items"] == []
    assert (await other.get(where)).status_code == 404
    assert (await other.post(f"{where}:amend", {"tier": "gold"})).status_code == 404
    assert (await acme.get(where)).json() == customer


async def test_a_name_shows_only_to_those_who_may_see_it(acme: Tenant, customer: Answer) -> None:
    stranger = acme.without("contacts:personal")
    created = await stranger.post(PATH, {"kind": "person", "name": "Ada", "external_id": "c-1"})
    where = f"{PATH}/{created.json()['id']}"
    listed = (await stranger.get(PATH)).json()["items"]
    amended = await stranger.post(f"{where}:amend", {"name": "Ada King"})
    for shown in (created.json(), amended.json(), (await stranger.get(where)).json(), *listed):
        assert "name" not in shown
        assert "kind" in shown
    assert (await acme.get(where)).json()["name"] == "Ada King"


async def test_what_is_answered_again_to_a_stranger_is_no_more_personal(acme: Tenant) -> None:
    body, key = {"kind": "person", "name": "Ada"}, {"Idempotency-Key": "once"}
    first = await acme.post(PATH, body, **key)
    again = await acme.without("contacts:personal").post(PATH, body, **key)
    assert again.status_code == 201
    assert again.json() == {name: value for name, value in first.json().items() if name != "name"}
    assert (await acme.post(PATH, {**body, "name": "Bea"}, **key)).status_code == 422


async def test_reading_and_writing_need_their_scopes(acme: Tenant, customer: Answer) -> None:
    assert (await acme.without("contacts:read").get(PATH)).status_code == 403
    assert (await acme.without("contacts:write").post(PATH, {"kind": "person", "name": "Ada"})).status_code == 403
    assert (await acme.client.get(PATH)).status_code == 401


async def test_no_event_carries_a_name(acme: Tenant, postgres: EmbeddedPostgres) -> None:
    person = await acme.made(PATH, kind="person", name="Zebulon")
    await acme.post(f"{PATH}/{person['id']}:amend", {"name": "Zebedee", "tier": "gold"})
    at = {"customer_id": person["id"], "name": "Zebra", "email": "zebra@example.org", "phone": "123456"}
    contact = await acme.made("/v1/contacts", **at)
    await acme.post(f"/v1/contacts/{contact['id']}:amend", {"name": "Zebrina", "phone": "654321"})
    connection = await asyncpg.connect(postgres.url("kith_contacts"))
    rows = await connection.fetch("SELECT * FROM outbox WHERE tenant_id = $1 ORDER BY seq", acme.name)
    await connection.close()
    assert [row["type"].split(".", 1)[1] for row in rows] == [
        "customer.created.v1",
        "customer.amended.v1",
        "contact.created.v1",
        "contact.amended.v1",
    ]
    assert {str(row["customer_id"]) for row in rows} == {person["id"]}
    for row in rows:
        assert not any(secret in str(dict(row)) for secret in ("Zeb", "zebra", "123456", "654321"))
