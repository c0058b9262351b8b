from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from kith_local.replay.commands import CUSTOMERS, ORDERS, RETURNS, Mapped, Reference
from kith_local.replay.retail import INVOICES, Decision, map_retail

Retail = Callable[..., Mapped]


@pytest.fixture
def retail(rows: Callable[..., Any]) -> Retail:
    return lambda *lines: map_retail({INVOICES.name: rows(INVOICES, *lines)})


def test_an_invoice_is_an_order_of_its_customer(retail: Retail) -> None:
    mapped = retail("536365,12/1/2010 8:26,17850,United Kingdom,40,3.91")
    (order,) = mapped.commands[ORDERS]
    assert (order.external_id, order.at.isoformat()) == ("536365", "2010-12-01T08:26:00+00:00")
    assert order.fields == {
        "value": Decimal("156.4000"),
        "currency": "GBP",
        "country": "United Kingdom",
        "customer_id": Reference(CUSTOMERS, "17850"),
    }


def test_a_customer_exists_from_its_earliest_row_whatever_the_files_order(retail: Retail) -> None:
    mapped = retail(
        "2,12/3/2010 8:26,17850,France,1,1",
        "C1,12/1/2010 8:26,17850,Spain,-1,1",
    )
    (customer,) = mapped.commands[CUSTOMERS]
    assert (customer.at.day, customer.fields["country"]) == (1, "Spain")
    assert mapped.decisions[Decision.SEVERAL_COUNTRIES] == 1


def test_a_cancellation_is_a_return_and_no_order(retail: Retail) -> None:
    mapped = retail("C536379,12/1/2010 9:41,14527,United Kingdom,-1,27.5")
    assert ORDERS not in mapped.commands
    (back,) = mapped.commands[RETURNS]
    assert (back.external_id, back.fields["value"]) == ("C536379", Decimal("27.5"))


def test_a_cancellation_that_gives_nothing_back_is_rejected(retail: Retail) -> None:
    mapped = retail("C1,12/1/2010 9:41,14527,United Kingdom,1,27.5")
    assert RETURNS not in mapped.commands
    assert [each.reason for each in mapped.rejected] == ["InvoiceNo: is a cancellation, yet the amount is positive"]


def test_all_who_are_not_identified_are_one_customer(retail: Retail) -> None:
    mapped = retail("1,12/1/2010 9:41,(blank),France,1,27.5", "C2,12/2/2010 9:41,(blank),Spain,-1,1")
    (customer,) = mapped.commands[CUSTOMERS]
    assert customer.fields == {"kind": "organisation", "name": "Customers not identified", "tags": ["unidentified"]}
    for noun in (ORDERS, RETURNS):
        assert mapped.commands[noun][0].fields["customer_id"] == Reference(CUSTOMERS, "(blank)")
    assert mapped.decisions[Decision.UNIDENTIFIED] == 2
    assert mapped.decisions[Decision.SEVERAL_COUNTRIES] == 0


def test_an_invoice_without_customer_is_an_order_of_nobody(retail: Retail) -> None:
    mapped = retail("1,12/1/2010 9:41,,United Kingdom,1,27.5")
    assert CUSTOMERS not in mapped.commands
    assert mapped.commands[ORDERS][0].fields["customer_id"] is None
    assert mapped.decisions[Decision.NOBODY] == 1


def test_stock_written_off_is_an_order_of_value_zero(retail: Retail) -> None:
    mapped = retail("536589,12/1/2010 16:50,(blank),United Kingdom,-10,0")
    (order,) = mapped.commands[ORDERS]
    assert order.body({Reference(CUSTOMERS, "(blank)"): uuid4()})["value"] == "0.00"
    assert mapped.decisions[Decision.WRITE_OFF] == 1
    assert RETURNS not in mapped.commands


def test_a_negative_invoice_counts_as_an_order_and_gives_its_amount_back(retail: Retail) -> None:
    mapped = retail("A563186,8/12/2011 14:51,15000,United Kingdom,1,-11062.06")
    assert [order.fields["value"] for order in mapped.commands[ORDERS]] == [0]
    assert [back.fields["value"] for back in mapped.commands[RETURNS]] == [Decimal("11062.06")]
    assert mapped.decisions[Decision.NEGATIVE] == mapped.decisions[Decision.ADJUSTMENT] == 1


def test_an_invoice_number_that_comes_twice_is_two_orders_in_the_order_of_time(retail: Retail) -> None:
    lines = [
        "536591,12/1/2010 16:58,14606,United Kingdom,12,3.89",
        "536591,12/1/2010 16:57,14606,United Kingdom,81,2.5",
    ]
    for order in (lines, lines[::-1]):
        mapped = retail(*order)
        assert [(each.external_id, each.at.minute) for each in mapped.commands[ORDERS]] == [
            ("536591", 57),
            ("536591/2", 58),
        ]
        assert mapped.decisions[Decision.SAME_NUMBER] == 1


def test_amounts_are_rounded_half_up_to_pence(retail: Retail) -> None:
    mapped = retail("1,12/1/2010 9:41,14527,United Kingdom,1,0.005")
    assert mapped.commands[ORDERS][0].fields["value"] == Decimal("0.01")
    assert mapped.decisions[Decision.ROUNDED] == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("1,31/12/2010 9:41,14527,UK,1,1", "InvoiceDate: is no time like %m/%d/%Y %H:%M"),
        ("1,12/1/2010 9:41,14527,UK,one,1", "Quantity: is no number"),
        ("1,12/1/2010 9:41,14527,UK,1,NaN", "UnitPrice: is no number"),
        ("1,12/1/2010 9:41,14527,,1,1", "Country: is empty"),
        (",12/1/2010 9:41,14527,UK,1,1", "InvoiceNo: is empty"),
        ("1", "Quantity: is no number"),
    ],
)
def test_a_bad_row_is_reported_with_its_line_and_the_rest_goes_on(retail: Retail, bad: str, reason: str) -> None:
    mapped = retail("2,12/1/2010 9:41,14527,UK,1,1", bad, "3,12/1/2010 9:41,14527,UK,1,1")
    assert [(each.origin.line, each.reason) for each in mapped.rejected] == [(3, reason)]
    assert [order.external_id for order in mapped.commands[ORDERS]] == ["2", "3"]
