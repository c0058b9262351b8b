"""The form of a return: what can be done with it, its table, and how it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import ARRAY, TEXT, Column, Uuid, any_, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.owned import owned_through
from kith.db.statements import streamed
from kith.db.tables import Amount, aggregate_table, reference, values_column
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, Priced
from kith.nouns.resource import Attempt, Check, Command, Follows, One, Resource, View
from kith.nouns.value_inputs import Values
from kith.scalars import Code, Currency, Id, Money
from sales.orders.form import orders
from sales.returns.ordered import Ordered, ordered_lines
from sales.returns.rules import Rest, Return
from sales.tables import CUSTOMER, known_customers, metadata
from sales.values import MOST_LINES, ReturnedLine


class RecordReturn(Priced):
    customer_id: Id | None = None
    value: Money | None = Field(default=None, description="the sum of its lines, if it has any")
    currency: Currency | None = Field(default=None, description="the order's, if one is named")
    country: Code | None = None
    order_id: Id | None = None
    lines: Annotated[list[ReturnedLine], Values(MOST_LINES)] = Field(
        default_factory=list, description="of the order's, by their numbers"
    )


returns = aggregate_table(
    "returns",
    metadata,
    Column("value", Amount, nullable=False),
    Column("currency", TEXT, nullable=False),
    Column("country", TEXT),
    *reference("order_id", orders),
    values_column("lines", ReturnedLine),
    customer_owned=True,
    listed_by=("country", "value"),
)
owned_through(returns, known_customers)


@dataclass(slots=True)
class ReturnView(View):
    customer_id: UUID | None
    value: Decimal
    currency: str
    country: str | None
    order_id: UUID | None
    lines: list[ReturnedLine]


async def orders_cover(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that what is returned of an order is left of it, also while others return something of it."""
    named = {each.order_id for each, _ in asked if isinstance(each, RecordReturn) and each.order_id is not None}
    if not named:
        return lambda *_: None
    o, r = orders.c, returns.c
    wanted = cast(sorted(named), ARRAY(Uuid))
    # In the order of their ids: no two requests deadlock.
    locked = (
        select(o.id, o.value, o.currency, o.created_at)
        .where(o.tenant_id == tenant, o.id == any_(wanted))
        .order_by(o.id)
        .with_for_update(key_share=True)
    )
    found = streamed(connection, locked, most=len(named))
    left = {row.id: Rest(row.value, row.currency, row.created_at) async for row in found}
    given_back = (
        select(r.order_id, func.sum(r.value).label("value"))
        .join(orders, (o.tenant_id == r.tenant_id) & (o.id == r.order_id) & (o.currency == r.currency))
        .where(r.tenant_id == tenant, r.order_id == any_(wanted))
        .group_by(r.order_id)
    )
    async for row in streamed(connection, given_back, most=len(named)):
        left[row.order_id].left -= row.value

    def check(given: Input, record: Aggregate) -> None:
        assert isinstance(record, Return)
        if record.order_id in left:
            field = "lines" if record.lines else "value"
            left[record.order_id].give_back(record.value, at=given.occurred_at, field=field)

    return check


async def lines_of_orders(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Ordered:
    return await ordered_lines(connection, tenant, returns, asked)


RETURNS = Resource(
    "return",
    "returns",
    Return,
    returns,
    ReturnView,
    (Command("record", RecordReturn, Return.record),),
    filters=("customer_id", "order_id", "country", "value"),
    follows={"customer_id": CUSTOMER, "order_id": Follows(orders.c.id, ("customer_id", "currency", "country"))},
    relations=(One("customer"),),
    checks=orders_cover,
    supplies=lines_of_orders,
)
