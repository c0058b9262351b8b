"""Column types and table shapes every service uses. Every table carries its tenant in its key (see kith.db.tenancy)."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Enum,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

DERIVED = "derived"
"""The key in a table's `info`: why it need not be exported. What it holds follows from other tables, or is work still
to be done."""
FORMER = "former"
"""The key in a column's `info`: the column in its place. Code of before uses it while a version is rolled out."""
ERASED_WITH = "erased_with"
"""The key in a column's `info`: the column of its table that names another record, with which what it holds is
erased (kith.nouns.erasing)."""
ERASED_TOO = "erased_too"
"""The key in a column's `info`: it is a text that may name people, and is erased as personal fields are."""
TenantId = Text(collation="C")
Amount = Numeric(20, 4)
Moment = DateTime(timezone=True)


class Xid8(UserDefinedType[str]):
    """PostgreSQL's id of a transaction, of 64 bits: it never comes round. The driver has it as text."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


ischema_names["xid8"] = Xid8  # so that it is known where tables are read back


def tenant_column() -> Column[str]:
    return Column("tenant_id", TenantId, primary_key=True)


def one_of(choices: type[StrEnum]) -> Enum:
    """An enumeration kept as text, of a length that adding a member does not change: that needs no migration."""
    return Enum(
        choices,
        native_enum=False,
        create_constraint=False,
        length=64,
        values_callable=lambda kind: [member.value for member in kind],
    )


class Structured(TypeDecorator[Any]):
    """A dataclass, or a list of them, kept as JSON."""

    impl = JSONB
    cache_ok = True

    def __init__(self, kind: Any = None) -> None:
        super().__init__(none_as_null=True)  # so that what is emptied holds nothing
        self.kind = kind

    def process_bind_param(self, value: Any, _: Any) -> Any:
        return msgspec.to_builtins(value)

    def process_result_value(self, value: Any, _: Any) -> Any:
        return msgspec.convert(value, self.kind)


class EncodedJson(TypeDecorator[str]):
    """JSON that is written as text: who writes it has encoded it."""

    impl = JSONB
    cache_ok = True

    def bind_processor(self, dialect: Any) -> None:  # noqa: ARG002 - of its base
        return None


def values_column(name: str, kind: type[Any]) -> Column[Any]:
    """A list of value objects within a record; rows of before have none."""
    return Column(name, Structured(list[kind]), nullable=False, server_default=text("'[]'"))  # type: ignore[valid-type]


def reference(column: str, target: Table) -> tuple[Column[Any], ForeignKeyConstraint]:
    """A column that names a row of the same tenant in the same service. Across services there are no foreign keys."""
    return (
        Column(column, Uuid),
        ForeignKeyConstraint(["tenant_id", column], [target.c.tenant_id, target.c.id]),
    )


def aggregate_table(
    name: str,
    metadata: MetaData,
    *columns: Column[Any] | ForeignKeyConstraint,
    of_customer: bool = False,
    customer_owned: bool = False,
    archivable: bool = False,
    customisable: bool = False,
    told: Sequence[str] = (),
    listed_by: Sequence[str] = (),
) -> Table:
    """The table of an aggregate: what `kith.nouns.aggregate` has (of `OfCustomer`, `CustomerOwned`, `Archivable`,
    `Customisable`), then its own columns. It has an index for each column that it is `listed_by`: pages of the rows
    with one value, newest first, and of all rows in the order of their values. Beside a column that names customers or
    contacts stands one for the id that was told (kith.customers.repointing), if it is among `told`."""
    table = Table(
        name,
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        Column("external_id", TenantId),
        Column("external_hash", BigInteger),
        Column("version", Integer, nullable=False),
        Column("created_at", Moment, nullable=False),
        Column("updated_at", Moment, nullable=False),
        Column(
            "recorded_at",
            Moment,
            nullable=False,
            server_default=text("now()"),
            comment="when its last change was, whenever that happened",
        ),
        *columns,
        Index(f"{name}_by_external_id", "tenant_id", "external_id", unique=True),
        Index(f"{name}_by_time", "tenant_id", "created_at", "id"),
        Index(f"{name}_by_recording", "tenant_id", "recorded_at", "created_at", "id"),
    )
    if of_customer or customer_owned:
        table.append_column(Column("customer_id", Uuid))
        Index(f"{name}_by_customer", table.c.tenant_id, table.c.customer_id, table.c.created_at, table.c.id)
    if archivable:
        table.append_column(Column("archived_at", Moment))
        at = table.c.archived_at
        rows = (table.c.tenant_id, at, table.c.created_at, table.c.id)
        Index(f"{name}_by_archived_at", *rows, postgresql_where=at.is_not(None))
    for held in ("custom", "custom_personal") if customisable else ():
        # Rows of before have none.
        table.append_column(Column(held, Structured(dict[str, Any]), nullable=False, server_default=text("'{}'")))
    for column in (*told, *(["customer_id"] if customer_owned else ())):
        what = "contact" if column == "contact_id" else "customer"
        by = Column(f"told_{column}", Uuid, comment=f"the id that was told, where that {what} is merged")
        table.append_column(by)
        Index(f"{name}_by_told_{column}", table.c.tenant_id, by, postgresql_where=by.is_not(None))
    for column in sorted(_named_rows(table) - set(listed_by)):
        # Who deletes a row that may be named is not to search for those that name it.
        by = table.c[column]
        Index(f"{name}_by_{column}", table.c.tenant_id, by, postgresql_where=by.is_not(None))
    for column in listed_by:
        by = table.c[column]
        # Of a text the migration says COLLATE "C": see `compared`.
        Index(f"{name}_by_{column}", table.c.tenant_id, by, table.c.created_at, table.c.id)
    return table


def _named_rows(table: Table) -> set[str]:
    """The columns by which rows name rows of the same service."""
    return {
        column.name
        for constraint in table.foreign_key_constraints
        for column in constraint.columns
        if column.name != "tenant_id"
    }


def columns_in_use(table: Table) -> list[Column[Any]]:
    """Returns the columns that code of today uses: all but those of FORMER."""
    return [column for column in table.c if FORMER not in column.info]


def compared(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns a column as lists compare and sort it: text by the numbers of its characters, in every database alike."""
    kind = column.type
    has_another = isinstance(kind, String) and not isinstance(kind, Enum) and kind.collation != "C"
    return column.collate("C") if has_another else column
