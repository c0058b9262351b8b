"""Who asks is told who it is, and what it may do."""

from dataclasses import replace

from kith.events.actors import user_id
from kith.http.scopes import SCOPES
from kith.testing import Tenant

ASK = "{ me { actor tenant scopes user { name email state } teams { name } } }"


async def test_a_client_has_no_user_and_the_scopes_of_its_token(acme: Tenant) -> None:
    me = (await acme.get("/v1/me")).json()
    assert me == {"actor": "client:test", "tenant": acme.name, "scopes": sorted(SCOPES), "user": None, "teams": []}
    assert (await acme.ask(ASK))["me"] == me


async def test_a_user_has_its_teams_from_its_own_upwards_and_the_scopes_that_are_left(acme: Tenant) -> None:
    sales = (await acme.made("/v1/teams", name="Sales"))["id"]
    north = (await acme.made("/v1/teams", name="North", parent_id=sales))["id"]
    await acme.made("/v1/teams", name="South", parent_id=sales)
    scopes = ["contacts:personal", "sales:read", "contacts:read"]
    role = (await acme.made("/v1/roles", code="seller", name="Seller", scopes=scopes))["id"]
    user = await acme.made(
        "/v1/users", name="Ann", email="ann@example.org", subject="ann", team_id=north, role_ids=[role]
    )
    ann = replace(acme.without("sales:read"), subject="ann")
    me = (await ann.get("/v1/me")).json()
    assert (me["actor"], me["scopes"]) == (
        f"user:{user_id(acme.name, 'ann')}",
        ["contacts:personal", "contacts:read"],
    )
    assert (me["user"]["id"], me["user"]["name"], me["user"]["state"]) == (user["id"], "Ann", "active")
    assert [each["name"] for each in me["teams"]] == ["North", "Sales"]
    asked = (await ann.ask(ASK))["me"]
    assert asked["user"] == {"name": "Ann", "email": "ann@example.org", "state": "ACTIVE"}
    assert ([each["name"] for each in asked["teams"]], asked["scopes"]) == (["North", "Sales"], me["scopes"])


async def test_without_the_scope_for_it_even_its_own_name_is_absent(acme: Tenant) -> None:
    await acme.made("/v1/users", name="Ann", email="ann@example.org", subject="ann")
    ann = replace(acme.without("contacts:personal"), subject="ann")
    me = (await ann.get("/v1/me")).json()
    assert "name" not in me["user"]
    assert "email" not in me["user"]
    assert (await ann.ask(ASK))["me"]["user"] == {"name": None, "email": None, "state": "ACTIVE"}


async def test_it_needs_no_scope_and_takes_no_parameter(acme: Tenant) -> None:
    nobody = replace(acme, scopes="", subject="ann")
    assert (await nobody.get("/v1/me")).json()["scopes"] == []
    assert (await nobody.get("/v1/me", as_="bob")).status_code == 422
