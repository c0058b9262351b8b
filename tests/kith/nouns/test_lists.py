"""Conditions and orders of lists, in any combination, as a list in Python has them."""

from collections.abc import Awaitable, Callable
from functools import cmp_to_key
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contacts.service import SERVICE
from kith.ids import new_id
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
WORDS = ["a", "B", "b", "ä", "a%", "a_", "z\\", "'; SELECT pg_sleep(9) --", "ab", "中", "中文"]
OPTIONAL = ("segment", "tier", "source", "country")


@pytest.fixture(scope="module")
async def rows(serve: Serve, issuer: Issuer) -> tuple[Tenant, list[Answer]]:
    """A tenant's customers, of few values each, so that conditions meet; and the answers that show them."""
    tenant = Tenant(await serve(SERVICE), issuer, f"t-{new_id().hex}")
    sent = []
    for number in range(60):
        body: Answer = {"kind": ("person", "organisation")[number % 2], "name": WORDS[number % 11]}
        body |= {"external_id": f"{number}", "occurred_at": f"2026-01-{number % 20 + 1:02}T00:00:00Z"}
        body |= {
            name: WORDS[number * step % 11]
            for step, name in enumerate(OPTIONAL, start=3)
            if (number // step) % 3  # else it has none
        }
        sent.append(body | {"tags": WORDS[number % 7 : number % 7 + number % 3]})
    done = (await tenant.post("/v1/customers:bulk", {"rows": sent})).json()
    assert done["accepted"] == 60, done
    return tenant, (await tenant.get("/v1/customers", first=500)).json()["items"]


words = st.sampled_from(WORDS)
comparisons = st.one_of(
    st.builds(lambda word: {"eq": word}, words),
    st.builds(lambda word: {"ne": word}, words),
    st.builds(lambda some: {"in": some}, st.lists(words, max_size=3)),
    st.builds(lambda some: {"not_in": some}, st.lists(words, max_size=3)),
    st.builds(lambda word: {"prefix": word}, words),
    st.builds(lambda is_null: {"is_null": is_null}, st.booleans()),
)
of_tags = st.builds(
    lambda operator, some: {operator: some},
    st.sampled_from(["any_of", "all_of", "none_of"]),
    st.lists(words, min_size=1, max_size=2),
)
leaves = st.one_of(
    st.builds(lambda name, how: {name: how}, st.sampled_from(["name", *OPTIONAL]), comparisons),
    st.builds(lambda how: {"tags": how}, of_tags),
)


def deeper(inner: st.SearchStrategy[Answer]) -> st.SearchStrategy[Answer]:
    several = st.lists(inner, max_size=3)
    return st.one_of(
        st.builds(lambda parts: {"and": parts}, several),
        st.builds(lambda parts: {"or": parts}, several),
        st.builds(lambda part: {"not": part}, inner),
        st.builds(lambda one, other: one | {"and": [other]}, leaves, inner),
    )


def levels(most: int) -> st.SearchStrategy[Answer]:
    return leaves if most == 1 else st.one_of(leaves, deeper(levels(most - 1)))


def is_true(where: Answer, row: Answer) -> bool:
    return all(_part(name, value, row) for name, value in where.items())


def _part(name: str, value: Any, row: Answer) -> bool:
    if name == "and":
        return all(is_true(each, row) for each in value)
    if name == "or":
        return any(is_true(each, row) for each in value)
    if name == "not":
        return not is_true(value, row)
    return all(_compared(operator, row[name], wanted) for operator, wanted in value.items())


def _compared(operator: str, value: Any, wanted: Any) -> bool:
    found: dict[str, Callable[[], bool]] = {
        "eq": lambda: value == wanted,
        "ne": lambda: value != wanted,
        "in": lambda: value in wanted,
        "not_in": lambda: value not in wanted,
        "prefix": lambda: value is not None and value.startswith(wanted),
        "is_null": lambda: (value is None) is wanted,
        "any_of": lambda: bool(set(value) & set(wanted)),
        "all_of": lambda: set(value) >= set(wanted),
        "none_of": lambda: not set(value) & set(wanted),
    }
    return found[operator]()


terms = st.lists(
    st.tuples(st.sampled_from(["kind", "name", *OPTIONAL]), st.booleans(), st.booleans()),
    min_size=1,
    max_size=3,
    unique_by=lambda term: term[0],
)


@given(where=levels(4), by=terms, first=st.integers(7, 30))
@settings(
    max_examples=30,
    phases=[Phase.generate],  # a failure is found again by its seed; to shrink it takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    derandomize=True,
)
async def test_any_condition_in_any_order_page_by_page(
    rows: tuple[Tenant, list[Answer]], where: Answer, by: list[tuple[str, bool, bool]], first: int
) -> None:
    tenant, customers = rows
    wanted = [each for each in in_order(customers, by) if is_true(where, each)]
    order = [f"{name}{'.desc' * descending}{'.nulls_first' * nulls_first}" for name, descending, nulls_first in by]
    asked = {"where": where, "order_by": order, "first": first, "count": True}
    found, after = list[str](), None
    while True:
        answer = await tenant.post("/v1/customers:search", asked | ({"after": after} if after else {}))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page["total"] == {"count": len(wanted), "is_exact": True}
        found += [each["id"] for each in page["items"]]
        after = page["next"]
        if after is None:
            break
        assert len(page["items"]) == first
    assert found == [each["id"] for each in wanted]


@pytest.mark.parametrize("operator", ["eq", "ne", "in", "not_in", "prefix"])
async def test_a_list_and_its_negation_are_the_whole(rows: tuple[Tenant, list[Answer]], operator: str) -> None:
    """Also of rows without a value, for which SQL knows neither."""
    tenant, customers = rows
    wanted = {"source": {operator: ["a", "b"] if operator in ("in", "not_in") else "a"}}
    for where in (wanted, {"not": wanted}):
        found = (await tenant.post("/v1/customers:search", {"where": where, "first": 500})).json()["items"]
        assert [each["id"] for each in found] == [each["id"] for each in customers if is_true(where, each)]


def in_order(customers: list[Answer], by: list[tuple[str, bool, bool]]) -> list[Answer]:
    """The last terms are when it was created, and the id, in the direction of the last one."""
    last = by[-1][1]
    all_terms = [*by, ("created_at", last, False), ("id", last, False)]

    def compared(one: Answer, other: Answer) -> int:
        for name, descending, nulls_first in all_terms:
            a, b = one[name], other[name]
            if a == b:
                continue
            if a is None or b is None:
                return -1 if (a is None) is nulls_first else 1
            return (-1 if a < b else 1) * (-1 if descending else 1)
        return 0

    return sorted(customers, key=cmp_to_key(compared))


def deep(levels: int) -> Answer:
    return {"name": {"eq": "a"}} if levels == 1 else {"not": deep(levels - 1)}


PARAMETERS = [
    ("source.like=a", "source.like", "There is no parameter 'source.like'. There are: after, count, "),
    ("colour=red", "colour", "There is no parameter 'colour'."),
    ("contacts=x", "contacts", "There is no parameter 'contacts'."),
    ("contacts.role.eq.x=y", "contacts.role.eq.x", "There is no parameter"),
    ("kind=dog", "kind", "Input should be 'organisation' or 'person'"),
    ("kind.in=person&kind.in=dog", "kind.in", "Input should be 'organisation' or 'person'"),
    ("created_at.gte=yesterday", "created_at.gte", "It is an instant"),
    ("created_at.between=2026-01-01T00:00:00Z", "created_at.between", "List should have at least 2 items"),
    ("source=a&source=b", "source", "It is given once."),
    ("source=%00", "source", "It has a control character"),
    ("contacts.customer_id=7", "contacts.customer_id", "It is a UUID"),
    (
        "order_by=tags",
        "order_by",
        "Lists are sorted by id, external_id, created_at, recorded_at, archived_at, name, ",
    ),
    ("order_by=name.up", "order_by", "Behind the field stands .asc or .desc, .nulls_first or .nulls_last."),
    ("order_by=id,name,kind,tier,source,country", "order_by", "List should have at most 5 items"),
    ("fields=id,colour", "fields", "It is one of id, external_id, "),
    ("first=0", "first", "Input should be greater than or equal to 1"),
    ("after=nonsense", "after", "It is not a cursor of this list."),
    ("count=yes", "count", "It is true or false."),
    ("ids=7", "ids", "It is a UUID"),
    ("where=x", "where", "There is no parameter 'where'."),
]


@pytest.mark.parametrize(("query", "field", "rule"), PARAMETERS)
async def test_a_parameter_that_is_wrong_is_named_with_its_rule(
    rows: tuple[Tenant, list[Answer]], query: str, field: str, rule: str
) -> None:
    tenant, _ = rows
    answer = await tenant.get("/v1/customers", **parse_qs(query))
    assert answer.status_code == 422, answer.text
    (error, *_) = answer.json()["errors"]
    assert (error["field"], error["rule"][: len(rule)]) == (field, rule)


BODIES: list[tuple[Answer, str, str]] = [
    ({"where": {"colour": {"eq": "red"}}}, "where.colour", "Extra inputs are not permitted"),
    ({"where": {"source": {"like": "a"}}}, "where.source.like", "Extra inputs are not permitted"),
    ({"where": {"source": "a"}}, "where.source", "Input should be "),
    ({"where": {"or": [{}, {"kind": {"eq": "dog"}}]}}, "where.or.1.kind.eq", "Input should be 'organisation'"),
    ({"where": {"contacts": {"customer": {}}}}, "where.contacts.customer", "Extra inputs are not permitted"),
    ({"where": deep(7)}, "where", "Conditions are at most 5 deep."),
    ({"where": {"and": [{"name": {"in": ["a"] * 501}}]}}, "where.and.0.name.in", "List should have at most 500 items"),
    ({"where": {"or": [{}] * 21}}, "where.or", "List should have at most 20 items"),
    ({"where": {"or": [{"or": [{"name": {"eq": "a"}}] * 17}] * 3}}, "where", "A condition has at most 50 comparisons."),
    ({"where": {"created_at": {"gte": 7}}}, "where.created_at.gte", "It is an instant"),
    ({"where": {"name": {"is_null": "true"}}}, "where.name.is_null", "Input should be a valid boolean"),
    ({"first": "7"}, "first", "Input should be a valid integer"),
]


@pytest.mark.parametrize(("body", "field", "rule"), BODIES)
async def test_a_search_that_is_wrong_is_answered_with_the_field_and_its_rule(
    rows: tuple[Tenant, list[Answer]], body: Answer, field: str, rule: str
) -> None:
    tenant, _ = rows
    answer = await tenant.post("/v1/customers:search", body)
    assert answer.status_code == 422, answer.text
    (error, *_) = answer.json()["errors"]
    assert (error["field"], error["rule"][: len(rule)]) == (field, rule)


async def test_five_levels_are_not_too_deep(rows: tuple[Tenant, list[Answer]]) -> None:
    tenant, customers = rows
    answer = await tenant.post("/v1/customers:search", {"where": deep(5), "first": 500})
    assert len(answer.json()["items"]) == len([each for each in customers if each["name"] == "a"])


async def test_a_cursor_is_of_one_order_alone(rows: tuple[Tenant, list[Answer]]) -> None:
    tenant, _ = rows
    page = (await tenant.get("/v1/customers", first=2, order_by="name")).json()
    for order in ("source", "name.desc", "name.nulls_first", "name,kind", None):
        asked = {"order_by": order} if order else {}
        answer = await tenant.get("/v1/customers", after=page["next"], **asked)
        assert answer.json()["errors"] == [{"field": "after", "rule": "It is not a cursor of this list."}], order


async def test_a_cursor_has_the_longest_names_in_it(serve: Serve, issuer: Issuer, tenant: str) -> None:
    ours = Tenant(await serve(SERVICE), issuer, tenant)
    for number in range(3):
        await ours.made("/v1/customers", kind="person", name="語" * 499 + str(number), segment="語" * 100)
    page = (await ours.get("/v1/customers", first=2, order_by="segment,name")).json()
    rest = (await ours.get("/v1/customers", first=2, order_by="segment,name", after=page["next"])).json()
    assert [each["name"][-1] for each in page["items"] + rest["items"]] == ["0", "1", "2"]


async def test_only_the_fields_that_were_asked_for(rows: tuple[Tenant, list[Answer]]) -> None:
    tenant, customers = rows
    page = (await tenant.get("/v1/customers", fields="source,id", order_by="name")).json()
    assert [list(each) for each in page["items"]] == [["source", "id"]] * 50
    exported = await tenant.get("/v1/customers:export", fields="source", tier="B")
    lines = [httpx.Response(200, content=line).json() for line in exported.text.splitlines()]
    sources = [each["source"] for each in sorted(customers, key=lambda each: each["id"]) if each["tier"] == "B"]
    assert lines == [*({"source": each} for each in sources), {"end": {"rows": len(sources)}}]


async def test_an_export_has_no_pages(rows: tuple[Tenant, list[Answer]]) -> None:
    tenant, _ = rows
    for parameter in ("first=5", "order_by=name", "count=true"):
        answer = await tenant.get("/v1/customers:export", **parse_qs(parameter))
        assert answer.status_code == 422, parameter


async def test_what_was_recorded_since_then_whenever_it_happened(
    serve: Serve, issuer: Issuer, tenant: str, other_tenant: str
) -> None:
    ours, theirs = [Tenant(await serve(SERVICE), issuer, each) for each in (tenant, other_tenant)]
    long_ago = {"kind": "person", "occurred_at": "2001-01-01T00:00:00Z"}
    before = await ours.made("/v1/customers", name="Ada", **long_ago)
    since = await now_of(ours)
    after = await ours.made("/v1/customers", name="Bob", **long_ago)
    await theirs.made("/v1/customers", name="Cy", **long_ago)
    assert await recorded(ours, since) == [after["id"]]
    amended = await ours.post(f"/v1/customers/{before['id']}:amend", {"tier": "gold"})
    assert amended.status_code == 200
    assert await recorded(ours, since) == [after["id"], before["id"]]


async def now_of(tenant: Tenant) -> str:
    """The database's clock, as the position of a write says it."""
    answer = await tenant.post("/v1/customers", {"kind": "person", "name": "Now"})
    return answer.headers["Kith-Position"].partition("@")[2]


async def recorded(tenant: Tenant, since: str) -> list[str]:
    page = (await tenant.get("/v1/customers", updated_since=since, order_by="recorded_at")).json()
    return [each["id"] for each in page["items"] if each["name"] != "Now"]
