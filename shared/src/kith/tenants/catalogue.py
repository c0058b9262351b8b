"""The tables that hold rows of tenants, as the database's own catalogue has them: one that was added is not missed."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import MetaData

from kith.db.sessions import Driver
from kith.db.tables import DERIVED


class TenantTable(NamedTuple):
    """A table with the column `tenant_id`."""

    name: str
    columns: Mapping[str, str]
    """The types by the names, as PostgreSQL writes them."""
    key: Sequence[str]
    """The columns of its primary key."""
    about: int
    """How many rows of all tenants the planner takes it to have."""


async def tables_of_tenants(driver: Driver) -> list[TenantTable]:
    """Returns the tables by their names; those that are partitions are parts of theirs."""
    return [
        TenantTable(row["name"], dict(zip(row["columns"], row["types"], strict=True)), row["key"], row["about"])
        for row in await driver.fetch(_TABLES)
    ]


async def references_between(driver: Driver) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Returns, by the table, the columns that name rows of a tenant's, each with the table of those rows."""
    found: dict[str, list[tuple[str, str]]] = {}
    for row in await driver.fetch(_REFERENCES):
        found.setdefault(row["name"], []).append((row["referring"], row["target"]))
    return found


async def tables_set_aside(driver: Driver) -> Sequence[str]:
    """Returns the schemas besides `public` that have tables with rows of tenants, as a rebuild makes and keeps them."""
    return [row["schema"] for row in await driver.fetch(_SET_ASIDE)]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def derived_of(metadata: MetaData) -> Mapping[str, str]:
    """Returns the reasons by the names of the tables that need not be exported."""
    return {table.name: table.info[DERIVED] for table in metadata.tables.values() if DERIVED in table.info}


_TABLES = """
    SELECT t.relname AS name, columns.names AS columns, columns.types AS types, key.names AS key,
           (SELECT sum(greatest(p.reltuples, 0))::bigint FROM pg_partition_tree(t.oid) tree
            JOIN pg_class p ON p.oid = tree.relid WHERE tree.isleaf) AS about
    FROM pg_class t
    CROSS JOIN LATERAL (
        SELECT array_agg(attname::text ORDER BY attnum) AS names,
               array_agg(format_type(atttypid, atttypmod) ORDER BY attnum) AS types
        FROM pg_attribute WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped
    ) columns
    LEFT JOIN LATERAL (
        SELECT array_agg(a.attname::text ORDER BY k.position) AS names
        FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(number, position)
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
        WHERE i.indrelid = t.oid AND i.indisprimary AND k.position <= i.indnkeyatts
    ) key ON true
    WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p') AND NOT t.relispartition
      AND 'tenant_id' = ANY(columns.names)
    ORDER BY t.relname
"""
_REFERENCES = """
    SELECT k.conrelid::regclass::text AS name, a.attname::text AS referring, k.confrelid::regclass::text AS target
    FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)
    WHERE k.contype = 'f' AND k.conparentid = 0 AND a.attname <> 'tenant_id'
    ORDER BY 1, 2
"""
_SET_ASIDE = """
    SELECT DISTINCT n.nspname::text AS schema FROM pg_namespace n JOIN pg_class t ON t.relnamespace = n.oid
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE t.relkind IN ('r', 'p') AND n.nspname <> 'public' AND n.nspname NOT LIKE 'pg\\_temp%'
    ORDER BY 1
"""
