"""What holds among the users, roles and teams of a tenant, also while others change them."""

import asyncio
from uuid import UUID

import asyncpg
import httpx

from contacts.service import SERVICE
from contacts.users.administrators import LastAdministrator
from contacts.users.form import USERS, SuspendUser
from kith.api import context_for
from kith.nouns.calls import Answer as Answered
from kith.nouns.calls import By, Call
from kith.reach import EVERYONE
from kith.runtime.settings import Settings
from kith.testing import Answer, Tenant
from kith_local.postgres import EmbeddedPostgres


async def invited(acme: Tenant, name: str, **more: object) -> Answer:
    return await acme.made("/v1/users", name=name.title(), email=f"{name}@example.org", **more)


async def role(acme: Tenant, code: str, *scopes: str) -> str:
    return str((await acme.made("/v1/roles", code=code, name=code.title(), scopes=scopes))["id"])


async def administrator(acme: Tenant, name: str, role_id: str) -> str:
    user = await invited(acme, name, subject=name, role_ids=[role_id])
    assert (await acme.post(f"/v1/users/{user['id']}:activate", {})).status_code == 200
    return str(user["id"])


def code_of(answer: httpx.Response) -> tuple[int, str, list[str]]:
    problem = answer.json()
    return answer.status_code, problem["code"], [each["field"] for each in problem.get("errors", ())]


async def test_an_address_is_one_users_however_it_is_spelt(acme: Tenant, other: Tenant) -> None:
    shown = await acme.made("/v1/users", name="Mike", email="Mike@Example.org")
    assert shown["email"] == "mike@example.org"
    again = await acme.post("/v1/users", {"name": "Mike", "email": "MIKE@example.org"})
    assert code_of(again) == (409, "user-already-invited", ["email"])
    assert (await other.post("/v1/users", {"name": "Mike", "email": "mike@example.org"})).status_code == 201


async def test_a_subject_is_one_users(acme: Tenant, other: Tenant) -> None:
    await invited(acme, "ann", subject="auth0|1")
    bob = await invited(acme, "bob")
    for answer in (
        await acme.post("/v1/users", {"name": "Eve", "email": "eve@example.org", "subject": "auth0|1"}),
        await acme.post(f"/v1/users/{bob['id']}:activate", {"subject": "auth0|1"}),
        await acme.post(f"/v1/users/{bob['id']}:link", {"subject": "auth0|1"}),
    ):
        assert code_of(answer) == (409, "user-already-invited", ["subject"])
    await invited(other, "ann", subject="auth0|1")


async def test_of_many_who_invite_the_same_at_once_one_does(acme: Tenant) -> None:
    wanted = [{"name": "Ann", "email": "ann@example.org", "subject": f"ann-{n}"} for n in range(8)]
    answers = await asyncio.gather(*(acme.post("/v1/users", each) for each in wanted))
    assert sorted(each.status_code for each in answers) == [201] + [409] * 7
    rows = [{"external_id": f"r{n}", "occurred_at": "2026-01-01T00:00:00Z", **wanted[n]} for n in range(2)]
    rows = [{**each, "email": "bob@example.org"} for each in rows]
    done = (await acme.post("/v1/users:bulk", {"rows": rows})).json()
    assert [each["status"] for each in done["results"]] == ["accepted", "rejected"] or done["accepted"] == 1


async def test_the_last_administrator_stays(acme: Tenant) -> None:
    admin = await role(acme, "admin", "contacts:admin", "contacts:read")
    ann = await administrator(acme, "ann", admin)
    bob = await administrator(acme, "bob", admin)
    assert (await acme.post(f"/v1/users/{bob}:suspend", {})).status_code == 200
    refused = [
        await acme.post(f"/v1/users/{ann}:suspend", {}),
        await acme.post(f"/v1/users/{ann}:erase", {}),
        await acme.post(f"/v1/users/{ann}:amend", {"role_ids": []}),
        await acme.post(f"/v1/roles/{admin}:amend", {"scopes": ["contacts:read"]}),
    ]
    assert {code_of(each)[:2] for each in refused} == {(409, "last-administrator")}
    assert (await acme.post(f"/v1/users/{bob}:resume", {})).status_code == 200
    assert (await acme.post(f"/v1/users/{ann}:suspend", {})).status_code == 200


async def test_two_administrators_who_suspend_each_other_at_once_are_not_both_gone(
    acme: Tenant, postgres: EmbeddedPostgres
) -> None:
    admin = await role(acme, "admin", "contacts:admin")
    both = [await administrator(acme, name, admin) for name in ("ann", "bob")]
    (suspend,) = (each for each in USERS.commands if each.name == "suspend")
    url = postgres.url("kith_contacts")
    settings = Settings(database_url=url, port=0, pool_size=1)
    processes = [context_for(SERVICE, settings, acme.issuer.authenticator()) for _ in both]
    holder = await asyncpg.connect(url)
    try:
        held = holder.transaction()
        await held.start()  # both have begun, and wait for their rows
        await holder.execute("SELECT FROM users WHERE tenant_id = $1 FOR UPDATE", acme.name)
        calls = [Call(suspend, SuspendUser(), id=UUID(each)) for each in both]
        tasks = [
            asyncio.create_task(process.commands.run_one(acme.name, USERS, call, by=By("client:test", EVERYONE)))
            for process, call in zip(processes, calls, strict=True)
        ]
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND $1 = ANY(pg_blocking_pids(pid))"
        async with asyncio.timeout(4):
            while await holder.fetchval(waiting, holder.get_server_pid()) < len(both):  # noqa: ASYNC110 - no event says so
                await asyncio.sleep(0.01)
        await held.rollback()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await holder.close()
        for process in processes:
            await process.database.close()
    assert sum(isinstance(each, LastAdministrator) for each in answers) == 1, answers
    assert sum(isinstance(each, Answered) for each in answers) == 1, answers


async def test_who_administers_nothing_is_nobodys_last_administrator(acme: Tenant) -> None:
    names, day = ("eve", "joe"), "2026-01-0{}T00:00:00Z"
    made = [
        {"external_id": name, "name": name, "email": f"{name}@example.org", "occurred_at": day.format(1)}
        for name in names
    ]
    erased = [{"command": "erase", "external_id": name, "occurred_at": day.format(2)} for name in names]
    assert (await acme.post("/v1/users:bulk", {"rows": made + erased})).json()["accepted"] == 4


async def test_a_role_that_someone_has_stays(acme: Tenant) -> None:
    support = await role(acme, "support", "service-desk:read")
    ann = await invited(acme, "ann", role_ids=[support])
    assert code_of(await acme.post(f"/v1/roles/{support}:remove", {})) == (409, "role-in-use", [])
    assert (await acme.post(f"/v1/users/{ann['id']}:amend", {"role_ids": []})).status_code == 200
    assert (await acme.post(f"/v1/roles/{support}:remove", {})).status_code == 200
    gone = await acme.post(f"/v1/users/{ann['id']}:amend", {"role_ids": [support]})
    assert code_of(gone) == (422, "invalid", ["role_ids"])
    assert await role(acme, "support", "service-desk:read") != support, "its code is free again"


async def test_a_role_is_removed_or_given_but_not_both(acme: Tenant) -> None:
    for n in range(5):
        support = await role(acme, f"support-{n}", "service-desk:read")
        ann = await invited(acme, f"ann-{n}")
        given, removed = await asyncio.gather(
            acme.post(f"/v1/users/{ann['id']}:amend", {"role_ids": [support]}),
            acme.post(f"/v1/roles/{support}:remove", {}),
        )
        assert (given.status_code, removed.status_code) in ((200, 409), (422, 200))


async def test_a_role_is_of_scopes_that_there_are_and_its_code_is_its_own(acme: Tenant, other: Tenant) -> None:
    body = {"code": "lead", "name": "Lead", "scopes": ["sales:write", "sales:read", "sales:read"]}
    assert (await acme.post("/v1/roles", body)).json()["scopes"] == ["sales:read", "sales:write"]
    assert code_of(await acme.post("/v1/roles", body)) == (409, "role-already-defined", ["code"])
    assert (await other.post("/v1/roles", body)).status_code == 201
    unknown = await acme.post("/v1/roles", body | {"code": "x", "scopes": ["sales:admin"]})
    assert code_of(unknown) == (422, "invalid", ["scopes.0"])


async def test_a_team_is_not_within_itself_and_stays_while_someone_is_in_it(acme: Tenant) -> None:
    sales = (await acme.made("/v1/teams", name="Sales"))["id"]
    north = (await acme.made("/v1/teams", name="North", parent_id=sales))["id"]
    oslo = (await acme.made("/v1/teams", name="Oslo", parent_id=north))["id"]
    for within in (sales, north, oslo):
        circle = await acme.post(f"/v1/teams/{sales}:amend", {"parent_id": within})
        assert code_of(circle) == (422, "invalid", ["parent_id"])
    ann = await invited(acme, "ann", team_id=oslo)
    for used in (sales, oslo):
        assert code_of(await acme.post(f"/v1/teams/{used}:remove", {})) == (409, "team-in-use", [])
    assert (await acme.post(f"/v1/users/{ann['id']}:amend", {"team_id": None})).status_code == 200
    assert (await acme.post(f"/v1/teams/{oslo}:remove", {})).status_code == 200
    for path, field in ((f"/v1/users/{ann['id']}:amend", "team_id"), (f"/v1/teams/{north}:amend", "parent_id")):
        assert code_of(await acme.post(path, {field: oslo})) == (422, "invalid", [field])
    assert code_of(await acme.post(f"/v1/teams/{oslo}:amend", {"name": "x"}))[1] == "team-removed"
