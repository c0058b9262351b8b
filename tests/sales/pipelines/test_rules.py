from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kith.errors import Invalid, NothingAmended
from kith.ids import new_id
from sales.opportunities.form import AmendOpportunity
from sales.pipelines.rules import REQUIRABLE, Pipeline
from sales.pipelines.values import PipelineStage

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def stage(key: str, **fields: Any) -> PipelineStage:
    return PipelineStage(**{"key": key, "name": key, "probability_percent": Decimal(50), **fields})


def created(*stages: PipelineStage) -> Pipeline:
    it, _ = Pipeline.create(id=new_id(), at=DAY, name="Partners", stages=[*stages])
    it.updated_at = DAY
    return it


def test_its_stages_have_numbered_versions() -> None:
    it = created(stage("offer"))
    assert it.number == 1
    event = it.amend(at=DAY, stages=[stage("call"), stage("offer")])
    assert (it.number, event.number, event.changed) == (2, 2, ["number", "stages"])


def test_with_another_name_it_has_the_stages_of_before() -> None:
    it = created(stage("offer"))
    event = it.amend(at=DAY, name="Resellers", stages=[stage("offer")])
    assert (it.number, event.changed) == (1, ["name"])
    with pytest.raises(NothingAmended):
        it.amend(at=DAY, stages=[stage("offer")])


@pytest.mark.parametrize(
    ("stages", "field"),
    [
        ((), "stages"),
        ((stage("call"), stage("won")), "stages.1.key"),
        ((stage("call"), stage("offer"), stage("call")), "stages.2.key"),
        ((stage("call", required_fields=["value", "colour"]),), "stages.0.required_fields.1"),
        ((stage("call", required_fields=["custom."]),), "stages.0.required_fields.0"),
        ((stage("call", required_fields=["customer_id"]),), "stages.0.required_fields.0"),
    ],
)
def test_a_stage_that_is_none_is_refused_by_its_place(stages: tuple[PipelineStage, ...], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        created(*stages)
    assert refused.value.field == field
    with pytest.raises(Invalid) as refused:
        created(stage("offer")).amend(at=DAY, stages=[*stages])
    assert refused.value.field == field


def test_what_a_stage_requires_can_be_set() -> None:
    assert {*REQUIRABLE} <= AmendOpportunity.model_fields.keys()
