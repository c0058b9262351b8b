"""What every noun can do because it is declared: over REST and GraphQL, for one tenant and not for another.

There is no list of nouns here. What is in a service's RESOURCES is tested, with inputs made of its own form.
"""

import json
from collections.abc import Awaitable, Callable
from operator import itemgetter
from typing import Any

import httpx
import pytest
from strawberry.utils.str_converters import to_camel_case
from tests.contracts.examples import names_ids
from tests.contracts.nouns import NOUNS, Noun, Step, World, personal_values, steps_of

from kith.ids import new_id
from kith.nouns.parameters import type_name
from kith.nouns.resource import Command, One
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
COLLECTIONS = [each for each in NOUNS if each.resource.singleton is None]
COMMANDS = [(noun, command) for noun in NOUNS for command in noun.resource.commands]
CHANGES = [(noun, command) for noun, command in COMMANDS if not command.creates]


def by_name(each: Any) -> str:
    return each.id if isinstance(each, Noun) else str(getattr(each, "name", each))


every_noun = pytest.mark.parametrize("noun", NOUNS, ids=by_name)
every_collection = pytest.mark.parametrize("noun", COLLECTIONS, ids=by_name)
every_command = pytest.mark.parametrize(("noun", "command"), COMMANDS, ids=by_name)
every_change = pytest.mark.parametrize(("noun", "command"), CHANGES, ids=by_name)
LISTED = [(noun, each) for noun in COLLECTIONS for each in noun.resource.relations if each.many]


@pytest.fixture
async def ours(serve: Serve, issuer: Issuer, tenant: str, noun: Noun) -> World:
    return World(Tenant(await serve(noun.service), issuer, tenant))


@pytest.fixture
async def theirs(serve: Serve, issuer: Issuer, other_tenant: str, noun: Noun) -> World:
    return World(Tenant(await serve(noun.service), issuer, other_tenant))


@every_collection
async def test_what_is_created_is_read_listed_and_exported(ours: World, noun: Noun) -> None:
    body = await ours.body(noun, await ours.creation(noun)) | {"external_id": "x"}
    created = await ours.tenant.post(noun.path, body)
    shown: Answer = created.json()
    assert (created.status_code, created.headers["etag"], shown["version"]) == (201, '"1"', 1)
    assert set(shown) == set(noun.resource.view_fields)
    read = await ours.tenant.get(created.headers["location"])
    assert (read.json(), read.headers["etag"]) == (shown, '"1"')
    listed = (await ours.tenant.get(noun.path)).json()["items"]
    assert listed[0] == shown
    assert await ours.exported(noun) == sorted(listed, key=itemgetter("id"))
    assert await ours.one(noun, shown["id"]) == (await ours.nodes(noun))[0]
    assert (await ours.one(noun, shown["id"]))["externalId"] == "x"


@every_collection
async def test_a_mutation_creates_it_as_a_request_does(ours: World, noun: Noun) -> None:
    body = await ours.body(noun, await ours.creation(noun))
    made = await ours.mutated(noun, noun.resource.create, body)
    assert made.pop("__typename") == noun.type, made
    assert made == await ours.one(noun, made["id"])


@every_change
async def test_a_command_changes_it(ours: World, noun: Noun, command: Command) -> None:
    before, body = await ours.prepared(noun, command)
    where = noun.where(command, before["id"])
    stale = await ours.tenant.post(where, body, **{"If-Match": '"99"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version-mismatch")
    changed = await ours.tenant.post(where, body, **{"If-Match": f'"{before["version"]}"'})
    shown = changed.json()
    assert changed.status_code == 200
    assert shown["version"] - before["version"] in steps_of(command)
    assert changed.headers["etag"] == f'"{shown["version"]}"'
    assert await ours.current(noun, shown["id"]) == shown


@every_change
async def test_a_mutation_changes_it(ours: World, noun: Noun, command: Command) -> None:
    before, body = await ours.prepared(noun, command)
    made = await ours.mutated(noun, command, body, before["id"])
    assert made["__typename"] == noun.type
    assert made["version"] - before["version"] in steps_of(command)
    assert (await ours.current(noun, before["id"]))["version"] == made["version"]


@pytest.mark.parametrize(
    ("noun", "command"), [each for each in COMMANDS if each[0].resource.singleton is None], ids=by_name
)
async def test_rows_that_are_sent_twice_are_done_once(ours: World, noun: Noun, command: Command) -> None:
    rows = await ours.rows(noun, await ours.way(noun, command), "x")
    first = (await ours.tenant.post(f"{noun.path}:bulk", {"rows": rows})).json()
    again = (await ours.tenant.post(f"{noun.path}:bulk", {"rows": rows})).json()
    assert first["accepted"] == len(rows), first
    assert first["events"] - len(rows) + 1 in steps_of(command), first
    assert (again["unchanged"], again["events"]) == (len(rows), 0), again
    shown = await ours.current(noun, first["results"][0]["id"])
    is_blinded = str(shown["external_id"]).startswith("erased:")
    assert (shown["version"], shown["external_id"] == "x", is_blinded) == (
        first["events"],
        not command.erases,
        command.erases,
    )


@every_command
async def test_a_request_under_a_key_is_done_once(ours: World, noun: Noun, command: Command) -> None:
    where, body, _ = await ours.request(noun, command)
    key = {"Idempotency-Key": "once"}
    first = await ours.tenant.post(where, body, **key)
    again = await ours.tenant.post(where, body, **key)
    other = await ours.tenant.post(where, body | {"occurred_at": "2020-01-02T00:00:00Z"}, **key)
    assert first.is_success, first.text
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert await ours.current(noun, first.json()["id"]) == first.json()


@every_collection
async def test_a_list_goes_page_by_page_newest_first(ours: World, noun: Noun) -> None:
    made = [(await ours.apart().alone(noun))["id"] for _ in range(3)]
    page = (await ours.tenant.get(noun.path, first=2)).json()
    rest = (await ours.tenant.get(noun.path, first=2, after=page["next"])).json()
    assert [each["id"] for each in page["items"] + rest["items"]] == made[::-1]
    query = f"""query($after: String) {{ page: {to_camel_case(noun.resource.plural)}(first: 2, after: $after) {{
        nodes {{ id }} pageInfo {{ endCursor }} }} }}"""
    first = (await ours.tenant.ask(query))["page"]
    second = (await ours.tenant.ask(query, after=first["pageInfo"]["endCursor"]))["page"]
    assert [each["id"] for each in first["nodes"] + second["nodes"]] == made[::-1]


@every_noun
async def test_who_lacks_the_scope_is_refused(ours: World, noun: Noun) -> None:
    reader, writer = ours.tenant.without(noun.writes), ours.tenant.without(noun.reads)
    plural, name = to_camel_case(noun.resource.plural), to_camel_case(noun.resource.name)
    reads, queries = [noun.path], [f"{{ {name} {{ id }} }}"]
    if noun.resource.singleton is None:
        reads += [f"{noun.path}/{new_id()}", f"{noun.path}:export"]
        queries = [f"{{ {plural} {{ nodes {{ id }} }} }}", f'{{ {name}(id: "{new_id()}") {{ id }} }}']
        queries += [entity(noun.type, str(new_id()), "{ id }")]
        queries += [
            entity(type_name(each.noun), str(new_id()), f"{{ {to_camel_case(each.many)} {{ nodes {{ id }} }} }}")
            for each in listed(noun)
        ]
        assert_forbidden(await reader.post(f"{noun.path}:bulk", {"rows": []}), noun.writes)
    for path in reads:
        assert_forbidden(await writer.get(path), noun.reads)
    for query in queries:  # one by one: the refusal of one field must not hide that another answers
        answer = await writer.post("/graphql", {"query": query})
        assert {each["extensions"]["code"] for each in answer.json()["errors"]} == {"forbidden"}, query
    for command in noun.resource.commands:
        request = await ours.request(noun, command)
        assert_forbidden(await reader.post(request.path, request.body), noun.writes)
        problem = await World(reader).mutated(noun, command, request.body, request.id)
        assert (problem["__typename"], problem["status"]) == ("Problem", 403)


def listed(noun: Noun) -> list[One]:
    return [each for each in noun.resource.relations if each.many]


def entity(type: str, id: str, selection: str) -> str:
    """The query for what another subgraph names by its id."""
    named = f'{{__typename: "{type}", id: "{id}"}}'
    return f"{{ _entities(representations: [{named}]) {{ ... on {type} {selection} }} }}"


@pytest.mark.parametrize(("noun", "relation"), LISTED, ids=by_name)
async def test_a_record_lists_those_that_name_it_newest_first(ours: World, noun: Noun, relation: One) -> None:
    target = noun.target(relation.column)
    named = (await ours.made(target))["id"] if target else str(new_id())
    within = ours.ids | {target.id if target else relation.column: named}
    others = () if target == noun else (noun.id,)
    more = {each: named for each in noun.resource.create.input.model_fields if each == relation.column}
    made = [await World(ours.tenant, dict(within)).made(noun, within=others, **more) for _ in range(3)]
    await ours.apart().alone(noun)
    query = entity(
        type_name(relation.noun),
        named,
        f"{{ it: {to_camel_case(relation.many)}(first: 2) {{ nodes {noun.selection()} }} }}",
    )
    (found,) = (await ours.tenant.ask(query))["_entities"]
    assert [each["id"] for each in found["it"]["nodes"]] == [each["id"] for each in made[:0:-1]]
    stranger = ours.tenant.without(noun.sees)
    (found,) = (await stranger.ask(query))["_entities"]
    for name in noun.resource.personal_fields:
        assert [each[to_camel_case(name)] for each in found["it"]["nodes"]] == [None, None]
    secrets = [value for each in made for value in personal_values(noun, each)]
    assert not [each for each in secrets if each in json.dumps(found)]


@every_change
async def test_a_mutation_is_done_once_and_of_the_version_it_names(ours: World, noun: Noun, command: Command) -> None:
    shown, body = await ours.prepared(noun, command)
    sent = ours.mutation(noun, command, body, shown["id"])
    options = f'ifVersion: {shown["version"]}, idempotencyKey: "once"'
    stale = sent["query"].replace("input: $input", f"input: $input, ifVersion: {shown['version'] + 1}")
    once = sent["query"].replace("input: $input", f"input: $input, {options}")
    refused = (await ours.tenant.ask(stale, **sent["variables"]))["answer"]
    assert (refused["__typename"], refused["status"]) == ("Problem", 412)
    first, again = [(await ours.tenant.ask(once, **sent["variables"]))["answer"] for _ in range(2)]
    assert first == again
    assert first["version"] - shown["version"] in steps_of(command)
    assert first["version"] == (await ours.current(noun, shown["id"]))["version"]


def assert_forbidden(answer: httpx.Response, scope: str) -> None:
    assert (answer.status_code, answer.json()["detail"]) == (403, f"This needs the scope {scope}.")


@every_collection
async def test_another_tenant_sees_and_changes_nothing(ours: World, theirs: World, noun: Noun) -> None:
    shown = await ours.made(noun, external_id="x")
    assert (await theirs.tenant.get(f"{noun.path}/{shown['id']}")).status_code == 404
    assert (await theirs.tenant.get(noun.path)).json() == {"items": [], "next": None}
    assert await theirs.exported(noun) == []
    assert await theirs.one(noun, shown["id"]) is None
    assert await theirs.nodes(noun) == []
    assert await theirs.named(noun, shown["id"]) is None
    assert (await theirs.tenant.get(noun.path, ids=shown["id"])).json()["items"] == []
    for command in noun.resource.changes:
        body = await theirs.body(noun, Step(command))
        assert (await theirs.tenant.post(noun.where(command, shown["id"]), body)).status_code == 404
        row = {"command": command.name, "external_id": "x", "occurred_at": "2026-01-01T00:00:00Z", **body}
        answer = (await theirs.tenant.post(f"{noun.path}:bulk", {"rows": [row]})).json()
        assert answer["results"][0]["problem"]["status"] == 404
        assert (await theirs.mutated(noun, command, body, shown["id"]))["status"] == 404
    assert await ours.current(noun, shown["id"]) == shown


@every_noun
async def test_what_is_the_tenants_own_is_another_one_for_each(ours: World, theirs: World, noun: Noun) -> None:
    if noun.resource.singleton is None:
        body = await theirs.body(noun, await theirs.creation(noun)) | {"external_id": "x"}
        mine = await ours.made(noun, external_id="x")
        assert (await theirs.tenant.post(noun.path, body)).json()["id"] != mine["id"]
    else:
        (command, *_), before = noun.resource.commands, (await theirs.tenant.get(noun.path)).json()
        _, body = await ours.prepared(noun, command)
        assert (await ours.tenant.post(noun.where(command, ""), body)).status_code == 200
        assert (await theirs.tenant.get(noun.path)).json() == before


NAMED = [(noun, command, name) for noun, command in COMMANDS for name in names_ids(command.input)]


@pytest.mark.parametrize(("noun", "command", "name"), NAMED, ids=by_name)
async def test_an_id_of_another_tenant_names_nothing(
    ours: World, theirs: World, noun: Noun, command: Command, name: str
) -> None:
    target = noun.target(name)
    their = await theirs.made(target) if target else {"id": str(new_id())}
    request = await ours.request(noun, command)
    where, wrong = instead(request.body, name, their["id"])
    row = {"external_id": "y", "occurred_at": "2026-01-01T00:00:00Z", **wrong}
    sent = (await ours.tenant.post(request.path, wrong)).json()
    mutated = await ours.mutated(noun, command, wrong, request.id)
    rows = (await ours.tenant.post(f"{noun.path}:bulk", {"rows": [row]})).json() if command.creates else {}
    if target is None:  # another service has it, which alone can tell whose it is
        return
    assert (sent["status"], [each["field"] for each in sent["errors"]]) == (422, [where])
    assert (mutated["status"], [each["field"] for each in mutated["errors"]]) == (422, [to_camel_case(where)])
    for result in rows.get("results", ()):
        assert [each["field"] for each in result["problem"]["errors"]] == [where]
    kept = [str(their[each]) for each in target.resource.personal_fields if their[each]]
    assert not [each for each in kept if each in json.dumps([sent, mutated, rows])]


def instead(body: Answer, name: str, id: str) -> tuple[str, Answer]:
    """The body with another id in that field, or in that part of its values; and where that is."""
    for field, value in body.items():
        if isinstance(value, list) and value and isinstance(value[0], dict) and name in value[0] and name not in body:
            return f"{field}.0.{name}", body | {field: [value[0] | {name: id}]}
    return name, body | {name: [id] if isinstance(body.get(name), list) else id}
