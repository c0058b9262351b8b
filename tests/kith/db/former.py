"""A database as an earlier version of a service left it."""

import asyncio

from alembic import command
from sqlalchemy import Connection, text

from kith.db.login import engine_for
from kith.db.migrations import configuration
from kith.db.tenancy import create_roles
from kith.ids import new_id
from kith_local.postgres import EmbeddedPostgres


async def database_at(postgres: EmbeddedPostgres, package: str, revision: str) -> str:
    """Returns the URL of an empty database at a revision of the package."""
    name = f"{package}_{new_id().hex}"
    await asyncio.to_thread(postgres.create_databases, name)
    engine = engine_for(postgres.url(name))
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade, package, revision)
    finally:
        await engine.dispose()
    return postgres.url(name)


def _upgrade(connection: Connection, package: str, revision: str) -> None:
    with connection.begin():
        for statement in create_roles():
            connection.execute(text(statement))
    config = configuration(package)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    connection.rollback()
