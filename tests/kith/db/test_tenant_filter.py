"""A statement of a request that names no tenant is noticed, whether SQLAlchemy or the driver sends it."""

from sqlalchemy import text
from tests.conftest import FreshDatabase
from tests.tenant_filter import unfiltered

from kith.db.connections import Database
from kith.db.sessions import driver_of
from sales.service import SERVICE as SALES


async def test_a_statement_that_names_no_tenant_is_noticed(fresh_database: FreshDatabase) -> None:
    database = Database(await fresh_database(SALES), pool_size=1, application="kith a test")
    try:
        async with database.read("one") as connection:
            await connection.execute(text("SELECT count(*) AS by_sqlalchemy FROM orders"))
            await driver_of(connection).fetch("SELECT count(*) AS by_the_driver FROM orders")
            await connection.execute(text("SELECT count(*) FROM orders WHERE tenant_id = 'one'"))
    finally:
        await database.close()
        found = set(unfiltered)
        unfiltered.clear()
    assert found == {"SELECT count(*) AS by_sqlalchemy FROM orders", "SELECT count(*) AS by_the_driver FROM orders"}
