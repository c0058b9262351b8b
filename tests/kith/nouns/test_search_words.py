"""The tokens of texts and numbers, and what of them a query looks up."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.errors import Invalid
from kith.nouns.search.wanted import MOST_WORDS, Wanted
from kith.nouns.search.words import (
    MOST_OF_WHOLE,
    MOST_TOKENS,
    folded,
    number_token,
    query_words,
    tokens_of,
    tokens_of_number,
)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Müller & Söhne", ["=muller sohne", "muller", "sohne"]),
        ("Łukasz Ørsted", ["=lukasz orsted", "lukasz", "orsted"]),
        ("Straße", ["=strasse", "strasse"]),
        ("O\u2019Brien", ["=obrien", "obrien", "o", "brien"]),
        ("e\u0301te\u0301", ["=ete", "ete"]),
        ("\uff21\uff22\uff23", ["=abc", "abc"]),
        ("王伟", ["=王伟", "王伟", "王", "伟"]),
        ("東京office", ["=東京 office", "東京", "東", "京", "office"]),
        ("김민준", ["=김민준", "김민", "민준", "김", "민", "준"]),
        ("ガッツ", ["=ガッツ", "ガッ", "ッツ", "ガ", "ッ", "ツ"]),
        ("हिन्दी", ["=हिन्दी", "हिन्दी"]),
        ("anna.s@mail.example", ["=anna s mail example", "anna", "s", "mail", "example"]),
        ("of anna@mail.example", ["=of anna mail example", "=anna mail example", "of", "anna", "mail", "example"]),
        ("\u202eabc\u200b", ["=abc", "abc"]),
        ("😀", ["=😀"]),
    ],
)
def test_the_tokens_of_a_text(text: str, tokens: list[str]) -> None:
    assert tokens_of(text) == tokens


@pytest.mark.parametrize(
    ("sent", "token"),
    [
        ("+43 512 5125", "+435125125"),
        ("0043 512 5125", "+435125125"),
        ("0512 5125", "#5215215"),
        ("(0512) 51-25", "#5215215"),
        ("5125", "#5215"),
        ("512", None),
        ("Studio 5125", None),
        ("0000", None),
    ],
)
def test_a_number_is_looked_up_from_the_side_that_is_known(sent: str, token: str | None) -> None:
    assert number_token(sent) == token
    if token is not None:
        assert any(each.startswith(token) for each in tokens_of_number("+435125125"))


@given(st.text(min_size=1, max_size=500))
def test_whatever_a_text_has_it_has_few_tokens_and_short_ones(text: str) -> None:
    tokens = tokens_of(text)
    assert 1 <= len(tokens) <= MOST_TOKENS
    assert max(map(len, tokens)) <= MOST_OF_WHOLE
    assert tokens_of(unicodedata.normalize("NFD", text)) == tokens
    assert folded(folded(text)) == folded(text)


@given(st.text(min_size=1, max_size=200))
def test_a_text_is_found_by_itself(text: str) -> None:
    if len({*query_words(folded(text))}) > MOST_WORDS:
        with pytest.raises(Invalid):
            Wanted.by(text)
        return
    wanted = Wanted.by(text)
    tokens = tokens_of(text)
    assert wanted.whole.low in tokens
    for word in wanted.words:
        for ranges in word.lookups:
            assert any(low <= token <= high for low, high in ranges for token in tokens)
        assert any(low <= token <= high and word.contains in token for low, high in word.ranges for token in tokens)


def test_a_search_is_for_so_many_words() -> None:
    assert len(Wanted.by(" ".join(f"w{n}" for n in range(MOST_WORDS))).words) == MOST_WORDS
    with pytest.raises(Invalid, match="at most 10 words"):
        Wanted.by(" ".join(f"w{n}" for n in range(MOST_WORDS + 1)))
