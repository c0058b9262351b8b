"""The form of a quote: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Column, Integer

from kith.db.owned import owned_through
from kith.db.tables import Amount, Moment, aggregate_table, one_of, reference, values_column
from kith.nouns.inputs import UNSENT, Amendment, Input, NewInput
from kith.nouns.resource import Also, Command, Follows, One, Resource, Timer, View, personal
from kith.nouns.value_inputs import Values
from kith.scalars import Code, Currency, Id, Instant, Text
from sales.opportunities.form import opportunities
from sales.orders.form import ORDERS, PlaceOrder, orders
from sales.price_books.form import price_books
from sales.prices.pricing import pricing_of
from sales.products.form import products
from sales.quotes.rules import Quote, QuoteState
from sales.reasons.listed import listed_reasons
from sales.reasons.rules import ReasonKind
from sales.tables import CUSTOMER, known_customers, metadata
from sales.values import MOST_LINES, Line


class CreateQuote(NewInput):
    customer_id: Id | None = None
    opportunity_id: Id | None = None
    currency: Currency | None = Field(default=None, description="the opportunity's, if one is named")
    price_book_id: Id | None = Field(
        default=None, description="of its lines; the default of the currency, unless one is named"
    )
    lines: Annotated[list[Line], Values(MOST_LINES)]
    valid_until: Instant | None = None


class AmendQuote(Amendment):
    lines: Annotated[list[Line], Values(MOST_LINES)] = UNSENT
    valid_until: Instant | None = UNSENT


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
    Column("currency", TEXT, nullable=False),
    *reference("price_book_id", price_books),
    values_column("lines", Line),
    Column("last_line", Integer, nullable=False),
    Column("value", Amount, nullable=False),
    Column("valid_until", Moment),
    Column("state", one_of(QuoteState), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("sent_at", Moment),
    Column("closed_at", Moment),
    Column("reason", TEXT),
    Column("signature", TEXT),
    *reference("order_id", orders),
    customer_owned=True,
    listed_by=("opportunity_id", "state", "valid_until", "value"),
)
owned_through(quotes, known_customers)


@dataclass(slots=True)
class QuoteView(View):
    customer_id: UUID | None
    opportunity_id: UUID | None
    currency: str
    price_book_id: UUID | None
    lines: list[Line]
    value: Decimal
    valid_until: datetime | None
    state: QuoteState
    revision: int
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


QUOTES = Resource(
    "quote",
    "quotes",
    Quote,
    quotes,
    QuoteView,
    (
        Command("create", CreateQuote, Quote.create),
        Command("amend", AmendQuote, Quote.amend),
        Command("send", SendQuote, Quote.send),
        Command("view", ViewQuote, Quote.view),
        Command("accept", AcceptQuote, Quote.accept, also=Also(ORDERS, order_of, named="order_id")),
        Command("decline", DeclineQuote, Quote.decline),
        Command("withdraw", WithdrawQuote, Quote.withdraw),
        Command("expire", ExpireQuote, Quote.expire),
        Command("revise", ReviseQuote, Quote.revise),
    ),
    filters=("customer_id", "opportunity_id", "state", "valid_until", "value"),
    unpublished={
        "lines.description": "Words for people.",
        "last_line": "It follows from the lines of all revisions.",
    },
    checks=listed_reasons(lambda _: ReasonKind.QUOTE_DECLINED),
    timers=(Timer("expire", at="expires_at"),),
    follows={
        "customer_id": CUSTOMER,
        "opportunity_id": Follows(opportunities.c.id, ("customer_id", "currency")),
        "price_book_id": Follows(price_books.c.id, ("currency",)),
    },
    supplies=pricing_of,
    parts_name={"lines.product_id": Follows(products.c.id, ("family",))},
    relations=(
        One("customer", many="quotes"),
        One("opportunity", many="quotes"),
        One("order"),
    ),
)
