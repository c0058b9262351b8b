"""How a tenant's settings are seen."""

from dataclasses import dataclass
from datetime import datetime

from contacts.domain.settings import ActivityRule, SegmentActivity
from kith.resource import View


@dataclass(slots=True)
class SettingsView(View):
    # Version 0 has no time: nobody has changed them yet.
    created_at: datetime | None  # type: ignore[assignment]
    updated_at: datetime | None  # type: ignore[assignment]
    time_zone: str
    currency: str | None
    activity: ActivityRule
    segment_activity: list[SegmentActivity]
