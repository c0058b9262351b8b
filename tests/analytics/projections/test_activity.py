from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from analytics.projections.activity import ActivityRule, Span, difference

DAY = timedelta(days=1)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
WEEK = ActivityRule(frozenset({"order"}), 7 * DAY)

times = st.lists(st.integers(0, 100).map(lambda day: EPOCH + day * DAY), max_size=12)


def was_active(events: list[datetime], at: datetime) -> bool:
    """METRICS: a qualifying event in the window before T, T - window <= t < T."""
    return any(at - WEEK.window <= t < at for t in events)


@given(times)
def test_the_spans_say_when_a_customer_was_active(events: list[datetime]) -> None:
    spans = WEEK.extend([], events)
    for hour in range(0, 24 * 110, 12):
        at = EPOCH + timedelta(hours=hour)
        assert any(span.starts_at < at <= span.ends_at for span in spans) == was_active(events, at)


@given(times, times)
def test_events_come_to_the_same_spans_in_any_order(first: list[datetime], second: list[datetime]) -> None:
    together = WEEK.extend([], [*first, *second])
    assert WEEK.extend(WEEK.extend([], first), second) == together
    assert WEEK.extend(WEEK.extend([], second), first) == together


@given(times)
def test_events_that_come_twice_change_nothing(events: list[datetime]) -> None:
    spans = WEEK.extend([], events)
    assert WEEK.extend(spans, events) == spans


@given(times)
def test_spans_do_not_touch(events: list[datetime]) -> None:
    spans = WEEK.extend([], events)
    assert all(earlier.ends_at < later.starts_at for earlier, later in pairwise(spans))


def test_an_event_at_the_instant_itself_is_not_before_it() -> None:
    (span,) = WEEK.extend([], [EPOCH])
    assert span == Span(EPOCH, EPOCH + 7 * DAY)
    assert not span.starts_at < EPOCH


def test_a_late_event_joins_what_lay_apart() -> None:
    apart = WEEK.extend([], [EPOCH, EPOCH + 14 * DAY])
    assert len(apart) == 2
    assert WEEK.extend(apart, [EPOCH + 7 * DAY]) == [Span(EPOCH, EPOCH + 21 * DAY)]


def test_only_what_differs_is_written() -> None:
    before = WEEK.extend([], [EPOCH, EPOCH + 30 * DAY])
    gone, made = difference(before, WEEK.extend(before, [EPOCH + 31 * DAY]))
    assert gone == [Span(EPOCH + 30 * DAY, EPOCH + 37 * DAY)]
    assert made == [Span(EPOCH + 30 * DAY, EPOCH + 38 * DAY)]
