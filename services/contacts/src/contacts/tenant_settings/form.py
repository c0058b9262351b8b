"""The form of a tenant's settings: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError
from sqlalchemy import TEXT, Column

from contacts.tables import metadata
from contacts.tenant_settings.rules import ActivityRule, SegmentActivity, Settings
from contacts.values import MOST_RETENTION_RULES, RetentionRule
from kith.db.tables import Structured, aggregate_table, values_column
from kith.events.catalogue import QUALIFYING
from kith.nouns.inputs import AS_SET, UNSENT, Amendment
from kith.nouns.resource import Command, Resource, View
from kith.nouns.value_inputs import Values
from kith.scalars import Code, Currency, Flag, Whole, Zone

MAX_WINDOW_DAYS = 3650
MAX_SEGMENTS = 20


def _qualifying(event_type: str) -> str:
    if event_type not in QUALIFYING:
        allowed = ", ".join(sorted(QUALIFYING))
        raise PydanticCustomError("unknown", "It is one of {allowed}.", {"allowed": allowed})
    return event_type


EventType = Annotated[Code, AfterValidator(_qualifying)]


class ActivityRuleInput(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    event_types: Annotated[list[EventType], Field(min_length=1, max_length=100), AS_SET]
    window_days: Annotated[int, Whole(1, MAX_WINDOW_DAYS)]
    contractual: Flag = False


class SegmentActivityInput(ActivityRuleInput):
    segment: Code


class AmendSettings(Amendment):
    time_zone: Zone = UNSENT
    currency: Currency | None = UNSENT
    activity: Annotated[ActivityRuleInput, AfterValidator(lambda sent: ActivityRule(**dict(sent)))] = UNSENT
    segment_activity: Annotated[
        list[Annotated[SegmentActivityInput, AfterValidator(lambda sent: SegmentActivity(**dict(sent)))]],
        Field(max_length=MAX_SEGMENTS),
        AfterValidator(lambda sent: sorted(sent, key=attrgetter("segment"))),
    ] = UNSENT
    retention: Annotated[list[RetentionRule], Values(MOST_RETENTION_RULES)] = UNSENT


settings = aggregate_table(
    "settings",
    metadata,
    Column("time_zone", TEXT, nullable=False),
    Column("currency", TEXT),
    Column("activity", Structured(ActivityRule), nullable=False),
    Column("segment_activity", Structured(list[SegmentActivity]), nullable=False),
    values_column("retention", RetentionRule),
)


@dataclass(slots=True)
class SettingsView(View):
    # Version 0 has no time: nobody has changed them yet.
    created_at: datetime | None  # type: ignore[assignment]
    updated_at: datetime | None  # type: ignore[assignment]
    time_zone: str
    currency: str | None
    activity: ActivityRule
    segment_activity: list[SegmentActivity]
    retention: list[RetentionRule]


SETTINGS = Resource(
    "settings",
    "settings",
    Settings,
    settings,
    SettingsView,
    (Command("amend", AmendSettings, Settings.amend),),
    unpublished={
        "segment_activity": "It is in the event's `activity`, by segment.",
        "retention": "No other service goes by it: each erasure has its event.",
    },
    singleton=Settings.singleton,
    write_verb="admin",
)
