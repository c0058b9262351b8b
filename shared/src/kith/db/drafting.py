"""Drafts of migrations, as Alembic compares the declared tables with a database: with the next number, with the
statements that secure a new table, and with indexes of tables in use built beside their writers, in a migration of
their own."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

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
from sqlalchemy import Column, text
from sqlalchemy.dialects import postgresql

from kith.audit import table as audit
from kith.audit.table import AUDIT_LOG
from kith.consumer.tables import TABLES, restrict
from kith.db import removed
from kith.db.tables import EncodedJson, Structured, compared
from kith.db.tenancy import REMOVED, secure, worker_only


class NotDrafted(ValueError):
    """What the migration has to do is not for a draft to say. Nothing was written."""


class _BesideOthers(MigrateOperation):
    """An index of a table that is in use, to be built or dropped while others read and write."""

    def __init__(self, operation: CreateIndexOp | DropIndexOp, *, again: bool) -> None:
        self.operation = operation
        self.again = again
        """Whether it takes the place of another one of its name."""


@renderers.dispatch_for(_BesideOthers)
def _render(context: AutogenContext, beside: _BesideOthers) -> str:
    index = beside.operation
    helper = "drop_index" if isinstance(index, DropIndexOp) else "rebuild_index" if beside.again else "build_index"
    context.imports.add(f"from kith.db.migrations import {helper}")
    if isinstance(index, DropIndexOp):
        return f"drop_index({index.index_name!r})"
    options = {name: value for name, value in index.kw.items() if value is not None}
    where, using = (options.pop(f"postgresql_{each}", None) for each in ("where", "using"))
    if options or (beside.again and (where is not None or index.unique)):
        raise NotDrafted(f"The index {index.index_name} has {[*options]}: write its migration by hand.")
    arguments = [repr(index.index_name), repr(index.table_name), repr([_in_sql(each) for each in index.columns])]
    if where is not None:
        arguments.append(f"where={str(where)!r}")
    if using is not None:
        arguments.append(f"using={using!r}")
    if index.unique:
        arguments.append("unique=True")
    return f"{helper}({', '.join(arguments)})"


def _collated(part: Any) -> Any:
    return text(_in_sql(part)) if isinstance(part, Column) and compared(part) is not part else part


def _in_sql(part: Any) -> str:
    part = compared(part) if isinstance(part, Column) else part
    return str(part.compile(dialect=_DIALECT, compile_kwargs={"include_table": False}))


_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


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
            for index in [each for each in table.ops if isinstance(each, CreateIndexOp)]:
                index.columns = [_collated(part) for part in index.columns]
            continue
        indexes = [each for each in table.ops if isinstance(each, (CreateIndexOp, DropIndexOp))]
        named = Counter(each.index_name for each in indexes)
        for each in indexes:
            table.ops.remove(each)
            again = named[each.index_name] > 1
            if not again or isinstance(each, CreateIndexOp):
                yield _BesideOthers(each, again=again)
        if table.is_empty():
            operations.ops.remove(table)


def _secure_new_tables(operations: UpgradeOps) -> None:
    """In words that stay as they were when the functions that made them change."""
    for made in [each for each in operations.ops if isinstance(each, CreateTableOp)]:
        of_tenant = any(isinstance(each, Column) and each.name == "tenant_id" for each in made.columns)
        statements = secure(made.table_name) if of_tenant else worker_only(made.table_name)
        if made.table_name == TABLES.dead_letters.name:
            statements = [*statements, *restrict(made.table_name)]
        if made.table_name == AUDIT_LOG:
            statements = [*statements, *audit.restrict()]
        if made.table_name == REMOVED:
            statements = [*statements, *removed.restrict()]
        operations.ops.extend(ExecuteSQLOp(statement) for statement in statements)
