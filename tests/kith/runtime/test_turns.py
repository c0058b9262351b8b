"""Tenants take turns: what fails of one keeps no other waiting."""

from sqlalchemy import Select, column, select, values
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kith.db.tables import TenantId
from kith.runtime.turns import Turns
from kith_local.postgres import EmbeddedPostgres


def due(*tenants: str) -> Select[tuple[str]]:
    rows = values(column("tenant_id", TenantId), name="due").data([(each,) for each in tenants])
    return select(rows.c.tenant_id)


async def order(engine: AsyncEngine, turns: Turns, steps: int) -> list[str | None]:
    async with engine.connect() as connection:
        return [await turns.next(connection) for _ in range(steps)]


async def test_each_that_has_something_due_has_its_turn_however_much_another_has(postgres: EmbeddedPostgres) -> None:
    engine = create_async_engine(make_url(postgres.url("postgres")).set(drivername="postgresql+asyncpg"))
    try:
        assert await order(engine, Turns(due("b", "b", "b", "a", "c")), 5) == ["a", "b", "c", "a", "b"]
        assert await order(engine, Turns(due("a").where(column("tenant_id") == "z")), 2) == [None, None]
    finally:
        await engine.dispose()
