"""Drafts of migrations, as Alembic compares the declared tables with a database: with the next number, with the
statements that secure a new table, and with indexes of tables in use built beside their writers, in a migration of
their own."""

from collections.abc import Iterator
from typing import Literal

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.operations.ops import (
    CreateIndexOp,
    CreateTableOp,
    DowngradeOps,
    DropIndexOp,
    ExecuteSQLOp,
    MigrateOperation,
    MigrationScript,
    ModifyTableOps,
    UpgradeOps,
)
from sqlalchemy import Column

from kith.consumer.tables import TABLES, restrict
from kith.db import removed
from kith.db.tables import EncodedJson, Structured
from kith.db.tenancy import REMOVED, secure, worker_only


class NotDrafted(ValueError):
    """What the migration has to do is not for a draft to say. Nothing was written."""


class _BesideOthers(MigrateOperation):
    """An index of a table that is in use, to be built or dropped while others read and write."""

    def __init__(self, operation: CreateIndexOp | DropIndexOp) -> None:
        self.operation = operation


@renderers.dispatch_for(_BesideOthers)
def _render(context: AutogenContext, beside: _BesideOthers) -> str:
    index = beside.operation
    helper = "drop_index" if isinstance(index, DropIndexOp) else "build_index"
    context.imports.add(f"from kith.db.migrations import {helper}")
    if isinstance(index, DropIndexOp):
        return f"drop_index({index.index_name!r})"
    options = {name: value for name, value in index.kw.items() if value is not None}
    where = options.pop("postgresql_where", None)
    expressions = [str(each) for each in index.columns if not isinstance(each, Column)]
    if by_hand := [*options, *expressions]:
        raise NotDrafted(f"The index {index.index_name} has {by_hand}: write its migration by hand.")
    columns = [each.name for each in index.columns if isinstance(each, Column)]
    arguments = [repr(index.index_name), repr(index.table_name), repr(columns)]
    if where is not None:
        arguments.append(f"where={str(where)!r}")
    if index.unique:
        arguments.append("unique=True")
    return f"build_index({', '.join(arguments)})"


def plainly(_: str, item: object, __: object) -> str | Literal[False]:
    """A migration stays as it was when the types of our own change: it says what the database keeps."""
    return "postgresql.JSONB()" if isinstance(item, EncodedJson | Structured) else False


def draft(_: object, head: object, scripts: list[MigrationScript]) -> None:
    """Completes the draft that Alembic made, and appends a second one if there are indexes to be built."""
    (script,) = scripts
    (last,) = head if isinstance(head, tuple) and head else ("0",)
    operations = script.upgrade_ops
    assert operations is not None
    indexes = list(_take_indexes_of_tables_in_use(operations))
    _secure_new_tables(operations)
    number = int(last) + 1
    script.rev_id = f"{number:04}"
    if indexes and operations.is_empty():
        operations.ops.extend(indexes)
    elif indexes:
        # Whatever of a migration comes before an index is committed with it: were the build to fail, it would be there
        # already at the next try.
        scripts.append(
            MigrationScript(
                f"{number + 1:04}",
                UpgradeOps(indexes),
                DowngradeOps([]),
                message=f"{script.message}: indexes",
                head=script.rev_id,
            )
        )


def _take_indexes_of_tables_in_use(operations: UpgradeOps) -> Iterator[_BesideOthers]:
    new = {each.table_name for each in operations.ops if isinstance(each, CreateTableOp)}
    for table in [each for each in operations.ops if isinstance(each, ModifyTableOps)]:
        if table.table_name in new:
            continue
        for each in [each for each in table.ops if isinstance(each, (CreateIndexOp, DropIndexOp))]:
            table.ops.remove(each)
            yield _BesideOthers(each)
        if table.is_empty():
            operations.ops.remove(table)


def _secure_new_tables(operations: UpgradeOps) -> None:
    """In words that stay as they were when the functions that made them change."""
    for made in [each for each in operations.ops if isinstance(each, CreateTableOp)]:
        of_tenant = any(isinstance(each, Column) and each.name == "tenant_id" for each in made.columns)
        statements = secure(made.table_name) if of_tenant else worker_only(made.table_name)
        if made.table_name == TABLES.dead_letters.name:
            statements = [*statements, *restrict(made.table_name)]
        if made.table_name == REMOVED:
            statements = [*statements, *removed.restrict()]
        operations.ops.extend(ExecuteSQLOp(statement) for statement in statements)
