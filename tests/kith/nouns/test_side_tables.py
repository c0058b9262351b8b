"""What follows from a record is written with it, when a field that it follows from has changed; and for the records of
before by a worker."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import FreshDatabase
from tests.statements import statements

from contacts.customers.form import CUSTOMERS
from contacts.service import SERVICE
from kith.api import context_for
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.ids import new_id
from kith.nouns import fills
from kith.nouns.calls import By, Call
from kith.nouns.fills import filling
from kith.nouns.resource import Resource, View
from kith.reach import EVERYONE
from kith.runtime.settings import Settings

NAME_OF_ADA = {"=ada lovelace", "ada", "lovelace"}


@pytest.fixture(scope="module")
async def url(fresh_database: FreshDatabase) -> str:
    return await fresh_database(SERVICE)


@pytest.fixture
async def context(url: str) -> AsyncIterator[Any]:
    context = context_for(SERVICE, Settings(database_url=url, port=0, pool_size=2))
    yield context
    await context.database.close()


@pytest.fixture
async def worker(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=2, application="test")
    yield engine
    await engine.dispose()


class Records:
    """Of one tenant."""

    def __init__(self, context: Any, tenant: str) -> None:
        self._context, self._tenant = context, tenant

    async def do(self, verb: str, id: UUID | None = None, **fields: Any) -> View:
        command = next(each for each in CUSTOMERS.commands if each.name == verb)
        call = Call(command, command.input.model_validate_json(json.dumps(fields)), id=id)
        answer = await self._context.commands.run_one(self._tenant, CUSTOMERS, call, by=By("client:test", EVERYONE))
        view: View = answer.view
        return view

    async def made(self, name: str = "Ada Lovelace") -> UUID:
        return (await self.do("create", kind="person", name=name)).id

    async def tokens(self, id: UUID) -> set[str]:
        query = text("SELECT token FROM search_entries WHERE tenant_id = :tenant AND id = :id")
        async with self._context.database.read(self._tenant) as connection:
            return set(await connection.scalars(query, {"tenant": self._tenant, "id": id}))

    async def lose(self) -> None:
        """What a house has whose code wrote none."""
        async with self._context.database.write(self._tenant) as transaction:
            query = text("DELETE FROM search_entries WHERE tenant_id = :tenant")
            await transaction.connection.execute(query, {"tenant": self._tenant})


@pytest.fixture
def records(context: Any, tenant: str) -> Records:
    return Records(context, tenant)


async def test_what_follows_from_a_record_is_written_with_it(records: Records) -> None:
    ada = await records.made()
    assert await records.tokens(ada) == NAME_OF_ADA
    await records.do("amend", ada, name="Ada King", website="https://ada.example")
    assert await records.tokens(ada) == {
        *("=ada king", "ada", "king"),
        *("=https ada example", "https", "example"),
    }


async def test_a_change_of_other_fields_sends_no_statement_more(records: Records) -> None:
    ada = await records.made()
    with statements() as sent:
        await records.do("amend", ada, segment="smb")
    assert not [each for each in sent if "search_entries" in each]
    with statements() as sent:
        await records.do("amend", ada, name="Ada King")
    assert len([each for each in sent if "search_entries" in each]) == 2


async def test_nothing_is_left_of_one_that_is_erased(records: Records) -> None:
    ada = await records.made()
    await records.do("erase", ada)
    assert await records.tokens(ada) == set()


async def fill(worker: AsyncEngine, resource: Resource) -> int:
    """Returns how many steps it took."""
    task, steps = filling([resource]), 1
    while await task.step(worker):
        steps += 1
    return steps


def once_more() -> Resource:
    """The noun with a version of its entries that no test has filled yet."""
    side, *_ = CUSTOMERS.side_tables
    resource = replace(CUSTOMERS)
    resource.__dict__["side_tables"] = (replace(side, version=new_id().int % 10**9),)  # type: ignore[type-var]
    return resource


async def test_records_of_before_are_filled_in_pieces_beside_others(
    context: Any, worker: AsyncEngine, tenant: str, other_tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fills, "AT_A_TIME", 2)
    mine, theirs = Records(context, tenant), Records(context, other_tenant)
    ids = [await mine.made(f"Ada {number}") for number in range(5)]
    other = await theirs.made()
    erased = await mine.made()
    for each in (mine, theirs):
        await each.lose()
    await mine.do("erase", erased)
    resource = once_more()
    assert await fill(worker, resource) >= 3
    for number, id in enumerate(ids):
        assert await mine.tokens(id) == {f"=ada {number}", "ada", str(number)}
    assert await theirs.tokens(other) == NAME_OF_ADA
    assert await mine.tokens(erased) == set()
    await theirs.lose()
    assert await fill(worker, resource) == 1, "it is done once"
    assert await theirs.tokens(other) == set()


async def test_it_goes_on_where_it_was_broken_off(
    context: Any, worker: AsyncEngine, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fills, "AT_A_TIME", 1)
    ids = [await records.made() for _ in range(3)]
    await records.lose()
    resource = once_more()
    steps = await fill(worker, resource)
    again = once_more()
    await filling([again]).step(worker)
    assert await fill(worker, again) == steps - 1
    assert [await records.tokens(id) for id in ids] == [NAME_OF_ADA] * 3


async def test_what_is_changed_meanwhile_is_filled_as_it_is_then(
    context: Any, worker: AsyncEngine, records: Records
) -> None:
    ada = await records.made()
    await records.lose()
    async with context.database.write(records._tenant) as transaction:
        change = text("UPDATE customers SET name = 'Ada King' WHERE tenant_id = :tenant AND id = :id")
        await transaction.connection.execute(change, {"tenant": records._tenant, "id": ada})
        filled = asyncio.create_task(fill(worker, once_more()))
        await asyncio.wait({filled}, timeout=0.2)
        assert not filled.done(), "it waits for who changes a record"
    await filled
    assert await records.tokens(ada) == {"=ada king", "ada", "king"}


async def test_nothing_is_written_for_a_tenant_that_was_removed(
    context: Any, worker: AsyncEngine, tenant: str, other_tenant: str
) -> None:
    gone, there = Records(context, tenant), Records(context, other_tenant)
    ada, other = await gone.made(), await there.made()
    for each in (gone, there):
        await each.lose()
    async with worker.begin() as connection:
        await connection.execute(
            text("INSERT INTO removed_tenants (tenant_id, removed_at) VALUES (:tenant, now())"), {"tenant": tenant}
        )
    await fill(worker, once_more())
    async with worker.connect() as connection:
        kept = await connection.scalars(
            text("SELECT DISTINCT id FROM search_entries WHERE id = ANY(:ids)"), {"ids": [ada, other]}
        )
    assert set(kept) == {other}
