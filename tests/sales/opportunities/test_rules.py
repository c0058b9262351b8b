from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kith.errors import Conflict, Invalid
from kith.ids import new_id
from sales.opportunities.rules import Opportunity, OpportunityAlreadyClosed, Stage

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def opened(**fields: Any) -> Opportunity:
    given = {"name": "Ten chairs", "currency": "EUR", "stage": Stage.PROSPECTING, **fields}
    opportunity, _ = Opportunity.open(id=new_id(), at=DAY, **given)
    opportunity.updated_at = DAY
    return opportunity


def test_an_opportunity_opens_in_the_stage_it_is_given() -> None:
    opportunity, event = Opportunity.open(id=new_id(), at=DAY, name="X", currency="EUR", stage=Stage.ENGAGING)
    assert (opportunity.stage, event.stage) == (Stage.ENGAGING, "engaging")


@pytest.mark.parametrize("stage", [Stage.WON, Stage.LOST])
def test_an_opportunity_does_not_open_closed(stage: Stage) -> None:
    with pytest.raises(Invalid) as refused:
        Opportunity.open(id=new_id(), at=DAY, name="X", currency="EUR", stage=stage)
    assert refused.value.field == "stage"


def test_advancing_tells_the_stage_it_left() -> None:
    event = opened().advance(at=DAY, stage=Stage.PROPOSING)
    assert (event.from_stage, event.stage) == ("prospecting", "proposing")


def test_an_opportunity_may_go_back_a_stage() -> None:
    opportunity = opened(stage=Stage.NEGOTIATING)
    opportunity.advance(at=DAY, stage=Stage.ENGAGING)
    assert opportunity.stage is Stage.ENGAGING


def test_an_opportunity_does_not_advance_to_the_stage_it_is_in() -> None:
    with pytest.raises(Conflict):
        opened().advance(at=DAY, stage=Stage.PROSPECTING)


def test_an_opportunity_does_not_advance_to_won() -> None:
    with pytest.raises(Invalid):
        opened().advance(at=DAY, stage=Stage.WON)


def test_winning_takes_the_value_it_was_won_for() -> None:
    opportunity = opened(value=Decimal(100))
    event = opportunity.win(at=DAY, value=Decimal(90))
    assert (event.value, opportunity.value, opportunity.closed_at) == (Decimal(90), Decimal(90), DAY)


def test_winning_without_a_value_takes_the_last_estimate() -> None:
    assert opened(value=Decimal(100)).win(at=DAY, value=None).value == Decimal(100)


def test_winning_for_nothing_is_winning_for_nothing() -> None:
    assert opened(value=Decimal(100)).win(at=DAY, value=Decimal(0)).value == Decimal(0)


def test_an_opportunity_without_any_value_is_not_won_without_one() -> None:
    with pytest.raises(Invalid) as refused:
        opened().win(at=DAY, value=None)
    assert refused.value.field == "value"


def test_losing_keeps_the_reason() -> None:
    opportunity = opened()
    event = opportunity.lose(at=DAY, reason="price")
    assert (event.reason, opportunity.lost_reason, opportunity.stage) == ("price", "price", Stage.LOST)


def test_a_closed_opportunity_takes_no_more_steps() -> None:
    opportunity = opened(value=Decimal(1))
    opportunity.win(at=DAY, value=None)
    with pytest.raises(OpportunityAlreadyClosed):
        opportunity.advance(at=DAY, stage=Stage.ENGAGING)
    with pytest.raises(OpportunityAlreadyClosed):
        opportunity.win(at=DAY, value=None)
    with pytest.raises(OpportunityAlreadyClosed):
        opportunity.lose(at=DAY, reason=None)


def test_nothing_happens_to_an_opportunity_before_its_last_change() -> None:
    with pytest.raises(Invalid) as refused:
        opened(value=Decimal(1)).win(at=DAY - timedelta(seconds=1), value=None)
    assert refused.value.field == "occurred_at"
