"""The form of a quota: what can be done with it, its table, and how it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from pydantic import Field
from sqlalchemy import ARRAY, TEXT, Column, Date, Uuid, any_, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.one_at_a_time import one_at_a_time
from kith.db.tables import Amount, aggregate_table, one_of
from kith.errors import Conflict
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import UNSENT, Amendment, Archive, Input, NewInput, Restore
from kith.nouns.resource import ArchivableView, Attempt, Check, Command, One, Resource
from kith.scalars import Currency, Day, Id, Money
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


async def one_for_each_month(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that a user, or a team, has one quota for a month, of a currency: what two say would be added
    up."""
    made = [given if isinstance(given, CreateQuota) else quota for given, quota in asked]
    whose = {each.owner_id or each.team_id for each in made if isinstance(each, CreateQuota | Quota)}
    if not whose:
        return lambda *_: None
    await one_at_a_time(connection, tenant, "quotas")
    c = quotas.c
    names = ("id", "owner_id", "team_id", "period", "starts_on", "value", "currency")
    those = cast([*whose], ARRAY(Uuid))
    rows = select(*(c[name] for name in names)).where(
        c.tenant_id == tenant, or_(c.owner_id == any_(those), c.team_id == any_(those)), c.archived_at.is_(None)
    )
    there = {row.id: Quota(**dict(zip(names, row, strict=True))) for row in await connection.execute(rows)}

    def check(given: Input, record: Aggregate) -> None:
        assert isinstance(record, Quota)
        if isinstance(given, Archive):
            there.pop(record.id, None)
        if not isinstance(given, CreateQuota | Restore):
            return
        if (other := next((each for each in there.values() if record.overlaps(each)), None)) is not None:
            raise Conflict(
                f"Quota {other.id} is of the same user or team, and of the {other.period} from {other.starts_on}: "
                "archive it, or amend it.",
                field="starts_on",
            )
        there[record.id] = record

    return check


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
    checks=one_for_each_month,
    follows={"owner_id": USER, "team_id": TEAM},
    relations=(One("owner", to="user", many="quotas"), One("team", many="quotas")),
)
