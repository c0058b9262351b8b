"""What sales publishes of activities: calls, meetings, visits and inquiries."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from msgspec import field

from kith.events.event import Amended, Event


class ActivityBegun(Event):
    """What the events have in common by which an activity begins."""

    creates: ClassVar[bool] = True
    kind: str
    state: str
    direction: str | None = None
    contact_id: UUID | None = None
    opportunity_id: UUID | None = None
    owner_id: UUID | None = field(default=None, name="owner")
    planned_for: datetime | None = None
    remind_at: datetime | None = None
    duration_seconds: int | None = None
    outcome: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)


class ActivityRecorded(ActivityBegun):
    """A call, a meeting, a visit or an inquiry that took place."""

    type: ClassVar[str] = "sales.activity.recorded.v1"
    creates: ClassVar[bool] = True


class ActivityPlanned(ActivityBegun):
    """It is to take place. It is no exchange with the customer yet: that comes when it is held."""

    type: ClassVar[str] = "sales.activity.planned.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False


class ActivityAmended(Amended):
    type: ClassVar[str] = "sales.activity.amended.v1"
    qualifies: ClassVar[bool] = False
    contact_id: UUID | None = None
    opportunity_id: UUID | None = None
    owner_id: UUID | None = field(default=None, name="owner")
    remind_at: datetime | None = None
    duration_seconds: int | None = None
    outcome: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)


class ActivityReminded(Event):
    """The instant has come at which its owner wanted to be reminded of it, or somebody did so before."""

    type: ClassVar[str] = "sales.activity.reminded.v1"
    qualifies: ClassVar[bool] = False
    reminded_at: datetime


class ActivityHeld(Event):
    """One that was planned took place."""

    type: ClassVar[str] = "sales.activity.held.v1"
    state: str
    duration_seconds: int | None = None
    outcome: str | None = None


class ActivityMissed(Event):
    """They did not come, or did not answer."""

    type: ClassVar[str] = "sales.activity.missed.v1"
    qualifies: ClassVar[bool] = False
    state: str
    outcome: str | None = None


class ActivityCancelled(Event):
    type: ClassVar[str] = "sales.activity.cancelled.v1"
    qualifies: ClassVar[bool] = False
    state: str
    outcome: str | None = None


class ActivityRescheduled(Event):
    """It is planned for another time."""

    type: ClassVar[str] = "sales.activity.rescheduled.v1"
    qualifies: ClassVar[bool] = False
    state: str
    planned_for: datetime
    remind_at: datetime | None = None


class ActivityArchived(Event):
    """It was put away: lists leave it out."""

    type: ClassVar[str] = "sales.activity.archived.v1"
    qualifies: ClassVar[bool] = False


class ActivityRestored(Event):
    type: ClassVar[str] = "sales.activity.restored.v1"
    qualifies: ClassVar[bool] = False
