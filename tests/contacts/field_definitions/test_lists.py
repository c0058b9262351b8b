"""Lists are filtered by the custom fields that are declared so, over REST, exports and GraphQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.contacts.field_definitions.test_values import created, defined, refusal

from contacts.resources import RESOURCES
from kith.custom import filling
from kith.custom.field import CustomField, FieldType
from kith.custom.filling import Filling
from kith.custom.known import forget
from kith.custom.reading import key_of_operand, keys_of, read
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.errors import Invalid
from kith.nouns.lists.pages import encoded
from kith.testing import Tenant
from kith_local.postgres import EmbeddedPostgres as Server

SENT: dict[str, list[Any]] = {
    "text": ["Ab", "Abc", "b"],
    "number": [-1.5, 0, 12.25],
    "money": ["1.00", "2.5", "10.00"],
    "date": ["2025-12-31", "2026-01-01", "2026-11-30"],
    "instant": ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "2026-02-01T00:00:00+02:00"],
    "choice": ["north", "south"],
    "multi_choice": [["a"], ["a", "b"], ["c"]],
    "boolean": [True, False],
}
ASKED = [
    ("text", {"": "Ab"}, ["Ab"]),
    ("text", {".prefix": "Ab"}, ["Ab", "Abc"]),
    ("text", {".ne": "Ab"}, ["Abc", "b", None]),
    ("number", {".gte": "0"}, [0, 12.25]),
    ("number", {".between": ["-2", "0"]}, [-1.5, 0]),
    ("money", {".lt": "2.50"}, ["1.0000"]),
    ("date", {".gt": "2025-12-31", ".lt": "2026-02-01"}, ["2026-01-01"]),
    ("instant", {".lte": "2026-01-01T01:00:00.5+01:00"}, ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.500000Z"]),
    ("choice", {".in": ["north", "west"]}, ["north"]),
    ("choice", {".not_in": ["north"]}, ["south", None]),
    ("multi_choice", {"": "a"}, [["a"], ["a", "b"]]),
    ("multi_choice", {".ne": "a"}, [["c"], None]),
    ("boolean", {"": "false"}, [False]),
    ("boolean", {".is_null": "true"}, [None]),
    ("boolean", {".is_null": "false"}, [True, False]),
]


@pytest.mark.parametrize(("kind", "asked", "found"), ASKED, ids=[f"{kind}-{asked}" for kind, asked, _ in ASKED])
async def test_each_operator_finds_what_it_says(
    acme: Tenant, other: Tenant, kind: str, asked: dict[str, Any], found: list[Any]
) -> None:
    for tenant in (acme, other):
        await defined(tenant, "it", kind, filterable=True)
        for value in (*SENT[kind], None):
            assert (await created(tenant, {"it": value})).status_code == 201
    query = {f"custom.it{operator}": value for operator, value in asked.items()}
    rows = (await acme.get("/v1/customers", **query, order_by="created_at", count="true")).json()
    assert [each["custom"].get("it") for each in rows["items"]] == found
    assert rows["total"]["count"] == len(found)
    exported = (await acme.get("/v1/customers:export", **query)).text.splitlines()
    assert len(exported) == len(found) + 1
    condition = {"code": "it"} | {
        operator.strip(".") or "eq": value == "true" if operator == ".is_null" else value
        for operator, value in asked.items()
    }
    searched = await acme.post("/v1/customers:search", {"where": {"or": [{"custom": [condition]}]}, "count": True})
    assert searched.json()["total"]["count"] == len(found)
    condition = {{"not_in": "notIn", "is_null": "isNull"}.get(name, name): value for name, value in condition.items()}
    answer = await acme.ask(
        "query($where: CustomersWhere) { customers(where: $where) { nodes { custom } } }", where={"custom": [condition]}
    )
    assert len(answer["customers"]["nodes"]) == len(found)


async def test_entries_follow_what_is_amended(acme: Tenant) -> None:
    await defined(acme, "region", filterable=True)
    id = (await created(acme, {"region": "north"})).json()["id"]
    for value, found in (("south", []), ("north", [id]), (None, [])):
        await acme.post(f"/v1/customers/{id}:amend", {"custom": {"region": value}})
        rows = (await acme.get("/v1/customers", **{"custom.region": "north"})).json()["items"]
        assert [each["id"] for each in rows] == found


async def test_a_list_is_not_filtered_by_what_is_not_declared_so(acme: Tenant, other: Tenant) -> None:
    await defined(acme, "plain", "number")
    await defined(acme, "rank", "number", filterable=True)
    await defined(other, "theirs", "number", filterable=True)
    for parameter, field in (
        ("custom.plain", "custom.plain"),
        ("custom.theirs", "custom.theirs"),
        ("custom.rank.prefix", "custom.rank.prefix"),
        ("custom.rank.gte.lte", "custom.rank.gte.lte"),
        ("custom.rank.near", "custom.rank.near"),
        ("custom.", "custom."),
    ):
        for path in ("/v1/customers", "/v1/customers:export"):
            assert refusal(await acme.get(path, **{parameter: "1"})) == (422, field)
    many = await acme.get("/v1/customers", **{"custom.rank": "many"})
    assert refusal(many) == (422, "custom.rank")


async def test_without_the_scope_nobody_learns_of_a_personal_value_by_asking(acme: Tenant) -> None:
    await defined(acme, "nickname", "text", personal=True, filterable=True)
    await created(acme, personal={"nickname": "Canary"})
    found = (await acme.get("/v1/customers", **{"custom.nickname": "Canary"})).json()["items"]
    assert [each["custom_personal"] for each in found] == [{"nickname": "Canary"}]
    stranger = acme.without("contacts:personal")
    answers = [await stranger.get("/v1/customers", **{"custom.nickname": each}) for each in ("Canary", "Nobody")]
    assert [each.status_code for each in answers] == [403, 403]
    assert answers[0].content == answers[1].content


def of(kind: FieldType) -> CustomField:
    return CustomField(UUID(int=1), "customer", "it", kind, personal=False, currency="EUR", choices=("a", "b"))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([*FieldType]),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=20)
        | st.sampled_from(["a", "1.5"])
        | st.dates().map(str)
        | st.datetimes().map(lambda at: f"{at.isoformat()}Z")
        | st.uuids().map(str),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=5,
    ),
)
def test_whatever_is_sent_is_refused_by_a_rule_or_kept_as_it_is_read_again(kind: FieldType, sent: Any) -> None:
    try:
        kept = read(of(kind), sent)
    except Invalid:
        return
    assert read(of(kind), kept) == kept
    assert all(isinstance(key, str) or -(2**63) <= key < 2**63 for key in keys_of(kind, kept))


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e12, 1e12).map(lambda each: round(each, 6)), st.floats(-1e12, 1e12).map(lambda each: round(each, 6)))
def test_numbers_are_compared_as_they_are(one: float, other: float) -> None:
    field = of(FieldType.NUMBER)
    keys = [int(keys_of(FieldType.NUMBER, read(field, each))[0]) for each in (one, other)]
    assert (keys[0] < keys[1], keys[0] == keys[1]) == (one < other, one == other)
    assert key_of_operand(field, f"{one:f}") == keys[0] or abs(one) > 1e9


async def pages_of(tenant: Tenant, first: int, **query: Any) -> list[Any]:
    """The values of `it` on all pages, a cursor each."""
    found, after = list[Any](), dict[str, str]()
    while True:
        page = (await tenant.get("/v1/customers", first=first, **query, **after)).json()
        found += [each["custom"].get("it") for each in page["items"]]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}


@pytest.mark.parametrize("kind", [each for each in SENT if each != "multi_choice"])
async def test_lists_are_sorted_by_a_field_as_its_type_is(acme: Tenant, other: Tenant, kind: str) -> None:
    values = SENT[kind]
    for tenant in (other, acme):
        await defined(tenant, "it", kind, filterable=True)
        for value in (values[-1], None, *values[:-1], None, values[0]):
            assert (await created(tenant, {"it": value})).status_code == 201
    rows = (await acme.get("/v1/customers")).json()["items"]
    kept = [each["custom"]["it"] for each in rows if each["custom"]]
    ascending = sorted(kept, key=lambda each: keys_of(FieldType(kind), each)[0])
    for first in (1, 2, 50):
        assert await pages_of(acme, first, order_by="custom.it") == [*ascending, None, None]
        assert await pages_of(acme, first, order_by="custom.it.desc") == [*ascending[::-1], None, None]
        assert await pages_of(acme, first, order_by="custom.it.desc.nulls_first") == [None, None, *ascending[::-1]]
        both = await pages_of(acme, first, order_by="kind,custom.it.desc,created_at")
        assert both == [*ascending[::-1], None, None]
    query = "query($by: [CustomersOrder!]) { customers(orderBy: $by) { nodes { custom } } }"
    found = await acme.ask(query, by=[{"custom": "it", "direction": "DESC"}, {"field": "NAME"}])
    assert [each["custom"].get("it") for each in found["customers"]["nodes"]] == [*ascending[::-1], None, None]


async def test_the_lists_of_many_records_are_sorted_by_a_field_each(acme: Tenant) -> None:
    await defined(acme, "rank", "number", of_noun="contact", filterable=True)
    ids = [(await created(acme)).json()["id"] for _ in range(2)]
    for number, id in enumerate(ids):
        for rank in (2, None, 1, 3):
            body = {"customer_id": id, "name": "Ann", "custom": {"rank": rank and rank * 10 + number}}
            await acme.made("/v1/contacts", **body)
    query = """query($after: String) { customers(orderBy: [{field: CREATED_AT}]) { nodes {
        contacts(orderBy: [{custom: "rank", direction: DESC}], first: 2, after: $after) {
            nodes { custom } pageInfo { endCursor } } } } }"""
    first = (await acme.ask(query))["customers"]["nodes"]
    assert [[each["custom"]["rank"] for each in one["contacts"]["nodes"]] for one in first] == [[30, 20], [31, 21]]
    rest = (await acme.ask(query, after=first[0]["contacts"]["pageInfo"]["endCursor"]))["customers"]["nodes"]
    assert [each["custom"] for each in rest[0]["contacts"]["nodes"]] == [{"rank": 10}, {}]


async def test_what_lists_are_not_sorted_by_is_refused_by_its_name(acme: Tenant, other: Tenant) -> None:
    await defined(acme, "plain", "number")
    await defined(acme, "many", "multi_choice", filterable=True)
    await defined(acme, "to", "link", filterable=True)
    await defined(other, "theirs", "number", filterable=True)
    for code in ("plain", "many", "to", "theirs", "", "x" * 300, "it.up"):
        assert refusal(await acme.get("/v1/customers", order_by=f"custom.{code}")) == (422, "order_by")
    assert refusal(await acme.get("/v1/users", order_by="custom.plain")) == (422, "order_by")
    await defined(acme, "nickname", "text", personal=True, filterable=True)
    await created(acme, personal={"nickname": "Canary"})
    stranger = acme.without("contacts:personal")
    assert (await stranger.get("/v1/customers", order_by="custom.nickname")).status_code == 403
    for by in ([{"direction": "DESC"}], [{"custom": "nickname", "field": "NAME"}]):
        answer = await acme.post(
            "/graphql",
            {
                "query": "query($by: [CustomersOrder!]) { customers(orderBy: $by) { nodes { id } } }",
                "variables": {"by": by},
            },
        )
        assert "one of them" in answer.text


async def test_a_cursor_is_of_the_field_that_it_was_made_for(acme: Tenant) -> None:
    for code in ("one", "two"):
        await defined(acme, code, "number", filterable=True)
    for number in range(3):
        await created(acme, {"one": number, "two": number})
    cursor = (await acme.get("/v1/customers", order_by="custom.one", first=1)).json()["next"]
    assert refusal(await acme.get("/v1/customers", order_by="custom.two", after=cursor)) == (422, "after")
    id = "019ca000-0000-7000-8000-000000000002"
    for keys in (["custom.one.asc,id.asc", 10**30, id], ["custom.one.asc,id.asc", "x", id]):
        assert refusal(await acme.get("/v1/customers", order_by="custom.one", after=encoded(keys))) == (422, "after")


async def test_a_field_may_be_made_filterable_when_records_have_values_already(
    acme: Tenant, other: Tenant, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "AT_A_TIME", 2)
    fields = {tenant.name: await defined(tenant, "tags", "multi_choice") for tenant in (acme, other)}
    for value in (["a"], ["a", "b"], None, ["c"], ["b"]):
        for tenant in (acme, other):
            await created(tenant, {"tags": value})
    path = f"/v1/field-definitions/{fields[acme.name]}:amend"
    amended = await acme.post(path, {"filterable": True})
    assert (amended.status_code, amended.json()["filterable"]) == (200, True)
    early = await acme.get("/v1/customers", **{"custom.tags": "a"})
    assert (early.status_code, early.json()["code"]) == (409, "field-not-ready")
    late = (await created(acme, {"tags": ["a", "c"]})).json()["id"]
    async with worker_of(postgres) as engine:
        work = Filling(RESOURCES, wait=0)
        assert await work.step(engine)
        forget(acme.name)
        assert "of 2 records" in (await acme.get("/v1/customers", **{"custom.tags": "a"})).text
        steps = [await work.step(engine) for _ in range(4)]
        assert steps == [True, True, True, False]
    forget(acme.name)
    rows = (await acme.get("/v1/customers", order_by="created_at", **{"custom.tags": "a"})).json()["items"]
    assert [each["custom"]["tags"] for each in rows] == [["a"], ["a", "b"], ["a", "c"]]
    assert rows[-1]["id"] == late
    assert len((await acme.get("/v1/customers", **{"custom.tags.is_null": "true"})).json()["items"]) == 1
    assert refusal(await acme.post(path, {"filterable": False})) == (422, "filterable")
    assert refusal(await other.get("/v1/customers", **{"custom.tags": "a"})) == (422, "custom.tags")


@asynccontextmanager
async def worker_of(postgres: Server) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(postgres.url("kith_contacts"), role=WORKER_ROLE, pool_size=1, application="entries")
    try:
        yield engine
    finally:
        await engine.dispose()


async def test_lists_are_filtered_by_the_fields_of_related_records(acme: Tenant, other: Tenant) -> None:
    for tenant in (acme, other):
        await defined(tenant, "region", filterable=True)
        await defined(tenant, "rank", "number", of_noun="contact", filterable=True)
    ids = {}
    for region in ("north", "south"):
        ids[region] = (await created(acme, {"region": region})).json()["id"]
        await acme.made("/v1/contacts", customer_id=ids[region], name=region, custom={"rank": len(ids)})
    found = (await acme.get("/v1/contacts", **{"customer.custom.region": "north"})).json()["items"]
    assert [each["name"] for each in found] == ["north"]
    both = {"customer.custom.region.in": ["north", "south"], "custom.rank": "2", "customer.kind": "person"}
    assert [each["name"] for each in (await acme.get("/v1/contacts", **both)).json()["items"]] == ["south"]
    assert (await other.get("/v1/contacts", **{"customer.custom.region": "north"})).json()["items"] == []
    by_rank = (await acme.get("/v1/customers", **{"contacts.custom.rank.gte": "2"})).json()["items"]
    assert [each["id"] for each in by_rank] == [ids["south"]]
    where = {"not": {"customer": {"not": {"custom": [{"code": "region", "eq": "north"}]}}}}
    searched = (await acme.post("/v1/contacts:search", {"where": where})).json()["items"]
    assert [each["name"] for each in searched] == ["north"]
    query = """{ contacts(where: {customer: {custom: [{code: "region", eq: "south"}]}}) { nodes { name } } }"""
    assert (await acme.ask(query))["contacts"]["nodes"] == [{"name": "south"}]
    await defined(acme, "nickname", "text", personal=True, filterable=True)
    hidden = await acme.without("contacts:personal").get("/v1/contacts", **{"customer.custom.nickname": "Ann"})
    assert hidden.status_code == 403
    for parameter, field in (
        ("customer.custom.rank", "customer.custom.rank"),
        ("customer.custom.region.gte", "customer.custom.region.gte"),
        ("customer.custom.region.near", "customer.custom.region.near"),
        ("owner.custom.region", "owner.custom.region"),
    ):
        assert refusal(await acme.get("/v1/contacts", **{parameter: "1"})) == (422, field)
