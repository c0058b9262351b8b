"""Quota: what a user, or a team, is to win in a period."""

from dataclasses import dataclass
from datetime import date, datetime
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
class Quota(Archivable):
    """What a user, or a team, is to win in a month, a quarter or a year."""

    owner_id: UUID | None = None
    """None: it is a team's."""
    team_id: UUID | None = None
    period: QuotaPeriod
    starts_on: date
    """The first day of a month: a year need not begin in January."""
    value: Decimal
    currency: str

    @classmethod
    def create(
        cls, *, id: UUID, at: datetime, starts_on: date, value: Decimal, currency: str, **fields: Any
    ) -> tuple[Self, QuotaCreated] | tuple[Self, QuotaCreatedForTeam]:
        it = cls(id=id, starts_on=starts_on, value=value, currency=currency, **fields)
        if (it.owner_id is None) is (it.team_id is None):
            raise Invalid("It is of a user, by `owner_id`, or of a team.", field="team_id")
        if starts_on.day != 1:
            raise Invalid("It is the first day of a month.", field="starts_on")
        must_fit(value, currency)
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

    @property
    def months(self) -> range:
        """Those that it is of, counted from the year 0."""
        first = self.starts_on.year * 12 + self.starts_on.month
        return range(first, first + self.period.months)

    def overlaps(self, other: "Quota") -> bool:
        alike = (self.owner_id, self.team_id, self.currency) == (other.owner_id, other.team_id, other.currency)
        return alike and max(self.months[0], other.months[0]) <= min(self.months[-1], other.months[-1])
