"""What is only ever created goes into its table and the outbox in one statement, and obeys what all commands obey."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from contacts import tables
from contacts.customers.form import CUSTOMERS
from contacts.service import SERVICE
from contacts.touchpoints.form import TOUCHPOINTS, RecordTouchpoint
from contacts.touchpoints.rules import Channel, Direction
from kith.api import context_for
from kith.db.connections import Database
from kith.db.sessions import driver_of
from kith.db.statements import Statement
from kith.errors import Conflict, Invalid
from kith.nouns.append import append_one
from kith.nouns.calls import Answer, By, Call
from kith.nouns.commands import Commands
from kith.nouns.resource import Resource
from kith.reach import EVERYONE
from kith.runtime.settings import Settings
from kith_local.postgres import EmbeddedPostgres

ACTOR = "client:test"

ORDINARY = replace(TOUCHPOINTS, insert_only=False)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def context(serve: Any, postgres: EmbeddedPostgres) -> AsyncIterator[Any]:
    """With one connection: whatever is left on it, the next one sees."""
    await serve(SERVICE)
    url = postgres.url(f"kith_{SERVICE.package}")
    context = context_for(SERVICE, Settings(database_url=url, port=0, pool_size=1))
    yield context
    await context.database.close()


@pytest.fixture
def commands(context: Any) -> Commands:
    assert isinstance(context.commands, Commands)
    return context.commands


@pytest.fixture
def database(context: Any) -> Database:
    assert isinstance(context.database, Database)
    return context.database


@pytest.fixture
async def customer(commands: Commands, tenant: str) -> UUID:
    given = CUSTOMERS.create.input.model_validate_json(b'{"kind": "person", "name": "Ada"}')
    return (await commands.run_one(tenant, CUSTOMERS, Call(CUSTOMERS.create, given), by=By(ACTOR, EVERYONE))).view.id


async def record(commands: Commands, tenant: str, resource: Resource = TOUCHPOINTS, **fields: Any) -> Answer:
    given = RecordTouchpoint(channel=Channel.EMAIL, direction=Direction.OUTBOUND, **fields)
    return await commands.run_one(tenant, resource, Call(resource.create, given), by=By(ACTOR, EVERYONE))


async def stored(database: Database, tenant: str, answer: Answer) -> tuple[dict[str, Any], dict[str, Any]]:
    """The row and its event."""
    async with database.read(tenant) as connection:
        of = {"tenant": tenant, "id": answer.view.id}
        row = await connection.execute(text("SELECT * FROM touchpoints WHERE tenant_id = :tenant AND id = :id"), of)
        event = await connection.execute(text("SELECT * FROM outbox WHERE tenant_id = :tenant AND subject = :id"), of)
        return dict(row.mappings().one()), dict(event.mappings().one())


async def count(database: Database, tenant: str) -> tuple[int, int]:
    async with database.read(tenant) as connection:
        counted = await connection.execute(
            text("""
            SELECT (SELECT count(*) FROM touchpoints WHERE tenant_id = :tenant),
                   (SELECT count(*) FROM outbox WHERE tenant_id = :tenant AND type LIKE '%touchpoint%')
            """),
            {"tenant": tenant},
        )
        rows, events = counted.one()
        return rows, events


@pytest.mark.parametrize("occurred_at", [None, NOON])
@pytest.mark.parametrize("external_id", [None, "x-1"])
async def test_one_statement_writes_what_a_transaction_writes(
    commands: Commands,
    database: Database,
    tenant: str,
    customer: UUID,
    occurred_at: datetime | None,
    external_id: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fields: dict[str, Any] = {"customer_id": customer, "occurred_at": occurred_at, "campaign": "spring"}
    ordinary = await record(commands, tenant, ORDINARY, external_id=external_id and "x-0", **fields)
    with monkeypatch.context() as patch:
        patch.setattr(commands, "_retrying", None)
        appended = await record(commands, tenant, external_id=external_id, **fields)
    (row, event), (same_row, same_event) = (
        await stored(database, tenant, appended),
        await stored(database, tenant, ordinary),
    )
    own = {"id", "seq", "subject", "external_id", "external_hash", "recorded_at"}
    own |= set() if occurred_at else {"created_at", "updated_at", "time"}
    assert {k: v for k, v in row.items() if k not in own} == {k: v for k, v in same_row.items() if k not in own}
    assert {k: v for k, v in event.items() if k not in own} == {k: v for k, v in same_event.items() if k not in own}
    assert event["recorded_at"] == appended.recorded_at > ordinary.recorded_at
    assert event["time"] == row["created_at"] == row["updated_at"] == (occurred_at or appended.recorded_at)
    view = {name: getattr(appended.view, name) for name in TOUCHPOINTS.view_fields}
    assert view == {name: row[name] for name in TOUCHPOINTS.view_fields}
    assert (row["external_hash"] is None) == (external_id is None)


async def test_sent_twice_it_is_recorded_once(
    commands: Commands, database: Database, tenant: str, customer: UUID
) -> None:
    first = await record(commands, tenant, customer_id=customer, external_id="x")
    again = await record(commands, tenant, customer_id=customer, external_id="x")
    assert again.view == first.view
    assert await count(database, tenant) == (1, 1)
    with pytest.raises(Conflict):
        await record(commands, tenant, customer_id=customer, external_id="x", attempts=2)
    assert await count(database, tenant) == (1, 1)


@pytest.mark.parametrize("name", ["customer_id", "contact_id"])
async def test_a_reference_to_nothing_is_refused_as_ever(
    commands: Commands, database: Database, tenant: str, customer: UUID, name: str
) -> None:
    errors = []
    for resource in (TOUCHPOINTS, ORDINARY):
        with pytest.raises(Invalid) as refused:
            await record(commands, tenant, resource, **({"customer_id": customer} | {name: UUID(int=7)}))
        errors.append((refused.value.field, refused.value.detail))
    assert errors == [(name, f"There is no {name.removesuffix('_id')} {UUID(int=7)}.")] * 2
    assert await count(database, tenant) == (0, 0)


async def test_another_tenants_customer_is_no_reference(
    commands: Commands, database: Database, other_tenant: str, customer: UUID
) -> None:
    with pytest.raises(Invalid):
        await record(commands, other_tenant, customer_id=customer)
    assert await count(database, other_tenant) == (0, 0)


async def test_a_time_to_come_is_refused_and_a_clock_a_little_ahead_is_forgiven(
    commands: Commands, database: Database, tenant: str, customer: UUID
) -> None:
    now = datetime.now(UTC)
    with pytest.raises(Invalid, match="future"):
        await record(commands, tenant, customer_id=customer, occurred_at=now + timedelta(hours=1))
    assert await count(database, tenant) == (0, 0)
    ahead = await record(commands, tenant, customer_id=customer, occurred_at=now + timedelta(minutes=1))
    assert ahead.view.created_at == ahead.recorded_at


async def test_row_level_security_sees_the_tenant_that_the_statement_names(
    commands: Commands,
    database: Database,
    tenant: str,
    other_tenant: str,
    customer: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also if the connection's session has named another one before."""
    fetch = Statement.fetch

    async def as_another(self: Statement, connection: Any, values: Any) -> Any:
        return await fetch(self, connection, values | {"setting": other_tenant})

    with monkeypatch.context() as patch:
        patch.setattr(Statement, "fetch", as_another)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await record(commands, tenant, customer_id=customer)
    assert await count(database, tenant) == (0, 0)

    async with database.engine.connect() as connection:
        await driver_of(connection).execute(f"SET kith.tenant_id = '{other_tenant}'")
    await record(commands, tenant, customer_id=customer)
    assert await count(database, tenant) == (1, 1)
    async with database.engine.connect() as connection:
        assert (
            await connection.scalar(text("SELECT count(*) FROM touchpoints WHERE tenant_id = :t"), {"t": tenant}) == 0
        )
        await driver_of(connection).execute("RESET kith.tenant_id")


async def test_its_tenant_ends_with_it(commands: Commands, database: Database, tenant: str, customer: UUID) -> None:
    await record(commands, tenant, customer_id=customer)
    async with database.engine.connect() as connection:
        assert not driver_of(connection).is_in_transaction()
        assert not await connection.scalar(text("SELECT current_setting('kith.tenant_id', true)"))
        mine = text("SELECT count(*) FROM touchpoints WHERE tenant_id = :tenant")
        assert await connection.scalar(mine, {"tenant": tenant}) == 0


async def test_cancelled_at_any_moment_it_is_done_whole_or_not_at_all(
    commands: Commands, database: Database, tenant: str, customer: UUID
) -> None:
    for turns in range(20):
        task = asyncio.create_task(record(commands, tenant, customer_id=customer))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        rows, events = await count(database, tenant)
        assert rows == events
    await record(commands, tenant, customer_id=customer)


def test_the_clock_is_read_after_the_transaction_has_its_id() -> None:
    """What the relay's watermarks rest on."""
    begun = append_one(TOUCHPOINTS.table, tables.outbox).sql.partition("MATERIALIZED")[2]
    positions = [begun.index(name) for name in ("set_config", "pg_current_xact_id", "clock_timestamp", "INSERT")]
    assert positions == sorted(positions)
