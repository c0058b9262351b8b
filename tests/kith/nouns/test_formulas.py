"""No cell that is written is a formula to a spreadsheet, and each is read back as it was."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.nouns.formulas import neutralised, restored

BEHIND = st.text(st.sampled_from(" \t\r\n\0\x1f\x7f\u00a0\u200b\ufeff\u2028'"), max_size=4)
FORMULA = st.builds(lambda *parts: "".join(parts), BEHIND, st.sampled_from("=+-@\uff1d\uff0b\uff0d\uff20"), st.text())


@given(FORMULA)
def test_a_formula_has_an_apostrophe_before_it(text: str) -> None:
    written = neutralised(text)
    seen = "".join(each for each in written if unicodedata.category(each)[0] not in "ZC")
    assert seen.startswith("'")


@given(st.one_of(st.text(), FORMULA))
def test_what_was_written_is_read_back(text: str) -> None:
    assert restored(neutralised(text)) == text


@pytest.mark.parametrize("text", ["", "Ann", "'s Hertogenbosch", "5-3", "a=b", "Ål"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert neutralised(text) == restored(text) == text
