"""The form of a tenant's settings of quotes: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Column, Numeric

from kith.db.tables import aggregate_table
from kith.nouns.inputs import UNSENT, Amendment
from kith.nouns.resource import Command, Resource, View
from kith.scalars import Percentage
from sales.quote_settings.rules import QuoteSettings
from sales.tables import metadata


class AmendQuoteSettings(Amendment):
    discount_limit: Percentage | None = UNSENT


quote_settings = aggregate_table("quote_settings", metadata, Column("discount_limit", Numeric(7, 4)))


@dataclass(slots=True)
class QuoteSettingsView(View):
    # Version 0 has no time: nobody has changed them yet.
    created_at: datetime | None  # type: ignore[assignment]
    updated_at: datetime | None  # type: ignore[assignment]
    discount_limit: Decimal | None


QUOTE_SETTINGS = Resource(
    "quote_settings",
    "quote_settings",
    QuoteSettings,
    quote_settings,
    QuoteSettingsView,
    (Command("amend", AmendQuoteSettings, QuoteSettings.amend),),
    singleton=QuoteSettings.singleton,
    write_verb="approve",
)
