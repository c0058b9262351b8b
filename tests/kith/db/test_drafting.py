"""What Alembic drafts: indexes of tables in use are built beside their writers, in a migration of their own."""

import asyncio
import shutil
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import TEXT, Column, Connection, Index, MetaData, Table, text
from sqlalchemy.ext.asyncio import create_async_engine

from kith.db.drafting import NotDrafted
from kith.db.login import sqlalchemy_url
from kith.db.removed import removed_tenants_table
from kith.db.tenancy import create_roles
from kith.ids import new_id
from kith_local.layout import ROOT
from kith_local.postgres import EmbeddedPostgres

ENVIRONMENT = """\
from alembic import context
from kith.db.migrations import run
run(context.config.attributes["metadata"])
"""


class History:
    """Migrations of a service that does not exist, and its database."""

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "versions").mkdir()
        (folder / "env.py").write_text(ENVIRONMENT)
        shutil.copy(ROOT / "services/sales/src/sales/migrations/script.py.mako", folder)
        self.folder, self._url = folder, url

    async def draft(self, name: str, *tables: tuple[str, *tuple[Column[str] | Index, ...]]) -> list[str]:
        """Returns the sources of the migrations that are drafted for these tables, which have then been run."""
        metadata, before = MetaData(), set(self._files())
        removed_tenants_table(metadata)
        for table, *parts in tables:
            Table(table, metadata, Column("tenant_id", TEXT, primary_key=True), *parts)
        engine = create_async_engine(sqlalchemy_url(self._url))
        try:
            async with engine.connect() as connection:
                await connection.run_sync(self._draft_and_run, metadata, name)
        finally:
            await engine.dispose()
        return [each.read_text() for each in self._files() if each not in before]

    def _draft_and_run(self, connection: Connection, metadata: MetaData, name: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(self.folder))
        config.attributes |= {"connection": connection, "metadata": metadata}
        for statement in create_roles():
            connection.execute(text(statement))
        connection.commit()
        command.revision(config, message=name, autogenerate=True)
        connection.rollback()
        command.upgrade(config, "head")

    def _files(self) -> list[Path]:
        return sorted((self.folder / "versions").glob("*.py"))


@pytest.fixture
async def history(tmp_path: Path, postgres: EmbeddedPostgres) -> History:
    database = f"drafted_{new_id().hex}"
    await asyncio.to_thread(postgres.create_databases, database)
    return History(tmp_path, postgres.url(database))


def column(name: str) -> Column[str]:
    return Column(name, TEXT)


async def test_an_index_of_a_table_in_use_is_built_beside_its_writers_in_a_migration_of_its_own(
    history: History,
) -> None:
    (first,) = await history.draft("first", ("orders", column("owner"), Index("by_owner", "owner")))
    assert "op.create_index('by_owner', 'orders', [sa.literal_column('owner COLLATE \"C\"')]" in first
    assert "build_index" not in first

    def orders() -> tuple[str, *tuple[Column[str] | Index, ...]]:
        both = Index("by_both", "tenant_id", "owner", unique=True)
        channel = Index("by_channel", "channel", postgresql_where=text("channel IS NOT NULL"))
        return "orders", column("owner"), column("channel"), both, channel

    added, built = await history.draft("channels", orders())
    assert "op.add_column('orders'" in added
    assert "_index" not in added
    assert "op." not in built.replace("op.f", "").partition("def upgrade")[2]
    assert "revision = '0003'\ndown_revision = '0002'" in built
    assert "drop_index('by_owner')" in built
    assert "build_index('by_both', 'orders', ['tenant_id COLLATE \"C\"', 'owner COLLATE \"C\"'], unique=True)" in built
    assert "build_index('by_channel', 'orders', ['channel COLLATE \"C\"'], where='channel IS NOT NULL')" in built
    (nothing,) = await history.draft("nothing", orders())
    assert "    pass\n" in nothing


async def test_indexes_alone_are_one_migration(history: History) -> None:
    await history.draft("first", ("orders", column("owner")))
    (built,) = await history.draft("indexes", ("orders", column("owner"), Index("by_owner", "owner")))
    assert "build_index('by_owner', 'orders', ['owner COLLATE \"C\"'])" in built
    (again,) = await history.draft("both", ("orders", column("owner"), Index("by_owner", "owner", "tenant_id")))
    assert "rebuild_index('by_owner', 'orders', ['owner COLLATE \"C\"', 'tenant_id COLLATE \"C\"'])" in again
    (nothing,) = await history.draft("nothing", ("orders", column("owner"), Index("by_owner", "owner", "tenant_id")))
    assert "    pass\n" in nothing


async def test_an_index_that_no_helper_can_build_is_not_drafted(history: History) -> None:
    await history.draft("first", ("orders", column("owner")))
    with pytest.raises(NotDrafted, match="postgresql_with"):
        await history.draft(
            "hash", ("orders", column("owner"), Index("h", "owner", postgresql_with={"fillfactor": 50}))
        )
