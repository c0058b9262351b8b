"""What contacts publishes of the people of a tenant holds in every service."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import asyncpg
import httpx
import pytest
from tests.playbooks import Hearing, hearing

from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.errors import UserSuspended
from kith.events.envelope import Envelope
from kith.http.app import Context
from kith.http.auth import Actor
from kith.people import gate as gates
from kith.people.gate import Gate
from kith.runtime.service import Service
from kith.testing import Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
PATHS = {"sales": "/v1/orders", "service-desk": "/v1/cases", "analytics": "/v1/ledger", "contacts": "/v1/customers"}
every_service = pytest.mark.parametrize("service", [SALES, SERVICE_DESK, ANALYTICS], ids=lambda each: each.name)


def context_of(client: httpx.AsyncClient) -> Context:
    found: Context = client._transport.app.state.context  # type: ignore[attr-defined]
    return found


def gate_of(client: httpx.AsyncClient) -> Gate:
    gate = context_of(client).gate
    assert gate is not None
    return gate


class House:
    """Contacts, and another service that hears of it."""

    def __init__(self, contacts: Tenant, there: Tenant, worker: Hearing, postgres: EmbeddedPostgres) -> None:
        self.contacts, self.there, self.path = contacts, there, PATHS[worker.service.name]
        self._worker, self._postgres, self._heard = worker, postgres, 0

    def acting_as(self, subject: str) -> Tenant:
        return replace(self.there, subject=subject)

    async def invited(self, subject: str, **more: object) -> str:
        made = await self.contacts.made(
            "/v1/users", name=subject, email=f"{subject}@example.org", subject=subject, **more
        )
        return str(made["id"])

    async def role(self, *scopes: str) -> str:
        return str((await self.contacts.made("/v1/roles", code="role", name="Role", scopes=scopes))["id"])

    async def does(self, path: str, body: object = None) -> None:
        answer = await self.contacts.post(path, body or {})
        assert answer.status_code == 200, answer.text

    async def hears(self) -> None:
        """All that contacts has published since."""
        new = (await self._published())[self._heard :]
        self._heard += len(new)
        await self._worker.hears(*new)
        assert await self._worker.reasons() == []

    async def _published(self) -> Sequence[Envelope]:
        connection = await asyncpg.connect(self._postgres.url("kith_contacts"))
        try:
            rows = await connection.fetch("SELECT * FROM outbox WHERE tenant_id = $1 ORDER BY seq", self.contacts.name)
        finally:
            await connection.close()
        names = set(Envelope.__struct_fields__)
        return [
            Envelope(source="contacts", **{name: value for name, value in row.items() if name in names}) for row in rows
        ]


@pytest.fixture
async def house(
    serve: Serve, issuer: Issuer, tenant: str, service: Service, postgres: EmbeddedPostgres, monkeypatch: Any
) -> AsyncIterator[House]:
    contacts, there = Tenant(await serve(CONTACTS), issuer, tenant), Tenant(await serve(service), issuer, tenant)
    monkeypatch.setattr(gate_of(there.client), "seconds", 0.0)  # nothing is trusted: what it heard holds at once
    async with hearing(service, postgres) as worker:
        yield House(contacts, there, worker, postgres)


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@every_service
async def test_a_suspended_user_is_refused_once_its_event_has_come(house: House) -> None:
    ann, bob = house.acting_as("ann"), house.acting_as("bob")
    user = await house.invited("ann")
    await house.does(f"/v1/users/{user}:suspend")
    assert (await ann.get(house.path)).status_code == 200, "it has not heard of it yet"
    await house.hears()
    assert refused(await ann.get(house.path)) == (403, "user-suspended")
    assert refused(await ann.post("/graphql", {"query": "{ __typename }"})) == (403, "user-suspended")
    assert (await bob.get(house.path)).status_code == 200
    stranger = replace(ann, name=f"{ann.name[:-1]}x")
    assert (await stranger.get(house.path)).status_code == 200, "the same subject of another tenant is another"
    await house.does(f"/v1/users/{user}:resume")
    await house.hears()
    assert (await ann.get(house.path)).status_code == 200
    await house.does(f"/v1/users/{user}:erase")
    await house.hears()
    assert refused(await ann.get(house.path)) == (403, "user-suspended")


@every_service
async def test_a_user_with_roles_may_do_what_both_they_and_the_token_allow(house: House, service: Service) -> None:
    read, write = f"{service.name}:read", f"{service.name}:write"
    reader, ann = await house.role(read), house.acting_as("ann")
    user = await house.invited("ann")
    await house.hears()
    mine = (await ann.get(house.path)).status_code, await may_write(ann, house)
    assert mine == (200, True), "without a role the token decides"
    await house.does(f"/v1/users/{user}:amend", {"role_ids": [reader]})
    await house.hears()
    assert ((await ann.get(house.path)).status_code, await may_write(ann, house)) == (200, False)
    assert (await ann.without(read).get(house.path)).status_code == 403, "a role gives nothing that the token lacks"
    await house.does(f"/v1/roles/{reader}:amend", {"scopes": [write]})
    await house.hears()
    assert ((await ann.get(house.path)).status_code, await may_write(ann, house)) == (403, True)


@pytest.mark.parametrize("service", [SALES], ids=["sales"])
async def test_a_team_is_known_by_events(house: House) -> None:
    north = (await house.contacts.made("/v1/teams", name="North"))["id"]
    oslo = (await house.contacts.made("/v1/teams", name="Oslo", parent_id=north))["id"]
    ids = {name: await house.invited(name, team_id=team) for name, team in (("lea", north), ("ann", oslo))}
    await house.hears()
    for name, id in ids.items():
        await house.there.made("/v1/tasks", title=name, owner_id=id)

    async def seen_by(name: str, width: str) -> set[str]:
        narrow = replace(house.acting_as(name), scopes=f"sales:read:{width} sales:personal")
        return {each["title"] for each in (await narrow.get("/v1/tasks")).json()["items"]}

    assert [await seen_by(name, "team") for name in ids] == [{"lea", "ann"}, {"ann"}]
    assert [await seen_by(name, "own") for name in ids] == [{"lea"}, {"ann"}]
    await house.does(f"/v1/users/{ids['ann']}:amend", {"team_id": None})
    await house.hears()
    assert [await seen_by(name, "team") for name in ids] == [{"lea"}, {"ann"}]


async def may_write(ann: Tenant, house: House) -> bool:
    """Whether a command is refused for its body, or before that for who sent it."""
    path = "/v1/pulses" if house.path == "/v1/ledger" else house.path
    status = (await ann.post(path, {"colour": "red"})).status_code
    assert status in (403, 422)
    return status == 422


@every_service
async def test_clients_and_strangers_may_do_what_their_tokens_allow(house: House) -> None:
    nobody = await house.role("contacts:read")
    await house.invited("test", role_ids=[nobody])  # the subject of the client, as if it were a person's
    await house.hears()
    assert (await house.there.get(house.path)).status_code == 200
    assert (await house.acting_as("who").get(house.path)).status_code == 200


@pytest.mark.parametrize("service", [SALES], ids=["sales"])
async def test_what_was_read_of_a_user_is_trusted_for_seconds_and_read_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await house.invited("ann")
    await house.hears()
    context, now, reads = context_of(house.there.client), 0.0, 0
    ann = Actor(house.there.name, "ann", frozenset({"sales:read"}), datetime.now(UTC).timestamp() + 60)
    gate = Gate(context.database, _people(), seconds=2.0)
    monkeypatch.setattr(gates, "time", SimpleNamespace(monotonic=lambda: now))
    look_up = gate._look_up

    async def counted(*key: Any) -> Any:
        nonlocal reads
        reads += 1
        return await look_up(*key)

    monkeypatch.setattr(gate, "_look_up", counted)
    for _ in range(3):
        assert await gate.admitted(ann) == ann
    assert reads == 1
    await house.does(f"/v1/users/{user}:suspend")
    await house.hears()
    now = 1.9
    assert await gate.admitted(ann) == ann
    now = 2.0
    with pytest.raises(UserSuspended):
        await gate.admitted(ann)
    assert reads == 2
    assert await gate.admitted(replace(ann, is_client=True)) == replace(ann, is_client=True)
    assert reads == 2, "a client costs nothing"


def _people() -> Any:
    from sales.tables import people

    return people


@pytest.mark.parametrize("service", [SALES], ids=["sales"])
async def test_no_request_writes_what_a_service_was_told(house: House) -> None:
    database = context_of(house.there.client).database
    await house.invited("ann")
    await house.hears()
    for table in _people():
        async with database.read(house.there.name) as connection:
            with pytest.raises(Exception, match="permission denied"):
                await connection.execute(table.delete().where(table.c.tenant_id == house.there.name))
