"""Organisations form a tree, whoever changes it at the same time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import asyncpg
from tests.kith.consumer.world import eventually

from contacts.service import SERVICE
from kith.testing import Answer, Issuer, Tenant, serving
from kith_local.postgres import EmbeddedPostgres

PATH = "/v1/customers"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def organisation(acme: Tenant, **fields: object) -> Answer:
    return await acme.made(PATH, kind="organisation", name="Works", **fields)


async def put(acme: Tenant, child: Answer, parent: Answer) -> tuple[int, str | None]:
    """The status, and the field that is wrong."""
    answer = await acme.post(f"{PATH}/{child['id']}:amend", {"parent_id": parent["id"]})
    errors = answer.json().get("errors")
    return answer.status_code, errors and errors[0]["field"]


async def test_an_organisation_is_a_part_of_another_and_not_of_its_own_parts(acme: Tenant) -> None:
    group = await organisation(acme)
    works = await organisation(acme, parent_id=group["id"])
    plant = await organisation(acme, parent_id=works["id"])
    assert works["parent_id"] == group["id"]
    assert await put(acme, group, plant) == (422, "parent_id")
    assert await put(acme, group, group) == (422, "parent_id")
    assert await put(acme, plant, group) == (200, None)
    found = await acme.ask(
        """query ($id: UUID!) { customer(id: $id) {
             parent { id } children { nodes { id children { nodes { id } } } } } }""",
        id=group["id"],
    )
    assert found["customer"] == {
        "parent": None,
        "children": {"nodes": [{"id": each["id"], "children": {"nodes": []}} for each in (plant, works)]},
    }
    (listed,) = (await acme.get(PATH, parent_id=works["id"], first=1)).json()["items"] or [None]
    assert listed is None


async def test_a_person_has_no_parts(acme: Tenant) -> None:
    ada = await acme.made(PATH, kind="person", name="Ada")
    works = await organisation(acme)
    assert await put(acme, works, ada) == (422, "parent_id")
    assert await put(acme, ada, works) == (200, None)
    turned = await acme.post(f"{PATH}/{works['id']}:amend", {"kind": "person"})
    assert (turned.status_code, turned.json()["errors"][0]["field"]) == (422, "kind")


@asynccontextmanager
async def at_once(
    acme: Tenant, postgres: EmbeddedPostgres, issuer: Issuer, puts: Sequence[tuple[Answer, Answer]]
) -> AsyncIterator[list[tuple[int, str | None]]]:
    """The answers to requests, each to a process of its own, of which none has seen what another one writes: nobody can
    write an event before all of them wait."""
    url = postgres.url("kith_contacts")
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(serving(SERVICE, url, issuer)) for _ in puts]
        holder, watcher = [await asyncpg.connect(url) for _ in range(2)]
        stack.push_async_callback(watcher.close)
        stack.push_async_callback(holder.close)
        held = holder.transaction()
        await held.start()
        await holder.execute("LOCK TABLE outbox IN SHARE MODE")

        async def all_wait() -> bool:
            return bool(await watcher.fetchval(WAITING) == len(puts))

        async def release() -> None:
            await eventually(all_wait)
            await held.rollback()

        sent = [put(replace(acme, client=client), *pair) for client, pair in zip(clients, puts, strict=True)]
        answers, _ = await asyncio.gather(asyncio.gather(*sent), release())
        yield answers


async def test_two_that_become_a_part_of_each_other_at_once_do_not(
    acme: Tenant, postgres: EmbeddedPostgres, issuer: Issuer
) -> None:
    one, two = await organisation(acme), await organisation(acme)
    async with at_once(acme, postgres, issuer, [(one, two), (two, one)]) as answers:
        assert set(answers) == {(200, None), (422, "parent_id")}


async def test_a_ring_of_many_is_not_closed_by_requests_at_once(
    acme: Tenant, postgres: EmbeddedPostgres, issuer: Issuer
) -> None:
    ring = [await organisation(acme) for _ in range(4)]
    async with at_once(acme, postgres, issuer, [*pairwise([*ring, ring[0]])]) as answers:
        assert sorted(status for status, _ in answers) == [200, 200, 200, 422]
    shown = [each["parent_id"] for each in (await acme.get(PATH)).json()["items"]]
    assert shown.count(None) == 1, "one is above all others"


async def test_rows_of_one_request_are_held_to_the_tree_too(acme: Tenant) -> None:
    at = "2026-03-0{}T12:00:00Z".format
    one = await organisation(acme, external_id="one", occurred_at=at(1))
    two = await organisation(acme, external_id="two", occurred_at=at(1))
    rows = [
        {"command": "amend", "external_id": "one", "occurred_at": at(2), "parent_id": two["id"]},
        {"command": "amend", "external_id": "two", "occurred_at": at(2), "parent_id": one["id"]},
    ]
    results = (await acme.post(f"{PATH}:bulk", {"rows": rows})).json()["results"]
    assert [each["status"] for each in results] == ["accepted", "rejected"]
    assert results[1]["problem"]["errors"][0]["field"] == "parent_id"
