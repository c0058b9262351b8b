"""Runs a service's Alembic migrations: one runner at a time, each in a transaction, never long in the way of others.

Requests queue behind a migration that waits for a lock. So it waits two seconds at most, and is tried again from there,
ten times in some 40 s; the log names the table, and who holds it. An index of a table that is in use is built beside
its writers (`build_index`).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import asyncpg
from alembic import command, op
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

from kith.db.drafting import draft, plainly
from kith.db.lock_waits import watching_locks
from kith.db.login import engine_for
from kith.db.sqlstates import sqlstate
from kith.db.tenancy import APP_ROLE, WORKER_ROLE, create_roles
from kith.runtime.telemetry import log

_LOCK_NOT_AVAILABLE = "55P03"
_NOT_FOR_ROLE = ("42501", "22023")  # it lacks the privilege; it is not there
_TRIES = 10
_OLDEST_CODE, _FIRST = "oldest code: ", "0001"
_ADVISORY_LOCK = 0x6B697468  # "kith"
TIMEOUTS = ("SET lock_timeout = '2s'", "SET statement_timeout = '600s'")
"""Of each statement of a migration."""
_PAGES_AT_A_TIME = 200
_UNLIMITED = ("SET lock_timeout = 0", "SET statement_timeout = 0")


def configuration(package: str) -> Config:
    config = Config()
    config.set_main_option("script_location", f"{package}:migrations")
    config.set_main_option("version_path_separator", "os")
    return config


After = Callable[[Connection], None]


class CannotMigrate(Exception):
    """The words say why."""


class CodeTooOld(CannotMigrate):
    """A later version of the code has migrated the database, and it does not serve this one any more."""


class HeldUp(CannotMigrate):
    """Others hold a lock that a migration needs. It has left no trace, and can be run again."""


async def migrate(url: str, package: str, after: After | None = None) -> None:
    """Upgrades the database to the newest revision, as the login of `url`, which will own the tables; then does
    `after`. Leaves a database as it is that a later version has migrated and that serves this one. Raises CodeTooOld if
    it does not, and HeldUp if a lock could not be had at any try."""
    engine = engine_for(url, poolclass=NullPool, driver={"server_settings": {"application_name": f"{package} migrate"}})
    try:
        for attempt in range(1, _TRIES + 1):
            async with engine.connect() as connection:
                await _lock(connection)
                pid = await connection.scalar(text("SELECT pg_backend_pid()"))
                await connection.rollback()
                async with watching_locks(url, pid) as watch:
                    try:
                        return await connection.run_sync(_upgrade, package, after)
                    except DBAPIError as error:
                        if sqlstate(error) != _LOCK_NOT_AVAILABLE:
                            raise
                        if attempt == _TRIES:
                            held = watch.last or "waits for a lock"
                            raise HeldUp(f"the migration gave up after {attempt} tries; it {held}") from error
            seconds = 0.5 * attempt
            log.warning("migration tries again", tried=attempt, of=_TRIES, seconds=seconds)
            await asyncio.sleep(seconds)
    finally:
        await engine.dispose()


async def _lock(connection: AsyncConnection) -> None:
    """Until the connection is closed. Tried again and not waited for: a session that waits has a snapshot open, and the
    index that the other runner builds waits for all of them."""
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_LOCK}):
        await connection.rollback()
        await asyncio.sleep(0.1)
    await connection.commit()


def _upgrade(connection: Connection, package: str, after: After | None) -> None:
    with connection.begin():
        for statement in (*TIMEOUTS, *create_roles()):
            connection.execute(text(statement))
        found = _found(connection, package)
    if found.is_later:
        if found.reason is not None:
            raise CodeTooOld(found.reason)
        log.info("a later version has migrated the database", package=package)
        return
    config = configuration(package)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.rollback()  # of what Alembic has only read
    with connection.begin():
        # To see if it is behind, or ahead.
        connection.execute(text(f"GRANT SELECT ON alembic_version TO {APP_ROLE}, {WORKER_ROLE}"))
        connection.execute(text(f"COMMENT ON TABLE alembic_version IS '{_OLDEST_CODE}{oldest_code(package)}'"))
        if after is not None:
            after(connection)
    log.info("migrated", package=package, revision=ScriptDirectory.from_config(config).get_current_head())


def build_index(
    name: str,
    table: str,
    columns: Sequence[str],
    *,
    where: str | None = None,
    unique: bool = False,
    using: str = "btree",
) -> None:
    """In a migration: build an index of a table that is in use. It waits for transactions that read and write now, and
    blocks none; what an earlier try left behind is dropped first."""
    kind, rows = "UNIQUE INDEX" if unique else "INDEX", f" WHERE {where}" if where else ""
    _beside_others(
        f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
        f"CREATE {kind} CONCURRENTLY IF NOT EXISTS {name} ON {table} USING {using} ({', '.join(columns)}){rows}",
    )


def rebuild_index(name: str, table: str, columns: Sequence[str]) -> None:
    """In a migration: put an index of other columns, or of all rows, in the place of one of the same name, as
    `build_index` does. The old one serves until the new one is there."""
    new = f"{name}_new"
    _beside_others(
        f"DROP INDEX CONCURRENTLY IF EXISTS {new}",
        f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {new} ON {table} ({', '.join(columns)})",
        f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
        f"ALTER INDEX {new} RENAME TO {name}",
    )


def drop_index(name: str) -> None:
    """In a migration: drop an index of a table that is in use. It waits as `build_index` does, and blocks none."""
    _beside_others(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def fill(table: str, values: str, *, where: str) -> None:
    """In a migration: set columns of the rows of before, some pages of the table at a time, so that who writes one of
    them waits for a moment. Rows that are written meanwhile have to be right already. `where` selects those that are
    not filled yet, so that it can be run again; like `build_index`, it stands in a migration of its own."""
    update = f"UPDATE {table} SET {values} WHERE ({where})"  # noqa: S608 - of a migration
    context = op.get_context()
    with context.autocommit_block():
        op.execute(f"SET ROLE {WORKER_ROLE}")  # who owns a table sees none of its rows
        if context.as_sql:  # it is printed
            op.execute(update)
        else:
            size = text("SELECT pg_relation_size(:table) / current_setting('block_size')::int")
            pages: int = op.get_bind().scalar(size, {"table": table}) or 0
            for first in range(0, pages, _PAGES_AT_A_TIME):
                some = f"ctid >= '({first},0)' AND ctid < '({first + _PAGES_AT_A_TIME},0)'"
                op.execute(f"{update} AND {some}")
        op.execute("RESET ROLE")


def _beside_others(*statements: str) -> None:
    """Outside a transaction, so what a migration did before stays if this fails: it stands in a migration of its
    own."""
    with op.get_context().autocommit_block():
        for statement in (*_UNLIMITED, *statements, *TIMEOUTS):
            op.execute(statement)


def run(metadata: MetaData) -> None:
    """What a service's migrations/env.py calls."""
    from alembic import context  # noqa: PLC0415 - it exists only while Alembic runs

    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        compare_type=True,
        transaction_per_migration=True,
        process_revision_directives=draft,
        include_object=is_ours,
        render_item=plainly,
    )
    with context.begin_transaction():
        context.run_migrations()


def is_ours(_: object, __: str | None, kind: str, reflected: bool, declared: object) -> bool:
    """A table that the code does not declare is a partition; dropping one is written by hand."""
    return not (kind == "table" and reflected and declared is None)


def oldest_code(package: str) -> str:
    """Returns the revision of the oldest code that the newest tables serve. A migration that code of before cannot live
    with says so: `oldest_code = "0012"`, its own number, or that of the code which has no use any more for what it
    takes away."""
    scripts = ScriptDirectory.from_config(configuration(package)).walk_revisions()
    return max(getattr(each.module, "oldest_code", _FIRST) for each in scripts)


async def behind(url: str, package: str, *, role: str | None = None) -> str | None:
    """Returns why the code cannot work with the database, or None if it can: the database is at the newest revision, or
    a later version of the code has migrated it and says that it still serves this one; as the role, if one is given."""
    engine = engine_for(url, poolclass=NullPool, driver={"server_settings": {"role": role} if role else {}})
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(lambda c: _found(c, package).reason)
    except (DBAPIError, asyncpg.PostgresError) as error:
        if sqlstate(error) not in _NOT_FOR_ROLE:
            raise
        return f"{role} cannot read the revision of the database: run migrate"
    finally:
        await engine.dispose()


class _Found(NamedTuple):
    is_later: bool
    """A later version of the code has migrated it."""
    reason: str | None
    """Why the code cannot work with it."""


def _found(connection: Connection, package: str) -> _Found:
    scripts = ScriptDirectory.from_config(configuration(package))
    head, ours = scripts.get_current_head(), {each.revision for each in scripts.walk_revisions()}
    at = MigrationContext.configure(connection).get_current_revision()
    if at == head:
        return _Found(False, None)
    gap = f"database at revision {at}, code at {head}"
    if at is None or at in ours:
        return _Found(False, f"{gap}: run migrate")
    comment = connection.scalar(text("SELECT obj_description(to_regclass('alembic_version'))")) or ""
    oldest = comment.removeprefix(_OLDEST_CODE)
    is_served = oldest != "" and head is not None and head >= oldest
    return _Found(True, None if is_served else f"{gap}: the code is older than its database: bring it up to date")
