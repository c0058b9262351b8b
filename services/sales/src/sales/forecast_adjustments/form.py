"""The form of an adjustment of a forecast: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Column, Date, Uuid

from kith.db.tables import Amount, aggregate_table, one_of
from kith.nouns.inputs import UNSENT, Amendment, Archive, NewInput, Restore
from kith.nouns.resource import ArchivableView, Command, One, Resource
from kith.scalars import Code, Currency, Day, Id, Money
from sales.forecast_adjustments.rules import AdjustmentDirection, ForecastAdjustment
from sales.pipelines.values import ForecastCategory
from sales.quotas.overlaps import one_for_each_month
from sales.quotas.rules import QuotaPeriod
from sales.tables import TEAM, USER, metadata


class CreateForecastAdjustment(NewInput):
    owner_id: Id | None = Field(default=None, description="whose forecast, or `team_id`")
    team_id: Id | None = None
    period: QuotaPeriod
    starts_on: Day
    forecast_category: ForecastCategory
    direction: AdjustmentDirection
    value: Money
    currency: Currency
    reason: Code


class AmendForecastAdjustment(Amendment):
    direction: AdjustmentDirection = UNSENT
    value: Money = UNSENT
    reason: Code = UNSENT


forecast_adjustments = aggregate_table(
    "forecast_adjustments",
    metadata,
    Column("owner_id", Uuid),
    Column("team_id", Uuid),
    Column("period", one_of(QuotaPeriod), nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("forecast_category", one_of(ForecastCategory), nullable=False),
    Column("direction", one_of(AdjustmentDirection), nullable=False),
    Column("value", Amount, nullable=False),
    Column("currency", TEXT, nullable=False),
    Column("reason", TEXT, nullable=False),
    Column("author", TEXT),
    archivable=True,
    listed_by=("owner_id", "team_id", "starts_on"),
)


@dataclass(slots=True)
class ForecastAdjustmentView(ArchivableView):
    owner_id: UUID | None
    team_id: UUID | None
    period: QuotaPeriod
    starts_on: date
    forecast_category: ForecastCategory
    direction: AdjustmentDirection
    value: Decimal
    currency: str
    reason: str
    author: str | None


FORECAST_ADJUSTMENTS = Resource(
    "forecast_adjustment",
    "forecast_adjustments",
    ForecastAdjustment,
    forecast_adjustments,
    ForecastAdjustmentView,
    (
        Command("create", CreateForecastAdjustment, ForecastAdjustment.create),
        Command("amend", AmendForecastAdjustment, ForecastAdjustment.amend),
        Command("archive", Archive, ForecastAdjustment.archive),
        Command("restore", Restore, ForecastAdjustment.restore, of_archived=True),
    ),
    filters=("owner_id", "team_id", "starts_on"),
    checks=one_for_each_month(forecast_adjustments, ForecastAdjustment, "forecast_category", "direction", "reason"),
    follows={"owner_id": USER, "team_id": TEAM},
    relations=(One("owner", to="user", many="forecast_adjustments"), One("team", many="forecast_adjustments")),
)
