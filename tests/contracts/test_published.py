"""What a noun's commands publish: what is declared, what is kept of it, and nobody's name."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from jsonschema import Draft202012Validator
from tests.contracts.nouns import NOUNS, Noun, World, personal_values

from kith.events.catalogue import EVENTS
from kith.events.event import Amended, Event
from kith.nouns.resource import Command
from kith.nouns.validation import events_of
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres

SCHEMAS = Path(__file__).parents[2] / "shared" / "schemas"


@pytest.fixture
async def ours(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]], issuer: Issuer, tenant: str, noun: Noun
) -> World:
    return World(Tenant(await serve(noun.service), issuer, tenant))


@pytest.mark.parametrize(
    ("noun", "command"),
    [(noun, command) for noun in NOUNS for command in noun.resource.commands],
    ids=lambda each: each.id if isinstance(each, Noun) else each.name,
)
async def test_a_command_publishes_what_is_declared(
    ours: World, postgres: EmbeddedPostgres, noun: Noun, command: Command
) -> None:
    request = await ours.request(noun, command)
    before = {} if request.id is None else await ours.current(noun, request.id)
    shown = (await ours.tenant.post(request.path, request.body)).json()
    row = await last_published(postgres, noun, shown["id"])
    kind, body = EVENTS[row["type"]], json.loads(row["data"])
    event = msgspec.json.decode(row["data"], type=kind)
    assert kind in events_of(command)
    assert json.loads(msgspec.json.encode(event)) == body
    assert (row["aggregate_version"], row["tenant_id"]) == (shown["version"], ours.tenant.name)
    if noun.resource.name != "customer":
        assert (row["customer_id"] and str(row["customer_id"])) == shown.get("customer_id")
    assert_as_in_the_corpus(kind, body, every=command.creates)
    assert_carries(event, shown)
    personal = [each for seen in (before, shown) if seen for each in personal_values(noun, seen)]
    assert not [each for each in personal if each in row["data"].decode()]


async def last_published(postgres: EmbeddedPostgres, noun: Noun, id: str) -> Any:
    connection = await asyncpg.connect(postgres.url(f"kith_{noun.service.package}"))
    try:
        return await connection.fetchrow("SELECT * FROM outbox WHERE subject = $1 ORDER BY seq DESC LIMIT 1", id)
    finally:
        await connection.close()


def assert_as_in_the_corpus(kind: type[Event], body: Answer, *, every: bool) -> None:
    """It has what the frozen examples have, all that ever was in one if `every` field was sent, and fits the schema."""
    least, full = (json.loads((SCHEMAS / f"corpus/{kind.type}.{size}.json").read_text()) for size in ("least", "full"))
    assert set(full["body"] if every else least["body"]) <= set(body) <= set(kind.__struct_encode_fields__)
    schema = json.loads((SCHEMAS / f"{kind.type}.json").read_text())
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(body)


def assert_carries(event: Event, shown: Answer) -> None:
    """As the noun is after it. What is published in a shape of the event's own is not compared."""
    published = dict(zip(event.__struct_fields__, event.__struct_encode_fields__, strict=True))
    for name in published.keys() & shown.keys():
        if isinstance(event, Amended) and published[name] not in event.changed:
            continue
        value = getattr(event, name)
        if isinstance(value, list) and any(isinstance(each, msgspec.Struct) for each in value):
            assert [json.loads(msgspec.json.encode(msgspec.structs.asdict(each))) for each in value] == [
                {part: each[part] for part in value[0].__struct_fields__} for each in shown[name]
            ]
        elif not isinstance(shown[name], dict):
            assert json.loads(msgspec.json.encode(value)) == shown[name], name
