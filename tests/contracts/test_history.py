"""What was done to a record is told field by field, to whoever may see the fields."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import httpx
import pytest
from strawberry.utils.str_converters import to_camel_case
from tests.contracts.nouns import NOUNS, Noun, World, personal_values
from tests.statements import statements

from kith.events import actors
from kith.ids import new_id
from kith.nouns.inputs import CUSTOM
from kith.nouns.resource import Command
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant

ANN = "ann@example.com"
WITH = [noun for noun in NOUNS if not noun.resource.insert_only]
every_noun = pytest.mark.parametrize("noun", WITH, ids=lambda noun: noun.id)
every_change = pytest.mark.parametrize(
    ("noun", "command"),
    [(noun, command) for noun in WITH for command in noun.resource.changes],
    ids=lambda each: each.id if isinstance(each, Noun) else each.name,
)
ENTRY = "version command actor time recordedAt changes { field old new }"


@pytest.fixture
async def ours(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]], issuer: Issuer, tenant: str, noun: Noun
) -> World:
    return World(Tenant(await serve(noun.service), issuer, tenant, subject=ANN))


@pytest.fixture
def theirs(ours: World, other_tenant: str) -> Tenant:
    return Tenant(ours.tenant.client, ours.tenant.issuer, other_tenant)


def where(noun: Noun, id: str) -> str:
    return f"{noun.path}/history" if noun.resource.singleton else f"{noun.path}/{id}/history"


async def history(tenant: Tenant, noun: Noun, id: str, **query: Any) -> Answer:
    answer = await tenant.get(where(noun, id), **query)
    assert answer.status_code == 200, answer.text
    found: Answer = answer.json()
    return found


async def over_graphql(tenant: Tenant, noun: Noun, id: str, arguments: str = "") -> Answer:
    of_one = "" if noun.resource.singleton else f'(id: "{id}")'
    query = f"""{{ it: {to_camel_case(noun.resource.name)}{of_one} {{
        history{arguments} {{ nodes {{ {ENTRY} }} pageInfo {{ endCursor }} }} }} }}"""
    found: Answer = (await tenant.ask(query))["it"]["history"]
    return found


@every_change
async def test_a_change_is_told_field_by_field(ours: World, tenant: str, noun: Noun, command: Command) -> None:
    before, body = await ours.prepared(noun, command)
    changed = (await ours.tenant.post(noun.where(command, before["id"]), body)).json()
    newest, *earlier = (await history(ours.tenant, noun, changed["id"]))["items"]
    assert (newest["version"], newest["command"], newest["actor"]) == (
        changed["version"],
        command.name,
        actors.user(tenant, ANN),
    )
    assert newest["time"] == changed["updated_at"]
    # An erased value stays with nobody.
    erased = {*noun.resource.personal_fields, *noun.resource.partly_personal} if command.erases else set()
    kept = set(noun.resource.view_fields) - erased
    assert newest["changes"] == [
        {"field": name, "old": before[name], "new": changed[name]}
        for name in noun.resource.view_fields
        if name in kept and name not in {"version", "updated_at", "created_at"} and before[name] != changed[name]
    ]
    assert [each["version"] for each in earlier] == list(range(before["version"], 0, -1))
    if noun.resource.singleton is None:
        assert (earlier[-1]["command"], earlier[-1]["changes"]) == (noun.resource.create.name, [])
    node = (await over_graphql(ours.tenant, noun, changed["id"]))["nodes"][0]
    for name in ("time", "recorded_at"):
        in_graphql, in_rest = node.pop(to_camel_case(name)), newest.pop(name)
        assert datetime.fromisoformat(in_graphql) == datetime.fromisoformat(in_rest)
    for each in newest["changes"]:
        each["field"] = to_camel_case(each["field"])
    assert node == newest


@every_noun
async def test_it_goes_page_by_page_newest_first(ours: World, noun: Noun) -> None:
    if not noun.resource.changes:
        pytest.skip("it is created only")
    command = noun.resource.changes[-1]
    path, body, id = await ours.request(noun, command)
    assert id is not None
    await ours.tenant.post(path, body)
    whole = await history(ours.tenant, noun, id)
    assert whole["next"] is None
    pages, query, cursor = [], dict[str, str](), None
    while True:
        page = await history(ours.tenant, noun, id, first=1, **query)
        arguments = f'(first: 1, after: "{cursor}")' if cursor else "(first: 1)"
        node = await over_graphql(ours.tenant, noun, id, arguments)
        cursor = node["pageInfo"]["endCursor"]
        assert ([each["version"] for each in node["nodes"]], cursor) == (
            [each["version"] for each in page["items"]],
            page["next"],
        )
        pages += page["items"]
        if cursor is None:
            break
        query = {"after": cursor}
    assert pages == whole["items"]
    for wrong in ({"after": "x"}, {"after": "LTE"}, {"first": 0}, {"first": 501}):
        refused = await ours.tenant.get(where(noun, id), **wrong)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, next(iter(wrong)))


@pytest.mark.parametrize("noun", [each for each in WITH if not each.resource.singleton], ids=lambda noun: noun.id)
async def test_the_histories_of_a_page_are_one_select(ours: World, noun: Noun) -> None:
    for _ in range(3):
        await ours.apart().alone(noun)
    query = f"{{ it: {to_camel_case(noun.resource.plural)} {{ nodes {{ history {{ nodes {{ version }} }} }} }} }}"
    with statements() as sent:
        nodes = (await ours.tenant.ask(query))["it"]["nodes"]
    assert [each["history"]["nodes"] for each in nodes] == [[{"version": 1}]] * 3
    assert len([each for each in sent if "FROM history" in each]) == 1


@every_noun
async def test_it_is_the_tenants_own(ours: World, theirs: Tenant, noun: Noun) -> None:
    if noun.resource.singleton is not None:
        path, body, _ = await ours.request(noun, noun.resource.commands[0])
        assert (await ours.tenant.post(path, body)).is_success
        assert (await history(theirs, noun, ""))["items"] == []
        return
    id = (await ours.made(noun))["id"]
    for stranger, of in ((theirs, id), (ours.tenant, str(new_id()))):
        assert (await stranger.get(where(noun, of))).status_code == 404
    unread = await ours.tenant.without(noun.reads).get(where(noun, id))
    assert unread.status_code == 403


PERSONAL = [
    (noun, command)
    for noun in WITH
    for command in noun.resource.changes
    if (noun.resource.personal_fields - set(CUSTOM))
    & {name for name, each in command.input.model_fields.items() if not each.is_required()}
]
every_personal_change = pytest.mark.parametrize(
    ("noun", "command"), PERSONAL, ids=lambda each: each.id if isinstance(each, Noun) else each.name
)


@every_personal_change
async def test_without_the_scope_a_personal_change_is_like_none(ours: World, noun: Noun, command: Command) -> None:
    personal, partly = noun.resource.personal_fields, noun.resource.partly_personal
    stranger = ours.tenant.without(noun.sees)
    told = []
    for hidden in (True, False):
        before, body = await ours.apart().prepared(noun, command)
        if all(
            before.get(name) == value for name, value in body.items() if name not in personal
        ):  # all it names it has
            body = await ours.apart().body(noun, (await ours.way(noun, command)).steps[-1])
        sent = {name: value for name, value in body.items() if name not in partly and (hidden or name not in personal)}
        changed = await ours.tenant.post(noun.where(command, before["id"]), sent)
        assert changed.status_code == 200, changed.text
        newest = (await history(stranger, noun, before["id"]))["items"][0]
        seen = (await over_graphql(stranger, noun, before["id"]))["nodes"][0]
        fields = {each["field"] for each in (await history(ours.tenant, noun, before["id"]))["items"][0]["changes"]}
        assert bool(fields & personal) is hidden
        told.append(([each["field"] for each in newest["changes"]], [each["field"] for each in seen["changes"]]))
        assert personal.isdisjoint(told[-1][0])
    assert told[0] == told[1]


PARTLY = [(noun, command) for noun, command in PERSONAL if noun.resource.partly_personal]


@pytest.mark.parametrize(("noun", "command"), PARTLY, ids=lambda each: each.id if isinstance(each, Noun) else each.name)
async def test_without_the_scope_a_change_of_values_shows_no_personal_part(
    ours: World, noun: Noun, command: Command
) -> None:
    before, body = await ours.prepared(noun, command)
    await ours.tenant.post(noun.where(command, before["id"]), body)
    whole = (await history(ours.tenant, noun, before["id"]))["items"][0]
    secrets = [each for change in whole["changes"] for each in personal_values(noun, {change["field"]: change["new"]})]
    assert secrets
    stranger = ours.tenant.without(noun.sees)
    newest = (await history(stranger, noun, before["id"]))["items"][0]
    said = json.dumps([newest, (await over_graphql(stranger, noun, before["id"]))["nodes"][0]])
    assert [each for each in secrets if each in said] == []
    for each in newest["changes"]:
        if (parts := noun.resource.partly_personal.get(each["field"])) is not None:
            assert each["old"] != each["new"], "what nobody sees has not changed for them"
            assert {part for value in (*each["old"], *each["new"]) for part in value} == set(parts)


def test_nouns_that_are_only_created_have_none() -> None:
    without = [noun for noun in NOUNS if noun.resource.insert_only]
    assert without
    for noun in without:
        assert "history" not in noun.api.schema._schema.type_map[noun.type].fields  # type: ignore[attr-defined]
