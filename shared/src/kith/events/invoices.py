"""What sales publishes of invoices. None is an exchange with the customer: what is paid for is one."""

from datetime import date
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from kith.events.event import Amended, Event


class InvoiceIssued(Event):
    type: ClassVar[str] = "sales.invoice.issued.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    state: str
    value: Decimal
    currency: str
    outstanding: Decimal
    """What is still to be paid of it."""
    number: str | None = None
    due_on: date | None = None
    order_id: UUID | None = None
    subscription_id: UUID | None = None


class InvoiceAmended(Amended):
    """It is due on another day, and so may not be overdue any more."""

    type: ClassVar[str] = "sales.invoice.amended.v1"
    qualifies: ClassVar[bool] = False
    due_on: date | None = None
    state: str | None = None


class InvoicePartlyPaid(Event):
    type: ClassVar[str] = "sales.invoice.partly-paid.v1"
    qualifies: ClassVar[bool] = False
    amount: Decimal
    outstanding: Decimal
    currency: str
    state: str


class InvoicePaid(Event):
    """All of it is paid. `amount` is the last payment."""

    type: ClassVar[str] = "sales.invoice.paid.v1"
    qualifies: ClassVar[bool] = False
    amount: Decimal
    outstanding: Decimal
    currency: str
    state: str


class InvoiceOverdue(Event):
    """The day on which it was due is over: once for each such day."""

    type: ClassVar[str] = "sales.invoice.overdue.v1"
    qualifies: ClassVar[bool] = False
    state: str
    outstanding: Decimal
    currency: str


class InvoiceWrittenOff(Event):
    """What is outstanding is not expected any more."""

    type: ClassVar[str] = "sales.invoice.written-off.v1"
    qualifies: ClassVar[bool] = False
    state: str
    outstanding: Decimal
    currency: str


class InvoiceVoided(Event):
    """It was wrong: nothing is owed by it, and nothing was."""

    type: ClassVar[str] = "sales.invoice.voided.v1"
    qualifies: ClassVar[bool] = False
    state: str
