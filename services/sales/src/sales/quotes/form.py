"""The form of a quote: what can be done with it, its table, and how it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Column, ForeignKeyConstraint, Integer, Uuid
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.owned import owned_through
from kith.db.tables import Amount, Moment, aggregate_table, one_of, reference, values_column
from kith.nouns.inputs import UNSENT, Amendment, Input, NewInput
from kith.nouns.resource import Also, Attempt, Command, Follows, One, Resource, Supplies, Timer, View, personal
from kith.nouns.value_inputs import Values
from kith.scalars import Code, Currency, Id, Instant, Note, Text
from sales.opportunities.form import opportunities
from sales.orders.form import ORDERS, PlaceOrder, orders
from sales.price_books.form import price_books
from sales.products.form import products
from sales.quotes.given import prices_and_limit
from sales.quotes.rules import Quote, QuoteApproval, QuoteState
from sales.reasons.listed import listed_reasons
from sales.reasons.rules import ReasonKind
from sales.tables import CUSTOMER, known_customers, metadata
from sales.values import MOST_LINES, Line


class CreateQuote(NewInput):
    clone_of_id: Id | None = Field(default=None, description="the quote whose lines it has, if it is sent none")
    customer_id: Id | None = None
    opportunity_id: Id | None = None
    currency: Currency | None = Field(default=None, description="the opportunity's, if one is named")
    price_book_id: Id | None = Field(
        default=None, description="of its lines; the default of the currency, unless one is named"
    )
    lines: Annotated[list[Line], Values(MOST_LINES)] = Field(default_factory=list)
    valid_until: Instant | None = None


class AmendQuote(Amendment):
    lines: Annotated[list[Line], Values(MOST_LINES)] = UNSENT
    valid_until: Instant | None = UNSENT


class ApproveQuote(Input):
    note: Note | None = None

    @property
    def needs(self) -> Sequence[str]:
        return ("approve",)


class RejectQuote(Input):
    note: Note = Field(description="why")

    @property
    def needs(self) -> Sequence[str]:
        return ("approve",)


class SendQuote(Input):
    pass


class ViewQuote(Input):
    pass


class AcceptQuote(Input):
    signature: Text = Field(description="the name of who accepts it")


class DeclineQuote(Input):
    reason: Code | None = None


class WithdrawQuote(Input):
    pass


class ExpireQuote(Input):
    pass


class ReviseQuote(Input):
    pass


quotes = aggregate_table(
    "quotes",
    metadata,
    *reference("opportunity_id", opportunities),
    Column("clone_of_id", Uuid),
    ForeignKeyConstraint(["tenant_id", "clone_of_id"], ["quotes.tenant_id", "quotes.id"]),
    Column("currency", TEXT, nullable=False),
    *reference("price_book_id", price_books),
    values_column("lines", Line),
    Column("last_line", Integer, nullable=False),
    Column("value", Amount, nullable=False),
    Column("valid_until", Moment),
    Column("state", one_of(QuoteState), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("approval", one_of(QuoteApproval)),
    Column("decided_by", TEXT),
    Column("decided_at", Moment),
    Column("decision_note", TEXT),
    Column("sent_at", Moment),
    Column("closed_at", Moment),
    Column("reason", TEXT),
    Column("signature", TEXT),
    *reference("order_id", orders),
    customer_owned=True,
    listed_by=("opportunity_id", "state", "approval", "valid_until", "value"),
)
owned_through(quotes, known_customers)


@dataclass(slots=True)
class QuoteView(View):
    customer_id: UUID | None
    opportunity_id: UUID | None
    clone_of_id: UUID | None
    currency: str
    price_book_id: UUID | None
    lines: list[Line]
    value: Decimal
    valid_until: datetime | None
    state: QuoteState
    revision: int
    approval: QuoteApproval | None
    decided_by: str | None
    decided_at: datetime | None
    decision_note: str | None
    sent_at: datetime | None
    closed_at: datetime | None
    reason: str | None
    order_id: UUID | None
    signature: str | None = personal()


def order_of(quote: Quote, at: datetime) -> PlaceOrder:
    """Returns what is ordered by accepting a quote."""
    return PlaceOrder.model_construct(
        occurred_at=at,
        customer_id=quote.customer_id,
        currency=quote.currency,
        opportunity_id=quote.opportunity_id,
        price_book_id=quote.price_book_id,
        lines=quote.lines,
    )


async def given_to_quotes(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Supplies:
    return await prices_and_limit(connection, tenant, quotes, asked)


QUOTES = Resource(
    "quote",
    "quotes",
    Quote,
    quotes,
    QuoteView,
    (
        Command("create", CreateQuote, Quote.create),
        Command("amend", AmendQuote, Quote.amend),
        Command("approve", ApproveQuote, Quote.approve),
        Command("reject", RejectQuote, Quote.reject),
        Command("send", SendQuote, Quote.send),
        Command("view", ViewQuote, Quote.view),
        Command("accept", AcceptQuote, Quote.accept, also=Also(ORDERS, order_of, named="order_id")),
        Command("decline", DeclineQuote, Quote.decline),
        Command("withdraw", WithdrawQuote, Quote.withdraw),
        Command("expire", ExpireQuote, Quote.expire),
        Command("revise", ReviseQuote, Quote.revise),
    ),
    filters=("customer_id", "opportunity_id", "state", "approval", "valid_until", "value"),
    unpublished={
        "lines.description": "Words for people.",
        "last_line": "It follows from the lines of all revisions.",
        "decision_note": "Words for people.",
        **dict.fromkeys(("decided_by", "decided_at"), "The actor and the time of the event."),
    },
    checks=listed_reasons(lambda _: ReasonKind.QUOTE_DECLINED),
    timers=(Timer("expire", at="expires_at"),),
    follows={
        "customer_id": CUSTOMER,
        "opportunity_id": Follows(opportunities.c.id, ("customer_id", "currency")),
        "price_book_id": Follows(price_books.c.id, ("currency",)),
        "clone_of_id": Follows(
            quotes.c.id, (), lends=("customer_id", "opportunity_id", "currency", "price_book_id", "lines")
        ),
    },
    supplies=given_to_quotes,
    parts_name={
        "lines.product_id": Follows(products.c.id, ("family",)),
        "lines.bundle_id": Follows(products.c.id, ()),
    },
    relations=(
        One("customer", many="quotes"),
        One("opportunity", many="quotes"),
        One("order"),
        One("clone_of", to="quote"),
    ),
)
