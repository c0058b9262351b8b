"""What each scalar is, once: how it is spelt, how far it goes, and what an error says of it.

Bodies, rows of bulk requests, query strings, paths, headers, GraphQL arguments and inputs, cursors and settings take
their scalars from here. Whatever a parser would have to guess is refused: an instant without a zone or as a number of
seconds, `1_000`, digits of other scripts, `yes` for true. docs/scalars.md says the same to those who send.

A scalar is the annotation of a type: `Annotated[int, Whole(1, 365)]`. What has a spelling of its own in JSON (numbers,
true, false) is read from text only where all there is is text: in a model that is not strict.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, ClassVar, NoReturn, Union, get_args, get_origin
from uuid import UUID

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from kith.errors import Invalid
from kith.scalars.currencies import MINOR_UNITS
from kith.scalars.zones import ZONES

EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
"""Of all instants. Far enough from where calendars end that any zone, window and grain can be reckoned from them."""
INT4 = 2**31 - 1
MOST_MONEY = 10**12
"""Of one amount. Times a million, as health counts it, it is well below what 64 bits hold."""
MOST = 10.0**12
"""Of any other number, in either direction: sums and squares of it are numbers still."""


def _refuse(rule: str) -> NoReturn:
    raise PydanticCustomError("scalar", "{rule}", {"rule": rule})


class Scalar:
    """Base of the annotations: reads what was sent, or refuses it with its rule."""

    json_schema: ClassVar[dict[str, Any]] = {}

    def read(self, sent: Any) -> Any:
        """Raises PydanticCustomError."""
        raise NotImplementedError

    def kept(self) -> CoreSchema:
        """What it is once it has been read."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, self.kept())

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | self.json_schema


class _Number(Scalar):
    """JSON has a spelling for it: text is read only where there is nothing else."""

    spelling: ClassVar[re.Pattern[str]]
    rule: ClassVar[str]

    def of_text(self, text: str) -> Any:
        raise NotImplementedError

    def read(self, sent: Any) -> Any:
        if not isinstance(sent, str):
            return sent
        if not self.spelling.fullmatch(sent):
            _refuse(self.rule)
        return self.of_text(sent)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        read = core_schema.no_info_before_validator_function(self.read, self.kept())
        return core_schema.lax_or_strict_schema(read, self.kept())


@dataclass(frozen=True)
class Whole(_Number):
    """A whole number from `least` to `most`."""

    least: int = -INT4
    most: int = INT4

    spelling = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
    rule = "It is a whole number in digits, as in 42."

    def of_text(self, text: str) -> int:
        return int(text)

    def kept(self) -> CoreSchema:
        return core_schema.int_schema(ge=self.least, le=self.most, strict=True)


@dataclass(frozen=True)
class Real(_Number):
    """A number from `least` to `most`; above or below those for the ones that are `open`."""

    least: float = -MOST
    most: float = MOST
    above: float | None = None
    below: float | None = None

    spelling = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)
    rule = "It is a number in digits, as in 4.2."

    def of_text(self, text: str) -> float:
        return float(text)

    def kept(self) -> CoreSchema:
        least, most = (None if self.above is not None else self.least), (None if self.below is not None else self.most)
        bounds: dict[str, Any] = {"ge": least, "gt": self.above, "le": most, "lt": self.below}
        given = {name: bound for name, bound in bounds.items() if bound is not None}
        return core_schema.float_schema(**given, allow_inf_nan=False, strict=True)


class _Flag(_Number):
    spelling = re.compile(r"true|false")
    rule = "It is true or false."

    def of_text(self, text: str) -> bool:
        return text == "true"

    def kept(self) -> CoreSchema:
        return core_schema.bool_schema(strict=True)


_OFFSET = r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?" + _OFFSET, re.ASCII)
_INSTANT_RULE = "It is an instant of ISO 8601 with its zone, as in 2026-01-31T12:00:00Z or 2026-01-31T13:00:00+01:00."
BETWEEN = f"An instant lies between the years {EARLIEST.year} and {LATEST.year}."


def is_in_use(at: datetime) -> bool:
    """Whether it is an instant that calendars in use reach; without a zone it is none at all."""
    return at.tzinfo is not None and EARLIEST <= at <= LATEST


class _Instant(Scalar):
    json_schema: ClassVar = {"type": "string", "format": "date-time"}

    def read(self, sent: Any) -> datetime:
        at = sent
        if isinstance(sent, str):
            if not _INSTANT.fullmatch(sent):
                _refuse(_INSTANT_RULE)
            try:
                at = datetime.fromisoformat(sent)
            except ValueError:  # there is no such day, or no such hour
                _refuse(_INSTANT_RULE)
        if not isinstance(at, datetime) or at.tzinfo is None:
            _refuse(_INSTANT_RULE)
        if not is_in_use(at):
            _refuse(BETWEEN)
        # As it is kept: the same instant, however it was spelt, is the same to all that compares.
        return at.astimezone(UTC)

    def kept(self) -> CoreSchema:
        return core_schema.datetime_schema(strict=True)


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DAY_RULE = "It is a day of ISO 8601, as in 2026-01-31."


class _Day(Scalar):
    json_schema: ClassVar = {"type": "string", "format": "date"}

    def read(self, sent: Any) -> date:
        day = sent
        if isinstance(sent, str):
            if not _DAY.fullmatch(sent):
                _refuse(_DAY_RULE)
            try:
                day = date.fromisoformat(sent)
            except ValueError:
                _refuse(_DAY_RULE)
        if not isinstance(day, date) or isinstance(day, datetime):
            _refuse(_DAY_RULE)
        if not EARLIEST.date() <= day <= LATEST.date():
            _refuse(f"A day lies between the years {EARLIEST.year} and {LATEST.year}.")
        return day

    def kept(self) -> CoreSchema:
        return core_schema.date_schema(strict=True)


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


class _Id(Scalar):
    json_schema: ClassVar = {"type": "string", "format": "uuid"}

    def read(self, sent: Any) -> UUID:
        if isinstance(sent, UUID):
            return sent
        if not isinstance(sent, str) or not _UUID.fullmatch(sent):
            _refuse("It is a UUID with its hyphens, as in 019ca000-0000-7000-8000-000000000002.")
        return UUID(sent)

    def kept(self) -> CoreSchema:
        return core_schema.uuid_schema(strict=True)


_AMOUNT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)


class _Money(Scalar):
    json_schema: ClassVar = {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": MOST_MONEY},
            {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,12})(\.[0-9]{1,4})?$"},
        ]
    }

    def read(self, sent: Any) -> Decimal:
        # A number of JSON is what its shortest spelling says.
        text = repr(sent) if isinstance(sent, float | int) and not isinstance(sent, bool) else sent
        if isinstance(sent, Decimal):
            text = f"{sent:f}"
        if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
            _refuse("It is an amount in digits, as in 10.50.")
        if len(text.partition(".")[2].rstrip("0")) > _DECIMALS:
            _refuse(f"An amount has {_DECIMALS} decimals at most.")
        amount = Decimal(text) + 0  # else -0 would stay what it is
        if not 0 <= amount <= MOST_MONEY:
            _refuse(f"An amount is from 0 to {MOST_MONEY:,}.")
        # However it was spelt, it reads the same before and after it is stored.
        return amount.quantize(_UNIT)

    def kept(self) -> CoreSchema:
        return core_schema.decimal_schema(strict=True)


_DECIMALS, _UNIT = 4, Decimal("0.0001")

_NOT_SEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and signs that are blank, beside what Unicode calls a space, a mark or a format character."""


@dataclass(frozen=True)
class Written(Scalar):
    """Text of 1 to `most` characters, as it is kept: in Unicode's form NFC, without space around it."""

    most: int
    lines: bool = False
    """Whether it may have more than one."""
    spelling: str = ""
    """What it is like besides, a regular expression, if anything is said."""
    rule: str = ""

    def read(self, sent: Any) -> Any:
        if not isinstance(sent, str):
            return sent
        # Nearly all are plain, and need not be looked through.
        text = (sent if sent.isascii() and sent.isprintable() else self._looked_through(sent)).strip()
        if self.spelling and not re.fullmatch(self.spelling, text):
            _refuse(self.rule)
        return text

    def _looked_through(self, text: str) -> str:
        allowed = "\n\t" if self.lines else ""
        if self.lines:
            text = text.replace("\r\n", "\n")
        kinds = {each: unicodedata.category(each) for each in set(text) - set(allowed)}
        if "Cs" in kinds.values():
            _refuse("It has half a surrogate pair, which is no character.")
        if not {"Cc", "Zl", "Zp"}.isdisjoint(kinds.values()):
            wrong = min(each for each, kind in kinds.items() if kind in ("Cc", "Zl", "Zp"))
            _refuse(f"It has a control character or a line break, U+{ord(wrong):04X}.")
        if text and all(kind[0] in "CZM" or each in _NOT_SEEN for each, kind in kinds.items()):
            _refuse("It has nothing in it that can be seen.")
        return unicodedata.normalize("NFC", text)

    def kept(self) -> CoreSchema:
        return core_schema.str_schema(strict=True, min_length=1, max_length=self.most)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | ({"pattern": f"^{self.spelling}$"} if self.spelling else {})


@dataclass(frozen=True)
class LookedFor(Scalar):
    """Text that is compared with what is kept, and so is taken as it was sent; of as many characters at most."""

    most: int

    def read(self, sent: Any) -> Any:
        if isinstance(sent, str) and ("\0" in sent or any("\ud800" <= each <= "\udfff" for each in sent)):
            _refuse("It has a character that no text has: U+0000, or half a surrogate pair.")
        return sent

    def kept(self) -> CoreSchema:
        return core_schema.str_schema(strict=True, max_length=self.most)


@dataclass(frozen=True)
class Pattern(Scalar):
    """Text of ASCII characters that is spelt so."""

    spelling: str
    rule: str

    def read(self, sent: Any) -> Any:
        if isinstance(sent, str) and not re.fullmatch(self.spelling, sent, re.ASCII):
            _refuse(self.rule)
        return sent

    def kept(self) -> CoreSchema:
        return core_schema.str_schema(strict=True)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"pattern": f"^{self.spelling}$"}


@dataclass(frozen=True)
class _Listed(Scalar):
    """One of a list that is kept elsewhere, too long to be told: the nearest are."""

    what: str
    example: str
    known: frozenset[str]

    def read(self, sent: Any) -> Any:
        if isinstance(sent, str) and sent not in self.known:
            _refuse(f"It is not {self.what}. For instance: {self._nearest(sent)}.")
        return sent

    def _nearest(self, sent: str) -> str:
        if len(sent) > 100:  # longer than any
            return self.example
        folded, given = {each.casefold(): each for each in self.known}, sent.casefold()
        # What was typed is often the end of a name: `Vienna`.
        near = [each for low, each in sorted(folded.items()) if low.endswith(f"/{given}")]
        near += [folded[each] for each in get_close_matches(given, folded, n=3)]
        return ", ".join(dict.fromkeys(near)) or self.example

    def kept(self) -> CoreSchema:
        return core_schema.str_schema(strict=True)


@dataclass(frozen=True)
class _Currency(_Listed):
    json_schema: ClassVar = {"type": "string", "pattern": "^[A-Z]{3}$"}


Instant = Annotated[datetime, _Instant()]
Day = Annotated[date, _Day()]
Id = Annotated[UUID, _Id()]
Flag = Annotated[bool, _Flag()]
Money = Annotated[Decimal, _Money()]
"""An amount, zero or more, as numeric(20, 4) keeps it. What its currency allows besides is for who knows that."""
Text = Annotated[str, Written(500)]
Code = Annotated[str, Written(100)]
Note = Annotated[str, Written(500, lines=True)]
Currency = Annotated[str, _Currency("a currency of ISO 4217", "EUR", frozenset(MINOR_UNITS))]
Zone = Annotated[str, _Listed("an IANA time zone", "Europe/Vienna", ZONES)]
Cursor = Annotated[str, Pattern("[A-Za-z0-9_-]{1,1000}", "It is not a cursor of this list.")]
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
        told = first if any(isinstance(each, Scalar) for each in rest) else spelt(first, leaf)
        return Annotated[(told, *rest)]
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
            for place, each in enumerate(value):
                must_be_carried(each, f"{field}.{place}")
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
