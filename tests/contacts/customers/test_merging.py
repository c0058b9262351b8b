"""A customer that was recorded as two is merged, and separated again."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from contacts.customers.form import CUSTOMERS, customers
from contacts.customers.merging import MOVED
from contacts.erasure.forgetting import forgetting
from contacts.merging.effect import REPOINTING
from kith.customers import repointing
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.ids import new_id
from kith.testing import Answer, Tenant
from kith_local.postgres import EmbeddedPostgres

PATH = "/v1/customers"


async def made(acme: Tenant, **fields: Any) -> str:
    return str((await acme.made(PATH, **{"kind": "organisation", "name": "Tee", **fields}))["id"])


async def shown(acme: Tenant, id: str) -> Answer:
    found: Answer = (await acme.get(f"{PATH}/{id}")).json()
    return found


async def does(acme: Tenant, id: str, command: str, **body: Any) -> Answer:
    answer = await acme.post(f"{PATH}/{id}:{command}", body)
    assert answer.status_code == 200, answer.text
    found: Answer = answer.json()
    return found


async def refused(acme: Tenant, id: str, command: str, **body: Any) -> tuple[int, str, str | None]:
    answer = await acme.post(f"{PATH}/{id}:{command}", body)
    problem = answer.json()
    return answer.status_code, problem["code"], next((each["field"] for each in problem.get("errors", ())), None)


async def listed(acme: Tenant, path: str, **query: str) -> list[str]:
    return [each["id"] for each in (await acme.get(path, **query)).json()["items"]]


async def test_the_one_that_remains_takes_what_it_lacks_and_gives_it_back(acme: Tenant) -> None:
    one = await made(
        acme, name="Tea", segment="retail", tier="gold", country="AT", tags=["a", "b"], website="https://tea.at"
    )
    other = await made(acme, name="Tee", tier="silver", country="DE", tags=["b", "c"])
    before = {id: await shown(acme, id) for id in (one, other)}
    assert (await does(acme, one, "merge", into=other, take=["country"]))["merged_into"] == other
    remains = await shown(acme, other)
    assert remains.items() >= {"name": "Tee", "segment": "retail", "tier": "silver", "country": "AT"}.items()
    assert (remains["tags"], remains["website"]) == (["a", "b", "c"], before[one]["website"])
    assert (await shown(acme, one)).items() >= {"segment": "retail", "tier": "gold", "merged_into": other}.items()
    assert await listed(acme, PATH, merged_into=other) == [one]
    assert await listed(acme, PATH) == await listed(acme, PATH, q="tee") == [other]
    assert await listed(acme, PATH, ids=one) == [one]
    await does(acme, one, "unmerge")
    assert await listed(acme, PATH) == [other, one]
    changed = {"version", "updated_at"}
    for id, was in before.items():
        now = await shown(acme, id)
        assert {name: now[name] for name in now.keys() - changed} == {n: was[n] for n in was.keys() - changed}
    history = (await acme.get(f"{PATH}/{other}/history")).json()["items"]
    assert [each["command"] for each in history] == ["unmerge", "merge", "create"]


async def test_what_was_changed_since_stays_when_they_are_separated(acme: Tenant) -> None:
    one, other = await made(acme, segment="retail", tier="gold"), await made(acme)
    await does(acme, one, "merge", into=other)
    await does(acme, other, "amend", segment="public", tags=["x"])
    await does(acme, one, "unmerge")
    assert (await shown(acme, other)).items() >= {"segment": "public", "tier": None, "tags": ["x"]}.items()


async def test_what_was_taken_on_top_is_given_back_to_what_was_below(acme: Tenant) -> None:
    first, second, other = await made(acme, tier="gold"), await made(acme, tier="silver"), await made(acme)
    await does(acme, first, "merge", into=other)
    await does(acme, second, "merge", into=other, take=["tier"])
    await does(acme, first, "unmerge")
    assert (await shown(acme, other))["tier"] == "silver"
    await does(acme, second, "unmerge")
    assert (await shown(acme, other))["tier"] is None


async def test_what_was_changed_between_two_merges_stays_below_the_second(acme: Tenant) -> None:
    first, second, other = await made(acme, tier="gold"), await made(acme, tier="silver"), await made(acme)
    await does(acme, first, "merge", into=other)
    await does(acme, other, "amend", tier="iron")
    await does(acme, second, "merge", into=other, take=["tier"])
    await does(acme, first, "unmerge")
    await does(acme, second, "unmerge")
    assert (await shown(acme, other))["tier"] == "iron"


def test_a_dry_run_counts_all_that_a_merge_moves() -> None:
    counted = {(column.table.name, column.name) for name, column in MOVED.items() if name != "merged"}
    assert counted == {(each.table.name, each.column) for each in REPOINTING.named if each.of is customers}


async def test_a_dry_run_says_who_wins_and_why_and_what_is_moved(acme: Tenant) -> None:
    one = await made(acme, name="Tea", segment="retail", country="AT", tags=["a"])
    other = await made(acme, name="Tee", country="DE")
    await acme.made("/v1/contacts", customer_id=one, name="Ann")
    await acme.made("/v1/usages", customer_id=one)
    await made(acme, parent_id=one)
    body = {"into": other, "take": ["country"]}
    answer = (await acme.post(f"{PATH}/{one}:merge_dry_run", body)).json()
    fields = {each["field"]: (each["wins"], each["before"], each["after"]) for each in answer["fields"]}
    assert (
        fields.items()
        >= {
            "name": ("kept", "Tee", "Tee"),
            "segment": ("filled", None, "retail"),
            "country": ("chosen", "DE", "AT"),
            "tags": ("united", [], ["a"]),
        }.items()
    )
    assert {name: each["count"] for name, each in answer["moved"].items()} == {
        "contacts": 1, "touchpoints": 0, "usages": 1, "adoptions": 0, "web_visits": 0,
        "consents": 0, "notes": 0, "attachments": 0,
        "parts": 1, "referrals": 0, "merged": 0,
    }  # fmt: skip
    assert "analytics" in answer["elsewhere"]
    document = """query ($id: UUID!, $into: UUID!) { customerMergeDryRun(id: $id, into: $into, take: [COUNTRY]) {
        fields { field before after } } }"""
    told = (await acme.ask(document, id=one, into=other))["customerMergeDryRun"]["fields"]
    assert told == [{name: each[name] for name in ("field", "before", "after")} for each in answer["fields"]]
    nobody = await acme.without("contacts:personal").ask(document, id=one, into=other)
    assert "name" not in {each["field"] for each in nobody["customerMergeDryRun"]["fields"]}
    assert (await shown(acme, one))["merged_into"] is None
    blind = (await acme.without("contacts:personal").post(f"{PATH}/{one}:merge_dry_run", body)).json()
    assert {"name", "website", "addresses"}.isdisjoint(each["field"] for each in blind["fields"])
    await does(acme, one, "merge", **body)
    remains = await shown(acme, other)
    assert {name: remains[name] for name in fields} == {name: after for name, (_, _, after) in fields.items()}
    assert (await refused(acme, one, "merge_dry_run", into=other))[1] == "customer-merged"


async def test_records_follow_the_one_that_remains_also_those_that_are_told_later(acme: Tenant, other: Tenant) -> None:
    one, two, three = [await made(acme) for _ in range(3)]
    ann = await acme.made("/v1/contacts", customer_id=one, name="Ann")
    child, referred = await made(acme, parent_id=one), await made(acme, referred_by=one)
    await does(acme, one, "merge", into=two)
    await does(acme, two, "merge", into=three)
    said = await acme.made("/v1/touchpoints", customer_id=one, channel="email", direction="inbound")
    of_ann = await acme.made("/v1/touchpoints", contact_id=ann["id"], channel="email", direction="inbound")
    late = await acme.made("/v1/contacts", customer_id=one, name="Bob")
    assert said["customer_id"] == of_ann["customer_id"] == late["customer_id"] == three
    assert await listed(acme, "/v1/contacts", customer_id=three) == [late["id"], ann["id"]]
    assert [(await shown(acme, child))["parent_id"], (await shown(acme, referred))["referred_by"]] == [three, three]
    assert [(await shown(acme, each))["merged_into"] for each in (one, two, three)] == [three, three, None]
    await does(acme, two, "unmerge")
    assert [(await shown(acme, each))["merged_into"] for each in (one, two, three)] == [two, None, None]
    assert set(await listed(acme, "/v1/touchpoints", customer_id=two)) == {said["id"], of_ann["id"]}
    await does(acme, one, "unmerge")
    assert set(await listed(acme, "/v1/touchpoints", customer_id=one)) == {said["id"], of_ann["id"]}
    assert await listed(acme, "/v1/contacts", customer_id=one) == [late["id"], ann["id"]]
    assert [(await shown(acme, child))["parent_id"], (await shown(acme, referred))["referred_by"]] == [one, one]
    assert (await other.post(f"{PATH}/{one}:merge", {"into": two})).status_code == 404


async def test_what_cannot_be_one_is_refused(acme: Tenant) -> None:
    one, two, erased = [await made(acme) for _ in range(3)]
    person = await made(acme, kind="person")
    await does(acme, erased, "erase")
    assert await refused(acme, one, "merge", into=one) == (422, "invalid", "into")
    assert await refused(acme, one, "merge", into=str(new_id())) == (422, "invalid", "into")
    assert await refused(acme, one, "merge", into=person) == (422, "invalid", "into")
    assert (await refused(acme, one, "merge", into=erased))[:2] == (409, "already-erased")
    assert (await refused(acme, erased, "merge", into=one))[:2] == (409, "already-erased")
    assert (await refused(acme, one, "unmerge"))[:2] == (409, "conflict")
    assert await refused(acme, one, "merge", into=two, take=["stage"]) == (422, "invalid", "take.0")
    await does(acme, one, "merge", into=two)
    for command, body in (("amend", {"tier": "x"}), ("move", {"stage": "lead"}), ("merge", {"into": person})):
        answer = await acme.post(f"{PATH}/{one}:{command}", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "customer-merged")
        assert two in answer.json()["detail"]
    assert (await refused(acme, two, "merge", into=one))[:2] == (409, "customer-merged")


async def test_of_two_that_are_one_both_are_erased_or_neither(acme: Tenant, postgres: EmbeddedPostgres) -> None:
    one = await made(acme, name="Zebulon", website="https://one.example")
    other = await made(acme, website="https://other.example", tier="gold")
    await does(acme, one, "merge", into=other, take=["name", "website"])
    assert (await refused(acme, one, "erase"))[:2] == (409, "customer-merged")
    await does(acme, other, "erase")
    assert (await refused(acme, one, "unmerge"))[:2] == (409, "already-erased")
    engine = create_engine(postgres.url("kith_contacts"), role=WORKER_ROLE, pool_size=1, application="worker")
    try:
        while await forgetting(CUSTOMERS).step(engine):
            pass
    finally:
        await engine.dispose()
    await does(acme, one, "unmerge")
    for each in (one, other):
        assert ((await shown(acme, each))["name"], (await shown(acme, each))["website"]) == (None, None)
        assert "ebulon" not in (await acme.get(f"{PATH}/{each}/history")).text


async def test_an_organisation_is_not_merged_into_a_part_of_itself(acme: Tenant) -> None:
    top = await made(acme)
    part = await made(acme, parent_id=await made(acme, parent_id=top))
    assert await refused(acme, top, "merge", into=part) == (422, "invalid", "into")
    child = await made(acme, parent_id=part)
    await does(acme, part, "merge", into=top)
    assert (await shown(acme, child))["parent_id"] == top


async def test_nobody_is_separated_below_what_would_be_a_part_of_it_again(acme: Tenant) -> None:
    top, other = await made(acme), await made(acme)
    one = await made(acme, parent_id=top)
    child = await made(acme, parent_id=one)
    await does(acme, one, "merge", into=other)
    await does(acme, top, "amend", parent_id=child)
    assert (await refused(acme, one, "unmerge"))[:2] == (409, "conflict")
    await does(acme, top, "amend", parent_id=None)
    await does(acme, one, "unmerge")


async def test_of_merges_at_once_one_wins(acme: Tenant) -> None:
    one, two, three = [await made(acme) for _ in range(3)]
    bodies = [(one, two), (two, one), (one, three), (one, two), (two, one)]
    answers = await asyncio.gather(*(acme.post(f"{PATH}/{a}:merge", {"into": b}) for a, b in bodies))
    assert {each.status_code for each in answers} <= {200, 409}
    into = {each: (await shown(acme, each))["merged_into"] for each in (one, two, three)}
    assert sum(each.status_code == 200 for each in answers) == sum(each is not None for each in into.values())
    assert any(into.values())
    assert all(end is None or into[end] is None for end in into.values()), "whoever remains stands for itself"


async def test_the_records_of_a_large_customer_are_moved_some_at_a_time(
    acme: Tenant, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repointing, "AT_A_TIME", 100)
    one, other = await made(acme), await made(acme)
    row = await acme.made("/v1/touchpoints", customer_id=one, channel="email", direction="inbound")
    connection = await asyncpg.connect(postgres.url("kith_contacts"))
    more = """
        INSERT INTO touchpoints
            (tenant_id, id, version, created_at, updated_at, channel, direction, attempts, customer_id)
        SELECT tenant_id, gen_random_uuid(), 1, created_at, updated_at, channel, direction, attempts, customer_id
        FROM touchpoints, generate_series(1, $2) WHERE tenant_id = $1 AND id = $3
    """
    count = "SELECT count(*) FROM touchpoints WHERE tenant_id = $1 AND customer_id = $2"
    await connection.execute(more, acme.name, 349, row["id"])
    engine = create_engine(postgres.url("kith_contacts"), role=WORKER_ROLE, pool_size=1, application="worker")
    try:
        await does(acme, one, "merge", into=other)
        assert await connection.fetchval(count, acme.name, other) == 100
        step = REPOINTING.task().step

        async def all_done() -> None:
            while await step(engine):
                pass

        await all_done()
        assert await connection.fetchval(count, acme.name, other) == 350
        # Written by a transaction that began before the merge.
        stale = "UPDATE touchpoints SET customer_id = $2, told_customer_id = NULL WHERE tenant_id = $1 AND id = $3"
        await connection.execute(stale, acme.name, UUID(one), UUID(row["id"]))
        await connection.execute("UPDATE repointings SET noted_at = now() - interval '1 hour'")
        await all_done()
        assert await connection.fetchval(count, acme.name, other) == 350
        work = "SELECT count(*) FROM repointings WHERE tenant_id = $1"
        assert await connection.fetchval(work, acme.name) == 0
        await does(acme, other, "merge", into=await made(acme))
        await all_done()
        assert await connection.fetchval(count, acme.name, other) == 0
        await does(acme, one, "unmerge")
        await all_done()
        assert await connection.fetchval(count, acme.name, one) == 350
    finally:
        await engine.dispose()
        await connection.close()


async def test_custom_fields_are_filled_shown_by_the_dry_run_and_given_back(acme: Tenant, other: Tenant) -> None:
    for code, more in (
        ("roast", {}),
        ("cups", {}),
        ("nick", {"personal": True}),
        ("number", {"personal": False, "unique": True}),
    ):
        kind = "number" if code == "cups" else "text"
        field = {"of_noun": "customer", "code": code, "value_type": kind, "label": code, "filterable": True}
        await acme.made("/v1/field-definitions", **field | ({"personal": False} | more))
    one = await made(acme, custom={"roast": "dark", "cups": 2, "number": "K-1"}, custom_personal={"nick": "Tea"})
    stays = await made(acme, custom={"cups": 4})
    before = await shown(acme, stays)
    dry = await does(acme, one, "merge_dry_run", into=stays)
    fields = {each.pop("field"): each for each in dry["fields"] if each["field"].startswith("custom")}
    assert fields == {
        "custom.cups": {"wins": "kept", "before": 4.0, "after": 4.0},
        "custom.number": {"wins": "kept", "before": None, "after": None},
        "custom.roast": {"wins": "filled", "before": None, "after": "dark"},
        "custom_personal.nick": {"wins": "filled", "before": None, "after": "Tea"},
    }
    hidden = await does(acme.without("contacts:personal"), one, "merge_dry_run", into=stays)
    assert "Tea" not in str(hidden)
    await does(acme, one, "merge", into=stays)
    remains = await shown(acme, stays)
    assert (remains["custom"], remains["custom_personal"]) == ({"cups": 4.0, "roast": "dark"}, {"nick": "Tea"})
    assert await listed(acme, PATH, **{"custom.roast": "dark"}) == [stays]
    await does(acme, stays, "amend", custom={"cups": 5})
    await does(acme, one, "unmerge")
    now = await shown(acme, stays)
    assert (now["custom"], now["custom_personal"]) == ({"cups": 5.0}, before["custom_personal"])
    assert await listed(acme, PATH, **{"custom.roast": "dark"}) == [one]
    assert await listed(acme, PATH, **{"custom.number": "K-1"}) == [one]
