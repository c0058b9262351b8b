"""Settings: what a tenant has decided that all services go by. There is one per tenant, and it is always there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID, uuid5

from contacts.retention.rules import agreed
from contacts.values import RetentionRule
from kith.errors import Invalid
from kith.events import contacts as events
from kith.events.contacts import SettingsChanged
from kith.events.sales import OrderPlaced
from kith.nouns.aggregate import Aggregate

_NAMESPACE = UUID("0d6f7a52-5a0f-4c7e-8f5c-3a8b5f1c9e64")


@dataclass
class ActivityRule:
    """A customer is active as long as one of these events lies within so many days before. Of `contractual` customers,
    who has had a subscription is active while one is in force, and by nothing else."""

    event_types: list[str]
    window_days: int
    contractual: bool = False


@dataclass
class SegmentActivity:
    """The rule for the customers of one segment, instead of the tenant's."""

    segment: str
    event_types: list[str]
    window_days: int
    contractual: bool = False


@dataclass(kw_only=True, eq=False)
class Settings(Aggregate):
    """The tenant's own settings: time zone, currency, language, and what counts as activity."""

    time_zone: str = "UTC"
    """IANA; calendar days are the tenant's in it."""
    currency: str | None = None
    """ISO 4217, the base currency, in which figures come. None: each amount in its own."""
    activity: ActivityRule = field(default_factory=lambda: ActivityRule(event_types=[OrderPlaced.type], window_days=90))
    segment_activity: list[SegmentActivity] = field(default_factory=list)
    """By segment, each once."""
    retention: list[RetentionRule] = field(default_factory=list)
    """In the order in which they are applied."""

    @classmethod
    def singleton(cls, tenant: str) -> Self:
        """How they stand before anybody has changed them."""
        return cls(id=uuid5(_NAMESPACE, tenant))

    def amend(self, *, at: datetime, **fields: Any) -> SettingsChanged:
        """Only the fields sent change; the rules of segments, and those of retention, are sent all or not at all. Rules
        of retention are applied once the settings have stood for a day."""
        self.ensure_not_before_last_change(at)
        if "retention" in fields:
            fields["retention"] = agreed(fields["retention"])
        if "segment_activity" in fields:
            fields["segment_activity"] = _each_once(fields["segment_activity"])
        self.set(fields)
        return SettingsChanged.of(self, activity=self._policy())

    def _policy(self) -> events.ActivityPolicy:
        return events.ActivityPolicy(
            default=_to_event(self.activity), segments={each.segment: _to_event(each) for each in self.segment_activity}
        )


def _each_once(rules: Sequence[SegmentActivity]) -> list[SegmentActivity]:
    found = {each.segment: each for each in rules}
    if len(found) < len(rules):
        raise Invalid("A segment has one rule.", field="segment_activity")
    return [found[segment] for segment in sorted(found)]


def _to_event(rule: ActivityRule | SegmentActivity) -> events.ActivityRule:
    return events.ActivityRule(rule.event_types, rule.window_days, rule.contractual)
