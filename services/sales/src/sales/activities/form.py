"""The form of an activity: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Column, Integer, Uuid

from kith.db.owned import owned_by
from kith.db.tables import Moment, aggregate_table, one_of, reference
from kith.nouns.inputs import UNSENT, Amendment, Archive, CustomValues, Input, NewInput, Restore
from kith.nouns.resource import ArchivableView, Command, Follows, One, Resource, Timer, personal
from kith.scalars import Code, Id, Instant, Text, Whole
from sales.activities.rules import Activity, ActivityDirection, ActivityKind, ActivityState
from sales.opportunities.form import opportunities
from sales.tables import CONTACT, CUSTOMER, USER, metadata

Seconds = Annotated[int, Whole(0)]


class RecordActivity(NewInput):
    kind: ActivityKind
    direction: ActivityDirection | None = Field(default=None, description="a call has one; an inquiry is inbound")
    customer_id: Id | None = Field(default=None, description="the opportunity's, if one is named")
    contact_id: Id | None = None
    opportunity_id: Id | None = None
    owner_id: Id | None = None
    planned_for: Instant | None = Field(
        default=None, description="when it is to take place; without it, it took place, at `occurred_at`"
    )
    remind_at: Instant | None = None
    duration_seconds: Seconds | None = None
    outcome: Code | None = None
    subject: Text | None = None
    custom: CustomValues = Field(default_factory=dict)
    custom_personal: CustomValues = Field(default_factory=dict)


class AmendActivity(Amendment):
    contact_id: Id | None = UNSENT
    opportunity_id: Id | None = UNSENT
    owner_id: Id | None = UNSENT
    remind_at: Instant | None = UNSENT
    duration_seconds: Seconds | None = UNSENT
    outcome: Code | None = UNSENT
    subject: Text | None = UNSENT
    custom: CustomValues = UNSENT
    custom_personal: CustomValues = UNSENT


class RemindOfActivity(Input):
    pass


class HoldActivity(Input):
    outcome: Code | None = None
    duration_seconds: Seconds | None = None


class MissActivity(Input):
    outcome: Code | None = None


class CancelActivity(Input):
    outcome: Code | None = None


class RescheduleActivity(Input):
    planned_for: Instant
    remind_at: Instant | None = None


activities = aggregate_table(
    "activities",
    metadata,
    Column("kind", one_of(ActivityKind), nullable=False),
    Column("direction", one_of(ActivityDirection)),
    Column("state", one_of(ActivityState), nullable=False),
    Column("contact_id", Uuid),
    *reference("opportunity_id", opportunities),
    Column("owner_id", Uuid),
    Column("planned_for", Moment),
    Column("remind_at", Moment),
    Column("reminded_at", Moment),
    Column("duration_seconds", Integer),
    Column("outcome", TEXT),
    Column("held_at", Moment),
    Column("subject", TEXT, comment="null: there is none, or it was erased"),
    customer_owned=True,
    told=("contact_id",),
    archivable=True,
    customisable=True,
    listed_by=("kind", "state", "contact_id", "opportunity_id", "owner_id", "planned_for", "held_at"),
)
owned_by(activities, "owner_id")


@dataclass(slots=True)
class ActivityView(ArchivableView):
    kind: ActivityKind
    direction: ActivityDirection | None
    state: ActivityState
    customer_id: UUID | None
    contact_id: UUID | None
    opportunity_id: UUID | None
    owner_id: UUID | None
    planned_for: datetime | None
    remind_at: datetime | None
    reminded_at: datetime | None
    duration_seconds: int | None
    outcome: str | None
    held_at: datetime | None
    custom: dict[str, Any]
    subject: str | None = personal()
    custom_personal: dict[str, Any] | None = personal()


ACTIVITIES = Resource(
    "activity",
    "activities",
    Activity,
    activities,
    ActivityView,
    (
        Command("record", RecordActivity, Activity.record),
        Command("amend", AmendActivity, Activity.amend),
        Command("remind", RemindOfActivity, Activity.remind),
        Command("hold", HoldActivity, Activity.hold),
        Command("miss", MissActivity, Activity.miss),
        Command("cancel", CancelActivity, Activity.cancel),
        Command("reschedule", RescheduleActivity, Activity.reschedule),
        Command("archive", Archive, Activity.archive),
        Command("restore", Restore, Activity.restore, of_archived=True),
    ),
    filters=(
        "customer_id",
        "contact_id",
        "opportunity_id",
        "owner_id",
        "kind",
        "direction",
        "state",
        "planned_for",
        "held_at",
    ),
    unindexed={"direction": "One of two: pages by time come to enough of either soon."},
    searched=("subject",),
    timers=(Timer("remind", at="next_reminder"),),
    follows={
        "customer_id": CUSTOMER,
        "contact_id": CONTACT,
        "owner_id": USER,
        "opportunity_id": Follows(opportunities.c.id, ("customer_id",)),
    },
    relations=(
        One("customer", many="activities"),
        One("opportunity", many="activities"),
        One("owner", to="user", many="activities"),
    ),
)
