"""Drafts a service's next migration by comparing its tables with a database that has all migrations so far."""

import asyncio
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from kith.db import migrations
from kith.db.drafting import NotDrafted
from kith.db.login import sqlalchemy_url
from kith_local.errors import LocalError
from kith_local.postgres import EmbeddedPostgres
from kith_local.topology import SERVICES


def draft_migration(*, service: str, name: str) -> None:
    """The database is made for this and thrown away."""
    package = service.replace("-", "_")
    if package not in SERVICES or not name:
        services = ", ".join(SERVICES).replace("_", "-")
        example = 'make migration SERVICE=sales NAME="add a column"'
        raise LocalError(f"Name a service ({services}) and what changes: {example}")
    with tempfile.TemporaryDirectory(prefix="kith-migration-", ignore_cleanup_errors=True) as folder:
        server = EmbeddedPostgres(Path(folder) / "pg").start()
        try:
            server.create_databases("draft")
            asyncio.run(_draft(server.url("draft"), package, name))
        except NotDrafted as error:
            raise LocalError(str(error)) from error
        finally:
            server.stop()


async def _draft(url: str, package: str, name: str) -> None:
    await migrations.migrate(url, package)
    engine = create_async_engine(sqlalchemy_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_compare, package, name)
    finally:
        await engine.dispose()


def _compare(connection: Connection, package: str, name: str) -> None:
    config = migrations.configuration(package)
    config.attributes["connection"] = connection
    command.revision(config, message=name, autogenerate=True)
