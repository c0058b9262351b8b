"""Online Retail: a UK gift wholesaler's invoices, summed per invoice. Customers, orders, returns.

The activity of a customer is its invoices that are no cancellations, whatever their amount: each is one order at its
own time, so S, E and N counted over the file and counted over the orders are the same.

The file puts "(blank)" where it does not know the customer. The worked figures (S 1960, E 1924, N 587) count that as
one customer more: over the identified ones alone they are S 1959, E 1923, N 587, crr 68.1981, cohort 56.4063. So it is
one customer here too, with a tag to leave it out by. To have its orders belong to nobody, move it to NO_CUSTOMER.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from kith_local.replay.cells import BadRow, instant, number, rounded, some_text
from kith_local.replay.commands import CUSTOMERS, ORDERS, RETURNS, DataSet, Mapped, Reference
from kith_local.replay.files import Row, Source, Tables

CURRENCY = "GBP"
NO_CUSTOMER = ("",)
UNIDENTIFIED = "(blank)"
ZERO = Decimal("0.00")


class Decision(StrEnum):
    READING = "Times are read as UTC, amounts as pounds: Quantity x UnitPrice, rounded to pence"
    ROUNDED = "... an amount with a part of a penny"
    CUSTOMER = (
        "A customer exists from its first row on, be it a cancellation; an organisation, as the file has no names"
    )
    SEVERAL_COUNTRIES = "... with rows from several countries: it keeps the first one's, each order has its own"
    UNIDENTIFIED = 'A row of CustomerID "(blank)": of one customer, tagged unidentified, as the worked figures count it'
    NOBODY = "A row of no CustomerID at all: of no customer; it is revenue, and counts for no relationship"
    ORDER = "An invoice (its number does not start with C) is an order"
    ZERO_AMOUNT = "... of amount 0: an order of value 0, and counts"
    WRITE_OFF = "... of these, negative quantity at price 0 (stock written off)"
    NEGATIVE = "... of a negative amount: an order of value 0, and a return of the absolute amount at the same time"
    ADJUSTMENT = "... number starts with A (bad debt adjusted): an invoice like any other"
    SAME_NUMBER = "An InvoiceNo that came before, at another minute, stands for itself: external id InvoiceNo/2"
    RETURN = "A cancellation (number starts with C) is a return of the absolute amount; of which order is not known"


@dataclass(frozen=True, slots=True)
class Invoice:
    row: Row
    number: str
    at: datetime
    customer: str | None
    country: str
    quantity: Decimal
    amount: Decimal
    exact: Decimal

    @classmethod
    def of(cls, row: Row) -> "Invoice":
        quantity = number(row, "Quantity")
        exact = quantity * number(row, "UnitPrice")
        customer = row["CustomerID"]
        it = cls(
            row=row,
            number=some_text(row, "InvoiceNo"),
            at=instant(row, "InvoiceDate", "%m/%d/%Y %H:%M"),
            customer=None if customer in NO_CUSTOMER else customer,
            country=some_text(row, "Country"),
            quantity=quantity,
            amount=rounded(exact),
            exact=exact,
        )
        if it.is_cancellation and it.amount > 0:
            raise BadRow("InvoiceNo", "is a cancellation, yet the amount is positive", it.number)
        return it

    @property
    def is_cancellation(self) -> bool:
        return self.number.startswith("C")


def map_retail(tables: Tables) -> Mapped:
    mapped = Mapped()
    invoices = []
    for row in tables[INVOICES.name]:
        with mapped.mapping(row):
            invoices.append(Invoice.of(row))
    # By time: the first row of a customer, and the first of an invoice's rows, whatever the order in the file.
    invoices.sort(key=lambda invoice: (invoice.at, invoice.row.line))
    _customers(invoices, mapped)
    seen = Counter[str]()
    for invoice in invoices:
        seen[invoice.number] += 1
        if seen[invoice.number] > 1:
            mapped.decide(Decision.SAME_NUMBER)
        _count(invoice, mapped)
        _send(invoice, seen[invoice.number], mapped)
    return mapped


def _customers(invoices: list[Invoice], mapped: Mapped) -> None:
    countries: dict[str, set[str]] = {}
    for invoice in invoices:
        if (customer := invoice.customer) is None:
            continue
        if customer not in countries:
            about = _about(customer, invoice)
            mapped.add(CUSTOMERS, invoice.row, customer, invoice.at, kind="organisation", **about)
        countries.setdefault(customer, set()).add(invoice.country)
    mapped.decide(Decision.CUSTOMER, len(countries))
    countries.pop(UNIDENTIFIED, None)
    mapped.decide(Decision.SEVERAL_COUNTRIES, sum(len(of_one) > 1 for of_one in countries.values()))


def _about(customer: str, first: Invoice) -> dict[str, Any]:
    if customer == UNIDENTIFIED:
        return {"name": "Customers not identified", "tags": ["unidentified"]}
    return {"name": f"Customer {customer}", "country": first.country}


def _send(invoice: Invoice, occurrence: int, mapped: Mapped) -> None:
    external_id = invoice.number if occurrence == 1 else f"{invoice.number}/{occurrence}"
    about: dict[str, Any] = {
        "customer_id": Reference(CUSTOMERS, invoice.customer) if invoice.customer else None,
        "currency": CURRENCY,
        "country": invoice.country,
    }
    if not invoice.is_cancellation:
        mapped.add(ORDERS, invoice.row, external_id, invoice.at, value=max(invoice.amount, ZERO), **about)
    if invoice.is_cancellation or invoice.amount < 0:
        mapped.add(RETURNS, invoice.row, external_id, invoice.at, value=abs(invoice.amount), **about)


def _count(invoice: Invoice, mapped: Mapped) -> None:
    mapped.decide(Decision.READING)
    mapped.decide(Decision.ROUNDED, invoice.exact != invoice.amount)
    mapped.decide(Decision.UNIDENTIFIED, invoice.customer == UNIDENTIFIED)
    mapped.decide(Decision.NOBODY, invoice.customer is None)
    if invoice.is_cancellation:
        mapped.decide(Decision.RETURN)
        return
    mapped.decide(Decision.ORDER)
    mapped.decide(Decision.ZERO_AMOUNT, invoice.amount == 0)
    mapped.decide(Decision.WRITE_OFF, invoice.amount == 0 and invoice.quantity < 0)
    mapped.decide(Decision.NEGATIVE, invoice.amount < 0)
    mapped.decide(Decision.ADJUSTMENT, invoice.number.startswith("A"))


INVOICES = Source(
    "online_retail_invoices.csv", ("InvoiceNo", "InvoiceDate", "CustomerID", "Country", "Quantity", "UnitPrice")
)
RETAIL = DataSet("retail", (INVOICES,), Decision, map_retail)
