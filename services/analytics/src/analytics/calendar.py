"""Calendar: intervals, and the days, weeks and months of a time zone. A day can have 23 or 25 hours."""

from bisect import bisect_left
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from kith.errors import Invalid
from kith.scalars.zones import ZONES

MAX_BUCKETS = 400
"""A year of days and some more."""


@dataclass(frozen=True)
class Interval:
    """Half-open: `starts_at <= t < ends_at`."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        for field, moment in (("from", self.starts_at), ("to", self.ends_at)):
            if moment.tzinfo is None:
                raise Invalid("It needs an offset from UTC, as in 2011-06-01T00:00:00Z.", field=field)
        if self.starts_at >= self.ends_at:
            raise Invalid("It must be later than `from`.", field="to")


class Grain(StrEnum):
    DAY = "day"
    WEEK = "week"
    """From Monday on."""
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    def first_day(self, day: date) -> date:
        """Of the period that has this day."""
        match self:
            case Grain.DAY:
                return day
            case Grain.WEEK:
                return day - timedelta(days=day.weekday())
            case Grain.MONTH:
                return day.replace(day=1)
            case Grain.QUARTER:
                return day.replace(month=day.month - (day.month - 1) % 3, day=1)
            case Grain.YEAR:
                return day.replace(month=1, day=1)

    def next(self, first_day: date) -> date:
        """The first day of the period after the one that begins then."""
        match self:
            case Grain.DAY:
                return first_day + timedelta(days=1)
            case Grain.WEEK:
                return first_day + timedelta(days=7)
            case Grain.MONTH | Grain.QUARTER | Grain.YEAR:
                months = first_day.month - 1 + {Grain.MONTH: 1, Grain.QUARTER: 3, Grain.YEAR: 12}[self]
                return date(first_day.year + months // 12, months % 12 + 1, 1)


def zone_of(name: str, *, field: str = "zone") -> ZoneInfo:
    """Raises Invalid for what is not a zone of the IANA database."""
    if name not in ZONES:
        raise Invalid(f"There is no time zone {name!r}: name one of IANA's, such as Europe/Berlin.", field=field)
    return ZoneInfo(name)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When the day begins there, and the one before is over: where the clock skips midnight, the instant at which it
    does, and where it goes back into the day before, the end of that."""
    there = datetime(day.year, day.month, day.day, tzinfo=zone)
    early, late = sorted(there.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if early == late or (late - timedelta.resolution).astimezone(zone).date() < day:
        return late

    def after(seconds: int) -> datetime:
        return early + timedelta(seconds=seconds)

    between = range(int((late - early).total_seconds()))
    return after(bisect_left(between, day, key=lambda each: after(each).astimezone(zone).date()))


def months_before(moment: datetime, months: int, zone: ZoneInfo) -> datetime:
    """The same day and hour of that month there, or of its last day."""
    there = moment.astimezone(zone)
    year, month = divmod(there.year * 12 + there.month - 1 - months, 12)
    day = min(there.day, monthrange(year, month + 1)[1])
    return there.replace(year=year, month=month + 1, day=day).astimezone(UTC)


def boundaries(interval: Interval, grain: Grain, zone: ZoneInfo) -> list[datetime]:
    """Where the interval's periods begin and, last, where the interval ends: n periods have n + 1 boundaries, each
    later than the one before. The first and the last period are cut to the interval; a day that a zone left out is no
    period of it. Raises Invalid for more than MAX_BUCKETS."""
    day = grain.first_day(interval.starts_at.astimezone(zone).date())
    found = [interval.starts_at]
    while (start := midnight(day := grain.next(day), zone)) < interval.ends_at:
        if start > found[-1]:  # else that day does not exist: Samoa had no 30 December 2011
            found.append(start)
        if len(found) > MAX_BUCKETS:
            raise Invalid(
                f"From {interval.starts_at:%Y-%m-%d} to {interval.ends_at:%Y-%m-%d} there are more than {MAX_BUCKETS} "
                f"periods of a {grain}: take a longer one ({', '.join(Grain)}) or a shorter interval.",
                field="grain",
            )
    return [*found, interval.ends_at]
