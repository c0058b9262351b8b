"""Reading a set's files: whole, checked for their columns, before anything is sent."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kith_local.errors import LocalError


@dataclass(frozen=True, slots=True)
class Source:
    """A file of a set, and the columns its mapping reads; others may be there and are not read."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    file: str
    number: int
    """Which row of the data it is, from 1."""
    line: int
    """Where it ends in the file: what an editor shows."""
    cells: Mapping[str, str | None]

    def __getitem__(self, column: str) -> str:
        """Its cell, without blanks around it. One that the row is too short for is empty."""
        return (self.cells[column] or "").strip()


Tables = Mapping[str, Sequence[Row]]


def locate(sources: Sequence[Source], folder: Path | None, replaced: Mapping[str, Path]) -> dict[str, Path]:
    """Where each file is. Raises LocalError naming what is missing."""
    if folder is None and any(source.name not in replaced for source in sources):
        raise LocalError("Say where the files are: make replay DATA=../shared/data SET=retail")
    found = {source.name: replaced.get(source.name) or (folder or Path()) / source.name for source in sources}
    if missing := [str(path) for path in found.values() if not path.is_file()]:
        raise LocalError(f"There is no file {', '.join(missing)}.")
    return found


def read(source: Source, path: Path) -> list[Row]:
    """Raises LocalError if it is no CSV in UTF-8, or a column is missing."""
    try:
        # utf-8-sig: spreadsheets put a byte order mark before the first column's name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="", strict=True)
            _require_columns(source, path, reader.fieldnames or ())
            return [Row(source.name, number, reader.line_num, cells) for number, cells in enumerate(reader, start=1)]
    except UnicodeDecodeError as error:
        raise LocalError(f"{path} is not UTF-8: {error.reason} at byte {error.start}.") from None
    except csv.Error as error:
        raise LocalError(f"{path} is no proper CSV: {error}.") from None


def _require_columns(source: Source, path: Path, there: Sequence[str]) -> None:
    if missing := [column for column in source.columns if column not in there]:
        word = "column" if len(missing) == 1 else "columns"
        raise LocalError(f"{path} has no {word} {', '.join(missing)}. It has: {', '.join(there) or 'nothing'}.")
