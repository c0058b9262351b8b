"""The rows of a database as plain text, as `pg_dump --data-only` writes them: a COPY block per table, then where the
sequences stand. The schema is not in it."""

import io
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter

import asyncpg

_BEGIN = re.compile(r"COPY (?P<schema>\w+)\.(?P<table>\w+) \((?P<columns>.+)\) FROM stdin;")
_END = "\\."
_TABLES = """
    SELECT c.oid, n.nspname AS schema, c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'alembic_version'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    GROUP BY 1, 2, 3 ORDER BY 2, 3
"""
_REFERENCES = "SELECT conrelid, confrelid FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid"
_SEQUENCES = """
    SELECT format('SELECT setval(%L, %s);', quote_ident(schemaname) || '.' || quote_ident(sequencename), last_value)
    FROM pg_sequences WHERE last_value IS NOT NULL ORDER BY schemaname, sequencename
"""


async def rows_of(url: str) -> str:
    """Tables in the order that foreign keys allow; empty ones are left out."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            tables = {row["oid"]: row for row in await connection.fetch(_TABLES)}
            order = TopologicalSorter[int](dict.fromkeys(tables, ()))
            for each in await connection.fetch(_REFERENCES):
                if each["conrelid"] in tables:
                    order.add(each["conrelid"], each["confrelid"])
            lines = []
            for oid in order.static_order():
                table = tables[oid]
                name, columns = f"{table['schema']}.{table['name']}", ", ".join(f'"{c}"' for c in table["columns"])
                rows = io.BytesIO()
                # Not `COPY table`, which reads no partitions.
                await connection.copy_from_query(f"SELECT {columns} FROM {name}", output=rows)  # noqa: S608
                if rows.getvalue():
                    lines += [f"COPY {name} ({columns}) FROM stdin;", *rows.getvalue().decode().splitlines(), _END]
            lines += [each[0] for each in await connection.fetch(_SEQUENCES)]
    finally:
        await connection.close()
    return "\n".join([*lines, ""])


async def load_rows(url: str, rows: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            lines = iter(rows.split("\n"))
            for line in lines:
                if begin := _BEGIN.fullmatch(line):
                    await connection.copy_to_table(
                        begin["table"],
                        schema_name=begin["schema"],
                        columns=[each.strip('"') for each in begin["columns"].split(", ")],
                        source=io.BytesIO("".join(f"{row}\n" for row in _rows(lines)).encode()),
                    )
                elif line:
                    await connection.execute(line)
        await connection.execute("ANALYZE")  # as autovacuum does soon: without it a plan may take seconds
    finally:
        await connection.close()


def _rows(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line == _END:
            return
        yield line
