"""Activity: an exchange with a customer that sales seeks or answers: it is planned, or took place."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.activities import (
    ActivityAmended,
    ActivityArchived,
    ActivityCancelled,
    ActivityHeld,
    ActivityMissed,
    ActivityPlanned,
    ActivityRecorded,
    ActivityReminded,
    ActivityRescheduled,
    ActivityRestored,
)
from kith.nouns.aggregate import Archivable, CustomerOwned, Customisable, NamesContact


class ActivityKind(StrEnum):
    MEETING = "meeting"
    CALL = "call"
    VISIT = "visit"
    INQUIRY = "inquiry"
    REVIEW = "review"


class ActivityDirection(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class ActivityState(StrEnum):
    PLANNED = "planned"
    HELD = "held"
    MISSED = "missed"
    CANCELLED = "cancelled"


class ActivityNotPlanned(Conflict):
    code = ErrorCode.ACTIVITY_NOT_PLANNED

    def __init__(self, activity: "Activity") -> None:
        super().__init__(f"Activity {activity.id} is {activity.state}.")


class ActivityStillPlanned(Conflict):
    code = ErrorCode.ACTIVITY_STILL_PLANNED

    def __init__(self, activity: "Activity") -> None:
        super().__init__(f"Activity {activity.id} is planned.")


@dataclass(kw_only=True, eq=False)
class Activity(Archivable, Customisable, CustomerOwned, NamesContact):
    """A call, a meeting, a visit or an inquiry: it took place, or it is planned."""

    kind: ActivityKind
    direction: ActivityDirection | None = None
    """From which side it came. Of a call, and of an inquiry, it is known."""
    state: ActivityState = ActivityState.HELD
    opportunity_id: UUID | None = None
    owner_id: UUID | None = None
    planned_for: datetime | None = None
    """None: it was not planned."""
    remind_at: datetime | None = None
    """When its owner is to be reminded of it."""
    reminded_at: datetime | None = None
    duration_seconds: int | None = None
    """How long it was; of one that is planned, how long it is to be."""
    outcome: str | None = None
    held_at: datetime | None = None
    subject: str | None = None
    """None: there is none, or it was erased."""

    @classmethod
    def record(
        cls, *, id: UUID, at: datetime, **fields: Any
    ) -> tuple[Self, ActivityRecorded] | tuple[Self, ActivityPlanned]:
        """One that took place; or, if it says when it is planned for, one that is to take place."""
        it = cls(id=id, **fields)
        it._settle_direction()
        if it.planned_for is not None:
            it.state = ActivityState.PLANNED
            return it, ActivityPlanned.of(it)
        if it.remind_at is not None:
            raise Invalid("It took place: there is nothing to be reminded of.", field="remind_at")
        it.held_at = at
        return it, ActivityRecorded.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> ActivityAmended:
        """Only the fields sent change; one sent as null is cleared."""
        self.ensure_not_before_last_change(at)
        return ActivityAmended.of_changed(self, self.set(fields))

    @property
    def next_reminder(self) -> datetime | None:
        """None: there is none to come."""
        at, last = self.remind_at, self.reminded_at
        is_to_come = at is not None and (last is None or at > last)
        return at if is_to_come and self.state is ActivityState.PLANNED else None

    def remind(self, *, at: datetime) -> ActivityReminded:
        """Its owner is reminded of it. At `remind_at` that is done of itself."""
        self._must_be_planned(at)
        self.reminded_at = at
        return ActivityReminded.of(self)

    def hold(self, *, at: datetime, outcome: str | None, duration_seconds: int | None) -> ActivityHeld:
        """It took place. What is not sent stays as it was planned."""
        self._must_be_planned(at)
        self.state, self.held_at = ActivityState.HELD, at
        self.outcome = self.outcome if outcome is None else outcome
        self.duration_seconds = self.duration_seconds if duration_seconds is None else duration_seconds
        return ActivityHeld.of(self)

    def miss(self, *, at: datetime, outcome: str | None) -> ActivityMissed:
        """They did not come, or did not answer."""
        self._close(ActivityState.MISSED, at, outcome)
        return ActivityMissed.of(self)

    def cancel(self, *, at: datetime, outcome: str | None) -> ActivityCancelled:
        """It is not to take place any more."""
        self._close(ActivityState.CANCELLED, at, outcome)
        return ActivityCancelled.of(self)

    def reschedule(self, *, at: datetime, planned_for: datetime, remind_at: datetime | None) -> ActivityRescheduled:
        """It is planned for another time, also after it was missed or cancelled. Its reminder is the one sent here."""
        if self.state is ActivityState.HELD:
            raise ActivityNotPlanned(self)
        self.ensure_not_before_last_change(at)
        self.state, self.planned_for, self.outcome = ActivityState.PLANNED, planned_for, None
        self.remind_at, self.reminded_at = remind_at, None
        return ActivityRescheduled.of(self)

    def archive(self, *, at: datetime) -> ActivityArchived:
        """It is left out of lists, and is not changed until it is restored. What happened stays counted. One that is
        planned is held, missed or cancelled first."""
        if self.state is ActivityState.PLANNED:
            raise ActivityStillPlanned(self)
        self.put_away(at)
        return ActivityArchived()

    def restore(self, *, at: datetime) -> ActivityRestored:
        """It is in lists again, as it was."""
        self.take_back(at)
        return ActivityRestored()

    def _settle_direction(self) -> None:
        if self.kind is ActivityKind.INQUIRY:
            if self.direction is ActivityDirection.OUTBOUND:
                raise Invalid("An inquiry comes from the customer: it is inbound.", field="direction")
            self.direction = ActivityDirection.INBOUND
        elif self.kind is ActivityKind.CALL and self.direction is None:
            raise Invalid("Of a call it is said: inbound or outbound.", field="direction")

    def _close(self, state: ActivityState, at: datetime, outcome: str | None) -> None:
        self._must_be_planned(at)
        self.state, self.outcome = state, outcome

    def _must_be_planned(self, at: datetime) -> None:
        if self.state is not ActivityState.PLANNED:
            raise ActivityNotPlanned(self)
        self.ensure_not_before_last_change(at)
