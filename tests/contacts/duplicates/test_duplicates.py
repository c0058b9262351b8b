"""Records that may be one are found, listed in pairs, and dismissed."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from contacts.duplicates import finding
from contacts.duplicates.likeness import Sketch
from contacts.duplicates.tables import checks
from contacts.duplicates.worker import look_at
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.ids import new_id
from kith.testing import Answer, Tenant
from kith_local.postgres import EmbeddedPostgres

CUSTOMERS, CONTACTS, PATH = "/v1/customers", "/v1/contacts", "/v1/duplicates"
AT = "2026-03-01T12:00:00Z"


@pytest.fixture
async def worker(postgres: EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(postgres.url("kith_contacts"), role=WORKER_ROLE, pool_size=1, application="worker")
    yield engine
    await engine.dispose()


async def looked(worker: AsyncEngine, *tenants: Tenant) -> None:
    for tenant in tenants:
        for _ in range(3):
            async with worker.begin() as connection:
                await look_at(connection, tenant.name)


async def customer(tenant: Tenant, name: str = "Teehaus Graben", **fields: Any) -> str:
    return str((await tenant.made(CUSTOMERS, **{"kind": "organisation", "name": name, **fields}))["id"])


async def contact(tenant: Tenant, of: str, name: str, **fields: Any) -> str:
    return str((await tenant.made(CONTACTS, customer_id=of, name=name, **fields))["id"])


async def pairs(tenant: Tenant, **query: Any) -> list[Answer]:
    answer = await tenant.get(PATH, **query)
    assert answer.status_code == 200, answer.text
    found: list[Answer] = answer.json()["items"]
    return found


def both(pair: Answer) -> set[str]:
    return {pair["one_id"], pair["other_id"]}


async def does(tenant: Tenant, path: str, **body: Any) -> Answer:
    answer = await tenant.post(path, body)
    assert answer.status_code == 200, answer.text
    found: Answer = answer.json()
    return found


async def test_a_pair_is_listed_with_its_score_and_reasons(acme: Tenant, worker: AsyncEngine) -> None:
    one = await customer(acme, website="https://tee.example/")
    other = await customer(acme, "Teehaus am Graben", website="http://www.tee.example")
    await customer(acme, "Kaffee Sacher")
    await looked(worker, acme)
    (pair,) = await pairs(acme)
    assert both(pair) == {one, other}
    assert pair["score"] > 90
    assert (pair["noun"], pair["reasons"]) == ("customer", ["same_website", "similar_name"])
    assert (
        await pairs(acme, noun="contact") == await pairs(acme, least=100) == await pairs(acme, of=str(new_id())) == []
    )
    assert await pairs(acme, of=one) == await pairs(acme, of=other) == [pair]


async def test_contacts_are_found_by_address_and_number(acme: Tenant, worker: AsyncEngine) -> None:
    firm, branch = await customer(acme), await customer(acme, "Kaffee Sacher")
    one = await contact(acme, firm, "Ann Berg", email="ann@tee.example", phone="+43 1 5550001")
    other = await contact(acme, branch, "A. Berg", email="ANN@tee.example")
    third = await contact(acme, branch, "Anne Berg", phone="+43 1 555 0001")
    await looked(worker, acme)
    found = {frozenset(both(each)): each["reasons"] for each in await pairs(acme, noun="contact")}
    assert "same_email" in found[frozenset([one, other])]
    assert "same_phone" in found[frozenset([one, third])]


async def test_two_tenants_with_the_same_addresses_never_meet(acme: Tenant, other: Tenant, worker: AsyncEngine) -> None:
    for each in (acme, other):
        await contact(each, await customer(each), "Ann Berg", email="ann@tee.example")
    await looked(worker, acme, other)
    assert await pairs(acme) == await pairs(other) == []
    refused = {"customer_id": await customer(acme, "Else"), "name": "Eva", "email": "eva@x.example"}
    await other.made(CONTACTS, **refused | {"customer_id": await customer(other, "Else")})
    assert (await acme.post(CONTACTS, refused | {"on_duplicate": "refuse"})).status_code == 201


@pytest.mark.parametrize("website", ["http://[::1", "https://[bad]/", "https://\u2100.example"])
async def test_an_address_that_is_none_keeps_nothing_from_being_compared(
    acme: Tenant, worker: AsyncEngine, website: str
) -> None:
    one, other = [await customer(acme, website=website) for _ in range(2)]
    assert (await acme.post(CUSTOMERS, {"kind": "organisation", "name": "Else", "website": website})).is_success
    await looked(worker, acme)
    (pair,) = await pairs(acme)
    assert (both(pair), pair["reasons"]) == ({one, other}, ["same_name"])
    refused = {"kind": "organisation", "name": "Teehaus Graben", "website": website, "on_duplicate": "refuse"}
    assert (await acme.post(CUSTOMERS, refused)).status_code == 409


async def test_a_record_that_cannot_be_compared_is_passed_over(
    acme: Tenant, worker: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, poison = await customer(acme), await customer(acme), await customer(acme, "Poison")
    sketch_of = Sketch.of

    def of(record: Any) -> Any:
        if record.name == "Poison":
            raise ValueError(record.name)
        return sketch_of(record)

    monkeypatch.setattr(Sketch, "of", of)
    await looked(worker, acme)
    assert [both(each) for each in await pairs(acme)] == [{one, other}]
    async with worker.connect() as connection:
        left = await connection.scalar(select(func.count()).where(checks.c.tenant_id == acme.name))
    assert (left, poison not in {one, other}) == (0, True)


async def test_what_is_amended_is_looked_at_again(acme: Tenant, worker: AsyncEngine) -> None:
    one, other = await customer(acme), await customer(acme, "Kaffee Sacher")
    await looked(worker, acme)
    assert await pairs(acme) == []
    await does(acme, f"{CUSTOMERS}/{other}:amend", name="Teehaus Graben GmbH")
    await looked(worker, acme)
    (pair,) = await pairs(acme)
    assert (both(pair), pair["reasons"]) == ({one, other}, ["same_name"])
    await does(acme, f"{CUSTOMERS}/{one}:amend", name="Sacher")
    await looked(worker, acme)
    assert await pairs(acme) == []


async def test_a_dismissal_is_remembered(acme: Tenant, worker: AsyncEngine) -> None:
    one, _ = await customer(acme), await customer(acme, "Teehaus am Graben")
    await looked(worker, acme)
    (pair,) = await pairs(acme)
    dismissed = await does(acme, f"{PATH}/{pair['id']}:dismiss")
    assert (dismissed["state"], dismissed["decided_by"]) == ("dismissed", "client:test")
    await does(acme, f"{CUSTOMERS}/{one}:amend", website="https://tee.example/")
    await looked(worker, acme)
    assert await pairs(acme) == []
    assert [each["id"] for each in await pairs(acme, state="dismissed")] == [pair["id"]]
    again = await does(acme, f"{PATH}/{pair['id']}:reopen")
    assert (again["state"], await pairs(acme)) == ("suspected", [again])
    assert (await acme.post(f"{PATH}/{new_id()}:dismiss", {})).json()["code"] == "not-found"


async def test_who_is_merged_archived_or_erased_leaves_the_list_and_comes_back(
    acme: Tenant, worker: AsyncEngine
) -> None:
    one, other = await customer(acme), await customer(acme, "Teehaus am Graben")
    await looked(worker, acme)
    listed = await pairs(acme)
    for away, back in (("merge", "unmerge"), ("archive", "restore")):
        await does(acme, f"{CUSTOMERS}/{one}:{away}", **({"into": other} if away == "merge" else {}))
        await looked(worker, acme)
        assert await pairs(acme) == [], away
        await does(acme, f"{CUSTOMERS}/{one}:{back}")
        await looked(worker, acme)
        assert await pairs(acme) == listed, back
    await does(acme, f"{CUSTOMERS}/{one}:erase")
    await looked(worker, acme)
    assert await pairs(acme) == []


async def test_what_may_be_there_is_refused_where_that_is_asked_for(acme: Tenant) -> None:
    one = await customer(acme, website="https://tee.example/")
    body = {"kind": "organisation", "name": "Teehaus am Graben", "website": "https://tee.example"}
    answer = await acme.post(CUSTOMERS, body | {"on_duplicate": "refuse"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "possible-duplicate")
    assert [(each["id"], each["reasons"]) for each in problem["candidates"]] == [
        (one, ["same_website", "similar_name"])
    ]
    assert "Graben" not in answer.text
    assert "tee.example" not in answer.text
    await acme.made(CUSTOMERS, **body, on_duplicate="proceed")
    row = {**body, "external_id": "x", "on_duplicate": "refuse", "occurred_at": AT}
    (result,) = (await acme.post(f"{CUSTOMERS}:bulk", {"rows": [row]})).json()["results"]
    assert (result["status"], result["problem"]["code"]) == ("rejected", "possible-duplicate")
    query = """mutation($i: CreateCustomerInput!) { it: createCustomer(input: $i) {
        ... on Problem { code candidates { id score reasons } } } }"""
    given = {"kind": "ORGANISATION", "name": "Teehaus Graben", "onDuplicate": "REFUSE"}
    found = (await acme.ask(query, i=given))["it"]
    assert (found["code"], len(found["candidates"])) == ("POSSIBLE_DUPLICATE", 2)


async def test_a_request_that_is_sent_again_is_no_duplicate_of_itself(acme: Tenant) -> None:
    body = {"kind": "organisation", "name": "Teehaus Graben", "on_duplicate": "refuse", "external_id": "x"}
    key = {"Idempotency-Key": "once"}
    first, again = [await acme.post(CUSTOMERS, body, **key) for _ in range(2)]
    third = await acme.post(CUSTOMERS, body)
    assert first.json() == again.json() == third.json()


async def test_who_may_not_see_addresses_learns_nothing_of_them(acme: Tenant, worker: AsyncEngine) -> None:
    blind = acme.without("contacts:personal")
    of, known = await customer(acme), {"name": "Eva", "email": "ann@tee.example"}
    unknown = {"name": "Eva", "email": "tom@tee.example"}
    await contact(acme, of, "Ann Berg", email="ann@tee.example")
    answers = [
        await blind.post(CONTACTS, {"customer_id": of, **each, "on_duplicate": "refuse"}) for each in (known, unknown)
    ]
    assert answers[0].status_code == 403
    assert answers[0].content == answers[1].content
    await blind.made(CONTACTS, customer_id=of, **known)
    await looked(worker, acme)
    (pair,) = await pairs(acme, noun="contact")
    for request in (blind.get(PATH), blind.post(f"{PATH}/{pair['id']}:dismiss", {})):
        assert (await request).status_code == 403
    for query in ("{ duplicates { nodes { id } } }", f'mutation {{ dismissDuplicate(id: "{pair["id"]}") {{ id }} }}'):
        (error,) = (await blind.post("/graphql", {"query": query})).json()["errors"]
        assert error["extensions"]["code"] == "forbidden"


async def test_another_tenants_pair_is_not_there(acme: Tenant, other: Tenant, worker: AsyncEngine) -> None:
    await customer(acme)
    await customer(acme)
    await looked(worker, acme)
    (pair,) = await pairs(acme)
    assert (await other.post(f"{PATH}/{pair['id']}:dismiss", {})).status_code == 404
    assert await pairs(other, of=pair["one_id"]) == []


async def test_graphql_shows_both_records(acme: Tenant, worker: AsyncEngine) -> None:
    await customer(acme)
    await customer(acme, "Teehaus am Graben")
    await looked(worker, acme)
    query = """{ duplicates(noun: CUSTOMER, least: 75) { nodes { id score reasons state
        customers { name } contacts { name } } pageInfo { hasNextPage } } }"""
    (pair,) = (await acme.ask(query))["duplicates"]["nodes"]
    assert {each["name"] for each in pair["customers"]} == {"Teehaus Graben", "Teehaus am Graben"}
    assert (pair["contacts"], pair["reasons"], pair["state"]) == ([], ["SIMILAR_NAME"], "SUSPECTED")
    done = await acme.ask(f'mutation {{ it: dismissDuplicate(id: "{pair["id"]}") {{ state }} }}')
    assert done["it"]["state"] == "DISMISSED"


async def test_a_list_goes_page_by_page(acme: Tenant, worker: AsyncEngine) -> None:
    for _ in range(4):
        await customer(acme)
    await looked(worker, acme)
    listed: list[str] = []
    after = None
    while after is not None or not listed:
        page = (await acme.get(PATH, first=4, **({"after": after} if after else {}))).json()
        listed += [each["id"] for each in page["items"]]
        after = page["next"]
    assert len(set(listed)) == len(listed) == 6
    assert (await acme.get(PATH, first=1, count="true")).json()["total"] == {"count": 6, "is_exact": True}
    assert (await acme.get(PATH, state="dismissed", count="true")).json()["total"]["count"] == 0
    query = "query ($after: String) { duplicates(first: 2, after: $after) { totalCount { count } edges { cursor } } }"
    page = (await acme.ask(query))["duplicates"]
    assert page["totalCount"] == {"count": 6}
    following = (await acme.ask(query, after=page["edges"][0]["cursor"]))["duplicates"]
    assert following["edges"][0] == page["edges"][1]
    for wrong in ("x", "WzEsMl0"):
        assert (await acme.get(PATH, after=wrong)).json()["errors"][0]["field"] == "after"


async def test_a_name_that_very_many_have_costs_no_more(
    acme: Tenant, worker: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would make a pair with each."""
    monkeypatch.setattr(finding, "MOST_ALIKE", 5)
    monkeypatch.setattr(finding, "_HAVING", finding._having())
    rows = [{"external_id": f"x{n}", "kind": "organisation", "name": "Filiale", "occurred_at": AT} for n in range(40)]
    assert (await acme.post(f"{CUSTOMERS}:bulk", {"rows": rows})).json()["accepted"] == 40
    left_out = finding.LEFT_OUT.labels("customer")._value.get()
    await looked(worker, acme)
    assert await pairs(acme) == []
    assert finding.LEFT_OUT.labels("customer")._value.get() - left_out == 2 * 40


async def test_records_of_before_are_looked_at_too(acme: Tenant, worker: AsyncEngine) -> None:
    from contacts.customers.form import CUSTOMERS as FORM
    from kith.nouns import fills

    await customer(acme)
    await customer(acme)
    async with worker.begin() as connection:
        await connection.execute(delete(checks).where(checks.c.tenant_id == acme.name))
    (fill,) = [each for each in fills.fills_of([FORM]) if "duplicate" in each.name]
    async with worker.begin() as connection:
        found = [
            each
            for tenant, each in await fills._records(connection, FORM, (acme.name, UUID(int=0)))
            if tenant == acme.name
        ]
        await fill.write(connection, acme.name, found)
    await looked(worker, acme)
    assert len(await pairs(acme)) == 1
