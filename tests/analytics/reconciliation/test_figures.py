"""The periods that are compared, and how versions are shown."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from analytics.reconciliation.collections import COLLECTIONS
from analytics.reconciliation.figures import Periods
from analytics.reconciliation.records import Comparison, Kind, LedgerEvent, _versions
from kith.ids import new_id

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


def test_versions_are_shown_as_ranges() -> None:
    assert _versions([1, 2, 3, 5, 7, 8]) == "1-3, 5, 7-8"


VERSION_OF_ALL = 2**31 - 1
"""The last that a column has."""


@pytest.mark.parametrize(
    ("held", "published", "gap", "expected", "found"),
    [
        (0, [1, VERSION_OF_ALL], 2, None, f"1, {VERSION_OF_ALL}"),
        (VERSION_OF_ALL, [1, 2], 3, f"1-{VERSION_OF_ALL}", "1-2"),
        (1, [VERSION_OF_ALL], 1, "1", f"{VERSION_OF_ALL}"),
        (4, [1, 2, 4], 3, "1-4", "1-2, 4"),
        (2, [1, 2], None, None, None),
    ],
)
def test_what_is_lacking_is_shown_however_far_versions_go(
    held: int, published: Sequence[int], gap: int | None, expected: str | None, found: str | None
) -> None:
    now, subject = at("2026-11-22T05:00"), new_id()
    events = [LedgerEvent(subject, version, new_id(), "sales.order.placed.v1", now, now, None) for version in published]
    record = {"version": held, "created_at": "", "updated_at": ""} if held else None
    mismatches = Comparison(COLLECTIONS[0], now, {}).mismatches(subject, record, events, ())
    gaps = [(each.version, each.expected, each.found) for each in mismatches if each.kind is Kind.GAP]
    assert gaps == ([] if gap is None else [(gap, expected, found)])


def test_of_a_record_without_events_all_are_missing_however_many_there_are() -> None:
    now = at("2026-11-22T05:00")
    (missing,) = Comparison(COLLECTIONS[0], now, {}).mismatches(new_id(), {"version": VERSION_OF_ALL}, (), ())
    assert (missing.kind, missing.expected) == (Kind.MISSING, f"1-{VERSION_OF_ALL}")
