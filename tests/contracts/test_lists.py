"""Lists of every noun: filtered by every field and operator, and sorted, as the values say; over REST and GraphQL."""

import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import EnumType
from itertools import product
from typing import Any

import httpx
import pytest
from strawberry.utils.str_converters import to_camel_case
from tests.contracts.nouns import NOUNS, Noun, Step, World

from kith.nouns.lists.operators import Operator, operators_of
from kith.nouns.parameters import pascal
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant

COLLECTIONS = [each for each in NOUNS if each.resource.singleton is None]
HIDDEN = [(noun, each.name) for noun in COLLECTIONS for each in noun.listing.fields.values() if each.personal]
RELATED = [
    (noun, name)
    for noun in COLLECTIONS
    for name, step in noun.listing.relations.items()
    if not step.table.name.startswith("known_")  # whose rows events make: tests/kith/nouns/test_unconfirmed.py
    if not any(step.ours in each.input.model_fields for each in noun.resource.internal)  # no request names it
]


def by_name(each: Any) -> str:
    return each.id if isinstance(each, Noun) else str(each)


every_collection = pytest.mark.parametrize("noun", COLLECTIONS, ids=by_name)


@pytest.fixture
async def ours(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]], issuer: Issuer, tenant: str, noun: Noun
) -> World:
    return World(Tenant(await serve(noun.service), issuer, tenant))


async def made(world: World, noun: Noun) -> list[Answer]:
    """Returns some that differ in their values, or lack one; newest first."""
    command, base = noun.resource.create, (await world.creation(noun)).without
    optional = [name for name, each in command.input.model_fields.items() if not each.is_required()]
    steps = [*(Step(command, variant, base) for variant in range(4)), Step(command, 0, tuple(optional))]
    steps += [Step(command, 1, (*base, each)) for each in optional]
    for number, step in enumerate(steps):
        body = await world.apart().body(noun, step, (noun.id,))
        await world.tenant.post(noun.path, body | {"external_id": f"x-{number}"})
    rows: list[Answer] = (await world.tenant.get(noun.path)).json()["items"]
    assert len(rows) >= 3
    return rows


def read(noun: Noun, name: str, sent: Any) -> Any:
    """Returns a value of JSON as it is compared."""
    kind = noun.listing.fields[name].kind
    if isinstance(sent, str) and kind in (datetime, date):
        return kind.fromisoformat(sent)
    return Decimal(str(sent)) if kind in (Decimal, int, float) and sent is not None else sent


def holds(operator: Operator, value: Any, wanted: Any) -> bool:
    """Says the same as the list, in Python."""
    opposite = {Operator.NE: Operator.EQ, Operator.NOT_IN: Operator.IN, Operator.NONE_OF: Operator.ANY_OF}
    if operator in opposite:
        return not holds(opposite[operator], value, wanted)
    if value is None or operator is Operator.IS_NULL:
        return operator is Operator.IS_NULL and (value is None) is wanted
    compared: dict[Operator, Callable[[], bool]] = {
        Operator.ANY_OF: lambda: bool(set(value) & set(wanted)),
        Operator.ALL_OF: lambda: set(value) >= set(wanted),
        Operator.EQ: lambda: value == wanted,
        Operator.IN: lambda: value in wanted,
        Operator.LT: lambda: value < wanted,
        Operator.LTE: lambda: value <= wanted,
        Operator.GT: lambda: value > wanted,
        Operator.GTE: lambda: value >= wanted,
        Operator.BETWEEN: lambda: wanted[0] <= value <= wanted[1],
        Operator.PREFIX: lambda: value.startswith(wanted),
    }
    return compared[operator]()


def wanted_of(operator: Operator, values: list[Any]) -> Iterator[Any]:
    """Yields what the operator may be given, of the values that there are."""
    if operator is Operator.IS_NULL:
        yield from (True, False)
    elif operator is Operator.PREFIX:
        yield from (values[0], values[0][:3])
    elif operator is Operator.BETWEEN:
        yield from ([values[0], values[-1]], [values[-1], values[-1]])
    elif operator.takes_many:
        flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
        yield from (flat[:1], flat[:2])
    else:
        yield from (values[0], values[-1])


@every_collection
async def test_a_list_is_filtered_by_every_field_and_operator(ours: World, noun: Noun) -> None:
    rows = await made(ours, noun)
    for name in shown(noun):
        await assert_filtered(ours, noun, name, rows)


def shown(noun: Noun) -> list[str]:
    """The fields that lists are filtered by, as far as the answers have them."""
    return [name for name in noun.listing.fields if name in noun.resource.view_fields]


async def assert_filtered(ours: World, noun: Noun, name: str, rows: list[Answer]) -> None:
    kind = noun.listing.fields[name].kind
    there = sorted((row[name] for row in rows if row[name] is not None), key=lambda each: read(noun, name, each))
    for operator in operators_of(kind):
        if not there and operator is not Operator.IS_NULL:
            continue
        for wanted in wanted_of(operator, there):
            compared = wanted
            if operator is not Operator.IS_NULL:
                compared = (
                    [read(noun, name, each) for each in wanted]
                    if isinstance(wanted, list)
                    else read(noun, name, wanted)
                )
            found = [row["id"] for row in rows if holds(operator, read(noun, name, row[name]), compared)]
            await assert_listed(ours, noun, name, operator, wanted, found)


async def assert_listed(ours: World, noun: Noun, name: str, operator: Operator, wanted: Any, found: list[str]) -> None:
    parameter = name if operator is Operator.EQ else f"{name}.{operator}"
    texts = [each if isinstance(each, str) else json.dumps(each) for each in as_list(wanted)]
    listed = await ours.tenant.get(noun.path, **{parameter: texts})
    assert listed.status_code == 200, listed.text
    assert [each["id"] for each in listed.json()["items"]] == found, (parameter, wanted)
    exported = await ours.tenant.get(f"{noun.path}:export", **{parameter: texts})
    assert [json.loads(each)["id"] for each in exported.text.splitlines()[:-1]] == sorted(found)
    where = {name: {operator.value: wanted}}
    searched = await ours.tenant.post(f"{noun.path}:search", {"where": where, "count": True})
    assert [each["id"] for each in searched.json()["items"]] == found, searched.text
    assert searched.json()["total"] == {"count": len(found), "is_exact": True}
    kind = noun.listing.fields[name].kind
    given: Any = wanted
    if isinstance(kind, EnumType) and operator is not Operator.IS_NULL:
        members: dict[str, Any] = dict(kind.__members__)
        names = {each.value: member for member, each in members.items()}
        given = [names[each] for each in wanted] if operator.takes_many else names[wanted]
    nodes = await ours.nodes(noun, where={to_camel_case(name): {to_camel_case(operator.value): given}})
    assert [each["id"] for each in nodes] == found


def as_list(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


@every_collection
async def test_a_list_is_sorted_by_every_field_page_by_page(ours: World, noun: Noun) -> None:
    rows = await made(ours, noun)
    by = [name for name in shown(noun) if noun.listing.fields[name].sorts]
    for name, descending, nulls_first in product(by, (False, True), (False, True)):
        wanted = [row["id"] for row in in_order(noun, rows, name, descending=descending, nulls_first=nulls_first)]
        term = f"{name}.{'desc' if descending else 'asc'}.{'nulls_first' if nulls_first else 'nulls_last'}"
        assert [row["id"] async for row in pages(ours, noun, order_by=term)] == wanted, term
        order = {
            "field": name.upper(),
            "direction": "DESC" if descending else "ASC",
            "nulls": "FIRST" if nulls_first else "LAST",
        }
        assert [each async for each in edges(ours, noun, order)] == wanted, term


def in_order(noun: Noun, rows: list[Answer], name: str, *, descending: bool, nulls_first: bool) -> list[Answer]:
    """The last terms are when it was created, and the id."""
    rows = sorted(rows, key=lambda row: (row["created_at"], row["id"]), reverse=descending)
    some = [row for row in rows if row[name] is not None]
    some.sort(key=lambda row: read(noun, name, row[name]), reverse=descending)
    none = [row for row in rows if row[name] is None]
    return none + some if nulls_first else some + none


async def pages(ours: World, noun: Noun, **asked: Any) -> Any:
    after: dict[str, str] = {}
    while True:
        page = (await ours.tenant.get(noun.path, first=5, **asked, **after)).json()
        for each in page["items"]:
            yield each
        if page["next"] is None:
            return
        after = {"after": page["next"]}


async def edges(ours: World, noun: Noun, order: Answer) -> Any:
    """Yields the ids, each page after the cursor of its last edge."""
    plural = noun.resource.plural
    query = f"""query($after: String, $order: [{pascal(plural)}Order!]) {{
        page: {to_camel_case(plural)}(first: 4, after: $after, orderBy: $order) {{
            edges {{ cursor node {{ id }} }} pageInfo {{ hasNextPage }} }} }}"""
    after = None
    while True:
        page = (await ours.tenant.ask(query, after=after, order=[order]))["page"]
        for each in page["edges"]:
            yield each["node"]["id"]
            after = each["cursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return


@pytest.mark.parametrize(("noun", "name"), HIDDEN, ids=by_name)
async def test_who_may_not_see_a_field_learns_nothing_of_it_by_a_list(ours: World, noun: Noun, name: str) -> None:
    """The answers are the same, byte by byte, whether a value is there or not."""
    rows = await made(ours, noun)
    there = next(row[name] for row in rows if row[name] is not None)
    stranger = ours.tenant.without(noun.sees)
    plural = to_camel_case(noun.resource.plural)
    for operator in operators_of(noun.listing.fields[name].kind):
        some: Any = [there] if operator.takes_many else there
        other: Any = ["nobody"] if operator.takes_many else "nobody"
        if operator is Operator.IS_NULL:
            some, other = True, False
        answers = [
            [
                await stranger.get(noun.path, **{f"{name}.{operator}": as_texts(wanted)}),
                await stranger.get(f"{noun.path}:export", **{f"{name}.{operator}": as_texts(wanted)}),
                await stranger.post(f"{noun.path}:search", {"where": {"not": {name: {operator.value: wanted}}}}),
                await asked(stranger, noun, {to_camel_case(name): {to_camel_case(operator.value): wanted}}),
            ]
            for wanted in (some, other)
        ]
        for one, another in zip(*answers, strict=True):
            assert one.content == another.content
            assert_refused(one, noun)
    if noun.listing.fields[name].sorts:
        assert_refused(await stranger.get(noun.path, order_by=name), noun)
        query = f"{{ {plural}(orderBy: [{{field: {name.upper()}}}]) {{ nodes {{ id }} }} }}"
        assert_refused(await stranger.post("/graphql", {"query": query}), noun)
    assert_refused(await stranger.get(noun.path, fields=f"id,{name}"), noun)


def as_texts(wanted: Any) -> list[str]:
    return [each if isinstance(each, str) else json.dumps(each) for each in as_list(wanted)]


async def asked(tenant: Tenant, noun: Noun, where: Answer) -> httpx.Response:
    plural = noun.resource.plural
    query = f"query($w: {pascal(plural)}Where) {{ {to_camel_case(plural)}(where: $w) {{ nodes {{ id }} }} }}"
    return await tenant.post("/graphql", {"query": query, "variables": {"w": where}})


def assert_refused(answer: httpx.Response, noun: Noun) -> None:
    assert f"This needs the scope {noun.sees}." in answer.text
    assert answer.status_code == 403 or answer.json()["errors"][0]["extensions"]["code"] == "forbidden"


@pytest.mark.parametrize(("noun", "relation"), RELATED, ids=by_name)
async def test_a_list_is_filtered_over_every_relation(ours: World, noun: Noun, relation: str) -> None:
    step = noun.listing.relations[relation]
    other = next(each for each in noun.siblings() if each.resource.table is step.table)
    # Of the two, the one that names the other.
    naming = noun if step.theirs == "id" else other
    column = step.ours if naming is noun else step.theirs
    named = (await naming_another(ours, naming, column))[column]
    await ours.apart().made(naming)
    related, *_ = [each for each in await all_of(ours, other) if each[step.theirs] == named]
    found = [each["id"] for each in await all_of(ours, noun) if each[step.ours] == named]
    assert found
    for where, wanted in (({"id": {"eq": related["id"]}}, found), ({"external_id": {"eq": "nobody"}}, [])):
        searched = await ours.tenant.post(f"{noun.path}:search", {"where": {relation: where}})
        assert [each["id"] for each in searched.json()["items"]] == wanted
    listed = (await ours.tenant.get(noun.path, **{f"{relation}.id": related["id"]})).json()["items"]
    nodes = await ours.nodes(noun, where={to_camel_case(relation): {"id": {"in": [related["id"]]}}})
    assert [each["id"] for each in listed] == [each["id"] for each in nodes] == found


async def naming_another(world: World, noun: Noun, column: str) -> Answer:
    """Returns one that names another record: as it is made, or by the command that creates that one, or names it."""
    changes = [each for each in noun.resource.changes if each.also is not None and each.also.named == column]
    if not changes:
        made = await world.made(noun)
        if made[column] is not None:
            return made
        changes = [each for each in noun.resource.changes if column in each.input.model_fields]
    if not changes:  # it names one of its kind when it is made, and then no more
        return await world.made(noun, **{column: made["id"]})
    shown, body = await world.prepared(noun, changes[0])
    answer: Answer = (await world.tenant.post(noun.where(changes[0], shown["id"]), body)).json()
    return answer


async def all_of(ours: World, noun: Noun) -> list[Answer]:
    rows: list[Answer] = (await ours.tenant.get(noun.path, first=500)).json()["items"]
    return rows
