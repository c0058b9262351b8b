"""The values of custom fields: how they are read, how they are kept, and the keys by which they are compared.

A value is kept as JSON has it: a number, true or false, a list of choices, and everything else as text.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, TypeAdapter, ValidationError

from kith.custom.field import CustomField, FieldType
from kith.errors import Invalid
from kith.scalars import Code, Day, Flag, Id, Instant, Money, Real, Text
from kith.scalars.currencies import misfit

Key = str | int
"""What a value is compared by: text by its characters, everything else as a whole number of 64 bits."""

_DECIMALS = 6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCALARS: dict[FieldType, Any] = {
    FieldType.TEXT: Text,
    FieldType.NUMBER: Annotated[float, Real()],
    FieldType.MONEY: Money,
    FieldType.DATE: Day,
    FieldType.INSTANT: Instant,
    FieldType.CHOICE: Code,
    FieldType.MULTI_CHOICE: list[Code],
    FieldType.BOOLEAN: Flag,
    FieldType.LINK: Id,
}
_OF_ONE = {FieldType.MULTI_CHOICE: Code}
"""What a value is compared with, where that is not a value."""
COMPARED_AS: dict[FieldType, type] = {
    FieldType.TEXT: str,
    FieldType.NUMBER: float,
    FieldType.MONEY: Decimal,
    FieldType.DATE: date,
    FieldType.INSTANT: datetime,
    FieldType.CHOICE: str,
    FieldType.MULTI_CHOICE: str,
    FieldType.BOOLEAN: bool,
    FieldType.LINK: UUID,
}


def read(field: CustomField, sent: Any) -> Any:
    """Returns the value as it is kept. Raises Invalid, which names the field and the rule."""
    value = _read(field, _adapter(field.value_type, strict=True), sent)
    _must_fit(field, value)
    return _kept(value)


def read_text(field: CustomField, sent: str) -> Any:
    """Returns a value that is spelt as in a query string, as it is kept."""
    value = _read(field, _adapter(field.value_type, strict=False), sent)
    _must_fit(field, value)
    return _kept(value)


def key_of_operand(field: CustomField, sent: str) -> Key:
    """Returns the key of what a value is compared with, spelt as in a query string."""
    kind = field.value_type
    value = _read(field, _adapter(kind, strict=False, one=True), sent)
    (key,) = keys_of(kind if kind not in _OF_ONE else FieldType.CHOICE, _kept(value))
    return key


def keys_of(kind: FieldType, kept: Any) -> list[Key]:
    """Returns the keys of a value that is kept: of several choices one each."""
    if kind is FieldType.MULTI_CHOICE:
        return list(kept)
    number = _NUMBERS.get(kind)
    return [kept if number is None else number(kept)]


def _scaled(value: Decimal) -> int:
    return int(value * 10**_DECIMALS)


def _microseconds(kept: str) -> int:
    since = datetime.fromisoformat(kept) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds


_NUMBERS: dict[FieldType, Callable[[Any], int]] = {
    FieldType.NUMBER: lambda kept: _scaled(Decimal(repr(kept))),
    FieldType.MONEY: lambda kept: _scaled(Decimal(kept)),
    FieldType.DATE: lambda kept: date.fromisoformat(kept).toordinal(),
    FieldType.INSTANT: _microseconds,
    FieldType.BOOLEAN: int,
}
"""What is compared by a number."""


@lru_cache(64)
def _adapter(kind: FieldType, *, strict: bool, one: bool = False) -> TypeAdapter[Any]:
    scalar = _OF_ONE.get(kind, _SCALARS[kind]) if one else _SCALARS[kind]
    return TypeAdapter(scalar, config=ConfigDict(strict=strict))


def _read(field: CustomField, adapter: TypeAdapter[Any], sent: Any) -> Any:
    try:
        return adapter.validate_python(sent)
    except ValidationError as error:
        raise Invalid(error.errors(include_url=False)[0]["msg"], field=field.path) from None


def _must_fit(field: CustomField, value: Any) -> None:
    """Raises Invalid for a value that its definition does not allow."""
    rule: str | None = None
    match field.value_type:
        case FieldType.NUMBER if Decimal(repr(value)) % Decimal("0.000001"):
            rule = f"A number has {_DECIMALS} decimals at most."
        case FieldType.MONEY:
            rule = misfit(value, field.currency)
        case FieldType.CHOICE if value not in field.choices:
            rule = f"It is one of {', '.join(field.choices)}."
        case FieldType.MULTI_CHOICE if not set(value) <= set(field.choices):
            rule = f"Each is one of {', '.join(field.choices)}."
    if rule is not None:
        raise Invalid(rule, field=field.path)


def _kept(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case UUID():
            return str(value)
        case list():
            return sorted(set(value))
        case _:
            return value
