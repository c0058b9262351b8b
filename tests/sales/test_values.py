"""The lines of a record: their numbers, and what is charged for them."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from kith.errors import Invalid
from kith.scalars.currencies import priced
from sales.values import Line, completed, value_of


def line(**parts: Any) -> Line:
    return Line(**{"quantity": Decimal(1), "unit_price": Decimal(10), **parts})


@pytest.mark.parametrize(
    ("quantity", "price", "discount", "currency", "amount"),
    [
        ("3", "19.99", "0", "EUR", "59.97"),
        ("3", "19.99", "15", "EUR", "50.97"),  # 50.9745
        ("1", "0.005", "0", "EUR", "0.01"),  # half goes up
        ("1", "0.0049", "0", "EUR", "0.00"),
        ("1", "10.05", "50", "EUR", "5.03"),  # 5.025
        ("2.5", "33", "0", "JPY", "83"),  # 82.5
        ("1", "1.0005", "0", "BHD", "1.001"),
        ("0.0001", "0.0049", "0", "EUR", "0"),
        ("1", "1.23456", "0", "DEM", "1.2346"),  # a currency of before: as many decimals as are kept
        ("999999999.9999", "999999999999.9999", "0.0001", "EUR", "999998999999899900100.10"),  # exact, however long
    ],
)
def test_an_amount_is_rounded_once_to_the_minor_unit(
    quantity: str, price: str, discount: str, currency: str, amount: str
) -> None:
    assert priced(Decimal(quantity), Decimal(price), Decimal(discount), currency) == Decimal(amount)


def test_lines_without_numbers_get_those_after_the_last_one() -> None:
    assert [each.line for each in completed([line(), line(line=7), line()], "EUR")] == [8, 7, 9]
    assert [each.line for each in completed([line(), line(line=2), line()], "EUR", kept={2}, last=4)] == [5, 2, 6]


@pytest.mark.parametrize(("numbers", "field"), [((1, 1), "lines.1.line"), ((3, None), "lines.0.line")])
def test_a_number_is_never_given_to_another_line(numbers: tuple[Any, ...], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        completed([line(line=each) for each in numbers], "EUR", kept={1, 2}, last=4)
    assert refused.value.field == field


def test_an_amount_that_is_not_what_is_computed_is_refused() -> None:
    right = completed([line(amount=Decimal(10))], "EUR")
    assert right[0].amount == 10
    with pytest.raises(Invalid, match="is 10 EUR") as refused:
        completed([line(), line(amount=Decimal(9))], "EUR")
    assert refused.value.field == "lines.1.amount"


def test_the_value_is_the_sum_of_the_lines() -> None:
    lines = completed([line(), line(unit_price=Decimal("0.50"))], "EUR")
    assert value_of(lines, None) == value_of(lines, Decimal("10.5")) == Decimal("10.5")
    assert value_of([], Decimal(7)) == 7
    too_much = [replace(lines[0], amount=Decimal(10**12))] * 2
    for wrong, value, field in ((lines, Decimal(10), "value"), ([], None, "value"), (too_much, None, "lines")):
        with pytest.raises(Invalid) as refused:
            value_of(wrong, value)
        assert refused.value.field == field
