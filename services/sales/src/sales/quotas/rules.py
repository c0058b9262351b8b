"""Quota: what a user, or a team, is to win in a period."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.errors import Invalid
from kith.events.quotas import QuotaAmended, QuotaArchived, QuotaCreated, QuotaCreatedForTeam, QuotaRestored
from kith.nouns.aggregate import Archivable
from kith.scalars.currencies import must_fit


class QuotaPeriod(StrEnum):
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    @property
    def months(self) -> int:
        return {QuotaPeriod.MONTH: 1, QuotaPeriod.QUARTER: 3, QuotaPeriod.YEAR: 12}[self]


@dataclass(kw_only=True, eq=False)
class OfPeriod(Archivable):
    """An amount of a user, or of a team, in a month, a quarter or a year."""

    owner_id: UUID | None = None
    """None: it is a team's."""
    team_id: UUID | None = None
    period: QuotaPeriod
    starts_on: date
    """The first day of a month: a year need not begin in January."""
    value: Decimal
    currency: str

    @property
    def months(self) -> range:
        """Those that it is of, counted from the year 0."""
        first = self.starts_on.year * 12 + self.starts_on.month - 1
        return range(first, first + self.period.months)

    @property
    def ends_on(self) -> date:
        """Its last day."""
        year, month = divmod(self.months.stop, 12)
        return date(year, month + 1, 1) - timedelta(days=1)

    @property
    def alike(self) -> tuple[Any, ...]:
        """What has to be the same of two that overlap."""
        return self.owner_id, self.team_id, self.currency

    def overlaps(self, other: "OfPeriod") -> bool:
        shared = max(self.months[0], other.months[0]) <= min(self.months[-1], other.months[-1])
        return self.alike == other.alike and shared

    def _check(self) -> None:
        if (self.owner_id is None) is (self.team_id is None):
            raise Invalid("It is of a user, by `owner_id`, or of a team.", field="team_id")
        if self.starts_on.day != 1:
            raise Invalid("It is the first day of a month.", field="starts_on")
        must_fit(self.value, self.currency)


@dataclass(kw_only=True, eq=False)
class Quota(OfPeriod):
    """What a user, or a team, is to win in a month, a quarter or a year."""

    @classmethod
    def create(
        cls, *, id: UUID, at: datetime, **fields: Any
    ) -> tuple[Self, QuotaCreated] | tuple[Self, QuotaCreatedForTeam]:
        it = cls(id=id, **fields)
        it._check()
        return (it, QuotaCreated.of(it)) if it.team_id is None else (it, QuotaCreatedForTeam.of(it))

    def amend(self, *, at: datetime, **fields: Any) -> QuotaAmended:
        """What is to be won. Another period is another quota."""
        self.ensure_not_before_last_change(at)
        must_fit(fields.get("value"), self.currency)
        return QuotaAmended.of_changed(self, self.set(fields))

    def archive(self, *, at: datetime) -> QuotaArchived:
        """It is not to be attained any more."""
        self.put_away(at)
        return QuotaArchived()

    def restore(self, *, at: datetime) -> QuotaRestored:
        """It is to be attained again."""
        self.take_back(at)
        return QuotaRestored()
