"""Splits what is uploaded into its records as it arrives, and reads a record into its cells.

A record of CSV may have line ends within quotes; one of NDJSON is a line. What a record says is not looked at here.
"""

import codecs
import csv
import zlib
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import islice

import msgspec

from kith.errors import Invalid
from kith.nouns.inputs import json_of

MOST_BYTES = 2 * 1024**3
MOST_OF_RECORD = 256 * 1024
MOST_COLUMNS = 500
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
_TRIES = 20
"""So often a record is tried that does not end where its quotes say that it does."""


class Format(StrEnum):
    CSV = "csv"
    NDJSON = "ndjson"


class Splitter:
    """Yields records, as text without their line end."""

    def __init__(self, format: Format, delimiter: str | None = None) -> None:
        self._is_csv = format is Format.CSV
        self.delimiter = delimiter
        """None: the one that makes most columns of the first line."""
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
        self._rest: list[str] = []
        """What has come of a line whose end has not."""
        self._open: list[str] = []
        """Lines of a record whose quotes are not closed yet."""
        self._size = self._tries = self._ended = self._quotes = 0
        self.row = 0

    def fed(self, piece: bytes, *, final: bool = False) -> Iterator[str]:
        """Raises Invalid for bytes that are not text, and for a record without an end."""
        try:
            text = self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            raise self._refused("is not text in UTF-8") from None
        self._rest.append(text)
        self._size += len(text)
        if "\n" not in text and not final:
            self._must_fit()
            return
        *lines, rest = "".join(self._rest).split("\n")
        self._rest = [rest]
        for line in lines:
            yield from self._line(line)
        self._size = len(rest)
        if final and (rest or self._open):
            yield from self._line(rest)
            if self._open:
                raise self._refused("has a quote that is not closed")

    def _line(self, line: str) -> Iterator[str]:
        if self.delimiter is None:
            self.delimiter = delimiter_of(line)
        if not self._is_csv or ('"' not in line and not self._open):
            record = line
        else:
            self._open.append(line)
            self._size = sum(map(len, self._open)) if len(self._open) == 1 else self._size + len(line)
            self._must_fit()
            self._quotes += line.count('"')
            if '"' not in line or not self._may_end() or not self._ends(record := "\n".join(self._open)):
                return
            self._open, self._tries, self._ended, self._quotes = [], 0, 0, 0
        self._size = len(record)
        self._must_fit()
        self.row += 1
        yield record.removesuffix("\r")

    def _may_end(self) -> bool:
        """As a rule a record that has ended has an even number of quotes, and a stray one is soon behind it."""
        self._tries += 1
        return self._tries <= _TRIES or not self._quotes % 2

    def _ends(self, record: str) -> bool:
        self._ended += 1
        if self._ended > 10 * _TRIES:
            raise self._refused("has quotes that do not match")
        try:
            next(csv.reader([record], delimiter=self.delimiter or ",", strict=True))
        except csv.Error as error:
            return "unexpected end" not in str(error)
        return True

    def _must_fit(self) -> None:
        if self._size > MOST_OF_RECORD:
            raise self._refused(f"is longer than {MOST_OF_RECORD} characters")

    def _refused(self, why: str) -> Invalid:
        return Invalid(f"Row {self.row + 1} {why}.", field="content")


def delimiter_of(header: str) -> str:
    """Returns the delimiter that makes most columns of a header."""
    return max(DELIMITERS.values(), key=lambda each: len(_parsed(header, each)))  # of several the first


def header_of(record: str, delimiter: str) -> list[str]:
    """Returns the names of the columns. Raises Invalid."""
    names = [each.strip() for each in _parsed(record, delimiter)]
    while names and not names[-1]:
        names.pop()
    if not names or not all(names):
        raise Invalid("The first row names the columns, each of them.", field="content")
    return _checked(names)


def keys_of(record: str) -> list[str]:
    """Returns the keys of the first line of NDJSON, which are its columns. Raises Invalid."""
    found = json_of(record, field="content")
    if not isinstance(found, dict) or not found:
        raise Invalid("Each line is an object.", field="content")
    return _checked(list(found))


def _checked(names: list[str]) -> list[str]:
    if len(names) > MOST_COLUMNS or any(len(each) > 200 for each in names):
        raise Invalid(f"There are at most {MOST_COLUMNS} columns, with names of 200 characters.", field="content")
    if twice := sorted({each for each in names if names.count(each) > 1}):
        raise Invalid(f"There are two columns {twice[0]}.", field="content")
    return names


def cells_of(record: str, delimiter: str, columns: int) -> list[str]:
    """Returns the cells of a record. Raises Invalid."""
    try:
        cells = record.split(delimiter) if '"' not in record else _parsed(record, delimiter, strict=True)
    except csv.Error as error:
        raise Invalid(f"It is not a row of CSV: {error}.") from None
    if len(cells) > columns and any(each.strip() for each in islice(cells, columns, None)):
        raise Invalid(f"It has {len(cells)} cells, and there are {columns} columns.")
    return cells


def _parsed(record: str, delimiter: str, *, strict: bool = False) -> list[str]:
    return next(csv.reader([record], delimiter=delimiter, strict=strict), [])


def object_of(record: str) -> dict[str, object]:
    """Returns the object of a line of NDJSON. Raises Invalid."""
    found = json_of(record, field="row")
    if not isinstance(found, dict):
        raise Invalid("It is an object.")
    return found


def packed(records: Sequence[str]) -> bytes:
    return zlib.compress(msgspec.json.encode(records), 1)


def unpacked(piece: bytes) -> list[str]:
    return msgspec.json.decode(zlib.decompress(piece), type=list[str])
