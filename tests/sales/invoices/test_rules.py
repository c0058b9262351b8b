"""What becomes of an invoice: paid, overdue, written off or voided, and each once."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kith.errors import Invalid, NothingAmended
from kith.events.invoices import InvoicePaid, InvoicePartlyPaid
from kith.ids import new_id
from sales.invoices.rules import Invoice, InvoiceNotDue, InvoiceSettled, InvoiceState, MoreThanIsOutstanding

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
OVER = datetime(2026, 4, 1, tzinfo=UTC)
"""The end of the day on which it is due."""


def issued(**fields: Any) -> Invoice:
    given: dict[str, Any] = {"value": Decimal(100), "currency": "EUR", "due_on": date(2026, 3, 31)} | fields
    it, _ = Invoice.issue(id=new_id(), at=DAY, **given)
    it.updated_at = DAY
    return it


def test_it_is_paid_in_parts() -> None:
    it = issued()
    first = it.pay(at=DAY, amount=Decimal("33.33"))
    assert isinstance(first, InvoicePartlyPaid)
    assert (first.amount, first.outstanding, first.state) == (Decimal("33.33"), Decimal("66.67"), "open")
    last = it.pay(at=DAY, amount=Decimal("66.67"))
    assert isinstance(last, InvoicePaid)
    assert (last.outstanding, last.state, it.closed_at) == (Decimal(0), "paid", DAY)


@pytest.mark.parametrize("amount", ["0", "100.01", "0.001"])
def test_no_more_than_is_outstanding_is_paid_and_no_less_than_a_cent(amount: str) -> None:
    it = issued()
    with pytest.raises(Invalid) as refused:
        it.pay(at=DAY, amount=Decimal(amount))
    assert (refused.value.field, it.outstanding) == ("amount", Decimal(100))


def test_what_was_paid_before_counts() -> None:
    it = issued()
    it.pay(at=DAY, amount=Decimal(60))
    with pytest.raises(MoreThanIsOutstanding):
        it.pay(at=DAY, amount=Decimal("40.01"))


def test_it_is_overdue_when_its_day_is_over_and_not_before() -> None:
    it = issued()
    assert it.next_overdue == OVER
    with pytest.raises(InvoiceNotDue):
        it.mark_overdue(at=OVER - timedelta(microseconds=1))
    event = it.mark_overdue(at=OVER)
    assert (event.state, event.outstanding) == ("overdue", Decimal(100))
    with pytest.raises(InvoiceSettled):
        it.mark_overdue(at=OVER)


def test_one_that_is_overdue_is_paid_all_the_same() -> None:
    it = issued()
    it.mark_overdue(at=OVER)
    assert it.pay(at=OVER, amount=Decimal(1)).state == "overdue"
    assert it.pay(at=OVER, amount=Decimal(99)).state == "paid"


def test_without_a_day_it_is_never_overdue() -> None:
    it = issued(due_on=None)
    assert it.next_overdue is None
    with pytest.raises(InvoiceNotDue):
        it.mark_overdue(at=OVER)


def test_with_another_day_it_is_open_again_and_may_be_overdue_again() -> None:
    it = issued()
    it.mark_overdue(at=OVER)
    event = it.amend(at=OVER, due_on=date(2026, 4, 30))
    assert (event.changed, event.state, it.next_overdue) == (
        ["due_on", "state"],
        "open",
        datetime(2026, 5, 1, tzinfo=UTC),
    )
    it.mark_overdue(at=datetime(2026, 5, 1, tzinfo=UTC))
    event = it.amend(at=datetime(2026, 5, 2, tzinfo=UTC), due_on=date(2026, 4, 29))
    assert (event.changed, it.state) == (["due_on"], InvoiceState.OVERDUE)
    with pytest.raises(NothingAmended):
        it.amend(at=datetime(2026, 5, 2, tzinfo=UTC), due_on=date(2026, 4, 29))


def test_what_is_outstanding_is_written_off() -> None:
    it = issued()
    it.pay(at=DAY, amount=Decimal(60))
    event = it.write_off(at=DAY)
    assert (event.state, event.outstanding) == ("written_off", Decimal(40))


def test_one_of_which_a_part_is_paid_is_not_voided() -> None:
    it = issued()
    it.pay(at=DAY, amount=Decimal(60))
    with pytest.raises(InvoiceSettled):
        it.void(at=DAY)
    assert issued().void(at=DAY).state == "voided"


@pytest.mark.parametrize("end", ["pay", "write_off", "void"])
def test_what_is_settled_stays_so(end: str) -> None:
    it = issued()
    getattr(it, end)(at=DAY, **({"amount": Decimal(100)} if end == "pay" else {}))
    for name, fields in (
        ("pay", {"amount": Decimal(1)}),
        ("amend", {"due_on": None}),
        ("mark_overdue", {}),
        ("write_off", {}),
        ("void", {}),
    ):
        with pytest.raises(InvoiceSettled):
            getattr(it, name)(at=OVER, **fields)


def test_nothing_is_to_be_paid_of_an_invoice_of_nothing() -> None:
    it = issued(value=Decimal(0))
    assert (it.state, it.next_overdue, it.closed_at) == (InvoiceState.PAID, None, DAY)


def test_it_is_not_paid_before_its_last_change() -> None:
    with pytest.raises(Invalid):
        issued().pay(at=DAY - timedelta(seconds=1), amount=Decimal(1))
