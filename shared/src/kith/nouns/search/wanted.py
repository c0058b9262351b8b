"""What is searched for: the words of a query, and the tokens of a record that they agree with."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from kith.errors import Invalid
from kith.nouns.search.words import (
    LEAST_DIGITS,
    MOST_OF_WORD,
    WHOLE,
    folded,
    grams,
    is_address,
    is_cjk,
    number_token,
    query_words,
    whole_of,
)

MOST_WORDS = 10
_MOST_GRAMS = 8
"""Of a word: the rarest of as many is looked up."""
_LAST = "\U0010ffff"
"""The last of Unicode's code points, which is no character."""


class Range(NamedTuple):
    """Tokens from one to another, both among them. The first one is had by what agrees exactly."""

    low: str
    high: str

    @classmethod
    def beginning(cls, token: str) -> "Range":
        return cls(token, token + _LAST)

    @classmethod
    def only(cls, token: str) -> "Range":
        return cls(token, token)


_NONE = Range("1", "0")


class Word(NamedTuple):
    """A word of a query."""

    lookups: tuple[tuple[Range, ...], ...]
    """Each by itself finds all that have the word, and maybe more: among the tokens in any of its ranges."""
    ranges: tuple[Range, Range]
    """A record has the word that has a token in one of them,"""
    contains: str = ""
    """which contains this."""


@dataclass(frozen=True)
class Wanted:
    """What is searched for."""

    text: str
    """As it was sent; an external id begins with it."""
    words: tuple[Word, ...]
    """All of which a record has,"""
    whole: Range
    """unless a text of it is this as a whole,"""
    number: Range | None
    """or it has a telephone number like this."""

    @classmethod
    def by(cls, text: str) -> "Wanted":
        """Raises Invalid for more words than are looked up."""
        plain = folded(text.strip())
        words = tuple(dict.fromkeys(_words(plain)))
        if len(words) > MOST_WORDS:
            raise Invalid(f"A search is for at most {MOST_WORDS} words.", field="q")
        number = number_token(plain)
        whole = Range.only(whole_of(plain))
        return cls(text.strip(), words, whole, None if number is None else Range.beginning(number))

    def external_ids(self) -> Iterator[Range]:
        """Yields the ranges of external ids that begin so, in capital and in small letters."""
        yield from (Range.beginning(each) for each in {self.text: 0, self.text.upper(): 0, self.text.lower(): 0})


def _words(text: str) -> Iterator[Word]:
    for part in text.split():
        if is_address(part):
            begins = Range.beginning(whole_of(part))
            yield Word(((begins,),), (begins, _NONE))
        else:
            yield from (_word(each) for each in query_words(part))


def _word(word: str) -> Word:
    if not is_cjk(word):
        word = word[:MOST_OF_WORD]
        ranges = Range.beginning(word), _end_of_number(word)
        return Word((tuple(each for each in ranges if each is not _NONE),), ranges)
    if len(word) <= 2:
        token = Range.only(word)
        return Word(((token,),), (token, _NONE))
    pairs = tuple((Range.only(each),) for each in islice(grams(word), min(len(word) - 1, _MOST_GRAMS)))
    return Word(pairs, (Range.beginning(WHOLE), _NONE), contains=word)


def _end_of_number(word: str) -> Range:
    """Returns the tokens of the telephone numbers that end so."""
    token = number_token(word) if word.isdecimal() and len(word) >= LEAST_DIGITS else None
    return _NONE if token is None else Range.beginning(token)
