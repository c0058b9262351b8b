"""Measures in words: what somebody reads of them says what is counted."""

import pytest

from analytics.metrics.catalogue import AREAS, METRICS, metric
from analytics.metrics.describe import describe, formula
from analytics.metrics.kinds.registry import kind_of
from analytics.metrics.measure import (
    Active,
    Attribute,
    Did,
    DistinctCount,
    Flow,
    Has,
    Is,
    IsActive,
    Key,
    Measure,
    Median,
    Never,
    OfNewCustomer,
    SameDay,
    Score,
    Stock,
    Sum,
)

PLACED, RETURNED = "sales.order.placed.v1", "sales.order.returned.v1"
WON, LOST = "sales.opportunity.won.v1", "sales.opportunity.lost.v1"
RESOLVED = "service-desk.case.resolved.v1"


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        (Flow((PLACED,)), "orders placed, counted"),
        (Flow((PLACED,), Sum(), of_customers=True), "orders placed with a known customer, their value added up"),
        (
            Flow((WON, LOST), Median("seconds_in_phase")),
            "opportunities won or lost, the median of their seconds in phase",
        ),
        (
            Flow((RESOLVED,), where=(Is("sla_met", ("true",)), SameDay())),
            "cases resolved with sla met true and on the calendar day on which their clock began to run, counted",
        ),
        (Flow((RESOLVED,), where=(Has("sla_met"),)), "cases resolved with a known sla met, counted"),
        (
            Flow((RESOLVED,), where=(Never(("waiting", "escalated")),)),
            "cases resolved that were never waiting or escalated before, counted",
        ),
        (
            Flow((PLACED,), Sum(), (OfNewCustomer(),)),
            "orders placed by customers whose first qualifying event lies in the interval, their value added up",
        ),
        (
            Stock("service-desk.case", where=(Is("phase", ("new", "open")),)),
            "cases at the end with state new or open, counted",
        ),
        (
            Stock("sales.opportunity", Sum(weights={"engaging": 0.3}), (Is("phase", ("engaging",)),)),
            "opportunities at the end with stage engaging, their value added up, times 0.3 in engaging",
        ),
        (
            Stock(
                "sales.opportunity",
                Sum(percent="probability_percent", weights={"engaging": 0.3}),
                (Is("phase", ("won", "lost"), negated=True),),
            ),
            (
                "opportunities at the end with stage neither won nor lost, their value added up, times their "
                "probability percent, where it is not known, 0.3 in engaging"
            ),
        ),
        (
            DistinctCount(
                (Did((PLACED, WON), months=12),), any_of=(Did((PLACED,), at_least=2), Attribute("referred_by"))
            ),
            (
                "distinct customers with any orders placed or opportunities won in the 12 months before the end; "
                "and with 2 or more orders placed to date or referred by on record"
            ),
        ),
        (
            DistinctCount((Did((RESOLVED,), in_interval=True, where=(Has("queue"),)),), key=Key.SUBJECT),
            "distinct cases with any cases resolved with a known queue in the interval",
        ),
        (DistinctCount((IsActive(),)), "distinct customers with activity at the end"),
        (Active(at_start=False, at_end=True), "customers not active at the start and active at the end"),
        (Active(new=True), "customers first active in the interval"),
        (Score("rfm", label="champions"), "customers scored rfm and labelled champions, counted"),
        (Score("p_alive", sum=True), "customers scored P(alive), their scores added up"),
    ],
)
def test_a_measure_says_what_it_counts(measure: Measure, words: str) -> None:
    assert kind_of(measure).describe(measure) == words


@pytest.mark.parametrize(
    ("id", "said"),
    [
        ("retention.crr", "(E - N) / S * 100"),
        ("sales.close_rate", "won / (won + lost) * 100"),
        ("revenue", "ordered - returned"),
        ("sales.cycle_duration", "time / closed / 86,400"),
        ("service.time_to_resolve", "time / resolved"),
    ],
)
def test_a_formula_goes_from_the_components_to_the_unit(id: str, said: str) -> None:
    assert formula(metric(id)) == said


def test_dimensions_are_described_by_whose_they_are() -> None:
    assert describe(metric("service.backlog"), "Service").dimensions == {
        "at the end": ("age",),
        "its own": ("channel", "priority", "category", "queue", "assignee", "state"),
        "the customer's": (
            *("segment", "tier", "kind", "country", "source", "owner", "tag"),
            *("ultimate_parent", "within"),
        ),
    }


def test_no_metric_is_in_two_areas_and_none_in_no_area() -> None:
    ids = [each.id for metrics in AREAS.values() for each in metrics]
    assert ids == list(METRICS)


def test_no_two_metrics_have_the_same_title() -> None:
    """The document links to them by it."""
    assert len({each.title for each in METRICS.values()}) == len(METRICS)
