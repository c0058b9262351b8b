from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.domain.health import DEFAULT, FACT_TYPES, Band, Curve, Fact
from kith.events.sales import OrderPlaced
from kith.events.service_desk import CaseClosed, CaseOpened, CaseReopened, CaseResolved
from kith.ids import new_id

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def order(days_ago: float) -> Fact:
    return Fact(new_id(), OrderPlaced.type, new_id(), 1, NOW - days_ago * DAY)


def case(type: str, days_ago: float, *, subject: UUID, version: int) -> Fact:
    return Fact(new_id(), type, subject, version, NOW - days_ago * DAY)


def test_a_curve_is_straight_between_its_points_and_flat_beyond() -> None:
    curve = Curve(((0, 100), (10, 50), (20, 0)))
    assert [curve.at(x) for x in (-5, 0, 5, 10, 15, 20, 99)] == [100, 100, 75, 50, 25, 0, 0]


def test_of_a_customer_nothing_is_known_there_is_no_score() -> None:
    health = DEFAULT.score([], NOW)
    assert (health.score, health.band, health.coverage) == (None, None, 0)


def test_what_is_absent_leaves_its_weight_to_the_rest() -> None:
    health = DEFAULT.score([order(0.5)], NOW)
    assert [each.measure for each in health.contributions] == ["recency", "frequency"]
    assert health.coverage == pytest.approx(0.8)
    assert health.score == pytest.approx((0.45 * (100 - 10 / 60) + 0.35 * 40) / 0.8)


def test_silence_lowers_the_score() -> None:
    facts = [order(1), order(40)]
    scores = [DEFAULT.score(facts, NOW + days * DAY).score for days in (0, 30, 90, 200)]
    assert scores == sorted(scores, key=lambda score: -(score or 0))
    assert DEFAULT.score(facts, NOW + 200 * DAY).band is Band.AT_RISK


def test_an_open_case_lowers_the_score_until_it_is_resolved() -> None:
    subject = new_id()
    opened = case(CaseOpened.type, 5, subject=subject, version=1)
    resolved = case(CaseResolved.type, 2, subject=subject, version=3)
    reopened = case(CaseReopened.type, 1, subject=subject, version=4)
    open_scores = [
        next(each.score for each in DEFAULT.score(facts, NOW).contributions if each.measure == "open_cases")
        for facts in ([opened], [opened, resolved], [reopened, opened, resolved])
    ]
    assert open_scores == [70, 100, 70]


def test_a_closed_case_is_not_open_whatever_order_its_events_come_in() -> None:
    subject = new_id()
    facts = [
        case(CaseClosed.type, 1, subject=subject, version=3),
        case(CaseOpened.type, 3, subject=subject, version=1),
        case(CaseResolved.type, 2, subject=subject, version=2),
    ]
    (contribution,) = DEFAULT.score(facts, NOW).contributions
    assert (contribution.input, contribution.events) == (0, ())


def test_the_past_is_scored_by_what_had_happened_then() -> None:
    facts = [order(100), order(1)]
    assert DEFAULT.score(facts, NOW - 50 * DAY) == DEFAULT.score(facts[:1], NOW - 50 * DAY)


def test_a_contribution_names_its_events() -> None:
    last, before = order(1), order(30)
    recency, frequency = DEFAULT.score([before, last], NOW).contributions
    assert recency.events == (last.event_id,)
    assert frequency.events == (before.event_id, last.event_id)


facts = st.lists(
    st.builds(
        Fact,
        st.uuids(),
        st.sampled_from(FACT_TYPES),
        st.sampled_from([UUID(int=1), UUID(int=2)]),
        st.integers(1, 9),
        st.integers(0, 700).map(lambda days: NOW - days * DAY),
    ),
    max_size=15,
    unique_by=lambda fact: (fact.subject, fact.version),
)


@given(facts)
def test_the_contributions_add_up_to_the_score(known: list[Fact]) -> None:
    health = DEFAULT.score(known, NOW)
    if health.score is not None:
        assert sum(each.contribution for each in health.contributions) == pytest.approx(health.score, abs=1e-9)
        assert 0 <= health.score <= 100


@given(facts, st.randoms())
def test_the_order_of_arrival_does_not_matter(known: list[Fact], random: object) -> None:
    shuffled = list(known)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert DEFAULT.score(shuffled, NOW).score == pytest.approx(DEFAULT.score(known, NOW).score)


@pytest.mark.parametrize(("score", "band"), [(39.9, Band.AT_RISK), (40, Band.STEADY), (70, Band.HEALTHY)])
def test_a_band_begins_at_its_lower_bound(score: float, band: Band) -> None:
    assert DEFAULT.band(score) is band
