"""Whose a customer is: a user of the tenant, who can take more if not suspended."""

from kith.ids import new_id
from kith.testing import Answer, Tenant


async def user(acme: Tenant, name: str) -> str:
    return str((await acme.made("/v1/users", name=name, email=f"{name}@example.org"))["id"])


async def customer(acme: Tenant, **fields: object) -> Answer:
    return await acme.made("/v1/customers", kind="person", name="Ida", **fields)


async def test_an_owner_is_a_user_of_the_tenant(acme: Tenant, other: Tenant) -> None:
    for owner in (str(new_id()), await user(other, "ann")):
        refused = await acme.post("/v1/customers", {"kind": "person", "name": "Ida", "owner_id": owner})
        assert refused.status_code == 422
        assert refused.json()["errors"] == [{"field": "owner_id", "rule": f"There is no owner {owner}."}]


async def test_a_suspended_user_keeps_what_it_owns_and_is_given_nothing_more(acme: Tenant) -> None:
    ann = await user(acme, "ann")
    its, nobodys = (await customer(acme, owner_id=ann))["id"], (await customer(acme))["id"]
    assert (await acme.post(f"/v1/users/{ann}:suspend", {})).status_code == 200
    kept = await acme.post(f"/v1/customers/{its}:amend", {"owner_id": ann, "tier": "gold"})
    assert (kept.status_code, kept.json()["owner_id"]) == (200, ann)
    given = (f"/v1/customers/{nobodys}:amend", {"owner_id": ann})
    made = ("/v1/customers", {"kind": "person", "name": "Eva", "owner_id": ann})
    for path, body in (given, made):
        refused = await acme.post(path, body)
        assert refused.json()["errors"] == [{"field": "owner_id", "rule": f"User {ann} is suspended."}]
    eva: Answer = {"kind": "person", "name": "Eva", "occurred_at": "2026-01-01T00:00:00Z"}
    rows = [eva | {"external_id": "1", "owner_id": ann}, eva | {"external_id": "2"}]
    done = (await acme.post("/v1/customers:bulk", {"rows": rows})).json()
    assert [each["status"] for each in done["results"]] == ["rejected", "accepted"], [
        each["problem"]["errors"] for each in done["results"]
    ]


async def test_a_user_lists_what_it_owns_and_a_customer_shows_its_owner(acme: Tenant) -> None:
    ann, bob = await user(acme, "ann"), await user(acme, "bob")
    its = (await customer(acme, owner_id=ann))["id"]
    query = "query ($id: UUID!) { user(id: $id) { customers(first: 5) { nodes { id owner { name } } } } }"
    for who, listed in ((ann, [{"id": its, "owner": {"name": "ann"}}]), (bob, [])):
        answer = await acme.post("/graphql", {"query": query, "variables": {"id": who}})
        assert answer.json() == {"data": {"user": {"customers": {"nodes": listed}}}}
