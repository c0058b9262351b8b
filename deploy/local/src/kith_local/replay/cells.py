"""A cell of a row as a number or a time, or the reason why it is none."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from kith_local.replay.files import Row

TWO_DECIMALS = Decimal("0.01")


class BadRow(Exception):
    """The row cannot be mapped. `rule` says why in words that are the same for all such rows."""

    def __init__(self, column: str, rule: str, value: str) -> None:
        super().__init__(f"{column}: {rule}")
        self.column = column
        self.value = value


def some_text(row: Row, column: str) -> str:
    if not (value := row[column]):
        raise BadRow(column, "is empty", value)
    return value


def number(row: Row, column: str) -> Decimal:
    try:
        value = Decimal(row[column])
    except InvalidOperation:
        raise BadRow(column, "is no number", row[column]) from None
    if not value.is_finite():
        raise BadRow(column, "is no number", row[column])
    return value


def amount(row: Row, column: str) -> Decimal:
    """Of money given as it is: zero or more."""
    if (value := number(row, column)) < 0:
        raise BadRow(column, "is below zero", row[column])
    return rounded(value)


def whole(row: Row, column: str) -> int:
    if not row[column].isdecimal():
        raise BadRow(column, "is no whole number, zero or more", row[column])
    return int(row[column])


def instant(row: Row, column: str, *patterns: str) -> datetime:
    """By the first pattern that fits, read as UTC."""
    for pattern in patterns:
        try:
            return datetime.strptime(row[column], pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise BadRow(column, f"is no time like {patterns[0]}", row[column])


def rounded(value: Decimal) -> Decimal:
    """To the two decimals of the currencies in the recordings; halves go up, and there is no minus zero."""
    return value.quantize(TWO_DECIMALS, ROUND_HALF_UP) + 0
