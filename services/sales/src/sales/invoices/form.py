"""The form of an invoice: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Column, Date

from kith.db.owned import owned_through
from kith.db.tables import Amount, Moment, aggregate_table, one_of, reference
from kith.nouns.inputs import UNSENT, Amendment, Input, Priced
from kith.nouns.resource import Command, Follows, One, Resource, Timer, View
from kith.scalars import Code, Currency, Day, Id, Money
from sales.invoices.rules import Invoice, InvoiceState
from sales.orders.form import orders
from sales.subscriptions.form import subscriptions
from sales.tables import CUSTOMER, known_customers, metadata


class IssueInvoice(Priced):
    customer_id: Id | None = None
    number: Code | None = None
    value: Money
    currency: Currency | None = Field(default=None, description="the order's or the subscription's, if one is named")
    due_on: Day | None = Field(default=None, description="the last day on which it is not overdue")
    order_id: Id | None = None
    subscription_id: Id | None = None


class AmendInvoice(Amendment):
    due_on: Day | None = UNSENT


class PayInvoice(Input):
    amount: Money


class MarkInvoiceOverdue(Input):
    pass


class WriteOffInvoice(Input):
    pass


class VoidInvoice(Input):
    pass


invoices = aggregate_table(
    "invoices",
    metadata,
    Column("number", TEXT),
    Column("value", Amount, nullable=False),
    Column("currency", TEXT, nullable=False),
    Column("outstanding", Amount, nullable=False),
    Column("due_on", Date),
    Column("state", one_of(InvoiceState), nullable=False),
    Column("closed_at", Moment),
    *reference("order_id", orders),
    *reference("subscription_id", subscriptions),
    customer_owned=True,
    listed_by=("number", "order_id", "subscription_id", "state", "due_on"),
)
owned_through(invoices, known_customers)


@dataclass(slots=True)
class InvoiceView(View):
    customer_id: UUID | None
    number: str | None
    value: Decimal
    currency: str
    outstanding: Decimal
    due_on: date | None
    state: InvoiceState
    closed_at: datetime | None
    order_id: UUID | None
    subscription_id: UUID | None


INVOICES = Resource(
    "invoice",
    "invoices",
    Invoice,
    invoices,
    InvoiceView,
    (
        Command("issue", IssueInvoice, Invoice.issue),
        Command("amend", AmendInvoice, Invoice.amend),
        Command("pay", PayInvoice, Invoice.pay),
        Command("mark_overdue", MarkInvoiceOverdue, Invoice.mark_overdue),
        Command("write_off", WriteOffInvoice, Invoice.write_off),
        Command("void", VoidInvoice, Invoice.void),
    ),
    filters=("customer_id", "number", "order_id", "subscription_id", "state", "due_on"),
    timers=(Timer("mark_overdue", at="next_overdue"),),
    follows={
        "customer_id": CUSTOMER,
        "order_id": Follows(orders.c.id, ("customer_id", "currency")),
        "subscription_id": Follows(subscriptions.c.id, ("customer_id", "currency")),
    },
    relations=(
        One("customer", many="invoices"),
        One("order", many="invoices"),
        One("subscription", many="invoices"),
    ),
)
