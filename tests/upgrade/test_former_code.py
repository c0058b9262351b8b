"""While a version is rolled out, and after it is rolled back, code of before works with tables of after. Former code
itself is not in a checkout; what it sends, writes and relies on is."""

from pathlib import Path

import asyncpg
import pytest
from alembic.script import Script, ScriptDirectory
from tests.conftest import FreshDatabase
from tests.upgrade.catalogue import Table, broken, catalogue
from tests.upgrade.frozen_house import FrozenHouse, frozen_houses
from tests.upgrade.house import SERVICES, new_database, upgrade
from tests.upgrade.rows import load_rows
from tests.upgrade.statements import read_statements, refusals

from kith.db import migrations
from kith.runtime.service import Service
from kith_local.migration_lint import waivers_in
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES

TABLES = """
    SELECT string_agg(format('%I', relname), ', ') FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
      AND relname <> 'alembic_version'
"""
NULLS = "ban-drop-not-null"
"""A migration that waives this rule of the lint says why code of before can read them."""
HOUSES = [
    pytest.param(house, service, id=f"{house.folder.name}-{service.name}")
    for house in frozen_houses()
    for service in SERVICES
    if house.about.revisions[service.name] >= migrations.oldest_code(service.package)
]
"""Those that the tables of today promise to serve."""


def test_the_houses_that_are_promised_to_be_served_are_there() -> None:
    assert len(HOUSES) >= len(SERVICES)


@pytest.mark.parametrize(("house", "service"), HOUSES)
async def test_the_statements_of_former_code_are_planned_and_permitted_with_the_same_types(
    house: FrozenHouse, service: Service, fresh_database: FreshDatabase
) -> None:
    statements = read_statements(house.statements(service.name))
    assert len(statements) > 40
    assert await refusals(await fresh_database(service), statements) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE orders DROP COLUMN country", "column orders.country does not exist"),
        ("ALTER TABLE orders ALTER COLUMN version TYPE bigint", "'version': 'int8'"),
        ("REVOKE INSERT ON orders FROM kith_app", "permission denied for table orders"),
        ("REVOKE UPDATE ON outbox FROM kith_worker", "permission denied for table outbox"),
    ],
)
async def test_a_statement_that_is_not_served_as_it_was_is_named(
    change: str, said: str, fresh_database: FreshDatabase
) -> None:
    url = await fresh_database(SALES)
    connection = await asyncpg.connect(url)
    await connection.execute(change)
    await connection.close()
    found = await refusals(url, read_statements(frozen_houses()[0].statements("sales")))
    assert any(said in each for each in found), found


@pytest.mark.parametrize(("house", "service"), HOUSES)
async def test_the_rows_that_former_code_writes_are_taken(
    house: FrozenHouse, service: Service, fresh_database: FreshDatabase
) -> None:
    """With the columns of then, as it writes on after the migration, when nobody fills in what is new."""
    url = await fresh_database(service)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"TRUNCATE {await connection.fetchval(TABLES)}")
    finally:
        await connection.close()
    await load_rows(url, house.rows(service.name).read_text())


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_a_migration_leaves_the_code_of_before_what_it_relies_on_or_says_so(
    service: Service, postgres: EmbeddedPostgres
) -> None:
    """Of every migration that there ever was: what the catalogue says before it and after it."""
    url = await new_database(postgres, service.package)
    connection = await asyncpg.connect(url)
    unsaid = dict[str, list[str]]()
    try:
        former: dict[str, Table] = {}
        for script in revisions(service):
            await upgrade(url, service, script.revision)
            now = await catalogue(connection)
            found = broken(former, now)
            if NULLS in waivers_in(Path(script.path).read_text()):  # noqa: ASYNC240 - a few lines
                found = [each for each in found if not each.endswith(" may be null now")]
            if found and not hasattr(script.module, "oldest_code"):
                unsaid[script.revision] = found
            former = now
    finally:
        await connection.close()
    assert unsaid == {}


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE orders DROP COLUMN country", "orders: country is gone"),
        ("ALTER TABLE orders RENAME COLUMN country TO land", "orders: country is gone"),
        ("ALTER TABLE orders ALTER COLUMN version TYPE bigint", "orders: version was integer and is bigint"),
        ("ALTER TABLE orders ALTER COLUMN country SET NOT NULL", "orders: country may not be null any more"),
        ("ALTER TABLE orders ALTER COLUMN value DROP NOT NULL", "orders: value may be null now"),
        ("ALTER TABLE orders ADD COLUMN x text NOT NULL", "orders: x is new, may not be null, and has no default"),
        ("ALTER TABLE outbox ALTER COLUMN seq DROP IDENTITY", "outbox: seq has no default any more"),
        ("ALTER TABLE orders ADD CHECK (value > 0)", "orders: a row must keep to CHECK ((value > (0)::numeric))"),
        (
            "ALTER TABLE orders ADD FOREIGN KEY (tenant_id, customer_id) REFERENCES products (tenant_id, id) NOT VALID",
            "orders: a row must keep to FOREIGN KEY (tenant_id, customer_id)",
        ),
        ("CREATE UNIQUE INDEX ON orders (tenant_id, country)", "orders: a row must keep to CREATE UNIQUE INDEX ON"),
        ("REVOKE DELETE ON orders FROM kith_app", "orders: kith_app: DELETE is not granted any more"),
        ("REVOKE SELECT ON orders FROM kith_worker", "orders: kith_worker: SELECT of country is not granted any more"),
        ("DROP TABLE tasks", "tasks is gone"),
    ],
)
async def test_what_code_of_before_relies_on_is_missed(
    statement: str, said: str, fresh_database: FreshDatabase
) -> None:
    connection = await asyncpg.connect(await fresh_database(SALES))
    try:
        former = await catalogue(connection)
        await connection.execute(statement)
        found = broken(former, await catalogue(connection))
    finally:
        await connection.close()
    assert any(each.startswith(said) for each in found), found


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE orders ADD COLUMN x text",
        "ALTER TABLE orders ADD COLUMN x text NOT NULL DEFAULT ''",
        "ALTER TABLE orders ADD COLUMN x text CHECK (x <> '')",
        "ALTER TABLE orders ADD COLUMN x uuid, ADD FOREIGN KEY (tenant_id, x) REFERENCES orders (tenant_id, id)",
        "CREATE INDEX ON orders (country)",
        "CREATE TABLE wishes (id uuid PRIMARY KEY)",
    ],
)
async def test_what_is_only_added_is_missed_by_nobody(statement: str, fresh_database: FreshDatabase) -> None:
    connection = await asyncpg.connect(await fresh_database(SALES))
    try:
        former = await catalogue(connection)
        await connection.execute(statement)
        assert broken(former, await catalogue(connection)) == []
    finally:
        await connection.close()


def revisions(service: Service) -> list[Script]:
    scripts = ScriptDirectory.from_config(migrations.configuration(service.package))
    return list(scripts.walk_revisions())[::-1]
