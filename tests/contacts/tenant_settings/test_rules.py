"""The rules of a tenant's settings."""

from datetime import UTC, datetime, timedelta

import pytest

from contacts.tenant_settings.rules import ActivityRule, SegmentActivity, Settings
from kith.errors import Invalid, NothingAmended
from kith.events import contacts as events

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ORDERS = "sales.order.placed.v1"
TOUCHPOINTS = "contacts.touchpoint.recorded.v1"


@pytest.fixture
def settings() -> Settings:
    it = Settings.singleton("acme")
    it.created_at = it.updated_at = NOW
    return it


def test_a_tenants_settings_have_the_same_id_always_and_another_tenants_have_another() -> None:
    assert Settings.singleton("acme").id == Settings.singleton("acme").id != Settings.singleton("globex").id


def test_by_default_orders_within_ninety_days_are_activity(settings: Settings) -> None:
    assert (settings.time_zone, settings.currency, settings.version) == ("UTC", None, 0)
    assert settings.activity == ActivityRule([ORDERS], 90)
    assert settings.segment_activity == []


def test_the_event_tells_the_settings_whole(settings: Settings) -> None:
    settings.amend(at=NOW, time_zone="Europe/Vienna")
    rules = [SegmentActivity("smb", [ORDERS], 30), SegmentActivity("key", [ORDERS, TOUCHPOINTS], 365)]
    event = settings.amend(at=NOW, segment_activity=rules, currency="EUR")
    assert event == events.SettingsChanged(
        time_zone="Europe/Vienna",
        currency="EUR",
        activity=events.ActivityPolicy(
            default=events.ActivityRule([ORDERS], 90),
            segments={
                "key": events.ActivityRule([ORDERS, TOUCHPOINTS], 365),
                "smb": events.ActivityRule([ORDERS], 30),
            },
        ),
    )
    assert settings.relationship() is None


def test_a_segment_has_one_rule(settings: Settings) -> None:
    rules = [SegmentActivity("smb", [ORDERS], days) for days in (30, 60)]
    with pytest.raises(Invalid) as refused:
        settings.amend(at=NOW, segment_activity=rules)
    assert refused.value.field == "segment_activity"


def test_the_order_in_which_segments_are_sent_is_no_change(settings: Settings) -> None:
    rules = [SegmentActivity("smb", [ORDERS], 30), SegmentActivity("key", [ORDERS], 365)]
    settings.amend(at=NOW, segment_activity=rules)
    with pytest.raises(NothingAmended):
        settings.amend(at=NOW, segment_activity=rules[::-1])


def test_settings_are_changed_in_order(settings: Settings) -> None:
    with pytest.raises(Invalid):
        settings.amend(at=NOW - timedelta(seconds=1), currency="EUR")
