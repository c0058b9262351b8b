"""Pulse: a person's own judgement of a relationship, which goes stale. It is never changed: set another."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from kith.errors import Invalid
from kith.events.analytics import PulseSet
from kith.nouns.aggregate import OfCustomer

HOLDS = timedelta(days=90)
"""Unless who sets it says otherwise: an opinion of last season is none of today."""


@dataclass(kw_only=True, eq=False)
class Pulse(OfCustomer):
    """A person's own judgement of how a relationship stands, for ninety days."""

    customer_id: UUID = field()  # not optional here, and so without the default it would inherit
    score: int
    """0 to 100."""
    note: str | None = None
    expires_at: datetime

    @classmethod
    def set_by_hand(
        cls, *, id: UUID, at: datetime, expires_at: datetime | None, customer_id: UUID, score: int, note: str | None
    ) -> tuple[Self, PulseSet]:
        """A person's own judgement, 0 to 100, until it expires: 90 days from now, unless said otherwise."""
        expires_at = expires_at or at + HOLDS
        if expires_at <= at:
            raise Invalid("It must be later than the pulse itself.", field="expires_at")
        it = cls(id=id, customer_id=customer_id, score=score, note=note, expires_at=expires_at)
        return it, PulseSet.of(it)
