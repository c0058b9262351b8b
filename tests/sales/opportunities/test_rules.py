from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kith.errors import Conflict, Invalid
from kith.ids import new_id
from sales.opportunities.rules import (
    Opportunity,
    OpportunityAlreadyClosed,
    OpportunityLacksField,
    OpportunityStillOpen,
    StageSkipped,
)
from sales.opportunities.values import MOST_VISITS, OpportunityContact, OpportunitySplit, StageVisit
from sales.pipelines.values import Pipelines, PipelineStage, PipelineVersion
from sales.values import Line

DAY = datetime(2026, 3, 1, tzinfo=UTC)

LATER = DAY + timedelta(days=3)


def opened(**fields: Any) -> Opportunity:
    given = {"name": "Ten chairs", "currency": "EUR", "stage": "prospecting", **fields}
    opportunity, _ = Opportunity.open(id=new_id(), at=DAY, **given)
    opportunity.updated_at = DAY
    return opportunity


def test_an_opportunity_opens_in_the_stage_it_is_given() -> None:
    opportunity, event = Opportunity.open(id=new_id(), at=DAY, name="X", currency="EUR", stage="engaging")
    assert (opportunity.stage, event.stage) == ("engaging", "engaging")


@pytest.mark.parametrize("stage", ["won", "lost"])
def test_an_opportunity_does_not_open_closed(stage: str) -> None:
    with pytest.raises(Invalid) as refused:
        Opportunity.open(id=new_id(), at=DAY, name="X", currency="EUR", stage=stage)
    assert refused.value.field == "stage"


def test_advancing_tells_the_stage_it_left() -> None:
    event = opened().advance(at=DAY, stage="proposing")
    assert (event.from_stage, event.stage) == ("prospecting", "proposing")


def test_an_opportunity_may_go_back_a_stage() -> None:
    opportunity = opened(stage="negotiating")
    opportunity.advance(at=DAY, stage="engaging")
    assert opportunity.stage == "engaging"


def test_an_opportunity_does_not_advance_to_the_stage_it_is_in() -> None:
    with pytest.raises(Conflict):
        opened().advance(at=DAY, stage="prospecting")


def test_an_opportunity_does_not_advance_to_won() -> None:
    with pytest.raises(Invalid):
        opened().advance(at=DAY, stage="won")


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
    assert (event.reason, opportunity.lost_reason, opportunity.stage) == ("price", "price", "lost")


def test_a_closed_opportunity_takes_no_more_steps() -> None:
    opportunity = opened(value=Decimal(1))
    opportunity.win(at=DAY, value=None)
    with pytest.raises(OpportunityAlreadyClosed):
        opportunity.advance(at=DAY, stage="engaging")
    with pytest.raises(OpportunityAlreadyClosed):
        opportunity.win(at=DAY, value=None)
    with pytest.raises(OpportunityAlreadyClosed):
        opportunity.lose(at=DAY, reason=None)


def test_nothing_happens_to_an_opportunity_before_its_last_change() -> None:
    with pytest.raises(Invalid) as refused:
        opened(value=Decimal(1)).win(at=DAY - timedelta(seconds=1), value=None)
    assert refused.value.field == "occurred_at"


def stage(key: str, **fields: Any) -> PipelineStage:
    return PipelineStage(key=key, name=key, probability_percent=Decimal(50), **fields)


OWN = PipelineVersion(
    new_id(),
    1,
    [
        stage("call", rotting_days=2),
        stage("demo", required=True, required_fields=["value", "custom.budget"]),
        stage("offer"),
    ],
)
OTHER = PipelineVersion(new_id(), 4, [stage("meet"), stage("demo")])
PIPELINES = Pipelines({(OWN.pipeline_id, 1): OWN}, {OTHER.pipeline_id: OTHER}, OWN)  # type: ignore[dict-item]


def begun(**fields: Any) -> Opportunity:
    given = {"name": "Ten chairs", "currency": "EUR", "stage": None, **fields}
    opportunity, _ = Opportunity.open(id=new_id(), at=DAY, pipelines=PIPELINES, **given)
    opportunity.updated_at = DAY
    return opportunity


def test_an_opportunity_begins_in_the_first_stage_of_its_pipeline() -> None:
    opportunity = begun()
    assert (opportunity.stage, opportunity.pipeline_id, opportunity.pipeline_version) == ("call", OWN.pipeline_id, 1)


def test_forward_no_required_stage_is_skipped_and_back_all_are() -> None:
    with pytest.raises(StageSkipped) as skipped:
        begun().advance(at=DAY, stage="offer", pipelines=PIPELINES)
    assert skipped.value.field == "stage"
    with pytest.raises(StageSkipped):
        begun().win(at=DAY, value=Decimal(1), pipelines=PIPELINES)
    back = begun(stage="offer")
    back.advance(at=DAY, stage="call", pipelines=PIPELINES)
    assert back.stage == "call"


@pytest.mark.parametrize(
    ("fields", "lacking"),
    [
        ({"custom": {"budget": 9}}, "value"),
        ({"value": Decimal(9)}, "custom.budget"),
        ({"value": Decimal(9), "custom": {"budget": None}}, "custom.budget"),
    ],
)
def test_a_stage_is_left_forward_with_what_it_requires(fields: dict[str, Any], lacking: str) -> None:
    opportunity = begun(stage="demo", **fields)
    with pytest.raises(OpportunityLacksField) as refused:
        opportunity.advance(at=DAY, stage="offer", pipelines=PIPELINES)
    assert refused.value.field == lacking
    if "value" in fields:
        with pytest.raises(OpportunityLacksField):
            opportunity.win(at=DAY, value=None, pipelines=PIPELINES)


def test_what_it_is_won_for_is_its_value_then() -> None:
    begun(stage="demo", custom={"budget": 1}).win(at=DAY, value=Decimal(9), pipelines=PIPELINES)


def test_back_and_lost_are_possible_without_what_a_stage_requires() -> None:
    opportunity = begun(stage="demo")
    opportunity.advance(at=DAY, stage="call", pipelines=PIPELINES)
    opportunity.lose(at=DAY, reason=None)


def test_it_reopens_no_further_on_than_it_was_closed_from() -> None:
    opportunity = begun()
    opportunity.lose(at=DAY, reason=None)
    with pytest.raises(StageSkipped) as refused:
        opportunity.reopen(at=DAY, stage="offer", pipelines=PIPELINES)
    assert (refused.value.field, opportunity.stage) == ("stage", "lost")
    opportunity.reopen(at=DAY, stage="call", pipelines=PIPELINES)
    opportunity.advance(at=DAY, stage="demo", pipelines=PIPELINES)
    opportunity.lose(at=DAY, reason=None)
    opportunity.reopen(at=DAY, stage="call", pipelines=PIPELINES)
    assert opportunity.stage == "call"


def test_one_of_before_reopens_where_it_is_said() -> None:
    """From which stage it was closed nobody knows: it has no visits, or none of when it was closed."""
    for visits in ([], [StageVisit(stage="prospecting", entered_at=DAY), StageVisit(stage="engaging", entered_at=DAY)]):
        opportunity = opened()
        opportunity.stage, opportunity.closed_at, opportunity.visits = "lost", DAY, visits
        opportunity.reopen(at=DAY, stage="negotiating")
        assert [each.stage for each in opportunity.visits] == ["negotiating"]


def test_a_win_that_skips_a_stage_names_no_field_as_none_says_where_it_goes() -> None:
    with pytest.raises(StageSkipped) as skipped:
        begun().win(at=DAY, value=Decimal(1), pipelines=PIPELINES)
    assert (skipped.value.field, "demo" in skipped.value.detail) == (None, True)


def test_it_does_not_rot_in_a_stage_that_says_nothing_of_it() -> None:
    with pytest.raises(Conflict):
        begun(stage="demo").rot(at=DAY)


def test_each_visit_to_a_stage_has_its_entry_and_its_exit() -> None:
    opportunity = begun()
    opportunity.advance(at=LATER, stage="demo", pipelines=PIPELINES)
    opportunity.lose(at=LATER, reason=None)
    opportunity.reopen(at=LATER + timedelta(1), stage="demo", pipelines=PIPELINES)
    assert opportunity.visits == [
        StageVisit(stage="call", entered_at=DAY, left_at=LATER),
        StageVisit(stage="demo", entered_at=LATER, left_at=LATER),
        StageVisit(stage="lost", entered_at=LATER, left_at=LATER + timedelta(1)),
        StageVisit(stage="demo", entered_at=LATER + timedelta(1)),
    ]


def test_the_last_visits_are_kept() -> None:
    opportunity = opened()
    for n in range(2 * MOST_VISITS):
        opportunity.advance(at=DAY, stage=("engaging", "prospecting")[n % 2])
    assert len(opportunity.visits) == MOST_VISITS
    assert [each.left_at for each in opportunity.visits[-2:]] == [DAY, None]


def test_it_rots_once_for_each_visit() -> None:
    opportunity = begun()
    assert opportunity.next_rotting == DAY + timedelta(days=2)
    event = opportunity.rot(at=DAY + timedelta(days=2))
    assert (event.stage, event.rotted_at) == ("call", DAY + timedelta(days=2))
    assert not opportunity.next_rotting
    with pytest.raises(Conflict):
        opportunity.rot(at=LATER)
    opportunity.advance(at=LATER, stage="demo", pipelines=PIPELINES)
    assert (opportunity.rots_at, opportunity.rotted_at) == (None, None)
    opportunity.advance(at=LATER, stage="call", pipelines=PIPELINES)
    assert opportunity.next_rotting == LATER + timedelta(days=2)
    opportunity.lose(at=LATER, reason=None)
    assert not opportunity.next_rotting


def test_what_is_closed_is_reopened_into_a_stage_that_is_named() -> None:
    opportunity = opened(value=Decimal(1), stage="negotiating")
    with pytest.raises(OpportunityStillOpen):
        opportunity.reopen(at=DAY, stage="engaging")
    for close in (lambda: opportunity.win(at=DAY, value=None), lambda: opportunity.lose(at=DAY, reason="price")):
        close()
        closed = opportunity.stage
        with pytest.raises(Invalid) as refused:
            opportunity.reopen(at=DAY, stage="won")
        assert refused.value.field == "stage"
        event = opportunity.reopen(at=DAY, stage="engaging")
        assert (event.stage, event.from_stage, opportunity.closed_at) == ("engaging", closed, None)
    assert opportunity.lost_reason is None


def test_it_is_moved_to_another_pipeline_into_a_stage_that_is_named() -> None:
    opportunity = begun(stage="demo")
    event = opportunity.switch(at=LATER, stage="meet", pipeline_id=OTHER.pipeline_id, pipelines=PIPELINES)
    assert (event.pipeline_version, event.stage, event.from_stage) == (4, "meet", "demo")
    assert opportunity.visits[-1] == StageVisit(stage="meet", entered_at=LATER)


def test_a_visit_goes_on_where_the_stage_has_the_same_key() -> None:
    opportunity = begun(stage="demo")
    opportunity.switch(at=LATER, stage="demo", pipeline_id=OTHER.pipeline_id, pipelines=PIPELINES)
    assert opportunity.visits == [StageVisit(stage="demo", entered_at=DAY)]


EVE, JOE = new_id(), new_id()


def split(*percents: int) -> list[OpportunitySplit]:
    return [
        OpportunitySplit(user_id=user, percent=Decimal(each)) for user, each in zip((EVE, JOE), percents, strict=False)
    ]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"splits": split(60, 30)}, "splits"),
        ({"splits": split(99)}, "splits"),
        ({"splits": [*split(50), *split(50)]}, "splits.1.user_id"),
        ({"contacts": [OpportunityContact(contact_id=EVE)] * 2}, "contacts.1.contact_id"),
    ],
)
def test_shares_come_to_the_whole_and_each_is_named_once(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        opened(**fields)
    assert refused.value.field == field
    with pytest.raises(Invalid) as refused:
        opened().amend(at=DAY, **fields)
    assert refused.value.field == field


def test_it_is_shared_out_and_then_not_any_more() -> None:
    opportunity = opened(splits=split(60, 40))
    assert opportunity.amend(at=DAY, splits=[]).changed == ["splits"]


def test_winning_keeps_the_reason() -> None:
    opportunity = opened(value=Decimal(1), stage="engaging")
    event = opportunity.win(at=DAY, value=None, reason="price")
    assert (event.reason, opportunity.won_reason) == ("price", "price")
    opportunity.reopen(at=DAY, stage="engaging")
    assert opportunity.won_reason is None


TEA = Line(quantity=Decimal(3), unit_price=Decimal("4.50"))


def test_one_with_lines_is_worth_what_they_come_to() -> None:
    opportunity = opened(lines=[TEA], stage="engaging")
    assert (opportunity.value, opportunity.lines[0].line) == (Decimal("13.5"), 1)
    event = opportunity.amend(at=DAY, lines=[*opportunity.lines, TEA])
    assert (event.value, sorted(event.changed)) == (Decimal(27), ["lines", "value"])
    assert [each.line for each in event.lines] == [1, 2]
    assert opportunity.win(at=DAY, value=None).value == 27


@pytest.mark.parametrize("value", [Decimal(1), Decimal(28)])
def test_it_is_not_worth_more_or_less(value: Decimal) -> None:
    with pytest.raises(Invalid) as refused:
        opened(lines=[TEA], value=value)
    assert refused.value.field == "value"
    opportunity = opened(lines=[TEA], stage="engaging")
    for change in (opportunity.amend, opportunity.win):
        with pytest.raises(Invalid) as refused:
            change(at=DAY, value=value)
        assert refused.value.field == "value"


def test_without_its_lines_it_keeps_its_value_and_never_their_numbers() -> None:
    opportunity = opened(lines=[TEA, TEA])
    opportunity.amend(at=DAY, lines=[])
    assert (opportunity.value, opportunity.lines) == (Decimal(27), [])
    opportunity.amend(at=DAY, value=Decimal(20))
    opportunity.amend(at=DAY, lines=[TEA])
    assert (opportunity.value, opportunity.lines[0].line) == (Decimal("13.5"), 3)
