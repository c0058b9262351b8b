"""The rows of an export as CSV, a column for each field and each custom field. It can be imported again: lists of
values stand in a cell as JSON, and what a spreadsheet would take for a formula has an apostrophe before it."""

from collections.abc import Iterable, Mapping, Sequence
from csv import writer
from io import StringIO
from typing import Any

import msgspec

from kith.custom.known import Fields
from kith.nouns.formulas import neutralised
from kith.nouns.inputs import CUSTOM
from kith.nouns.resource import Resource

CSV = "text/csv"


def columns_of(resource: Resource, shown: Sequence[str], custom: Fields) -> list[str]:
    """Returns the names of the columns, given the fields that are shown."""
    codes = custom.of(resource.name).values()
    found = [each for each in shown if each not in CUSTOM]
    return found + sorted(each.path for each in codes if each.held_in in shown)


def lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    into = StringIO()
    csv = writer(into)
    csv.writerows([_cell(row, column) for column in columns] for row in rows)
    return into.getvalue().encode()


def header(columns: Sequence[str]) -> bytes:
    return lines([dict(zip(columns, columns, strict=True))], columns)


def _cell(row: Mapping[str, Any], column: str) -> str:
    held, _, code = column.partition(".")
    value = row.get(column) if column in row or not code else row[held].get(code)
    match msgspec.to_builtins(value):
        case None:
            return ""
        case str() as text:
            return neutralised(text)
        case [*texts] if all(isinstance(each, str) and ";" not in each and each[:1] != "[" for each in texts):
            return neutralised(";".join(texts))
        case other:
            return msgspec.json.encode(other).decode()
