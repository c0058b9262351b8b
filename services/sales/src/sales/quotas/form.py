"""The form of a quota: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Column, Date, Uuid

from kith.db.tables import Amount, aggregate_table, one_of
from kith.nouns.inputs import UNSENT, Amendment, Archive, NewInput, Restore
from kith.nouns.resource import ArchivableView, Command, One, Resource
from kith.scalars import Currency, Day, Id, Money
from sales.quotas.overlaps import one_for_each_month
from sales.quotas.rules import Quota, QuotaPeriod
from sales.tables import TEAM, USER, metadata


class CreateQuota(NewInput):
    owner_id: Id | None = Field(default=None, description="whose it is, or `team_id`")
    team_id: Id | None = None
    period: QuotaPeriod
    starts_on: Day
    value: Money
    currency: Currency


class AmendQuota(Amendment):
    value: Money = UNSENT


quotas = aggregate_table(
    "quotas",
    metadata,
    Column("owner_id", Uuid),
    Column("team_id", Uuid),
    Column("period", one_of(QuotaPeriod), nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("value", Amount, nullable=False),
    Column("currency", TEXT, nullable=False),
    archivable=True,
    listed_by=("owner_id", "team_id", "starts_on"),
)


@dataclass(slots=True)
class QuotaView(ArchivableView):
    owner_id: UUID | None
    team_id: UUID | None
    period: QuotaPeriod
    starts_on: date
    value: Decimal
    currency: str


QUOTAS = Resource(
    "quota",
    "quotas",
    Quota,
    quotas,
    QuotaView,
    (
        Command("create", CreateQuota, Quota.create),
        Command("amend", AmendQuota, Quota.amend),
        Command("archive", Archive, Quota.archive),
        Command("restore", Restore, Quota.restore, of_archived=True),
    ),
    unpublished={"owner_id": "The event of a team's has none.", "team_id": "The event of a user's has none."},
    filters=("owner_id", "team_id", "starts_on"),
    checks=one_for_each_month(quotas, Quota),
    follows={"owner_id": USER, "team_id": TEAM},
    relations=(One("owner", to="user", many="quotas"), One("team", many="quotas")),
)
