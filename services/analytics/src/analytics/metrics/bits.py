"""Sets of periods as bits of a bigint: bit i stands for the i-th period."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, cast, literal

MAX_BITS = 62
"""The bits that fit into a bigint, with one to spare."""


def bit(index: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(literal(1), BigInteger).op("<<")(index)


def bits_between(low: ColumnElement[Any], high: ColumnElement[Any]) -> ColumnElement[int]:
    """Returns the bits from `low` up to `high`, exclusive; `high` is not below `low`."""
    found: ColumnElement[int] = bit(cast(high, Integer)) - bit(cast(low, Integer))
    return found


def has_bit(bits: ColumnElement[Any], index: int) -> ColumnElement[bool]:
    found: ColumnElement[bool] = bits.op("&")(1 << index) != 0
    return found
