"""Lints the SQL of every migration with squawk, by `.squawk.toml`: what locks a table that is in use, rewrites it, or
breaks the code of the former release.

A migration that has landed is not rewritten: what it violates stands in `[tool.kith.landed-migrations]` of the
checkout's pyproject.toml. A new one waives a rule in a comment of its own: `# squawk: ban-drop-column - why`.
"""

import io
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from rich.console import Console

from kith.db import migrations
from kith_local.layout import ROOT
from kith_local.topology import SERVICES

SQUAWK = Path(sys.executable).with_name("squawk")
ALONE = "index-build-stands-alone"
"""A rule of this house. What precedes an index that is built concurrently is committed without its revision: were the
build to fail, the migration could not be run again."""
_NUMBERED = re.compile(r"^[a-z_-]+/[0-9]+")
_WAIVER = re.compile(r"# squawk: (?P<rule>[a-z-]+) - \S")


@dataclass(frozen=True, slots=True)
class Migration:
    name: str
    """`sales/0006_filters_have_an_index`"""
    sql: str
    waived: frozenset[str] = frozenset()
    """Rules, by comments in its source."""


@dataclass(frozen=True, slots=True)
class Violation:
    migration: str
    rule: str
    words: str


def check_migrations(console: Console) -> int:
    """Returns 1 if a migration violates a rule that neither it nor the list of those that have landed waives."""
    if twice := doubled(files()):  # of which Alembic can make nothing
        console.print("\n".join(twice), markup=False, highlight=False, soft_wrap=True)
        return 1
    every = list(all_migrations())
    landed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["kith"]["landed-migrations"]
    complaints = complaints_about(every, landed)
    for each in complaints:
        console.print(each, markup=False, highlight=False, soft_wrap=True)
    if not complaints:
        console.print(f"{len(every)} migrations keep to the rules.", highlight=False)
    return 1 if complaints else 0


def complaints_about(every: Sequence[Migration], landed: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns a sentence for each violation, and for each waiver of what is not violated."""
    found = violations(every)
    waived = {(each.name, rule) for each in every for rule in {*each.waived, *landed.get(each.name, ())}}
    waived |= {(name, rule) for name, rules in landed.items() for rule in rules}
    violated = {(each.migration, each.rule) for each in found}
    return [
        *(
            f"{each.migration}: {each.rule}: {each.words}"
            for each in found
            if (each.migration, each.rule) not in waived
        ),
        *(f"{name}: {rule} is waived, and not violated" for name, rule in sorted(waived - violated)),
    ]


def files() -> Iterator[str]:
    """Yields the names of all migrations as they lie in their folders: of two with one number Alembic sees one."""
    for package in SERVICES:
        folder = ScriptDirectory.from_config(migrations.configuration(package)).versions
        yield from (f"{package}/{path.stem}" for path in Path(folder).glob("[0-9]*.py"))


def doubled(names: Iterable[str]) -> list[str]:
    """Returns a sentence for each number that two migrations of a service have: they were written side by side."""
    of_number: dict[str, list[str]] = {}
    for name in sorted(names):
        of_number.setdefault(_NUMBERED.findall(name)[0], []).append(name)
    return [f"{', '.join(each)}: they have one number" for each in of_number.values() if len(each) > 1]


def all_migrations() -> Iterator[Migration]:
    for package in SERVICES:
        for script in ScriptDirectory.from_config(migrations.configuration(package)).walk_revisions():
            path = Path(script.path)
            yield Migration(f"{package}/{path.stem}", sql_of(script.module.upgrade), waivers_in(path.read_text()))


def sql_of(upgrade: Callable[[], None]) -> str:
    """Returns what a migration tells the database, as `migrate` runs it."""
    sql = io.StringIO()
    options = {"as_sql": True, "output_buffer": sql, "transaction_per_migration": True}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    with context.begin_transaction(_per_migration=True), Operations.context(context):
        upgrade()
    return "".join(f"{each};\n" for each in migrations.TIMEOUTS) + sql.getvalue()


def waivers_in(source: str) -> frozenset[str]:
    return frozenset(each["rule"] for each in _WAIVER.finditer(source))


def violations(every: Sequence[Migration]) -> list[Violation]:
    return [*_by_squawk(every), *(each for migration in every for each in _mixed(migration))]


def _by_squawk(every: Sequence[Migration]) -> Iterator[Violation]:
    with tempfile.TemporaryDirectory(prefix="kith-migrations-") as folder:
        files = {f"{Path(folder) / each.name.replace('/', '-')}.sql": each for each in every}
        for path, migration in files.items():
            Path(path).write_text(migration.sql)
        command = [str(SQUAWK), "--config", str(ROOT / ".squawk.toml"), "--reporter", "json", *files]
        run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - pinned by the lock
        if run.returncode not in (0, 1):
            raise RuntimeError(run.stderr)
        for each in json.loads(run.stdout):
            migration = files[each["file"]]
            statement = migration.sql.splitlines()[each["line"]].strip()
            if each["rule_name"] == "renaming-object" and statement.startswith("ALTER INDEX"):
                continue  # no client names an index
            yield Violation(migration.name, each["rule_name"], f"{each['message']} {each['help'] or ''} ({statement})")


def _mixed(migration: Migration) -> Iterator[Violation]:
    transactions = re.findall(r"^BEGIN;$(.*?)^COMMIT;$", migration.sql, re.MULTILINE | re.DOTALL)
    if len(transactions) > 1 and any(each.strip() for each in transactions):
        yield Violation(migration.name, ALONE, "An index is built concurrently by a migration that does nothing else.")
