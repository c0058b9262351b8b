"""Frozen houses, a folder per version: the rows that it wrote into each database, at which revisions of their
migrations, the statements that it sent, and its answers. Nothing in them names a module."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.upgrade.house import BUS, SERVICES, at_revision, database_of, new_database
from tests.upgrade.rows import load_rows, rows_of
from tests.upgrade.statements import Sent, frozen, write_statements

from kith.bus import open_bus
from kith.db import migrations
from kith_local.postgres import EmbeddedPostgres

FOLDER = Path(__file__).parent / "houses"


@dataclass(frozen=True)
class About:
    revisions: dict[str, str]
    """By service, of Alembic."""
    tenants: list[str]


class FrozenHouse:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers = folder / "answers.jsonl"

    @property
    def about(self) -> About:
        return About(**json.loads((self.folder / "house.json").read_text()))

    async def write(self, urls: dict[str, str], about: About, sent: Iterable[Sent]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "house.json").write_text(json.dumps(asdict(about), indent=2) + "\n")
        for name, url in urls.items():
            self.rows(name).write_text(await rows_of(url))
        for each in SERVICES:
            url = urls[each.name]
            found, _ = await frozen(url, [one for one in sent if one.database == database_of(url)])
            write_statements(self.statements(each.name), found)

    async def load(self, postgres: EmbeddedPostgres) -> dict[str, str]:
        """Creates databases at the frozen revisions, loads the rows, and migrates to head. Returns the URLs."""
        urls = {each.name: await at_revision(postgres, each, self.about.revisions[each.name]) for each in SERVICES}
        urls[BUS] = await new_database(postgres, BUS)
        async with open_bus(None, urls[BUS]):
            pass  # which creates its tables
        for name, url in urls.items():
            await load_rows(url, self.rows(name).read_text())
        for each in SERVICES:
            await migrations.migrate(urls[each.name], each.package, each.after_migrations)
        return urls

    def rows(self, database: str) -> Path:
        return self.folder / f"{database}.sql"

    def statements(self, service: str) -> Path:
        return self.folder / f"{service}.statements.jsonl"


def frozen_houses() -> list[FrozenHouse]:
    return [FrozenHouse(each) for each in sorted(FOLDER.iterdir()) if each.is_dir()]
