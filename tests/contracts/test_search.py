"""Every noun is searched by its external id and by each text of its form: over REST, over GraphQL, and beside the other
nouns of its service. Who may not see a text finds nothing by it."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from strawberry.utils.str_converters import to_camel_case
from tests.contracts.nouns import NOUNS, Noun, World

from kith.nouns.search.entries import SearchedField
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant

COLLECTIONS = [each for each in NOUNS if each.resource.singleton is None]
TEXTS = [(noun, each) for noun in COLLECTIONS for each in noun.resource.searched_fields]


def by_name(each: Any) -> str:
    return each.id if isinstance(each, Noun) else each.name


every_collection = pytest.mark.parametrize("noun", COLLECTIONS, ids=by_name)
every_text = pytest.mark.parametrize(("noun", "text"), TEXTS, ids=by_name)


@pytest.fixture
async def ours(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]], issuer: Issuer, tenant: str, noun: Noun
) -> World:
    return World(Tenant(await serve(noun.service), issuer, tenant))


async def answers(tenant: Tenant, noun: Noun, q: str) -> list[httpx.Response]:
    """All that a search answers."""
    plural = to_camel_case(noun.resource.plural)
    rows = "{ nodes { id } totalCount { count } }"
    root = f"query($q: String!) {{ {plural}(q: $q) {rows} }}"
    across = f"query($q: String!) {{ search(q: $q) {{ q {plural} {rows} }} }}"
    variables = {"q": q}
    return [
        await tenant.get(noun.path, q=q, count="true"),
        await tenant.post(f"{noun.path}:search", {"q": q, "count": True}),
        await tenant.post("/graphql", {"query": root, "variables": variables}),
        await tenant.post("/graphql", {"query": across, "variables": variables}),
    ]


async def found(tenant: Tenant, noun: Noun, q: str) -> list[str]:
    """The ids, which all ways agree on."""
    plural = to_camel_case(noun.resource.plural)
    listed, searched, root, across = (each.json() for each in await answers(tenant, noun, q))
    ids = [each["id"] for each in listed["items"]]
    assert listed["total"]["count"] == len(ids)
    assert searched == listed
    nodes = {"nodes": [{"id": id} for id in ids], "totalCount": {"count": len(ids)}}
    assert root["data"][plural] == nodes
    assert across["data"]["search"] == {"q": q, plural: nodes}
    return ids


def texts_of(shown: Answer, text: SearchedField) -> list[str]:
    held = shown[text.field]
    texts = [held] if text.part is None else [each[text.part] for each in held]
    return [each for each in texts if each]


@every_text
async def test_it_is_found_by_a_text(ours: World, noun: Noun, text: SearchedField) -> None:
    shown = await ours.made(noun)
    looked_for = texts_of(shown, text)
    assert looked_for, "an example has one, or nothing is tested"
    for each in looked_for:
        assert shown["id"] in await found(ours.tenant, noun, each)
        assert shown["id"] in await found(ours.tenant, noun, each.upper()[:-1])


@every_text
async def test_who_may_not_see_a_text_learns_nothing_of_it_by_a_search(
    ours: World, noun: Noun, text: SearchedField
) -> None:
    """The answers are the same, byte by byte, whether a value is there or not."""
    shown = await ours.made(noun)
    stranger = ours.tenant.without(noun.sees)
    public = [each for name in noun.resource.searched_fields if not name.personal for each in texts_of(shown, name)]
    for q in texts_of(shown, text):
        if not text.personal:
            assert shown["id"] in await found(stranger, noun, q)
            continue
        if q in public:
            continue
        other = "".join(chr(ord("a") + index % 26) for index in range(len(q)))
        for one, another in zip(await answers(stranger, noun, q), await answers(stranger, noun, other), strict=True):
            assert one.content.replace(q.encode(), b"") == another.content.replace(other.encode(), b"")
            assert shown["id"] not in one.text


@every_collection
async def test_it_is_found_by_the_beginning_of_its_external_id(ours: World, noun: Noun) -> None:
    shown = await ours.alone(noun, external_id="SO-2026/17 b")
    other = await ours.apart().alone(noun, external_id="SO-2026/18")
    assert await found(ours.tenant, noun, "SO-2026/17") == [shown["id"]]
    assert await found(ours.tenant, noun, "so-2026/18") == [other["id"]]
    assert set(await found(ours.tenant, noun, "SO-2026/")) == {shown["id"], other["id"]}
    assert await found(ours.tenant, noun, "2026/17") == []


@every_collection
async def test_it_is_filtered_besides(ours: World, noun: Noun) -> None:
    shown, other = await ours.alone(noun, external_id="x-1"), await ours.apart().alone(noun, external_id="x-2")
    for wanted in (shown, other):
        body = {"q": "x-", "where": {"id": {"eq": wanted["id"]}}, "count": True}
        answer = (await ours.tenant.post(f"{noun.path}:search", body)).json()
        assert [each["id"] for each in answer["items"]] == [wanted["id"]]
        assert answer["total"] == {"count": 1, "is_exact": True}
        listed = (await ours.tenant.get(noun.path, q="x-", ids=wanted["id"])).json()
        assert [each["id"] for each in listed["items"]] == [wanted["id"]]
