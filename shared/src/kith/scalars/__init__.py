"""What each scalar is, once: how it is spelt, how far it goes, and what an error says of it.

Bodies, rows of bulk requests, query strings, paths, headers, GraphQL arguments and inputs, cursors and settings take
their scalars from here. Whatever a parser would have to guess is refused: an instant without a zone or as a number of
seconds, `1_000`, digits of other scripts, `yes` for true. docs/scalars.md says the same to clients.

A scalar is the annotation of a type: `Annotated[int, Whole(1, 365)]`. What has a spelling of its own in JSON (numbers,
true, false) is read from text only where all there is is text: in a model that is not strict.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

from pydantic_core import PydanticCustomError

from kith.errors import Invalid
from kith.scalars.currencies import MINOR_UNITS
from kith.scalars.emails import EmailScalar
from kith.scalars.numbers import INT4, MOST, MOST_MONEY, MOST_QUANTITY, Exact, FlagScalar, Real, Whole
from kith.scalars.scalar import Scalar
from kith.scalars.texts import CurrencyScalar, IdScalar, Listed, LookedFor, Pattern, Written
from kith.scalars.times import BETWEEN, EARLIEST, LATEST, DayScalar, InstantScalar, is_in_use
from kith.scalars.zones import ZONES

__all__ = [
    "BETWEEN",
    "EARLIEST",
    "INT4",
    "LATEST",
    "MOST",
    "MOST_MONEY",
    "MOST_QUANTITY",
    "Code",
    "Country",
    "Currency",
    "Cursor",
    "Day",
    "Email",
    "Flag",
    "Id",
    "Instant",
    "Key",
    "Language",
    "LookedFor",
    "Money",
    "Note",
    "Pattern",
    "Percentage",
    "Phone",
    "Quantity",
    "Rate",
    "Real",
    "Scalar",
    "SearchText",
    "Text",
    "TimeOfDay",
    "Website",
    "Whole",
    "Written",
    "Zone",
    "bare",
    "bare_scalars",
    "is_in_use",
    "must_be_carried",
    "reading",
    "spelt",
]

Instant = Annotated[datetime, InstantScalar()]
Day = Annotated[date, DayScalar()]
Id = Annotated[UUID, IdScalar()]
Flag = Annotated[bool, FlagScalar()]
Money = Annotated[Decimal, Exact("an amount", "10.50", MOST_MONEY)]
"""An amount, zero or more, as numeric(20, 4) keeps it. What its currency allows besides is for who knows that."""
Quantity = Annotated[Decimal, Exact("a quantity", "2.5", MOST_QUANTITY, above_zero=True)]
"""Of units, hours, kilograms: whatever a price is for one of."""
Rate = Annotated[Decimal, Exact("a rate", "1.0835", 10**9, above_zero=True, decimals=10)]
"""What one unit of a currency is in another."""
Percentage = Annotated[Decimal, Exact("a percentage", "12.5", 100)]
Text = Annotated[str, Written(500)]
Code = Annotated[str, Written(100)]
Note = Annotated[str, Written(500, lines=True)]
Currency = Annotated[str, CurrencyScalar("a currency of ISO 4217", "EUR", frozenset(MINOR_UNITS))]
Email = Annotated[str, EmailScalar()]
Phone = Annotated[
    str, Written(40, spelling=r"[+(]?[0-9][0-9 ()./-]{2,38}", rule="It is a telephone number, as in +43 1 5125 0.")
]
"""As it is written; `kith.scalars.phones` reads what it dials."""
Country = Annotated[str, Pattern("[A-Z]{2}", "It is a country's code of ISO 3166, as in AT.")]
Language = Annotated[
    str, Pattern("[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2}|-[0-9]{3})?", "It is a language's tag, as in de or zh-Hant-TW.")
]
"""BCP 47: the language, and where it says more, its script and its region."""
Website = Annotated[
    str, Written(500, spelling=r"https?://[^\s/]+(/\S*)?", rule="It is an address of the web: https://example.com.")
]
TimeOfDay = Annotated[str, Pattern("([01][0-9]|2[0-3]):[0-5][0-9]", "It is a time of day, as in 09:30.")]
Zone = Annotated[str, Listed("an IANA time zone", "Europe/Vienna", ZONES)]
Cursor = Annotated[str, Pattern("[A-Za-z0-9_-]{1,15000}", "It is not a cursor of this list.")]
"""It has the values of up to five fields, of 500 characters each."""
SearchText = Annotated[str, Written(200)]
Key = Annotated[str, Pattern("[ -~]{1,255}", "It has 1 to 255 visible characters of ASCII.")]
"""The sender's own, of a request."""

_OF: dict[type, Any] = {
    str: Text,
    int: Annotated[int, Whole()],
    float: Annotated[float, Real()],
    bool: Flag,
    datetime: Instant,
    date: Day,
    UUID: Id,
    Decimal: Money,
}


def spelt(kind: Any, leaf: Callable[[Any], Any] = lambda kind: kind) -> Any:
    """The type with each bare scalar in it as it is spelt here, and whatever else is no container as `leaf` has it."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        first, *rest = inner
        annotated = first if any(isinstance(each, Scalar) for each in rest) else spelt(first, leaf)
        return Annotated[(annotated, *rest)]
    if origin in (Union, UnionType):
        return Union[tuple(spelt(each, leaf) for each in inner)]  # noqa: UP007 - built at run time
    if origin in (list, tuple, dict):
        return origin[tuple(each if each is ... else spelt(each, leaf) for each in inner)]
    return _OF[kind] if isinstance(kind, type) and kind in _OF else leaf(kind)


def bare(kind: Any) -> Any:
    """The type without what is said here of how it is spelt."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        first, *rest = inner
        others = [each for each in rest if not isinstance(each, Scalar)]
        return Annotated[(bare(first), *others)] if others else bare(first)
    if origin in (Union, UnionType):
        return Union[tuple(bare(each) for each in inner)]  # noqa: UP007 - built at run time
    if origin in (list, tuple, dict):
        return origin[tuple(each if each is ... else bare(each) for each in inner)]
    return kind


def bare_scalars(kind: Any) -> Iterable[Any]:
    """The scalars in a type that are not spelt here, if any."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        if not any(isinstance(each, Scalar) for each in inner[1:]):
            yield from bare_scalars(inner[0])
        return
    if inner:
        for each in inner:
            yield from bare_scalars(each)
        return
    if kind in _OF:
        yield kind


def must_be_carried(value: Any, field: str) -> None:
    """Of a message that comes in by itself, with what is in it: raises Invalid for what no field of any noun lets in,
    by the name of where it is."""
    match value:
        case str():
            reading(Annotated[str, LookedFor(0)], value, field=field)
        case datetime():
            reading(Instant, value, field=field)
        case date():
            reading(Day, value, field=field)
        case int() | float() | Decimal() if not -MOST_MONEY <= value <= MOST_MONEY:
            raise Invalid(f"A number is from -{MOST_MONEY:,} to {MOST_MONEY:,}.", field=field)
        case list() | tuple() | frozenset():
            for index, each in enumerate(value):
                must_be_carried(each, f"{field}.{index}")
        case dict():
            for name, each in value.items():
                must_be_carried(name, field)
                must_be_carried(each, f"{field}.{name}")


def reading(scalar: Any, sent: Any, *, field: str) -> Any:
    """What was sent, read as the scalar: for what comes in alone, a header or a part of a cursor. Raises Invalid."""
    (found,) = (each for each in get_args(scalar)[1:] if isinstance(each, Scalar))
    try:
        return found.read(sent)
    except PydanticCustomError as error:
        raise Invalid(error.message(), field=field) from None
