"""The periods that are compared, and how versions are told."""

from datetime import UTC, datetime, timedelta

import pytest

from analytics.domain.reconciliation.figures import Periods
from analytics.domain.reconciliation.records import _versions

LONG_AGO = datetime(2009, 12, 1, 8, tzinfo=UTC)


def at(month: str) -> datetime:
    return datetime.fromisoformat(month).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("end", "first_month", "months"),
    [
        ("2026-11-22T05:00", "2025-11-01", 13),
        ("2026-11-01T00:00", "2025-11-01", 12),
        ("2024-02-29T12:00", "2023-02-01", 13),
    ],
)
def test_twelve_months_the_one_begun_and_all_before(end: str, first_month: str, months: int) -> None:
    periods = Periods.of(LONG_AGO, at(end), "UTC")
    assert periods.before == [at("2009-12-01"), at(first_month)]
    assert (periods.months[0], periods.months[-1], len(periods.months) - 1) == (at(first_month), at(end), months)
    assert periods.all == [at("2009-12-01"), *periods.months]


def test_where_nothing_was_before_there_are_the_months_alone() -> None:
    end = at("2026-11-22T05:00")
    periods = Periods.of(end - timedelta(days=300), end, "Europe/Berlin")
    assert periods.before == []
    assert periods.all == periods.months
    assert periods.months[0] == at("2025-10-31T23:00")


def test_versions_are_told_as_ranges() -> None:
    assert _versions([1, 2, 3, 5, 7, 8]) == "1-3, 5, 7-8"
