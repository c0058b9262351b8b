from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kith.errors import Conflict, DomainError, Invalid
from kith.events.subscriptions import SubscriptionChanged, SubscriptionDowngraded, SubscriptionUpgraded
from kith.ids import new_id
from sales.subscriptions.rules import MOST_CHANGES, Subscription, SubscriptionNotInForce, SubscriptionStillInForce
from sales.subscriptions.values import BillingPeriod, Status, monthly, months_after
from sales.subscriptions.values import at as step_at

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def started(**fields: Any) -> Subscription:
    given: dict[str, Any] = {
        "customer_id": new_id(),
        "plan": "pro",
        "seats": 10,
        "unit_price": Decimal(50),
        "currency": "EUR",
        "billing_period": BillingPeriod.MONTHLY,
        "starts_at": NOW,
        "trial": False,
        "trial_ends_at": None,
    }
    it, _ = Subscription.start(id=new_id(), at=NOW, **given | fields)
    it.updated_at = NOW
    return it


def course(it: Subscription) -> Any:
    """Its steps: the days after NOW on which they start, the status, and the monthly recurring revenue."""
    return [((step.starts_at - NOW).days, step.status.value, step.mrr) for step in it.steps]


def change(it: Subscription, **fields: Any) -> Any:
    nothing = dict.fromkeys(("effective_at", "plan", "seats", "unit_price", "billing_period"))
    return it.change(at=NOW, **nothing | fields)


def announce(it: Subscription, at: datetime = NOW) -> Any:
    return it.announce(at=at, renewal_opportunity_id=new_id())


def renew(it: Subscription, at: datetime = NOW, **fields: Any) -> Any:
    nothing = dict.fromkeys(("term_months", "plan", "seats", "unit_price", "billing_period"))
    return it.renew(at=at, **nothing | fields)


def cancel(it: Subscription, at: datetime = NOW, **fields: Any) -> Any:
    return it.cancel(at=at, **{"effective_at": None, "at_term_end": False, "reason": None} | fields)


@pytest.mark.parametrize(
    ("period", "price", "seats", "mrr"),
    [
        (BillingPeriod.MONTHLY, "49", 17, "833"),
        (BillingPeriod.YEARLY, "100", 1, "8.3333"),
        (BillingPeriod.YEARLY, "0.0006", 1, "0.0001"),
        (BillingPeriod.YEARLY, "0.0018", 1, "0.0002"),
        (BillingPeriod.QUARTERLY, "10", 2, "6.6667"),
        (BillingPeriod.HALF_YEARLY, "60", 3, "30"),
    ],
)
def test_a_month_is_a_share_of_the_billing_period_to_four_decimals(
    period: BillingPeriod, price: str, seats: int, mrr: str
) -> None:
    assert monthly(Decimal(price), seats, period) == Decimal(mrr)


def test_what_is_dated_ahead_or_back_takes_effect_from_then_on() -> None:
    it = started()
    change(it, seats=20, effective_at=NOW + 60 * DAY)
    change(it, unit_price=Decimal(60), effective_at=NOW + 30 * DAY)
    assert course(it) == [(0, "active", 500), (30, "active", 600), (60, "active", 1200)]
    # A price of today is of the seats then, too, and the plan stays as it was agreed for later.
    change(it, unit_price=Decimal(55), effective_at=NOW)
    assert course(it) == [(0, "active", 550), (30, "active", 600), (60, "active", 1200)]
    assert (it.seats, it.unit_price, it.ends_at) == (20, Decimal(60), None)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"seats": 11}, SubscriptionUpgraded),
        ({"seats": 9}, SubscriptionDowngraded),
        ({"plan": "other"}, SubscriptionChanged),
        ({"unit_price": Decimal(600), "billing_period": BillingPeriod.YEARLY}, SubscriptionChanged),
        ({"unit_price": Decimal(599), "billing_period": BillingPeriod.YEARLY}, SubscriptionDowngraded),
    ],
)
def test_it_is_an_upgrade_or_a_downgrade_by_what_a_month_comes_to(fields: dict[str, Any], kind: type) -> None:
    event = change(started(), **fields)
    assert (type(event), event.effective_at) == (kind, NOW)


def test_a_trial_has_no_recurring_revenue_until_it_ends_or_is_activated() -> None:
    it = started(trial=True, trial_ends_at=NOW + 14 * DAY)
    assert course(it) == [(0, "trial", 0), (14, "active", 500)]
    it.activate(at=NOW, effective_at=NOW + 7 * DAY)
    assert course(it) == [(0, "trial", 0), (7, "active", 500)]
    assert course(started(trial=True)) == [(0, "trial", 0)]
    for fields in ({"trial": False}, {"trial": True, "starts_at": NOW + 14 * DAY}):
        with pytest.raises(Invalid, match="trial") as refused:
            started(**fields, trial_ends_at=NOW + 14 * DAY)
        assert refused.value.field == "trial_ends_at"


def test_a_pause_has_no_recurring_revenue_and_no_end_unless_one_is_given() -> None:
    it = started()
    it.pause(at=NOW, effective_at=NOW + 10 * DAY, resumes_at=NOW + 20 * DAY)
    assert course(it) == [(0, "active", 500), (10, "paused", 0), (20, "active", 500)]
    it.resume(at=NOW, effective_at=NOW + 15 * DAY)
    assert course(it) == [(0, "active", 500), (10, "paused", 0), (15, "active", 500)]
    with pytest.raises(SubscriptionNotInForce, match="not paused"):
        it.resume(at=NOW, effective_at=None)
    with pytest.raises(Invalid) as refused:
        it.pause(at=NOW, effective_at=None, resumes_at=NOW)
    assert refused.value.field == "resumes_at"


def test_it_ends_now_or_at_an_instant_or_at_the_end_of_its_term() -> None:
    it = started()
    assert cancel(it, reason="pricing").reason == "pricing"
    assert course(it) == [(0, "ended", 0)]

    it = started(term_months=1)
    event = cancel(it, at_term_end=True)
    assert event.effective_at == it.ends_at == datetime(2026, 4, 1, tzinfo=UTC)
    assert course(it) == [(0, "active", 500), (31, "ended", 0)]
    for days in (5, 9):  # earlier after all, and later again
        cancel(it, effective_at=NOW + days * DAY)
        assert course(it) == [(0, "active", 500), (days, "ended", 0)]
    for fields in ({"at_term_end": True, "effective_at": NOW}, {"at_term_end": True}):
        with pytest.raises(Invalid):
            cancel(started(term_months=1 if "effective_at" in fields else None), **fields)


def test_one_that_has_not_started_is_cancelled_as_of_its_start() -> None:
    it = started(starts_at=NOW + 30 * DAY)
    assert cancel(it).effective_at == NOW + 30 * DAY
    assert course(it) == [(30, "ended", 0)]


def test_nothing_comes_after_its_end() -> None:
    it = started()
    it.pause(at=NOW, effective_at=NOW + 10 * DAY, resumes_at=NOW + 20 * DAY)
    cancel(it, effective_at=NOW + 15 * DAY)
    it.reactivate(at=NOW + 40 * DAY, effective_at=None)
    assert course(it)[2:] == [(15, "ended", 0), (40, "active", 500)]  # the pause was of what has ended
    cancel(it, at=NOW + 41 * DAY, effective_at=NOW + 5 * DAY)  # dated back before all that
    assert course(it) == [(0, "active", 500), (5, "ended", 0)]


def test_a_cancellation_to_come_is_withdrawn_and_all_is_as_it_was_planned() -> None:
    it = started(term_months=1)
    it.pause(at=NOW, effective_at=NOW + 5 * DAY, resumes_at=NOW + 20 * DAY)
    planned = course(it)
    cancel(it, effective_at=NOW + 10 * DAY, reason="pricing")
    it.reactivate(at=NOW, effective_at=NOW + 7 * DAY)
    assert (course(it), it.cancel_reason, it.ends_at) == (planned, None, None)
    with pytest.raises(SubscriptionStillInForce):
        it.reactivate(at=NOW, effective_at=None)

    trial = started(trial=True, trial_ends_at=NOW + 30 * DAY)
    cancel(trial, effective_at=NOW + 20 * DAY)
    trial.reactivate(at=NOW, effective_at=NOW + 10 * DAY)
    assert course(trial) == [(0, "trial", 0), (30, "active", 500)]


def test_one_that_has_ended_starts_again_and_the_gap_remains() -> None:
    it = started(term_months=1)
    cancel(it, effective_at=NOW + 10 * DAY)
    with pytest.raises(SubscriptionStillInForce, match="not ended yet"):
        it.reactivate(at=NOW, effective_at=NOW + 30 * DAY)
    it.reactivate(at=NOW + 30 * DAY, effective_at=None)
    assert course(it) == [(0, "active", 500), (10, "ended", 0), (30, "active", 500)]
    assert it.term_starts_at == NOW + 30 * DAY


def test_a_planned_resumption_is_of_its_own_pause() -> None:
    it = started()
    it.pause(at=NOW, effective_at=NOW + 10 * DAY, resumes_at=NOW + 60 * DAY)
    it.resume(at=NOW, effective_at=NOW + 20 * DAY)
    it.pause(at=NOW, effective_at=NOW + 30 * DAY, resumes_at=None)
    assert course(it)[2:] == [(20, "active", 500), (30, "paused", 0)]


def test_a_trial_is_not_paused_and_so_not_resumed_into_a_paid_one() -> None:
    with pytest.raises(SubscriptionNotInForce, match="on trial"):
        started(trial=True).pause(at=NOW, effective_at=None, resumes_at=None)


def test_one_that_does_not_renew_itself_ends_with_its_term_unless_it_is_renewed() -> None:
    it = started(term_months=1, auto_renew=False)
    assert course(it) == [(0, "active", 500), (31, "ended", 0)]
    event = renew(it, seats=12, term_months=12)
    assert (event.value, event.mrr, event.effective_at) == (500, 600, NOW + 31 * DAY)
    assert (it.term_starts_at, it.term_ends_at) == (NOW + 31 * DAY, datetime(2027, 4, 1, tzinfo=UTC))
    assert course(it) == [(0, "active", 500), (31, "active", 600), (396, "ended", 0)]

    # It lapsed, and starts again later: the gap remains.
    it.reactivate(at=NOW + 400 * DAY, effective_at=None)
    assert course(it)[2:] == [(396, "ended", 0), (400, "active", 600), (766, "ended", 0)]


def test_what_has_lapsed_is_not_brought_back_as_if_it_had_not() -> None:
    it, later = started(term_months=1, auto_renew=False), NOW + 200 * DAY
    for act in (lambda: it.copy().amend(at=later, auto_renew=True), lambda: renew(it.copy(), at=later)):
        with pytest.raises(SubscriptionNotInForce, match="reactivate it"):
            act()
    assert renew(it, at=later, term_months=12).effective_at == NOW + 31 * DAY  # late, and not over yet


def test_terms_come_back_to_the_day_on_which_the_first_began() -> None:
    it = started(starts_at=datetime(2026, 1, 31, tzinfo=UTC), term_months=1)
    ends = []
    for _ in range(4):
        assert it.term_ends_at is not None
        ends.append((it.term_ends_at.month, it.term_ends_at.day))
        renew(it)
    assert ends == [(3, 31), (4, 30), (5, 31), (6, 30)]  # what began a month ago has been renewed already


def test_the_renewals_of_one_that_ran_for_years_are_not_of_today() -> None:
    it = started(starts_at=datetime(2019, 1, 1, tzinfo=UTC), term_months=12, renewal_notice_days=30)
    assert (it.term_starts_at, it.term_ends_at) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    over = started(starts_at=datetime(2019, 1, 1, tzinfo=UTC), term_months=12, auto_renew=False, renewal_notice_days=30)
    assert over.ends_at == datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(Conflict, match="no renewal to come"):
        announce(over)


def test_whether_it_renews_itself_decides_when_it_ends() -> None:
    it = started(term_months=1)
    event = it.amend(at=NOW, auto_renew=False)
    assert sorted(event.changed) == ["auto_renew", "ends_at", "steps"]
    assert it.ends_at == NOW + 31 * DAY


def test_timers_follow_from_its_term_and_its_end() -> None:
    it = started(term_months=1, renewal_notice_days=10)
    ends = NOW + 31 * DAY
    assert (it.next_notice, it.next_renewal, it.next_end) == (ends - 10 * DAY, ends, None)
    assert announce(it, at=ends - 10 * DAY).value == 500
    assert (it.next_notice, it.next_renewal) == (None, ends)
    it.updated_at = ends
    renew(it, at=ends)
    assert (it.next_notice, it.next_renewal) == (NOW + 51 * DAY, NOW + 61 * DAY)

    cancel(it, at=ends, at_term_end=True, reason="pricing")
    assert (it.next_notice, it.next_renewal, it.next_end) == (None, None, NOW + 61 * DAY)
    event = it.end(at=NOW + 61 * DAY)
    assert (event.at_term_end, event.value, event.reason) == (True, Decimal(500), "pricing")
    assert it.next_end is None


def test_what_comes_of_itself_is_refused_before_its_time_and_the_second_time() -> None:
    it = started()
    for act in (it.end, announce.__get__(it), renew.__get__(it)):
        with pytest.raises(Conflict):
            act(at=NOW)
    cancel(it)
    it.end(at=NOW)
    with pytest.raises(SubscriptionNotInForce, match="is noted"):
        it.end(at=NOW)
    with pytest.raises(SubscriptionNotInForce):
        renew(it_of_a_term := _cancelled_of_a_term())
    assert it_of_a_term.term_ends_at == NOW + 31 * DAY


def _cancelled_of_a_term() -> Subscription:
    it = started(term_months=1)
    cancel(it)
    return it


@pytest.mark.parametrize(
    ("act", "field"),
    [
        (lambda it: change(it, unit_price=Decimal("0.001")), "unit_price"),
        (lambda it: renew(it, unit_price=Decimal("0.001")), "unit_price"),
        (change, "body"),
        (lambda it: change(it, seats=1, effective_at=NOW - DAY), "effective_at"),
        (lambda it: change(it, unit_price=Decimal(10**11), seats=10_000), "unit_price"),
        (lambda _: started(unit_price=Decimal("0.001")), "unit_price"),
        (lambda _: started(term_months=120, starts_at=datetime(2199, 1, 1, tzinfo=UTC)), "term_months"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(act: Callable[[Subscription], Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        act(started(term_months=1))
    assert refused.value.field == field


def test_it_has_a_limit_of_changes_and_can_be_cancelled_all_the_same() -> None:
    it = started()
    for seats in range(1, MOST_CHANGES):
        change(it, seats=seats)
    for _ in range(2):
        with pytest.raises(Invalid, match="500 changes"):
            change(it, seats=600)
        cancel(it)
        with pytest.raises(Invalid, match="500 changes"):
            it.copy().reactivate(at=NOW, effective_at=None)
        it.changes.pop()
        it._follow()


def test_a_month_later_is_the_same_day_or_the_last_of_the_month() -> None:
    end_of_january = datetime(2027, 1, 31, tzinfo=UTC)
    assert months_after(end_of_january, 1) == datetime(2027, 2, 28, tzinfo=UTC)
    assert months_after(end_of_january, 14) == datetime(2028, 3, 31, tzinfo=UTC)


_WHEN = st.integers(0, 400).map(lambda days: NOW + days * DAY)
_ACTS = st.one_of(
    st.builds(lambda at, seats: lambda it: change(it, seats=seats, effective_at=at), _WHEN, st.integers(1, 99)),
    st.builds(lambda at: lambda it: cancel(it, effective_at=at), _WHEN),
    st.builds(lambda at: lambda it: it.reactivate(at=NOW, effective_at=at), _WHEN),
    st.builds(lambda at: lambda it: it.pause(at=NOW, effective_at=at, resumes_at=None), _WHEN),
    st.builds(lambda at: lambda it: it.resume(at=NOW, effective_at=at), _WHEN),
    st.builds(lambda at: lambda it: it.activate(at=NOW, effective_at=at), _WHEN),
    st.just(lambda it: cancel(it, at_term_end=True)),
    st.just(renew),
    st.just(lambda it: it.amend(at=NOW, auto_renew=not it.auto_renew)),
)


@settings(max_examples=300, deadline=None)
@given(st.booleans(), st.sampled_from([None, 1, 12]), st.lists(_ACTS, max_size=12))
def test_whatever_is_done_its_steps_are_in_order_and_a_refusal_leaves_no_trace(
    trial: bool, term: int | None, acts: list[Callable[[Subscription], Any]]
) -> None:
    it = started(trial=trial, term_months=term)
    for act in acts:
        tried = it.copy()
        with suppress(DomainError):
            act(tried)
            it = tried
    assert all(a.starts_at < b.starts_at and replace(a, starts_at=b.starts_at) != b for a, b in pairwise(it.steps))
    assert all((step.mrr > 0) is (step.status is Status.ACTIVE) for step in it.steps)
    assert (it.ends_at is not None) is (it.steps[-1].status is Status.ENDED)
    assert it.ends_at in (None, it.steps[-1].starts_at)
    assert step_at(it.steps, NOW) == it.steps[0]
    assert step_at(it.steps, NOW - DAY) is None
