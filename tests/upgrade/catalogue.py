"""What the catalogue of a database says of its tables, and what of it the code of a former revision could not live with
any more."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_COLUMNS = """
    SELECT c.relname AS of_table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
           a.attnotnull AS required, a.atthasdef OR a.attidentity <> '' AS filled
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""
_BOUNDS = """
    SELECT c.relname AS of_table, pg_get_constraintdef(k.oid) AS rule,
           ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum = ANY (k.conkey)) AS columns
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND k.contype <> 'n'
    UNION ALL
    SELECT c.relname, regexp_replace(pg_get_indexdef(c2.oid), 'INDEX \\S+', 'INDEX'),
           ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum = ANY (i.indkey))
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class c2 ON c2.oid = i.indexrelid
    WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND i.indisunique
"""
_PRIVILEGES = """
    SELECT c.relname AS of_table, role, kind || coalesce(' of ' || a.attname, '') AS privilege
    FROM pg_class c CROSS JOIN unnest(ARRAY['kith_app', 'kith_worker']) role
    CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) kind
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND kind <> 'DELETE'
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND CASE WHEN kind = 'DELETE' THEN has_table_privilege(role, c.oid, kind)
               ELSE has_column_privilege(role, c.oid, a.attnum, kind) END
"""


@dataclass(frozen=True, slots=True)
class Column:
    type: str
    required: bool
    filled: bool
    """By the database, where an INSERT leaves it out."""


@dataclass(frozen=True, slots=True)
class Table:
    columns: Mapping[str, Column]
    bounds: Mapping[str, frozenset[str]]
    """What a row must keep to, and the columns it is about."""
    privileges: frozenset[str]


async def catalogue(connection: Any) -> dict[str, Table]:
    columns, bounds, privileges = [await connection.fetch(each) for each in (_COLUMNS, _BOUNDS, _PRIVILEGES)]
    return {
        table: Table(
            {
                each["name"]: Column(each["type"], each["required"], each["filled"])
                for each in columns
                if each["of_table"] == table
            },
            {each["rule"]: frozenset(each["columns"]) for each in bounds if each["of_table"] == table},
            frozenset(f"{each['role']}: {each['privilege']}" for each in privileges if each["of_table"] == table),
        )
        for table in {each["of_table"] for each in columns}
    }


def broken(former: Mapping[str, Table], now: Mapping[str, Table]) -> list[str]:
    """Returns what code that was written for the former tables reads, writes or is permitted, and these do not give."""
    found = list[str]()
    for name, table in sorted(former.items()):
        if name in now:
            found += [f"{name}: {each}" for each in _broken(table, now[name])]
        else:
            found.append(f"{name} is gone")
    return found


def _broken(former: Table, now: Table) -> Iterator[str]:
    for name, column in former.columns.items():
        if name in now.columns:
            yield from (f"{name} {change}" for change in _changed(column, now.columns[name]))
        else:
            yield f"{name} is gone"
    for name, column in now.columns.items():
        if name not in former.columns and column.required and not column.filled:
            yield f"{name} is new, may not be null, and has no default"
    for rule, columns in now.bounds.items():
        # Rows without the new column keep to its foreign key; one that is not validated yet binds new rows already.
        is_of_new = rule.startswith("FOREIGN KEY") and not columns <= set(former.columns)
        # Beside `x` it is null for who does not know what merges are (kith.customers.repointing).
        of_before = re.sub(r"COALESCE\(told_(\w+), \1\)", r"\1", rule)
        are_kept_to = {rule, f"{rule} NOT VALID", of_before} & former.bounds.keys()
        if not is_of_new and columns & set(former.columns) and not are_kept_to:
            yield f"a row must keep to {rule}"
    for privilege in sorted(former.privileges - now.privileges):
        yield f"{privilege} is not granted any more"


def _changed(former: Column, now: Column) -> Iterator[str]:
    if now.type != former.type:
        yield f"was {former.type} and is {now.type}"
    if now.required and not former.required:
        yield "may not be null any more"
    if former.required and not now.required:
        yield "may be null now"
    if former.filled and not now.filled:
        yield "has no default any more"
