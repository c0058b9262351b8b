"""Which rows of a file name somebody: by an address, a number, an id, or all words of the name, however written."""

import pytest

from kith.imports.forgetting import KnownBy, Looking

ANN = Looking(
    KnownBy(names=["Ann Grüber-Łoś"], numbers=["+43151250123"], texts=["ann@graben.example", "c-1", "19. Sept"])
)


@pytest.mark.parametrize(
    "row",
    [
        'c-9,"GRÜBER-ŁOŚ, ANN",human',
        "c-9,ann gruber los,human",
        '{"name": "Ann Gr\\u00fcber-\\u0141o\\u015b"}',
        "c-9,Somebody,ANN@Graben.Example",
        "c-1,Somebody,human",
        "c-9,Somebody,01/512 50-123",
        "c-9,Somebody,19. sept",
        "There is no customer with the external id c-1: rows that are named come first.",
    ],
)
def test_a_row_names_somebody_however_it_is_written(row: str) -> None:
    assert ANN.finds(row)
    assert ANN.finds_any(["c-7,Bob,person", row])


@pytest.mark.parametrize(
    "row",
    [
        "c-9,Ann Berg,human",
        "c-10,Somebody,human",
        "c-9,Somebody,joann@graben.example",
        "c-9,Somebody,+43 1 512 50 999",
        "",
    ],
)
def test_another_row_does_not(row: str) -> None:
    assert not ANN.finds(row)


def test_words_of_two_rows_are_no_name() -> None:
    assert not ANN.finds_any(["c-9,Ann Berg", "c-10,Bob Grüber-Łoś"])


def test_whoever_is_known_by_nothing_is_in_no_row() -> None:
    nobody = Looking(KnownBy(names=["-"], numbers=["n/a"]))
    assert not nobody.finds("c-9,Ann Berg,-,n/a")
