"""Telephone numbers, as phonenumbers reads them: by the numbering plans of all countries, which it has with it."""

from typing import NamedTuple

from phonenumbers import (
    SUPPORTED_REGIONS,
    NumberParseException,
    PhoneNumberFormat,
    format_number,
    is_possible_number,
    parse,
    region_code_for_number,
)

from kith.errors import Invalid

_RULE = "It is a telephone number, as in +43 1 5125 0."


class Dialled(NamedTuple):
    e164: str
    country: str | None
    """ISO 3166. None: the number is of no one country, or a number that its country has not given out."""


def dialled(number: str, country: str | None, *, field: str) -> Dialled:
    """Reads a number as it is written: after a + it begins with the code of its country; else it is read as it is
    dialled in `country`. Raises Invalid if there is no such number, or no country known to read it in. A number that
    could be one is enough: plans change, and new numbers are given out before the library knows."""
    if not number.startswith("+") and country not in SUPPORTED_REGIONS:
        raise Invalid(f"Say its country, or begin it with + and the country's code. {_RULE}", field=field)
    try:
        found = parse(number, country)
    except NumberParseException:
        raise Invalid(_RULE, field=field) from None
    if not is_possible_number(found):
        raise Invalid(f"No number of its country has as many digits. {_RULE}", field=field)
    return Dialled(format_number(found, PhoneNumberFormat.E164), region_code_for_number(found))
