"""What is personal in a noun shows to actors with the service's scope for it, and to nobody else anywhere: fields, and
parts of the values that a field holds."""

import json
from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest
from strawberry.utils.str_converters import to_camel_case
from tests.contracts.nouns import NOUNS, Noun, World, personal_values

from kith.nouns.resource import Command
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant

PERSONAL = [each for each in NOUNS if each.resource.personal_fields or each.resource.partly_personal]
every_noun = pytest.mark.parametrize("noun", PERSONAL, ids=lambda noun: noun.id)
every_change = pytest.mark.parametrize(
    ("noun", "command"),
    [(noun, command) for noun in PERSONAL for command in noun.resource.changes],
    ids=lambda each: each.id if isinstance(each, Noun) else each.name,
)


@pytest.fixture
async def ours(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]], issuer: Issuer, tenant: str, noun: Noun
) -> World:
    return World(Tenant(await serve(noun.service), issuer, tenant))


@pytest.fixture
def stranger(ours: World, noun: Noun) -> World:
    """The same tenant without the scope."""
    return World(ours.tenant.without(noun.sees))


def assert_hidden(noun: Noun, shown: Answer, said: object) -> None:
    """None of the values is there that actors with the scope see."""
    text = said.text if isinstance(said, httpx.Response) else json.dumps(said)
    for value in personal_values(noun, shown):
        assert value not in text


def assert_parts_absent(noun: Noun, shown: Answer, said: Answer) -> None:
    for name, public in noun.resource.partly_personal.items():
        assert said[name] == [{part: each[part] for part in public} for each in shown[name]]
        assert said[name], "an example has one, or nothing is tested"


def assert_parts_null(noun: Noun, shown: Answer, said: Answer) -> None:
    for name, public in noun.resource.partly_personal.items():
        parts = {to_camel_case(part): part in public for each in shown[name] for part in each}
        for seen in said[to_camel_case(name)]:
            assert not {part for part, value in seen.items() if value is not None and not parts[part]}
            assert {part for part, value in seen.items() if value is not None}, "the others are there"


def assert_null(noun: Noun, shown: Answer, said: Answer) -> None:
    for name in noun.resource.personal_fields:
        assert said[to_camel_case(name)] is None
    assert_parts_null(noun, shown, said)
    assert_hidden(noun, shown, said)


@every_noun
async def test_over_rest_it_is_absent(ours: World, stranger: World, noun: Noun) -> None:
    body = await ours.body(noun, await ours.creation(noun))
    key = {"Idempotency-Key": "once"}
    created = await stranger.tenant.post(noun.path, body, **key)
    seen = await ours.tenant.post(noun.path, body, **key)
    where = created.headers["location"]
    shown = (await ours.tenant.get(where)).json()
    assert seen.json() == shown
    again, read = await stranger.tenant.post(noun.path, body, **key), await stranger.tenant.get(where)
    listed, exported = (await stranger.tenant.get(noun.path)).json()["items"], await stranger.exported(noun)
    for said in (created.json(), again.json(), read.json(), *listed, *exported):
        assert set(shown) - set(said) == noun.resource.personal_fields
        assert_parts_absent(noun, shown, said)
        assert_hidden(noun, shown, said)
    assert (await ours.tenant.get(noun.path)).json()["items"][0] == shown
    assert shown in await ours.exported(noun)


@every_noun
async def test_over_graphql_it_is_null(ours: World, stranger: World, noun: Noun) -> None:
    body = await ours.body(noun, await ours.creation(noun))
    made = await stranger.mutated(noun, noun.resource.create, body)
    shown = await ours.current(noun, made["id"])
    listed = await stranger.nodes(noun)
    found = [await stranger.one(noun, shown["id"]), await stranger.named(noun, shown["id"])]
    for said in (made, listed[0], *found):
        assert_null(noun, shown, said)
    for said in (await ours.one(noun, shown["id"]), (await ours.nodes(noun))[0]):
        for name in noun.resource.personal_fields:
            seen = said[to_camel_case(name)]
            assert seen == shown[name] or isinstance(seen, list)
        texts = [value for value in personal_values(noun, shown) if value.startswith('"')]
        assert [value for value in texts if value in json.dumps(said)] == texts


@every_change
async def test_nor_does_a_change_show_it(ours: World, stranger: World, noun: Noun, command: Command) -> None:
    request = await ours.request(noun, command)
    changed = await stranger.tenant.post(request.path, request.body)
    if "personal" in command.input.model_validate_json(json.dumps(request.body)).needs:
        assert changed.status_code == 403
        return
    assert changed.status_code == 200
    assert request.id is not None
    assert_hidden(noun, await ours.current(noun, request.id), changed)
    path, body, id = await ours.apart().request(noun, command)
    assert id is not None
    assert_null(noun, await ours.current(noun, id), await stranger.mutated(noun, command, body, id))
    assert path.startswith(noun.path)


@every_noun
async def test_nor_does_the_answer_to_rows(ours: World, stranger: World, noun: Noun) -> None:
    rows = await ours.rows(noun, await ours.way(noun, noun.resource.create), "x")
    rows += [{**rows[0], "colour": "red"}, {**rows[0], "occurred_at": "2020-03-01T00:00:00Z"}]
    done = await stranger.tenant.post(f"{noun.path}:bulk", {"rows": rows})
    assert (done.json()["accepted"], done.json()["rejected"]) == (1, 2)
    assert_hidden(noun, await ours.current(noun, done.json()["results"][0]["id"]), done)


@every_noun
async def test_nor_does_a_refusal(ours: World, noun: Noun) -> None:
    """To anybody: it says which field is wrong, and not what is in it."""
    create = noun.resource.create
    body = await ours.body(noun, await ours.creation(noun))
    shown = await ours.tenant.made(noun.path, **body, external_id="x")
    again = await ours.apart().body(noun, await ours.creation(noun))
    refused = [
        await ours.tenant.post(noun.path, body | {"colour": "red"}),
        await ours.tenant.post(noun.path, again | {"external_id": "x"}),
    ]
    problems = [await ours.mutated(noun, create, again | {"external_id": "x"})]
    for where, wrong in spoilt(noun, body):
        answer = await ours.tenant.post(noun.path, wrong)
        assert [each["field"] for each in answer.json()["errors"]] == [where]
        refused.append(answer)
        problems.append(await ours.mutated(noun, create, wrong))
    for name in {name for name in noun.resource.personal_fields & body.keys() if isinstance(body[name], str)}:
        sent = ours.mutation(noun, create, body)
        sent["variables"]["input"][to_camel_case(name)] = [body[name]]
        mistyped = await ours.tenant.post("/graphql", sent)
        assert "errors" in mistyped.json()
        assert_hidden(noun, body, mistyped)
    assert not [each for each in refused if each.status_code < 400]
    assert {each["__typename"] for each in problems} == {"Problem"}
    for said in (*refused, *problems):
        for sent in (shown, body, again):
            assert_hidden(noun, {**shown, **sent}, said)


def spoilt(noun: Noun, body: Answer) -> Iterator[tuple[str, Answer]]:
    """The body with one thing wrong that is personal, and where: a field, or a part of a value."""
    for name in noun.resource.personal_fields & body.keys():
        if isinstance(body[name], str):
            yield name, body | {name: f"{body[name]}\0"}
    for name, public in noun.resource.partly_personal.items():
        for part in {part for each in body.get(name, ()) for part in each} - set(public):
            first, *rest = body[name]
            yield f"{name}.0.{part}", body | {name: [first | {part: f"{first[part]}\0"}, *rest]}


@every_noun
async def test_openapi_says_that_it_may_be_absent(ours: World, noun: Noun) -> None:
    document = (await ours.tenant.get("/openapi.json")).json()
    required = document["components"]["schemas"][noun.resource.view.__name__]["required"]
    assert set(required) == set(noun.resource.view_fields) - noun.resource.personal_fields


@every_noun
async def test_nor_do_fields_that_are_asked_for_by_name(ours: World, stranger: World, noun: Noun) -> None:
    """A field that is personal is refused; of one that is so in part, what is personal is not there."""
    shown = await ours.made(noun)
    for name in noun.resource.personal_fields:
        answer = await stranger.tenant.get(noun.path, fields=name)
        assert (answer.status_code, answer.json()["detail"]) == (403, f"This needs the scope {noun.sees}.")
    for name in noun.resource.partly_personal:
        for path in (noun.path, f"{noun.path}:export"):
            answer = await stranger.tenant.get(path, fields=name)
            assert answer.status_code == 200
            assert_hidden(noun, shown, answer)
        (row,) = (await stranger.tenant.get(noun.path, fields=name, ids=shown["id"])).json()["items"]
        assert row[name] == (await stranger.tenant.get(f"{noun.path}/{shown['id']}")).json()[name]
