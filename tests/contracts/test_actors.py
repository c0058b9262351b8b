"""Every event says who caused it, whichever way the command came."""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import httpx
import pytest
from tests.contracts.nouns import NOUNS, Noun, World

from kith.events import actors
from kith.nouns.resource import Command
from kith.runtime.service import Service
from kith.testing import Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres

ANN = "ann@example.com"
every_noun = pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.id)
every_command = pytest.mark.parametrize(
    ("noun", "command"),
    [(noun, command) for noun in NOUNS for command in noun.resource.commands],
    ids=lambda each: each.id if isinstance(each, Noun) else each.name,
)


@pytest.fixture
async def ann(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]], issuer: Issuer, tenant: str, noun: Noun
) -> World:
    return World(Tenant(await serve(noun.service), issuer, tenant, subject=ANN))


@pytest.fixture
async def outbox(ann: World, postgres: EmbeddedPostgres, noun: Noun) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.url(f"kith_{noun.service.package}"))
    yield connection
    await connection.close()


async def actors_of(outbox: asyncpg.Connection, tenant: str) -> list[str]:
    return [row[0] for row in await outbox.fetch("SELECT actor FROM outbox WHERE tenant_id = $1 ORDER BY seq", tenant)]


@every_command
async def test_a_request_and_a_mutation_say_who_sent_them(
    ann: World, outbox: asyncpg.Connection, tenant: str, noun: Noun, command: Command
) -> None:
    path, body, _ = await ann.request(noun, command)
    answer = await ann.tenant.post(path, body)
    assert answer.is_success, answer.text
    _, body, id = await ann.apart().request(noun, command)
    made = await ann.mutated(noun, command, body, id)
    assert made["__typename"] == noun.type, made
    assert set(await actors_of(outbox, tenant)) == {actors.user(tenant, ANN)}


@every_noun
async def test_rows_of_a_machine_say_which_it_was(
    ann: World, outbox: asyncpg.Connection, tenant: str, noun: Noun
) -> None:
    if noun.resource.singleton is not None:
        pytest.skip("there are no bulk requests for it")
    machine = World(Tenant(ann.tenant.client, ann.tenant.issuer, tenant))
    (row,) = await machine.rows(noun, await machine.way(noun, noun.resource.create), "x")
    answer = (await machine.tenant.post(f"{noun.path}:bulk", {"rows": [row]})).json()
    assert answer["accepted"] == 1, answer
    assert (await actors_of(outbox, tenant))[-1] == "client:test"
