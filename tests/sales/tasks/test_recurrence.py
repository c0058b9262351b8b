"""How a task recurs: month ends, daylight saving, ends of series, and what was passed over."""

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from kith.errors import Invalid
from sales.tasks.values import Recurrence

VIENNA = ZoneInfo("Europe/Vienna")


def days(rule: str, first: datetime, number: int, zone: str = "UTC") -> list[str]:
    recurrence = Recurrence.of(rule, zone)
    found = (recurrence.occurrence(each, first, zone) for each in range(1, number + 1))
    return [f"{each.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" for each in found if each is not None]


def test_a_month_without_the_day_has_its_last_one_and_the_next_has_the_day_again() -> None:
    first = datetime(2027, 12, 31, 9, tzinfo=UTC)
    found = days("FREQ=MONTHLY", first, 4)
    assert found == ["2027-12-31 09:00", "2028-01-31 09:00", "2028-02-29 09:00", "2028-03-31 09:00"]
    leap = datetime(2028, 2, 29, 9, tzinfo=UTC)
    assert days("FREQ=YEARLY;INTERVAL=2", leap, 3) == ["2028-02-29 09:00", "2030-02-28 09:00", "2032-02-29 09:00"]


def test_the_time_of_the_day_stays_when_the_clocks_change() -> None:
    first = datetime(2026, 3, 27, 9, tzinfo=VIENNA)
    recurrence = Recurrence.of("FREQ=DAILY", "Europe/Vienna")
    found = [recurrence.occurrence(each, first, "Europe/Vienna") for each in (2, 3)]
    assert found == [datetime(2026, 3, 28, 8, tzinfo=UTC), datetime(2026, 3, 29, 7, tzinfo=UTC)]
    # At 02:30 the clocks pass over on the 29th; on the 25th of October there are two of it.
    early = datetime(2026, 3, 28, 2, 30, tzinfo=VIENNA)
    assert days("FREQ=DAILY", early, 3, "Europe/Vienna")[1:] == ["2026-03-29 03:30", "2026-03-30 02:30"]
    autumn = Recurrence.of("FREQ=DAILY", "Europe/Vienna").occurrence(
        2, datetime(2026, 10, 24, 2, 30, tzinfo=VIENNA), "Europe/Vienna"
    )
    assert autumn == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_it_ends_by_a_count_or_on_a_day_which_counts_as_a_whole() -> None:
    first = datetime(2026, 1, 5, 23, 30, tzinfo=UTC)
    assert len(days("FREQ=WEEKLY;COUNT=3", first, 9)) == 3
    assert days("FREQ=WEEKLY;UNTIL=20260112", first, 9) == ["2026-01-05 23:30", "2026-01-12 23:30"]
    assert days("FREQ=WEEKLY;UNTIL=20260112T120000Z", first, 9) == ["2026-01-05 23:30"]


def test_what_was_passed_over_is_not_made_up_for() -> None:
    first = datetime(2016, 1, 1, 9, tzinfo=UTC)
    daily = Recurrence.of("FREQ=DAILY", "UTC")
    assert daily.next_after(1, datetime(2026, 1, 1, 12, tzinfo=UTC), first, "UTC") == (
        3655,
        datetime(2026, 1, 2, 9, tzinfo=UTC),
    )
    assert daily.next_after(5, datetime(2016, 1, 2, tzinfo=UTC), first, "UTC") == (6, first + timedelta(days=5))
    ended = Recurrence.of("FREQ=DAILY;COUNT=10", "UTC")
    assert ended.next_after(1, datetime(2026, 1, 1, tzinfo=UTC), first, "UTC") == (10, first + timedelta(days=9))
    assert ended.next_after(10, first, first, "UTC") is None


@pytest.mark.parametrize("rule", ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
def test_the_next_is_the_first_of_all_that_come_after(rule: str) -> None:
    chance = Random(rule)
    for _ in range(60):
        first = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(60 * 24 * 400))
        recurrence = Recurrence.of(f"FREQ={rule};INTERVAL={chance.randrange(1, 4)}", "Europe/Vienna")
        at, number = first + timedelta(days=chance.randrange(3000)), chance.randrange(1, 5)
        known = (recurrence.occurrence(each, first, "Europe/Vienna") for each in range(number + 1, 3100))
        after = next(each for each in known if each is not None and each > at)
        found = recurrence.next_after(number, at, first, "Europe/Vienna")
        assert found is not None
        assert found[1] == after


@pytest.mark.parametrize(
    "rule",
    [
        *("", "DAILY", "FREQ=HOURLY", "FREQ=DAILY;FREQ=DAILY", "FREQ=DAILY;BYDAY=MO", "FREQ=DAILY;INTERVAL=0"),
        *("FREQ=DAILY;COUNT=1;UNTIL=20260101", "FREQ=DAILY;UNTIL=20261301", "FREQ=DAILY;COUNT=10001", "INTERVAL=2"),
    ],
)
def test_what_is_no_rule_is_refused_by_its_field(rule: str) -> None:
    with pytest.raises(Invalid) as refused:
        Recurrence.of(rule, "UTC")
    assert refused.value.field == "recurrence"
