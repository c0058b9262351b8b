"""What a service holds of a person is read whole, by whoever may see it all, and it is noted what they were shown."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest
from tests.contracts.nouns import NOUNS, Noun, World

from contacts.service import SERVICE as CONTACTS
from kith.customers.erasing import NAMED_BY
from kith.ids import new_id
from kith.nouns import history_reads
from kith.nouns.queries import BATCH
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
NAMES = {name for names in NAMED_BY.values() for name in names}
OF_PEOPLE = [each for each in NOUNS if each.resource.name in NAMED_BY or NAMES & set(each.resource.view_fields)]
"""The nouns whose records are of a person, or name one."""


@pytest.fixture
async def contacts(serve: Serve, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(await serve(CONTACTS), issuer, tenant)


async def lines_of(mine: Tenant, noun: str, id: str) -> list[Answer]:
    answer = await mine.get(f"/v1/personal-data/{noun}/{id}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson"), answer.text
    *lines, end = [json.loads(line) for line in answer.content.split(b"\n")[:-1]]
    assert end == {"end": {"rows": len(lines)}}
    return lines


async def held_of(mine: Tenant, noun: str, id: str) -> dict[str, list[Answer]]:
    """The records by noun."""
    found: dict[str, list[Answer]] = {}
    for line in await lines_of(mine, noun, id):
        if "record" in line:
            found.setdefault(line["noun"], []).append(line["record"])
    return found


async def status_of(mine: Tenant, noun: str, id: str) -> int:
    return (await mine.get(f"/v1/personal-data/{noun}/{id}")).status_code


async def named(contacts: Tenant, name: str = "Ann") -> tuple[str, Answer]:
    """A customer, and a contact of it."""
    customer = (await contacts.made("/v1/customers", kind="person", name=name))["id"]
    return customer, await contacts.made("/v1/contacts", customer_id=customer, name=name, phone="+436641234567")


@pytest.mark.parametrize("noun", OF_PEOPLE, ids=lambda noun: noun.id)
async def test_a_record_of_every_noun_is_held_of_whom_it_names(
    serve: Serve, issuer: Issuer, tenant: str, other_tenant: str, noun: Noun
) -> None:
    ours = World(Tenant(await serve(noun.service), issuer, tenant))
    made = await ours.made(noun)
    shown = await ours.current(noun, made["id"])
    names = [(who, made.get(each)) for who, columns in NAMED_BY.items() for each in columns]
    people = [(who, id) for who, id in [*names, (noun.resource.name, made["id"])] if id and who in NAMED_BY]
    assert people
    for who, id in people:
        assert shown in (await held_of(ours.tenant, who, id))[noun.resource.name]
        assert await status_of(Tenant(ours.tenant.client, issuer, other_tenant), who, id) == 404


async def test_nothing_of_anybody_else_is_among_it(contacts: Tenant) -> None:
    (ann, contact), (bob, _) = await named(contacts), await named(contacts, "Bob")
    of_contact = {"contact_id": contact["id"], "purpose": "news", "state": "given", "proof": "She signed it"}
    consent = await contacts.made("/v1/consents", **of_contact)
    note = await contacts.made("/v1/notes", customer_id=ann, body="Likes tea")
    await contacts.made("/v1/notes", customer_id=bob, body="Likes coffee")
    found = await held_of(contacts, "customer", ann)
    assert {each: [record["id"] for record in records] for each, records in found.items()} == {
        "customer": [ann],
        "contact": [contact["id"]],
        "consent": [consent["id"]],
        "note": [note["id"]],
    }
    assert await held_of(contacts, "contact", contact["id"]) == {"contact": [contact], "consent": [consent]}


async def test_a_merged_customers_record_and_those_of_before_are_held_of_the_one_that_remains(
    contacts: Tenant,
) -> None:
    (ann, _), (twin, contact) = await named(contacts), await named(contacts, "Anna")
    assert (await contacts.post(f"/v1/customers/{twin}:merge", {"into": ann})).status_code == 200
    found = await held_of(contacts, "customer", ann)
    assert {each["id"] for each in found["customer"]} == {ann, twin}
    assert contact["id"] in {each["id"] for each in (await held_of(contacts, "customer", twin))["contact"]}
    last, _ = await named(contacts, "Anne")
    assert (await contacts.post(f"/v1/customers/{ann}:merge", {"into": last})).status_code == 200
    found = await held_of(contacts, "customer", last)
    assert {each["id"] for each in found["customer"]} == {ann, twin, last}
    assert contact["id"] in {each["id"] for each in found["contact"]}


async def test_history_has_the_values_of_before_until_the_person_is_erased(contacts: Tenant) -> None:
    _, contact = await named(contacts)
    id = contact["id"]
    await contacts.post(f"/v1/contacts/{id}:amend", {"name": "Ann Gruber"})

    async def history() -> list[Answer]:
        lines = await lines_of(contacts, "contact", id)
        assert {each["id"] for each in lines if "history" in each} == {id}
        return [each["history"] for each in lines if "history" in each]

    newest, oldest = await history()
    assert newest["changes"] == [{"field": "name", "old": "Ann", "new": "Ann Gruber"}]
    assert (newest["version"], oldest["version"], newest["actor"]) == (2, 1, "client:test")
    assert [newest, oldest] == (await contacts.get(f"/v1/contacts/{id}/history")).json()["items"]
    await contacts.post(f"/v1/contacts/{id}:erase", {})
    (left,) = (await held_of(contacts, "contact", id))["contact"]
    assert (left["name"], left["phone"]) == (None, None)
    assert "Ann" not in json.dumps(await lines_of(contacts, "contact", id))


async def test_it_needs_all_scopes_for_it_and_a_person_that_is_there(contacts: Tenant) -> None:
    ann, _ = await named(contacts)
    for scope in ("contacts:personal", "contacts:read"):
        refused = await contacts.without(scope).get(f"/v1/personal-data/customer/{ann}")
        assert (refused.status_code, refused.json()["detail"]) == (403, f"This needs the scope {scope}.")
    assert await status_of(contacts, "customer", str(new_id())) == 404
    assert await status_of(contacts, "contact", ann) == 404
    for wrong in (f"order/{ann}", f"customer/{ann}x", f"customer/{ann}?first=1"):
        answer = await contacts.client.get(f"/v1/personal-data/{wrong}", headers=contacts._authorized())
        assert answer.status_code == 422, wrong


async def test_of_very_many_records_and_changes_a_batch_is_read_at_a_time_and_each_is_told_once(
    serve: Serve, issuer: Issuer, tenant: str, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, customer = Tenant(await serve(SALES), issuer, tenant), new_id()
    owner = await asyncpg.connect(postgres.url("kith_sales"))
    await owner.execute(
        """WITH made AS (INSERT INTO tasks (tenant_id, id, version, created_at, updated_at, customer_id, title, state)
            SELECT $1, gen_random_uuid(), 2, now(), now(), $2, 'Call ' || n, 'open'
            FROM generate_series(1, $3::int) n RETURNING id)
        INSERT INTO history (tenant_id, subject, version, command, actor, time, recorded_at)
            SELECT $1, id, version, 'amend', 'user:x', now(), now() FROM made, generate_series(1, 2) version""",
        tenant,
        customer,
        BATCH + 1,
    )
    await owner.close()
    monkeypatch.setattr(history_reads, "BATCH", 300)
    lines = await lines_of(mine, "customer", str(customer))
    assert len({each["record"]["id"] for each in lines if "record" in each}) == BATCH + 1
    entries = [(each["id"], each["history"]["version"]) for each in lines if "history" in each]
    assert (len(entries), len(set(entries))) == (2 * (BATCH + 1), 2 * (BATCH + 1))


async def test_it_is_noted_which_records_were_shown(contacts: Tenant) -> None:
    noted: list[tuple[Any, ...]] = []
    transport = contacts.client._transport
    assert isinstance(transport, httpx.ASGITransport)
    audit = transport.app.state.context.audit  # type: ignore[attr-defined]
    ann, contact = await named(contacts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "note", lambda it: noted.append((it.action, it.noun, [*map(str, it.subjects)])))
        await lines_of(contacts, "customer", ann)
    assert noted == [("export", "customer", [ann]), ("export", "contact", [contact["id"]])]
