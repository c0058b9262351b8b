"""The records of a file are the same in whatever pieces it arrives, and a file that is none ends soon."""

import csv
import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.errors import Invalid
from kith.imports.content import MOST_OF_RECORD, Format, Splitter, cells_of, packed, unpacked

CELL = st.text(st.sampled_from('ab,";\n é中'), max_size=8)


def split(content: bytes, size: int, delimiter: str | None = ",") -> list[str]:
    splitter = Splitter(Format.CSV, delimiter)
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return [record for piece in (*pieces, b"") for record in splitter.fed(piece, final=not piece)]


@given(st.lists(st.tuples(CELL, CELL.filter(bool)), min_size=1), st.integers(1, 40))
def test_what_was_written_as_csv_is_read_in_any_pieces(rows: list[tuple[str, str]], size: int) -> None:
    into = io.StringIO()
    csv.writer(into, lineterminator="\n").writerows(rows)
    records = split(into.getvalue().encode(), size)
    assert [tuple(cells_of(each, ",", 2)) for each in records] == rows
    assert unpacked(packed(records)) == records


def test_a_quote_within_a_cell_is_no_beginning_of_another() -> None:
    assert split(b'5" pipe,a\n6" pipe,b\n', 4) == ['5" pipe,a', '6" pipe,b']


@pytest.mark.parametrize(
    "content",
    [b'"' + b'""\n' * 200_000, b'a"b,"open\n' + b'""\n' * 200_000, b'"' + b"x\n" * 400_000, b"x" * 2 * MOST_OF_RECORD],
    ids=["quotes", "stray", "lines", "long"],
)
def test_what_has_no_end_is_refused_soon(content: bytes) -> None:
    began = time.process_time()
    with pytest.raises(Invalid):
        split(content, 65_536)
    assert time.process_time() - began < 2
