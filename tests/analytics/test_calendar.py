from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analytics.calendar import MAX_BUCKETS, Grain, Interval, boundaries, midnight
from kith.errors import Invalid

FIRST, LAST = (datetime.fromisoformat(f"{year}-01-01") for year in (1900, 2199))
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/Sao_Paulo",  # the clock skipped midnight
    "America/Havana",  # midnight comes twice
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",  # had no 30 December 2011
    "Pacific/Kwajalein",  # had no 21 August 1993, and 30 September 1969 twice
    "Pacific/Kiritimati",  # had no 31 December 1994
    "Asia/Manila",
    "America/St_Johns",  # the clock changed at a minute past midnight
    "America/Toronto",  # at half past eleven it went on to half past midnight, in 1919
)
MICROSECOND, MINUTE = timedelta(microseconds=1), timedelta(minutes=1)


@given(
    st.datetimes(FIRST, LAST),
    st.timedeltas(timedelta(microseconds=1), timedelta(days=390)),
    st.sampled_from(Grain),
    st.sampled_from(ZONES),
)
@example(datetime.fromisoformat("2011-12-01"), timedelta(days=60), Grain.DAY, "Pacific/Apia")
@example(datetime.fromisoformat("1969-09-01"), timedelta(days=60), Grain.DAY, "Pacific/Kwajalein")
@example(datetime.fromisoformat("1994-12-01"), timedelta(days=60), Grain.YEAR, "Pacific/Kiritimati")
def test_a_series_is_of_periods_that_exist_and_are_not_empty(
    start: datetime, length: timedelta, grain: Grain, zone: str
) -> None:
    interval = Interval(start.replace(tzinfo=UTC), start.replace(tzinfo=UTC) + length)
    found = boundaries(interval, grain, ZoneInfo(zone))
    assert (found[0], found[-1]) == (interval.starts_at, interval.ends_at)
    assert all(one < other for one, other in pairwise(found))
    for one, other in pairwise(found):
        first, last = (at.astimezone(ZoneInfo(zone)).date() for at in (one, other - timedelta(microseconds=1)))
        assert grain.first_day(first) == grain.first_day(last)
    # No period is two: where one ends another calendar period begins.
    firsts = [grain.first_day(at.astimezone(ZoneInfo(zone)).date()) for at in found[:-1]]
    assert all(one < other for one, other in pairwise(firsts))


@given(st.dates(FIRST.date(), LAST.date()), st.sampled_from(ZONES))
@example(date(2010, 11, 7), "America/St_Johns")
@example(date(1919, 3, 31), "America/Toronto")
@example(date(2010, 10, 31), "America/Havana")
@example(date(2018, 11, 4), "America/Sao_Paulo")
@example(date(1969, 9, 30), "Pacific/Kwajalein")
def test_a_day_begins_when_the_one_before_is_over_for_good(day: date, zone: str) -> None:
    begins = midnight(day, ZoneInfo(zone))
    there = [(begins + minutes * MINUTE).astimezone(ZoneInfo(zone)).date() for minutes in range(240)]
    assert (begins - MICROSECOND).astimezone(ZoneInfo(zone)).date() < day <= min(there)


@pytest.mark.parametrize(
    ("zone", "day"),
    [("Pacific/Apia", "2011-12-30"), ("Pacific/Kwajalein", "1993-08-21"), ("Pacific/Kiritimati", "1994-12-31")],
)
def test_a_day_that_a_zone_left_out_is_no_period(zone: str, day: str) -> None:
    left_out = datetime.fromisoformat(day).replace(tzinfo=UTC)
    found = boundaries(Interval(left_out - timedelta(days=3), left_out + timedelta(days=3)), Grain.DAY, ZoneInfo(zone))
    days = [at.astimezone(ZoneInfo(zone)).date() for at in found[:-1]]
    assert left_out.date() not in days
    assert {left_out.date() - timedelta(days=1), left_out.date() + timedelta(days=1)} <= set(days)
    assert {other - one for one, other in pairwise(found)} <= {timedelta(hours=hours) for hours in (10, 14, 12, 24)}


def test_a_grain_longer_than_the_interval_is_one_period() -> None:
    noon = datetime(2011, 6, 1, 12, tzinfo=UTC)
    interval = Interval(noon, noon + timedelta(hours=1))
    for grain in Grain:
        assert boundaries(interval, grain, ZoneInfo("Asia/Tokyo")) == [interval.starts_at, interval.ends_at]


def test_more_periods_than_can_be_shown_are_refused_by_name() -> None:
    start = datetime(1900, 1, 1, tzinfo=UTC)
    with pytest.raises(Invalid, match=str(MAX_BUCKETS)) as refused:
        boundaries(Interval(start, start.replace(year=2100)), Grain.DAY, ZoneInfo("UTC"))
    assert refused.value.field == "grain"
