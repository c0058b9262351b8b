"""How a tenant's settings are seen."""

from dataclasses import dataclass
from datetime import datetime

from contacts.tenant_settings.rules import ActivityRule, SegmentActivity
from kith.nouns.resource import View


@dataclass(slots=True)
class SettingsView(View):
    # Version 0 has no time: nobody has changed them yet.
    created_at: datetime | None  # type: ignore[assignment]
    updated_at: datetime | None  # type: ignore[assignment]
    time_zone: str
    currency: str | None
    activity: ActivityRule
    segment_activity: list[SegmentActivity]
