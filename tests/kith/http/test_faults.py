"""What an error is to the caller, in REST and in GraphQL."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable

import asyncpg
import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine

import analytics
import contacts
import sales
import service_desk
from kith.db.login import sqlalchemy_url
from kith.error_codes import ErrorCode
from kith.errors import DomainError
from kith.http.auth import IssuerUnavailable
from kith.http.faults import is_transient, refusal
from kith.runtime.fairness import QueueFull
from kith.runtime.service import Service
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE

Headers = dict[str, str]


@pytest.fixture
async def client(serve: Callable[[Service], Awaitable[httpx.AsyncClient]]) -> httpx.AsyncClient:
    return await serve(SERVICE)


TRANSIENT = [
    asyncpg.QueryCanceledError("canceling statement due to statement timeout"),
    asyncpg.DeadlockDetectedError("deadlock detected"),
    asyncpg.SerializationError("could not serialize access"),
    asyncpg.TooManyConnectionsError("sorry, too many clients already"),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.IdleInTransactionSessionTimeoutError("terminating connection"),
    asyncpg.LockNotAvailableError("canceling statement due to lock timeout"),
    asyncpg.InterfaceError("connection is closed"),
    PoolTimeoutError("QueuePool limit of size 10 overflow 0 reached"),
    IssuerUnavailable("The issuer's keys cannot be fetched now."),
    ConnectionRefusedError(),
    TimeoutError(),
    QueueFull(of_tenant=True),
]
OURS = [
    asyncpg.UndefinedTableError("no such table"),
    asyncpg.NotNullViolationError("null value"),
    asyncpg.DataError("invalid input for query argument $1"),
    asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
    FileNotFoundError("settings"),
    RuntimeError("a mistake"),
    KeyError("a mistake"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
@pytest.mark.parametrize("query", [None, "{ orders { nodes { id } } }"], ids=["REST", "GraphQL"])
async def test_what_may_be_gone_the_next_time_is_unavailable(
    client: httpx.AsyncClient, mine: Headers, monkeypatch: pytest.MonkeyPatch, error: Exception, query: str | None
) -> None:
    async def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("kith.nouns.queries.Queries.page", failing)
    if query is None:
        answer = await client.get("/v1/orders", headers=mine)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json()["code"] == "unavailable"
    else:
        answer = await client.post("/graphql", json={"query": query}, headers=mine)
        (shown,) = answer.json()["errors"]
        assert (shown["extensions"]["code"], shown["extensions"]["problem"]["status"]) == ("unavailable", 503)
    assert "fault" not in answer.text


@pytest.mark.parametrize("error", OURS, ids=repr)
def test_an_internal_error_is_not_said_to_pass(error: Exception) -> None:
    assert not is_transient(error)
    assert refusal(error) is None


async def test_a_statement_that_takes_too_long_is_reported_however_it_was_executed(
    postgres: EmbeddedPostgres,
) -> None:
    engine = create_async_engine(sqlalchemy_url(postgres.url("postgres")))
    async with engine.connect() as connection:
        await connection.execute(text("SET statement_timeout = 10"))
        with pytest.raises(DBAPIError) as raised:
            await connection.execute(text("SELECT pg_sleep(5)"))
    await engine.dispose()
    found = refusal(raised.value)
    assert found is not None
    assert "took longer" in found.problem["detail"]


async def test_a_connection_that_is_cut_is_unavailable(postgres: EmbeddedPostgres) -> None:
    engine = create_async_engine(sqlalchemy_url(postgres.url("postgres")), pool_size=2)
    async with engine.connect() as victim, engine.connect() as other:
        pid = await victim.scalar(text("SELECT pg_backend_pid()"))
        await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(DBAPIError) as raised:
            await victim.execute(text("SELECT 1"))
        await victim.invalidate()
    await engine.dispose()
    assert is_transient(raised.value)


async def test_a_database_that_is_not_there_is_unavailable() -> None:
    engine = create_async_engine("postgresql+asyncpg://127.0.0.1:1/none")
    with pytest.raises(OSError, match="Connect") as raised:
        async with engine.connect():
            pass
    await engine.dispose()
    assert is_transient(raised.value)


def errors_of(kind: type[DomainError]) -> set[type[DomainError]]:
    return {kind}.union(*(errors_of(each) for each in kind.__subclasses__()))


def test_every_refusal_has_a_code_of_the_one_enumeration() -> None:
    for package in (contacts, sales, service_desk, analytics):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and ".migrations" not in module.name:
                importlib.import_module(module.name)
    for kind in errors_of(DomainError):
        assert isinstance(kind.code, ErrorCode), kind


async def test_both_contracts_name_the_codes(client: httpx.AsyncClient, mine: Headers) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["components"]["schemas"]["ErrorCode"]["enum"] == list(ErrorCode)
    sdl = (await client.post("/graphql", json={"query": "{ _service { sdl } }"}, headers=mine)).json()
    enumeration = sdl["data"]["_service"]["sdl"].partition("enum ErrorCode {")[2].partition("}")[0]
    assert enumeration.split() == [code.name for code in ErrorCode]


async def test_a_refusal_has_the_same_code_in_a_problem_and_in_a_mutation(
    client: httpx.AsyncClient, mine: Headers
) -> None:
    id = "0190a8c0-0000-7000-8000-000000000000"
    refused = await client.post(f"/v1/opportunities/{id}:win", json={}, headers=mine)
    assert (refused.status_code, refused.json()["code"]) == (404, "not-found")
    mutation = f'mutation {{ winOpportunity(id: "{id}") {{ ... on Problem {{ code }} }} }}'
    answer = (await client.post("/graphql", json={"query": mutation}, headers=mine)).json()
    assert answer["data"]["winOpportunity"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("query", ["{ nothing }", "{"])
async def test_a_document_that_is_wrong_has_a_code_too(client: httpx.AsyncClient, mine: Headers, query: str) -> None:
    answer = await client.post("/graphql", json={"query": query}, headers=mine)
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["invalid-query"]
