"""The form of a price book: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import Field
from sqlalchemy import TEXT, Boolean, Column

from kith.db.tables import Moment, aggregate_table
from kith.nouns.inputs import UNSENT, Amendment, Archive, NewInput, Restore
from kith.nouns.resource import ArchivableView, Command, Resource
from kith.scalars import Currency, Flag, Instant, Text
from sales.price_books.rules import PriceBook
from sales.tables import metadata


class CreatePriceBook(NewInput):
    name: Text
    currency: Currency
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    is_default: Flag = Field(default=False, description="whether it is for lines in its currency that name no other")


class AmendPriceBook(Amendment):
    name: Text = UNSENT
    valid_from: Instant | None = UNSENT
    valid_until: Instant | None = UNSENT
    is_default: Flag = UNSENT


price_books = aggregate_table(
    "price_books",
    metadata,
    Column("name", TEXT, nullable=False),
    Column("currency", TEXT, nullable=False),
    Column("valid_from", Moment),
    Column("valid_until", Moment),
    Column("is_default", Boolean, nullable=False),
    archivable=True,
    listed_by=("currency", "is_default"),
)


@dataclass(slots=True)
class PriceBookView(ArchivableView):
    name: str
    currency: str
    valid_from: datetime | None
    valid_until: datetime | None
    is_default: bool


PRICE_BOOKS = Resource(
    "price_book",
    "price_books",
    PriceBook,
    price_books,
    PriceBookView,
    (
        Command("create", CreatePriceBook, PriceBook.create),
        Command("amend", AmendPriceBook, PriceBook.amend),
        Command("archive", Archive, PriceBook.archive),
        Command("restore", Restore, PriceBook.restore, of_archived=True),
    ),
    filters=("currency", "is_default"),
    unpublished={"name": "Words for people. Figures go by the id."},
    reference_data=True,
)
