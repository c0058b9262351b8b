from pathlib import Path

import pytest

from kith_local.errors import LocalError
from kith_local.replay.files import Source, locate, read

SOURCE = Source("calls.csv", ("month", "duration"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / SOURCE.name


def test_a_missing_column_is_named(path: Path) -> None:
    path.write_text("month,outcome\n")
    with pytest.raises(LocalError, match=r"calls.csv has no column duration. It has: month, outcome.$"):
        read(SOURCE, path)


def test_an_empty_file_lacks_all_columns(path: Path) -> None:
    path.touch()
    with pytest.raises(LocalError, match=r"no columns month, duration. It has: nothing"):
        read(SOURCE, path)


def test_other_columns_and_another_order_do_no_harm(path: Path) -> None:
    path.write_text("duration,age,month\n37, 69 ,mar\n")
    (row,) = read(SOURCE, path)
    assert (row["month"], row["duration"], row["age"]) == ("mar", "37", "69")


def test_a_row_knows_its_line(path: Path) -> None:
    path.write_text('month,duration\n"mar\nch",1\n\napr,2\n')
    assert [(row.number, row.line) for row in read(SOURCE, path)] == [(1, 3), (2, 5)]


def test_a_byte_order_mark_is_no_part_of_the_first_column(path: Path) -> None:
    path.write_text("\ufeffmonth,duration\nmar,1\n")
    assert read(SOURCE, path)[0]["month"] == "mar"


def test_a_row_that_is_too_short_has_empty_cells(path: Path) -> None:
    path.write_text("month,duration\nmar\n")
    assert read(SOURCE, path)[0]["duration"] == ""


def test_another_encoding_is_reported(path: Path) -> None:
    path.write_bytes(b"month,duration\nm\xe4rz,1\n")
    with pytest.raises(LocalError, match="is not UTF-8"):
        read(SOURCE, path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"There is no file .*calls.csv"):
        locate([SOURCE], tmp_path, {})


def test_without_a_folder_every_file_must_be_named(path: Path) -> None:
    path.touch()
    assert locate([SOURCE], None, {SOURCE.name: path}) == {SOURCE.name: path}
    with pytest.raises(LocalError, match="DATA="):
        locate([SOURCE], None, {})
