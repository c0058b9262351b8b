"""Purchases as arrays: the input of the models of customer value."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    ColumnElement,
    Date,
    Double,
    ScalarSelect,
    and_,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.customer_value.purchase_base import MONEY, Purchases
from analytics.health.model.definition import UNIDENTIFIED
from analytics.projections.facts import types_of
from analytics.projections.tables import facts
from kith.db.tables import Moment
from kith.events.sales import OrderPlaced, OrderReturned

Ids = NDArray[np.bytes_]
"""UUIDs, 16 bytes each."""

_EPOCH = np.datetime64("2000-01-01", "us")
"""PostgreSQL's epoch."""


@dataclass(frozen=True)
class Bought:
    ids: Ids
    """The ids of the customers, sorted: `purchases.customer` is an index into it."""
    purchases: Purchases
    currencies: tuple[str | None, ...]
    """The currencies of the purchases, sorted: `purchases.currency` is an index into it."""
    now: datetime


def sent(column: ColumnElement[Any], send: str) -> ColumnElement[Any]:
    """Returns a column as one value, in PostgreSQL's binary form: an array at once, rather than a million Python
    objects. Columns of one select have the same order."""
    nothing = literal_column("''::bytea", BYTEA)
    return func.coalesce(func.string_agg(getattr(func, send)(column), nothing), nothing)


def ids_of(sent: bytes) -> Ids:
    return np.frombuffer(sent, "S16")


def is_purchase(tenant: str, before: datetime) -> ColumnElement[bool]:
    """Selects orders and returns of known customers."""
    return and_(
        facts.c.tenant_id == tenant,
        facts.c.type.in_((OrderPlaced.type, OrderReturned.type)),
        facts.c.time < before,
        facts.c.customer_id.is_not(None),
        facts.c.customer_id.not_in(unidentified(tenant, before)),
    )


def unidentified(tenant: str, at: datetime) -> ScalarSelect[Any]:
    """Selects the customers that were tagged as unidentified then."""
    f = facts.alias("collective")
    return (
        select(f.c.subject)
        .where(
            f.c.tenant_id == tenant,
            f.c.type.in_(types_of("contacts.customer")),
            or_(f.c.version == 1, f.c.time < at),
            or_(f.c.until.is_(None), f.c.until >= at),
            f.c.state["tags"].has_key(UNIDENTIFIED),
        )
        .scalar_subquery()
    )


async def bought(
    connection: AsyncConnection, tenant: str, before: datetime, zone: str, *where: ColumnElement[bool]
) -> Bought:
    """Returns all purchases of a tenant before an instant, in one pass; `where` filters the facts."""
    f, placed = facts.c, facts.c.type == OrderPlaced.type
    amount = cast(func.coalesce(f.amount, 0) * MONEY, Double)
    row = (
        await connection.execute(
            select(
                sent(f.customer_id, "uuid_send"),
                sent(f.time, "timestamptz_send"),
                sent(cast(func.timezone(zone, f.time), Date), "date_send"),
                sent(case((placed, amount), else_=-amount), "float8send"),
                sent(placed, "boolsend"),
                sent(_three_bytes(f.currency), "byteasend"),
                cast(func.now(), Moment),
            ).where(is_purchase(tenant, before), *where)
        )
    ).one()
    return await asyncio.to_thread(_read, *row)


def _three_bytes(currency: ColumnElement[Any]) -> ColumnElement[Any]:
    """Pads or cuts a currency code to three bytes, whatever its length."""
    code = func.convert_to(func.rpad(func.coalesce(currency, ""), 3), "UTF8")
    return func.substring(code, 1, 3, type_=BYTEA)


def _read(ids: bytes, time: bytes, day: bytes, amount: bytes, placed: bytes, currency: bytes, now: datetime) -> Bought:
    customers, customer = numbered(ids_of(ids))
    codes, of_code = _currencies(currency)
    purchases = Purchases(
        customer,
        _EPOCH + np.frombuffer(time, ">i8").astype("timedelta64[us]"),
        _EPOCH.astype("datetime64[D]") + np.frombuffer(day, ">i4").astype("timedelta64[D]"),
        np.frombuffer(amount, ">f8").astype(np.float64),
        np.frombuffer(placed, np.bool_),
        of_code,
    )
    return Bought(customers, purchases, codes, now)


def _currencies(sent: bytes) -> tuple[tuple[str | None, ...], NDArray[np.int64]]:
    codes = np.frombuffer(sent, "S3")
    if (codes == codes[:1]).all():  # most tenants have one
        found, index = codes[:1], np.zeros(codes.size, np.int64)
    else:
        found, index = np.unique(codes, return_inverse=True)
    return tuple(each.decode(errors="replace").strip() or None for each in found.tolist()), index.astype(np.int64)


def numbered(ids: Ids) -> tuple[Ids, NDArray[np.int64]]:
    """Like `np.unique(ids, return_inverse=True)`, some times faster: it sorts by the random half of a UUID."""
    half = ids.view(">u8")[1::2].astype(np.uint64)
    _, first, of_half = np.unique(half, return_index=True, return_inverse=True)
    found = ids[first]
    if (found[of_half] != ids).any():  # not random: two ids have the same half
        unique, index = np.unique(ids, return_inverse=True)
        return unique, index.astype(np.int64)
    order = np.argsort(found)
    index = np.empty(order.size, np.int64)
    index[order] = np.arange(order.size)
    return found[order], index[of_half]


async def currencies(connection: AsyncConnection, tenant: str, before: datetime) -> set[str | None]:
    """Returns the currencies of the purchases."""
    return set(await connection.scalars(select(facts.c.currency).where(is_purchase(tenant, before)).distinct()))
