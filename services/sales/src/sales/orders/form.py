"""The form of an order: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Column

from kith.db.owned import owned_through
from kith.db.tables import Amount, Moment, aggregate_table, reference, values_column
from kith.nouns.inputs import CustomValues, Priced
from kith.nouns.resource import Command, Follows, One, Resource, View, personal
from kith.nouns.value_inputs import Values
from kith.scalars import Code, Currency, Id, Instant, Money
from sales.opportunities.form import opportunities
from sales.orders.rules import Order
from sales.price_books.form import price_books
from sales.prices.pricing import pricing_of
from sales.products.form import products
from sales.tables import CUSTOMER, known_customers, metadata
from sales.values import MOST_LINES, Line


class PlaceOrder(Priced):
    customer_id: Id | None = None
    value: Money | None = Field(default=None, description="the sum of its lines, if it has any")
    currency: Currency | None = Field(default=None, description="the opportunity's, if one is named")
    country: Code | None = None
    opportunity_id: Id | None = None
    price_book_id: Id | None = Field(
        default=None, description="of the lines without a price; the default of the currency, unless one is named"
    )
    promised_at: Instant | None = Field(default=None, description="by when it is to be delivered whole")
    lines: Annotated[list[Line], Values(MOST_LINES)] = Field(default_factory=list)
    custom: CustomValues = Field(default_factory=dict)
    custom_personal: CustomValues = Field(default_factory=dict)


orders = aggregate_table(
    "orders",
    metadata,
    Column("value", Amount, nullable=False),
    Column("currency", TEXT, nullable=False),
    Column("country", TEXT),
    *reference("opportunity_id", opportunities),
    *reference("price_book_id", price_books),
    Column("promised_at", Moment),
    values_column("lines", Line),
    customer_owned=True,
    customisable=True,
    listed_by=("country", "value"),
)
owned_through(orders, known_customers)


@dataclass(slots=True)
class OrderView(View):
    customer_id: UUID | None
    value: Decimal
    currency: str
    country: str | None
    opportunity_id: UUID | None
    price_book_id: UUID | None
    promised_at: datetime | None
    lines: list[Line]
    custom: dict[str, Any]
    custom_personal: dict[str, Any] | None = personal()


ORDERS = Resource(
    "order",
    "orders",
    Order,
    orders,
    OrderView,
    (Command("place", PlaceOrder, Order.place),),
    filters=("customer_id", "opportunity_id", "country", "value"),
    follows={
        "customer_id": CUSTOMER,
        "opportunity_id": Follows(opportunities.c.id, ("customer_id", "currency")),
        "price_book_id": Follows(price_books.c.id, ("currency",)),
    },
    parts_name={
        "lines.product_id": Follows(products.c.id, ("family",)),
        "lines.bundle_id": Follows(products.c.id, ()),
    },
    unpublished={"lines.description": "Words for people."},
    relations=(One("customer", many="orders"),),
    insert_only=True,
    supplies=pricing_of,
)
