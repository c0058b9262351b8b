"""Goal: what a customer wants to reach with us, and whether it has."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.goals import GoalAchieved, GoalAmended, GoalDropped, GoalReopened, GoalResultShared, GoalSet
from kith.nouns.aggregate import CustomerOwned
from sales.goals.values import MOST_RESULTS, Link, SharedResult


class GoalState(StrEnum):
    OPEN = "open"
    ACHIEVED = "achieved"
    DROPPED = "dropped"


class GoalClosed(Conflict):
    code = ErrorCode.GOAL_CLOSED


class GoalStillOpen(Conflict):
    code = ErrorCode.GOAL_STILL_OPEN


@dataclass(kw_only=True, eq=False)
class Goal(CustomerOwned):
    """What was agreed with a customer that it is to reach."""

    title: str | None
    """None: it was erased."""
    target: str | None = None
    """What is measured, and how much of it is the goal, in words."""
    owner_id: UUID | None = None
    due_at: datetime | None = None
    state: GoalState = GoalState.OPEN
    reason: str | None = None
    """Why it was dropped."""
    closed_at: datetime | None = None
    links: list[Link] = field(default_factory=list)
    results: list[SharedResult] = field(default_factory=list)
    """What came of it, as the customer was told."""

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, GoalSet]:
        it = cls(id=id, **fields)
        return it, GoalSet.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> GoalAmended:
        """Only the fields sent change; one sent as null is cleared. One that is closed takes links still."""
        self.ensure_not_before_last_change(at)
        return GoalAmended.of_changed(self, self.set(fields))

    def share_result(self, *, at: datetime, result: str, url: str | None) -> GoalResultShared:
        """The customer was told what came of it so far."""
        self.ensure_not_before_last_change(at)
        if len(self.results) >= MOST_RESULTS:
            raise Invalid(f"A goal has at most {MOST_RESULTS} results.", field="result")
        self.results = [*self.results, SharedResult(shared_at=at, result=result, url=url)]
        return GoalResultShared()

    def achieve(self, *, at: datetime) -> GoalAchieved:
        self._close(GoalState.ACHIEVED, at)
        return GoalAchieved.of(self)

    def drop(self, *, at: datetime, reason: str | None) -> GoalDropped:
        """It is not pursued any more. Its milestones stand as they are."""
        self._close(GoalState.DROPPED, at)
        self.reason = reason
        return GoalDropped.of(self)

    def reopen(self, *, at: datetime) -> GoalReopened:
        """It is pursued again."""
        if self.state is GoalState.OPEN:
            raise GoalStillOpen(f"Goal {self.id} is open.")
        self.ensure_not_before_last_change(at)
        self.state, self.reason, self.closed_at = GoalState.OPEN, None, None
        return GoalReopened.of(self)

    def _close(self, state: GoalState, at: datetime) -> None:
        if self.state is not GoalState.OPEN:
            raise GoalClosed(f"Goal {self.id} is {self.state}.")
        self.ensure_not_before_last_change(at)
        self.state, self.closed_at = state, at
