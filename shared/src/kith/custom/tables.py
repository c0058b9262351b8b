"""The tables of custom fields: what a service knows of the definitions, and the entries that lists are filtered by.

No index serves a condition on JSON under row-level security: what is compared has entries of its own.
"""

from typing import Any

from sqlalchemy import ARRAY, TEXT, BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Uuid

from kith.db.tables import DERIVED, Moment, TenantId, tenant_column


def entries_table(metadata: MetaData) -> Table:
    table = Table(
        "custom_entries",
        metadata,
        tenant_column(),
        Column("record_id", Uuid, primary_key=True),
        Column("field_id", Uuid, primary_key=True),
        Column("place", Integer, primary_key=True, autoincrement=False, comment="of several choices"),
        Column("text", TenantId),
        Column(
            "number", BigInteger, comment="a number or an amount times 10^6; a day; microseconds since 1970; 0 or 1"
        ),
        Column("is_unique", Boolean, nullable=False),
        info={DERIVED: "they follow from the records"},
    )
    c = table.c
    Index("custom_entries_by_text", c.tenant_id, c.field_id, c.text, c.record_id)
    Index("custom_entries_by_number", c.tenant_id, c.field_id, c.number, c.record_id)
    Index("custom_entries_unique", c.tenant_id, c.field_id, c.text, unique=True, postgresql_where=c.is_unique)
    return table


def filling_columns() -> tuple[Column[Any], ...]:
    """Of the definition of a field whose entries are made of records that were there before it had any."""
    return (
        Column("entries_after", Uuid, comment="the record that it has come to; null: all entries are there"),
        Column("entries_made", BigInteger, comment="of how many records"),
    )


def definitions_table(metadata: MetaData) -> Table:
    """Of a service that learns the definitions from events. In contacts it is the noun's own, which has more."""
    return Table(
        "field_definitions",
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        Column("of_noun", TenantId, nullable=False),
        Column("code", TenantId, nullable=False),
        Column("value_type", TEXT, nullable=False),
        Column("required", Boolean, nullable=False),
        Column("unique", Boolean, nullable=False),
        Column("personal", Boolean, nullable=False),
        Column("filterable", Boolean, nullable=False),
        Column("default", TEXT),
        Column("choices", ARRAY(TEXT), nullable=False),
        Column("currency", TEXT),
        Column("links_to", TEXT),
        Column("archived_at", Moment),
        Column("removed_at", Moment),
        Column("swept_at", Moment, comment="null: records may have values of it"),
        *filling_columns(),
        Column("version", Integer, nullable=False, comment="of its definition, after the last event that was read"),
        info={DERIVED: "the definitions are in contacts"},
    )


DEFINITIONS, ENTRIES = definitions_table(MetaData()), entries_table(MetaData())
"""The same again for Kith's own statements: they are alike in every service."""
