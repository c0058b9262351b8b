"""Lead queue: colleagues among whom leads are shared out, one after the other."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from kith.events.leads import LeadQueueAmended, LeadQueueArchived, LeadQueueCreated, LeadQueueRestored
from kith.nouns.aggregate import Archivable


@dataclass(kw_only=True, eq=False)
class LeadQueue(Archivable):
    """Colleagues among whom leads are shared out, in turn or as they take them."""

    code: str
    members: list[UUID] = field(default_factory=list)
    """Users, in order, each once."""
    gives_out: bool = True
    """Whether each lead is given to the one whose turn it is; else it waits until a member takes it."""
    turn: int = 0
    """How many leads it has given out: so the next is whose turn it is."""

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, LeadQueueCreated]:
        it = cls(id=id, **fields)
        return it, LeadQueueCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> LeadQueueAmended:
        """Only the fields sent change. Members are sent whole; those who stay keep what they were given."""
        self.ensure_not_before_last_change(at)
        return LeadQueueAmended.of_changed(self, self.set(fields))

    def archive(self, *, at: datetime) -> LeadQueueArchived:
        """No lead is put into it until it is restored."""
        self.put_away(at)
        return LeadQueueArchived()

    def restore(self, *, at: datetime) -> LeadQueueRestored:
        """It gives out leads again."""
        self.take_back(at)
        return LeadQueueRestored()
