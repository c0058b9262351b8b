"""Values of custom fields, from their definition to their removal, in the records of contacts."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from contacts.resources import RESOURCES
from kith.custom.sweep import Sweep
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.ids import new_id
from kith.testing import Tenant
from kith_local.postgres import EmbeddedPostgres as Server

KINDS: dict[str, dict[str, Any]] = {
    "text": {"personal": False},
    "number": {},
    "money": {"currency": "EUR"},
    "date": {},
    "instant": {},
    "choice": {"choices": ["north", "south"]},
    "multi_choice": {"choices": ["a", "b", "c"]},
    "boolean": {},
    "link": {"links_to": "customer"},
}


async def defined(tenant: Tenant, code: str, value_type: str = "choice", of_noun: str = "customer", **more: Any) -> str:
    fields = {"of_noun": of_noun, "code": code, "value_type": value_type, "label": code, **KINDS[value_type], **more}
    return str((await tenant.made("/v1/field-definitions", **fields))["id"])


async def created(tenant: Tenant, custom: Any = None, personal: Any = None) -> httpx.Response:
    held = {"custom": custom or {}, "custom_personal": personal or {}}
    return await tenant.post("/v1/customers", {"kind": "person", "name": "Ann", **held})


def refusal(answer: httpx.Response) -> tuple[int, str]:
    problem = answer.json()
    return answer.status_code, problem["errors"][0]["field"]


async def test_values_of_each_type_are_kept_as_they_were_sent(acme: Tenant) -> None:
    for kind in KINDS:
        await defined(acme, f"a_{kind}", kind)
    other = (await created(acme)).json()["id"]
    sent = {
        "a_text": "Ää",
        "a_number": 12.5,
        "a_money": "10.50",
        "a_date": "2026-02-28",
        "a_instant": "2026-02-28T12:00:00+01:00",
        "a_choice": "north",
        "a_multi_choice": ["c", "a", "c"],
        "a_boolean": False,
        "a_link": other,
    }
    shown = (await created(acme, sent)).json()
    wanted = {"a_money": "10.5000", "a_instant": "2026-02-28T11:00:00Z", "a_multi_choice": ["a", "c"]}
    assert shown["custom"] == sent | wanted
    assert (await acme.get(f"/v1/customers/{shown['id']}")).json()["custom"] == shown["custom"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 1),
        ("text", "x" * 501),
        ("text", "x" * 1_000_000),
        ("text", "\x00"),
        ("text", {"deep": [{}]}),
        ("number", "1"),
        ("number", 1e13),
        ("number", 0.1234567),
        ("number", True),
        ("money", "1.001"),
        ("money", -1),
        ("date", "2026-02-30"),
        ("instant", "2026-02-28T12:00:00"),
        ("choice", "west"),
        ("multi_choice", ["a", "d"]),
        ("multi_choice", "a"),
        ("boolean", "true"),
        ("link", "x"),
        ("link", "019ca000-0000-7000-8000-000000000002"),
    ],
)
async def test_a_value_that_its_type_does_not_allow_is_refused_by_its_name(
    acme: Tenant, kind: str, value: object
) -> None:
    await defined(acme, "it", kind)
    assert refusal(await created(acme, {"it": value})) == (422, "custom.it")


async def test_an_amendment_changes_what_was_sent_clears_nulls_and_leaves_the_rest(acme: Tenant) -> None:
    for code in ("one", "two", "three"):
        await defined(acme, code, "number")
    id = (await created(acme, {"one": 1, "two": 2})).json()["id"]
    amended = await acme.post(f"/v1/customers/{id}:amend", {"custom": {"one": None, "three": 3}})
    assert amended.json()["custom"] == {"two": 2, "three": 3}
    history = (await acme.get(f"/v1/customers/{id}/history")).json()["items"]
    assert history[0]["changes"] == [{"field": "custom", "old": {"one": 1, "two": 2}, "new": {"two": 2, "three": 3}}]
    named = await acme.post(f"/v1/customers/{id}:amend", {"name": "Bob"})
    assert named.json()["custom"] == {"two": 2, "three": 3}


async def test_a_field_of_another_tenant_or_noun_is_unknown(acme: Tenant, other: Tenant) -> None:
    await defined(acme, "region")
    await defined(other, "of_contacts", of_noun="contact")
    for code in ("region", "of_contacts", "__class__", "x" * 90):
        assert refusal(await created(other, {code: "north"})) == (422, f"custom.{code}")


async def test_new_records_get_defaults_and_must_have_what_is_required(acme: Tenant) -> None:
    await defined(acme, "region", default="south")
    before = (await created(acme)).json()
    assert before["custom"] == {"region": "south"}
    await defined(acme, "rank", "number", required=True)
    made = await created(acme, {"rank": 1})
    assert made.json()["custom"] == {"rank": 1, "region": "south"}
    cleared = await acme.post(f"/v1/customers/{made.json()['id']}:amend", {"custom": {"rank": None}})
    assert refusal(cleared) == (422, "custom.rank")
    kept = await acme.post(f"/v1/customers/{before['id']}:amend", {"custom": {"region": "north"}})
    assert kept.status_code == 200


async def test_a_default_that_is_no_value_of_the_field_is_refused(acme: Tenant) -> None:
    field = {"of_noun": "customer", "code": "region", "label": "Region", **KINDS["choice"], "value_type": "choice"}
    assert refusal(await acme.post("/v1/field-definitions", field | {"default": "west"})) == (422, "default")
    id = await defined(acme, "region", default="north")
    assert refusal(await acme.post(f"/v1/field-definitions/{id}:amend", {"default": "west"})) == (422, "default")


async def test_an_archived_field_is_read_and_not_written(acme: Tenant) -> None:
    id = await defined(acme, "region")
    customer = (await created(acme, {"region": "north"})).json()["id"]
    await acme.post(f"/v1/field-definitions/{id}:archive", {})
    assert (await acme.get(f"/v1/customers/{customer}")).json()["custom"] == {"region": "north"}
    assert refusal(await created(acme, {"region": "north"})) == (422, "custom.region")
    await acme.post(f"/v1/field-definitions/{id}:restore", {})
    assert (await created(acme, {"region": "north"})).status_code == 201


async def test_of_many_who_send_a_unique_value_at_once_one_has_it(acme: Tenant, other: Tenant) -> None:
    await defined(acme, "number", "text", unique=True)
    answers = await asyncio.gather(*(created(acme, {"number": "K-1"}) for _ in range(8)))
    assert sorted(each.status_code for each in answers) == [201, *[409] * 7]
    assert {each.json()["code"] for each in answers if each.status_code == 409} == {"not-unique"}
    (holder,) = [each.json()["id"] for each in answers if each.status_code == 201]
    await acme.post(f"/v1/customers/{holder}:amend", {"custom": {"number": "K-2"}})
    assert (await created(acme, {"number": "K-1"})).status_code == 201
    await defined(other, "number", "text", unique=True)
    assert (await created(other, {"number": "K-1"})).status_code == 201


async def test_personal_values_are_shown_with_the_scope_and_published_never(acme: Tenant, postgres: Server) -> None:
    canary = f"canary{new_id().hex}"
    await defined(acme, "nickname", "text", personal=True, unique=True)
    assert refusal(await created(acme, {"nickname": "Nick"})) == (422, "custom.nickname")
    id = (await created(acme, personal={"nickname": canary})).json()["id"]
    assert (await acme.get(f"/v1/customers/{id}")).json()["custom_personal"] == {"nickname": canary}
    stranger = acme.without("contacts:personal")
    assert canary not in (await stranger.get("/v1/customers")).text
    assert canary not in (await stranger.get(f"/v1/customers/{id}/history")).text
    assert await tables_with(canary, postgres) == {"custom_entries", "customers"}
    await acme.post(f"/v1/customers/{id}:erase", {})
    assert (await acme.get(f"/v1/customers/{id}")).json()["custom_personal"] == {}
    assert await tables_with(canary, postgres) == set()


async def test_a_removed_field_takes_its_values_along_and_then_leaves_its_code(
    acme: Tenant, other: Tenant, postgres: Server
) -> None:
    field, _ = [await defined(each, "region", filterable=True) for each in (acme, other)]
    id, theirs = [(await created(each, {"region": "north"})).json()["id"] for each in (acme, other)]
    await acme.post(f"/v1/field-definitions/{field}:remove", {})
    assert refusal(await created(acme, {"region": "north"})) == (422, "custom.region")
    await defined(acme, "region", "number")
    contested = await created(acme, {"region": 5})
    assert refusal(contested) == (422, "custom.region")
    assert "are being removed" in contested.text
    await swept(postgres)
    assert (await acme.get(f"/v1/customers/{id}")).json()["custom"] == {}
    assert (await created(acme, {"region": 5})).json()["custom"] == {"region": 5}
    assert (await other.get(f"/v1/customers/{theirs}")).json()["custom"] == {"region": "north"}


async def swept(postgres: Server) -> None:
    engine = create_engine(postgres.url("kith_contacts"), role=WORKER_ROLE, pool_size=1, application="sweep")
    try:
        while await Sweep(RESOURCES, wait=0).step(engine):
            pass
    finally:
        await engine.dispose()


async def tables_with(word: str, postgres: Server) -> set[str]:
    """Returns the tables of contacts that have a word in any row of any tenant."""
    connection = await asyncpg.connect(postgres.url("kith_contacts"))
    try:
        names = [
            row[0]
            for row in await connection.fetch(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = $1::regnamespace", "public"
            )
        ]
        count = "SELECT count(*) FROM {} t WHERE t::text LIKE $1"
        found = {name: await connection.fetchval(count.format(f'"{name}"'), f"%{word}%") for name in names}
        return {name for name, number in found.items() if number}
    finally:
        await connection.close()


async def test_a_number_is_kept_alike_however_it_is_sent(acme: Tenant) -> None:
    await defined(acme, "cups", "number")
    for sent in (4, 4.0):
        assert '"cups":4.0}' in (await created(acme, {"cups": sent})).text
    assert (await acme.get("/v1/customers", fields="custom")).text.count('"cups":4.0}') == 2


async def test_a_noun_has_at_most_a_hundred_fields_and_each_code_is_one(acme: Tenant) -> None:
    rows = [
        {"external_id": f"f{n}", "of_noun": "customer", "code": f"f{n}", "value_type": "number", "label": "F"}
        for n in range(102)
    ]
    rows = [{"command": "create", "occurred_at": "2026-01-01T00:00:00Z", **row} for row in rows]
    answer = (await acme.post("/v1/field-definitions:bulk", {"rows": rows})).json()
    assert (answer["accepted"], answer["rejected"]) == (100, 2), answer
    everything = {f"f{n}": n for n in range(100)}
    assert (await created(acme, everything)).json()["custom"] == everything
    assert refusal(await created(acme, everything | {"more": 1})) == (422, "custom")
    await defined(acme, "f1", "number", of_noun="contact")
    again = await acme.post(
        "/v1/field-definitions", {"of_noun": "contact", "code": "f1", "value_type": "number", "label": "F"}
    )
    assert (again.status_code, again.json()["code"]) == (409, "field-already-defined")
