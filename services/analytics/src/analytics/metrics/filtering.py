"""The filter language: `country:France,Spain` keeps those, `tag:!unidentified` leaves those out, `segment:` keeps those
that have none.

A value is written as it is, or in double quotes as in RFC 4180: a double quote in it is doubled. An ambiguous value
must be quoted, and is refused where it is not: `segment:"Food, Drink & Tobacco"`. So every name that can be stored can
be filtered by.
"""

import re
from typing import NamedTuple

from kith.errors import Invalid

MAX_FILTERS, MAX_VALUES = 20, 200
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_HINT = (
    "A value with a comma, a double quote, blanks at its ends or a leading ! is written in double quotes, a double "
    'quote in it twice: segment:"Food, Drink & Tobacco",Retail.'
)


class FilterBy(NamedTuple):
    """A filter by one dimension, by name."""

    dimension: str
    values: tuple[str | None, ...]
    """None stands for customers or aggregates without a value."""
    exclude: bool = False
    """Whether to leave those out, rather than all others."""


def filter_by(text: str) -> FilterBy:
    """Parses a filter. Raises Invalid for malformed and for ambiguous text."""
    dimension, colon, rest = text.partition(":")
    if not colon:
        raise Invalid(
            f"{text!r} is no filter: write dimension:value,value, or dimension:!value to leave it out.", field="filter"
        )
    exclude = rest.startswith("!")
    return FilterBy(dimension, _values(text, rest.removeprefix("!")), exclude)


def checked(filters: tuple[FilterBy, ...]) -> tuple[FilterBy, ...]:
    """Returns the filters. Raises Invalid if there are too many for one request."""
    if len(filters) > MAX_FILTERS:
        raise Invalid(f"Ask for up to {MAX_FILTERS} filters at once.", field="filter")
    for each in filters:
        if not 1 <= len(each.values) <= MAX_VALUES:
            raise Invalid(f"A filter has 1 to {MAX_VALUES} values.", field="filter")
    return filters


def _values(text: str, rest: str) -> tuple[str | None, ...]:
    values: list[str | None] = []
    index = 0
    while True:
        if quoted := _QUOTED.match(rest, index):
            values.append(quoted[1].replace('""', '"'))
            index = quoted.end()
        else:
            end = rest.find(",", index)
            word = rest[index : end if end >= 0 else len(rest)]
            if '"' in word or word.startswith("!") or word != word.strip():
                raise Invalid(f"{text!r} can be read in two ways. {_HINT}", field="filter")
            values.append(word or None)
            index += len(word)
        if index == len(rest):
            return tuple(values)
        if rest[index] != ",":
            raise Invalid(f"In {text!r} something follows a value in double quotes. {_HINT}", field="filter")
        index += 1
