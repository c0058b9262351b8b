"""Rows of tenants in every table that can have any, made of what the catalogue says of its columns."""

from collections.abc import Mapping

import asyncpg

from kith.db.tenancy import REMOVED
from kith.tenants.catalogue import TenantTable, quoted, references_between, tables_of_tenants
from kith.tenants.removal import _in_order

Owner = asyncpg.Connection  # it owns the tables and bypasses row-level security

_COLUMNS = """
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
    WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND NOT atthasdef AND attidentity = ''
      AND (attnotnull OR attname = ANY($2))
"""
_TABLES = """
    SELECT quote_ident(nspname) || '.' || quote_ident(relname) AS name FROM pg_class t
    JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'm') AND nspname !~ '^(pg_|information_schema)' ORDER BY 1
"""


async def fill(owner: Owner, tenant: str, rows: int) -> list[str]:
    """Gives the tenant so many rows in every table, or one in a table that has one per tenant. Returns the tables."""
    tables = {table.name: table for table in await tables_of_tenants(owner) if table.name != REMOVED}
    references = await references_between(owner)
    for name in reversed(_in_order(tables, references)):  # what is named comes first
        named = dict(references.get(name, []))
        columns = await owner.fetch(_COLUMNS, name, [*named, "tenant_id"])
        values = ", ".join(_value(tables[name], named, each["name"], each["type"]) for each in columns)
        names = ", ".join(quoted(each["name"]) for each in columns)
        count = rows if len(tables[name].key) > 1 or "tenant_id" not in tables[name].key else 1
        await owner.execute(
            f"INSERT INTO {name} ({names}) SELECT {values} "  # noqa: S608 - names of the catalogue
            "FROM generate_series(1, $2::int) n, (SELECT $1::text AS own) t",
            tenant,
            count,
        )
    return list(tables)


def _value(table: TenantTable, named: Mapping[str, str], column: str, kind: str) -> str:
    if column == "tenant_id":
        return "own"
    if column in named:
        # Round in a circle, where rows name rows of their own table.
        number = "n % $2::int + 1" if named[column] == table.name else "n"
        return f"md5(own || '{named[column]}' || ({number}))::uuid"
    if kind == "uuid":
        return f"md5(own || '{table.name if column == 'id' else column}' || n)::uuid"
    values = {
        "text": "own || n",
        "jsonb": "to_jsonb(own || n)",
        "bytea": "convert_to(own || n, 'UTF8')",
        "boolean": "true",
        "date": "current_date + n",
        "timestamp with time zone": "now() + n * interval '1 s'",
        "text[]": "ARRAY[own]",
        "uuid[]": "ARRAY[]::uuid[]",
    }
    return "n::text" if kind.startswith("character") else values.get(kind, f"n::{kind}")


async def tables_with(owner: Owner, text: str) -> set[str]:
    """The tables that have it anywhere in a row, in whatever schema."""
    found = "SELECT EXISTS (SELECT FROM %s t WHERE strpos(t::text, $1) > 0)"
    return {row["name"] for row in await owner.fetch(_TABLES) if await owner.fetchval(found % row["name"], text)}


async def rows_of(owner: Owner, tenant: str) -> dict[str, list[str]]:
    """All rows of the tenant, by table, byte by byte."""
    rows = "SELECT t::text FROM %s t WHERE tenant_id = $1 ORDER BY 1"
    return {
        table.name: [row[0] for row in await owner.fetch(rows % table.name, tenant)]
        for table in await tables_of_tenants(owner)
    }
