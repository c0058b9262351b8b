"""What sales publishes of what was agreed with a customer: goals, and the milestones on the way."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from msgspec import field

from kith.events.event import Amended, Event


class GoalSet(Event):
    """A goal was agreed with the customer. What it is, is in words, and not here."""

    type: ClassVar[str] = "sales.goal.set.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    state: str
    owner_id: UUID | None = field(default=None, name="owner")
    due_at: datetime | None = None


class GoalAmended(Amended):
    type: ClassVar[str] = "sales.goal.amended.v1"
    qualifies: ClassVar[bool] = False
    owner_id: UUID | None = field(default=None, name="owner")
    due_at: datetime | None = None


class GoalResultShared(Event):
    """What came of it so far was shared with the customer."""

    type: ClassVar[str] = "sales.goal.result-shared.v1"


class GoalAchieved(Event):
    type: ClassVar[str] = "sales.goal.achieved.v1"
    qualifies: ClassVar[bool] = False
    state: str


class GoalDropped(Event):
    """It is not pursued any more."""

    type: ClassVar[str] = "sales.goal.dropped.v1"
    qualifies: ClassVar[bool] = False
    state: str
    reason: str | None = None


class GoalReopened(Event):
    type: ClassVar[str] = "sales.goal.reopened.v1"
    qualifies: ClassVar[bool] = False
    state: str


class MilestoneSet(Event):
    """A milestone was agreed with the customer, for a date."""

    type: ClassVar[str] = "sales.milestone.set.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    state: str
    due_at: datetime
    goal_id: UUID | None = None
    owner_id: UUID | None = field(default=None, name="owner")


class MilestoneAmended(Amended):
    type: ClassVar[str] = "sales.milestone.amended.v1"
    qualifies: ClassVar[bool] = False
    owner_id: UUID | None = field(default=None, name="owner")


class MilestoneMoved(Event):
    """Another date was agreed for it."""

    type: ClassVar[str] = "sales.milestone.moved.v1"
    qualifies: ClassVar[bool] = False
    state: str
    due_at: datetime


class MilestoneMet(Event):
    type: ClassVar[str] = "sales.milestone.met.v1"
    qualifies: ClassVar[bool] = False
    state: str
    kept: int | None = None
    """1: by its date; 0: later. None: that its date was not kept was said when it was missed."""


class MilestoneMissed(Event):
    """Its date came, and it was not met: once for each date."""

    type: ClassVar[str] = "sales.milestone.missed.v1"
    qualifies: ClassVar[bool] = False
    state: str
    kept: int
    """0: it is what `kept` of one that was met is compared with."""


class MilestoneDropped(Event):
    """It is not agreed any more."""

    type: ClassVar[str] = "sales.milestone.dropped.v1"
    qualifies: ClassVar[bool] = False
    state: str
    reason: str | None = None
