"""Reason: why something ended as it did, as the tenant tells them apart."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.events.reasons import ReasonAmended, ReasonArchived, ReasonCreated, ReasonRestored
from kith.nouns.aggregate import Archivable


class ReasonKind(StrEnum):
    """What it is a reason for."""

    OPPORTUNITY_WON = "opportunity_won"
    OPPORTUNITY_LOST = "opportunity_lost"
    QUOTE_DECLINED = "quote_declined"
    LEAD_DISQUALIFIED = "lead_disqualified"
    SUBSCRIPTION_CANCELLED = "subscription_cancelled"


@dataclass(kw_only=True, eq=False)
class Reason(Archivable):
    """Why something ended as it did: one of the tenant's list of its kind."""

    kind: ReasonKind
    code: str
    label: str | None = None

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, ReasonCreated]:
        """From the first reason of a kind on, no other one is taken where it is asked for, until all are archived."""
        it = cls(id=id, **fields)
        return it, ReasonCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> ReasonAmended:
        """Only the fields sent change; one sent as null is cleared."""
        self.ensure_not_before_last_change(at)
        return ReasonAmended.of_changed(self, self.set(fields))

    def archive(self, *, at: datetime) -> ReasonArchived:
        """It is not taken until it is restored. Records that have it keep it."""
        self.put_away(at)
        return ReasonArchived()

    def restore(self, *, at: datetime) -> ReasonRestored:
        """It is taken again."""
        self.take_back(at)
        return ReasonRestored()
