from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from kith.errors import Invalid
from kith.events.forecast_adjustments import ForecastAdjustmentCreated
from kith.ids import new_id
from sales.forecast_adjustments.rules import AdjustmentDirection, ForecastAdjustment
from sales.pipelines.values import ForecastCategory
from sales.quotas.rules import QuotaPeriod

DAY = datetime(2026, 3, 1, tzinfo=UTC)
ANN = new_id()


def created(**fields: Any) -> tuple[ForecastAdjustment, ForecastAdjustmentCreated]:
    about = {"owner_id": ANN, "period": QuotaPeriod.QUARTER, "starts_on": date(2026, 11, 1), "value": Decimal(1000)}
    judged = {"forecast_category": ForecastCategory.COMMIT, "direction": AdjustmentDirection.DOWN, "reason": "hopeful"}
    it, event = ForecastAdjustment.create(
        id=new_id(), at=DAY, actor="user:x", **{**about, **judged, "currency": "EUR", **fields}
    )
    it.updated_at = DAY
    return it, event


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"starts_on": date(2026, 3, 2)}, "starts_on"),
        ({"value": Decimal("0.001")}, "value"),
        ({"team_id": ANN}, "team_id"),
        ({"forecast_category": ForecastCategory.OMITTED}, "forecast_category"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        created(**wrong)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("starts_on", "period", "ends_on"),
    [
        (date(2026, 11, 1), QuotaPeriod.QUARTER, date(2027, 1, 31)),
        (date(2026, 12, 1), QuotaPeriod.MONTH, date(2026, 12, 31)),
        (date(2028, 2, 1), QuotaPeriod.MONTH, date(2028, 2, 29)),
        (date(2026, 1, 1), QuotaPeriod.YEAR, date(2026, 12, 31)),
    ],
)
def test_its_event_says_by_whom_and_until_which_day(starts_on: date, period: QuotaPeriod, ends_on: date) -> None:
    _, event = created(starts_on=starts_on, period=period)
    assert (event.author, event.ends_on, event.direction) == ("user:x", ends_on, "down")


def test_of_one_period_there_is_one_for_each_category() -> None:
    one, _ = created()
    assert one.overlaps(created(direction=AdjustmentDirection.OVERRIDE)[0])
    assert not one.overlaps(created(forecast_category=ForecastCategory.PIPELINE)[0])


def test_an_amendment_turns_it_into_an_override() -> None:
    it, _ = created()
    amended = it.amend(at=DAY, direction=AdjustmentDirection.OVERRIDE, value=Decimal(5))
    assert (amended.direction, amended.value, it.value) == ("override", Decimal(5), Decimal(5))
