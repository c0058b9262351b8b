"""Milestone: what is to be reached with a customer by a date, and whether it was."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.goals import (
    MilestoneAmended,
    MilestoneDropped,
    MilestoneMet,
    MilestoneMissed,
    MilestoneMoved,
    MilestoneSet,
)
from kith.nouns.aggregate import CustomerOwned
from sales.goals.values import MOST_LINKS, Link, LinkKind


class MilestoneState(StrEnum):
    OPEN = "open"
    MET = "met"
    MISSED = "missed"
    """Its date is over. It may be met all the same, or another date be agreed."""
    DROPPED = "dropped"


class MilestoneClosed(Conflict):
    code = ErrorCode.MILESTONE_CLOSED

    def __init__(self, milestone: "Milestone") -> None:
        super().__init__(f"Milestone {milestone.id} is {milestone.state}.")


class MilestoneNotDue(Conflict):
    code = ErrorCode.MILESTONE_NOT_DUE


@dataclass(kw_only=True, eq=False)
class Milestone(CustomerOwned):
    """What was agreed to be reached by a date: on the way to a goal, or by itself."""

    title: str | None
    """None: it was erased."""
    due_at: datetime
    goal_id: UUID | None = None
    owner_id: UUID | None = None
    state: MilestoneState = MilestoneState.OPEN
    met_at: datetime | None = None
    missed_at: datetime | None = None
    """The last date that was missed."""
    reason: str | None = None
    """Why it was dropped."""
    links: list[Link] = field(default_factory=list)

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, MilestoneSet]:
        it = cls(id=id, **fields)
        return it, MilestoneSet.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> MilestoneAmended:
        """Only the fields sent change; one sent as null is cleared. Its date is moved by a command of its own."""
        self.ensure_not_before_last_change(at)
        return MilestoneAmended.of_changed(self, self.set(fields))

    def meet(self, *, at: datetime, evidence: str | None) -> MilestoneMet | tuple[MilestoneMissed, MilestoneMet]:
        """It was reached; also after it was missed."""
        self._must_be(at, MilestoneState.OPEN, MilestoneState.MISSED)
        if evidence is not None:
            if len(self.links) >= MOST_LINKS:
                raise Invalid(f"A milestone has at most {MOST_LINKS} links.", field="evidence")
            self.links = [*self.links, Link(kind=LinkKind.EVIDENCE, url=evidence)]
        missed = self._missed_by(at)
        kept = None if self.state is MilestoneState.MISSED else 1
        self.state, self.met_at = MilestoneState.MET, at
        met = MilestoneMet.of(self, kept=kept)
        return met if missed is None else (missed, met)

    @property
    def next_miss(self) -> datetime | None:
        """When it will have been missed. None: it will not, or was."""
        return self.due_at if self.state is MilestoneState.OPEN else None

    def miss(self, *, at: datetime) -> MilestoneMissed:
        """Its date came, and it was not met. That is done of itself."""
        self._must_be(at, MilestoneState.OPEN)
        if at < self.due_at:
            raise MilestoneNotDue(f"Milestone {self.id} is due at {self.due_at.isoformat()}.")
        self.state, self.missed_at = MilestoneState.MISSED, self.due_at
        return MilestoneMissed.of(self, kept=0)

    def move(self, *, at: datetime, due_at: datetime) -> MilestoneMoved | tuple[MilestoneMissed, MilestoneMoved]:
        """Another date was agreed, to come; also after it was missed or dropped."""
        self._must_be(at, MilestoneState.OPEN, MilestoneState.MISSED, MilestoneState.DROPPED)
        if due_at <= at:
            raise Invalid("It is moved to a date to come.", field="due_at")
        missed = self._missed_by(at)
        self.state, self.due_at, self.reason = MilestoneState.OPEN, due_at, None
        moved = MilestoneMoved.of(self)
        return moved if missed is None else (missed, moved)

    def drop(self, *, at: datetime, reason: str | None) -> MilestoneDropped | tuple[MilestoneMissed, MilestoneDropped]:
        """It is not agreed any more."""
        self._must_be(at, MilestoneState.OPEN, MilestoneState.MISSED)
        missed = self._missed_by(at)
        self.state, self.reason = MilestoneState.DROPPED, reason
        dropped = MilestoneDropped.of(self)
        return dropped if missed is None else (missed, dropped)

    def _missed_by(self, at: datetime) -> MilestoneMissed | None:
        """Its date was missed before, though the timer has not come to it yet."""
        return self.miss(at=at) if self.state is MilestoneState.OPEN and at > self.due_at else None

    def _must_be(self, at: datetime, *states: MilestoneState) -> None:
        if self.state not in states:
            raise MilestoneClosed(self)
        self.ensure_not_before_last_change(at)
