"""What is archived is left out of lists, is not changed, and is named by nothing new, until it is restored."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from tests.contracts.nouns import NOUNS, Noun, World

from kith.ids import new_id
from kith.nouns.resource import Command
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant

ARCHIVABLE = [noun for noun in NOUNS if noun.resource.archivable]
NAMING = [
    (noun, field, target)
    for noun in NOUNS
    for field in noun.resource.named
    if field in noun.resource.create.input.model_fields
    if (target := noun.target(field)) is not None and target.resource.archivable
]
every_archivable = pytest.mark.parametrize("noun", ARCHIVABLE, ids=lambda noun: noun.id)


@pytest.fixture
async def ours(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]], issuer: Issuer, tenant: str, noun: Noun
) -> World:
    return World(Tenant(await serve(noun.service), issuer, tenant))


def command(noun: Noun, name: str) -> Command:
    (found,) = (each for each in noun.resource.commands if each.name == name)
    return found


async def archived(world: World, noun: Noun) -> Answer:
    shown, body = await world.prepared(noun, command(noun, "archive"))
    answer = await world.tenant.post(noun.where(command(noun, "archive"), shown["id"]), body)
    assert answer.status_code == 200, answer.text
    found: Answer = answer.json()
    return found


async def listed(world: World, noun: Noun, id: str, **query: str) -> bool:
    items = (await world.tenant.get(noun.path, **query)).json()["items"]
    return id in [each["id"] for each in items]


@every_archivable
async def test_lists_leave_it_out_unless_they_speak_of_it(ours: World, noun: Noun) -> None:
    shown = await archived(ours, noun)
    id, path = shown["id"], noun.path
    assert shown["archived_at"] is not None
    assert not await listed(ours, noun, id)
    page = (await ours.tenant.get(path, count="true")).json()
    assert page["total"]["count"] == len(page["items"])
    assert id not in [each["id"] for each in await ours.exported(noun)]
    assert id not in [each["id"] for each in await ours.nodes(noun)]
    for query in (
        {"ids": id},
        {"updated_since": "2020-01-01T00:00:00Z"},
        {"archived_at.is_null": "false"},
        {"archived_at.gte": "2020-01-01T00:00:00Z"},
    ):
        assert await listed(ours, noun, id, **query), query
    found = await ours.tenant.post(f"{path}:search", {"where": {"archived_at": {"is_null": False}}})
    assert id in [each["id"] for each in found.json()["items"]]
    assert (await ours.current(noun, id))["id"] == id

    answer = await ours.tenant.post(noun.where(command(noun, "restore"), id), {})
    assert (answer.status_code, answer.json()["archived_at"]) == (200, None)
    assert await listed(ours, noun, id)
    assert not await listed(ours, noun, id, **{"archived_at.is_null": "false"})


@every_archivable
async def test_it_is_not_changed_until_it_is_restored(ours: World, noun: Noun) -> None:
    shown = await archived(ours, noun)
    changes = [each for each in noun.resource.changes if not (each.of_archived or each.erases)]
    for each in changes:
        body = await ours.body(noun, (await ours.way(noun, each)).steps[-1])
        answer = await ours.tenant.post(noun.where(each, shown["id"]), body)
        assert (answer.status_code, answer.json()["code"]) == (409, "record-archived"), each.name
    assert await ours.current(noun, shown["id"]) == shown

    restore = noun.where(command(noun, "restore"), shown["id"])
    assert (await ours.tenant.post(restore, {})).status_code == 200
    again = await ours.tenant.post(restore, {})
    assert (again.status_code, again.json()["code"]) == (409, "record-not-archived")


@pytest.mark.parametrize(("noun", "field", "target"), NAMING, ids=lambda each: getattr(each, "id", each))
async def test_a_new_record_does_not_name_it_but_what_happened_with_it_is_told(
    ours: World, noun: Noun, field: str, target: Noun
) -> None:
    shown = await archived(ours, target)
    body = await ours.body(noun, await ours.creation(noun), (noun.id,)) | {field: shown["id"]}
    answer = await ours.tenant.post(noun.path, body | {"external_id": str(new_id())})
    if noun.resource.insert_only:
        assert answer.status_code in (201, 422)
        assert "archived" not in answer.text
    else:
        words = field.removesuffix("_id")
        assert answer.status_code == 422
        assert {"field": field, "rule": f"The {words} {shown['id']} is archived."} in answer.json()["errors"]
