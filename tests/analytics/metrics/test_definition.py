import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from analytics.calendar import Interval
from analytics.metrics.catalogue import METRICS, metric
from analytics.metrics.definition import Dimension, Unit, by
from kith.errors import Invalid, NotFound


def value(id: str, **counts: int) -> Decimal | None:
    return METRICS[id].value({name: Decimal(count) for name, count in counts.items()})


def test_a_thousand_at_the_start_eleven_hundred_at_the_end_two_hundred_new_is_ninety() -> None:
    assert value("retention.crr", S=1000, E=1100, N=200, W=0) == 90


def test_win_backs_can_push_retention_over_a_hundred() -> None:
    assert value("retention.crr", S=10, E=15, N=0, W=5) == 150


def test_cohort_retention_and_churn_add_up_to_a_hundred() -> None:
    assert value("retention.cohort", S=8, E=9, kept=6) == 75
    assert value("retention.churn", S=8, E=9, kept=6) == 25


@pytest.mark.parametrize("id", ["retention.crr", "retention.cohort", "retention.churn"])
def test_a_ratio_of_nobody_is_null(id: str) -> None:
    assert value(id, S=0, E=5, N=5, W=0, kept=0) is None


def test_return_on_relationship_is_the_loyal_among_the_helped() -> None:
    assert value("ror", helped=8, loyal=2, referred=1, repeat=1, buyers=16) == 25
    assert value("ror.reach", helped=8, loyal=2, referred=1, repeat=1, buyers=16) == 50


def test_revenue_is_net_of_returns() -> None:
    assert value("revenue", orders=2, ordered=30, returns=1, returned=12) == 18


@pytest.mark.parametrize("each", METRICS.values(), ids=lambda each: each.id)
def test_every_metric_tells_the_counts_it_is_made_of(each: object) -> None:
    assert isinstance(each, type(METRICS["ror"]))
    counts = {name: Decimal(2) for name in each.components}
    each.value(counts)
    assert each.words.endswith(".")


def test_a_dimension_means_the_same_in_every_metric() -> None:
    meant: dict[str, set[Dimension]] = {}
    for each in METRICS.values():
        for dimension in each.dimensions:
            meant.setdefault(dimension.name, set()).add(dimension)
    assert {name for name, meanings in meant.items() if len(meanings) > 1} == set()


def test_what_is_the_customers_and_what_the_events_has_to_differ() -> None:
    with pytest.raises(ValueError, match="country"):
        by("country", "currency")


@pytest.mark.parametrize("id", [each.id for each in METRICS.values() if each.unit is Unit.MONEY])
def test_every_figure_of_money_says_whether_it_is_net_or_gross(id: str) -> None:
    assert re.search(r"\b(net|gross)\b", METRICS[id].words.lower())


def test_an_unknown_metric_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(NotFound, match=r"retention\.crr"):
        metric("retention.cr")


def test_an_interval_has_a_length() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    for ends_at in (noon, noon.replace(hour=11)):
        with pytest.raises(Invalid) as refused:
            Interval(noon, ends_at)
        assert refused.value.field == "to"


def test_an_interval_knows_its_zone() -> None:
    with pytest.raises(Invalid) as refused:
        Interval(datetime(2026, 1, 1), datetime(2026, 1, 2, tzinfo=UTC))  # noqa: DTZ001 - that is the point
    assert refused.value.field == "from"
