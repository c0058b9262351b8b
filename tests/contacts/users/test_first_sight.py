"""An invited user is active from its first request on, and nobody else is taken for it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from kith.events.actors import user_id
from kith.testing import Answer, Tenant

ADDRESS = {"email": "Ann@Example.org", "email_verified": True}


async def seen(acme: Tenant, subject: str, **claims: Any) -> Answer:
    answer = await replace(acme, subject=subject, claims=claims).get("/v1/me")
    assert answer.status_code == 200, answer.text
    found: Answer = answer.json()
    return found


async def test_by_the_subject_of_its_token(acme: Tenant) -> None:
    user = await acme.made("/v1/users", name="Ann", email="ann@example.org", subject="auth0|1")
    assert (await seen(acme, "auth0|2"))["user"] is None
    found = (await seen(acme, "auth0|1"))["user"]
    assert (found["id"], found["state"], found["version"]) == (user["id"], "active", 2)


async def test_by_an_address_that_the_issuer_has_verified_and_from_then_on_by_the_subject(
    acme: Tenant, other: Tenant
) -> None:
    user = await acme.made("/v1/users", name="Ann", email="ann@example.org")
    assert (await seen(other, "auth0|1", **ADDRESS))["user"] is None, "another tenant has not invited it"
    found = (await seen(acme, "auth0|1", **ADDRESS))["user"]
    assert (found["id"], found["state"]) == (user["id"], "active")
    assert found["actor_id"] == str(user_id(acme.name, "auth0|1"))
    assert (await seen(acme, "auth0|1"))["user"] == found
    assert (await seen(acme, "auth0|2", **ADDRESS))["user"] is None, "the address has led to its user already"


@pytest.mark.parametrize("verified", [False, None, "true", 1, "false", ["true"]])
async def test_by_an_address_that_is_not_verified_nobody_is_known(acme: Tenant, verified: object) -> None:
    user = await acme.made("/v1/users", name="Ann", email="ann@example.org")
    claims = {"email": "ann@example.org"} | ({} if verified is None else {"email_verified": verified})
    assert (await seen(acme, "mallory", **claims))["user"] is None
    assert (await acme.get(f"/v1/users/{user['id']}")).json() == user


@pytest.mark.parametrize("email", [7, "an\u212a@example.org", "ann@example.org ", "", None, ["ann@example.org"]])
async def test_nor_by_what_is_no_such_address(acme: Tenant, email: object) -> None:
    await acme.made("/v1/users", name="Ann", email="ank@example.org")
    await acme.made("/v1/users", name="Ann", email="ann@example.org")
    assert (await seen(acme, "mallory", email=email, email_verified=True))["user"] is None


async def test_of_requests_at_once_one_activates_it(acme: Tenant) -> None:
    user = await acme.made("/v1/users", name="Ann", email="ann@example.org")
    found = await asyncio.gather(*(seen(acme, "auth0|1", **ADDRESS) for _ in range(8)))
    assert {each["user"] and each["user"]["id"] for each in found} == {user["id"]}
    assert (await acme.get(f"/v1/users/{user['id']}")).json()["version"] == 2


async def test_who_was_suspended_before_it_was_seen_is_refused_and_known_from_then_on(acme: Tenant) -> None:
    user = await acme.made("/v1/users", name="Ann", email="ann@example.org")
    await acme.post(f"/v1/users/{user['id']}:suspend", {})
    answer = await replace(acme, subject="auth0|1", claims=ADDRESS).get("/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (403, "user-suspended")
    shown = (await acme.get(f"/v1/users/{user['id']}")).json()
    assert (shown["state"], shown["actor_id"]) == ("suspended", str(user_id(acme.name, "auth0|1")))


async def test_who_activates_itself_is_the_actor_of_the_event(acme: Tenant, postgres: Any) -> None:
    import asyncpg

    await acme.made("/v1/users", name="Ann", email="ann@example.org")
    me = await seen(acme, "auth0|1", **ADDRESS)
    connection = await asyncpg.connect(postgres.url("kith_contacts"))
    try:
        rows = await connection.fetch("SELECT type, actor FROM outbox WHERE tenant_id = $1 ORDER BY seq", acme.name)
    finally:
        await connection.close()
    assert [tuple(row) for row in rows] == [
        ("contacts.user.invited.v1", "client:test"),
        ("contacts.user.activated.v1", me["actor"]),
    ]
