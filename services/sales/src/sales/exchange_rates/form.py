"""The form of an exchange rate: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from pydantic import Field
from sqlalchemy import TEXT, Column, Date, Numeric

from kith.db.tables import aggregate_table
from kith.nouns.inputs import UNSENT, Amendment, Archive, NewInput, Restore
from kith.nouns.resource import ArchivableView, Command, Resource
from kith.scalars import Code, Currency, Day, Rate
from sales.exchange_rates.rules import ExchangeRate
from sales.tables import metadata


class CreateExchangeRate(NewInput):
    base: Currency
    quote: Currency
    rate: Rate = Field(description="one unit of `base` is so much in `quote`")
    day: Day
    source: Code | None = None


class AmendExchangeRate(Amendment):
    rate: Rate = UNSENT
    source: Code | None = UNSENT


exchange_rates = aggregate_table(
    "exchange_rates",
    metadata,
    Column("base", TEXT, nullable=False),
    Column("quote", TEXT, nullable=False),
    Column("rate", Numeric(20, 10), nullable=False),
    Column("day", Date, nullable=False),
    Column("source", TEXT),
    archivable=True,
    listed_by=("base", "quote", "day"),
)


@dataclass(slots=True)
class ExchangeRateView(ArchivableView):
    base: str
    quote: str
    rate: Decimal
    day: date
    source: str | None


EXCHANGE_RATES = Resource(
    "exchange_rate",
    "exchange_rates",
    ExchangeRate,
    exchange_rates,
    ExchangeRateView,
    (
        Command("create", CreateExchangeRate, ExchangeRate.create),
        Command("amend", AmendExchangeRate, ExchangeRate.amend),
        Command("archive", Archive, ExchangeRate.archive),
        Command("restore", Restore, ExchangeRate.restore, of_archived=True),
    ),
    filters=("base", "quote", "day"),
)
