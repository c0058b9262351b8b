"""The value objects of pipelines: their stages, in the versions that opportunities go through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from kith.errors import Invalid
from kith.scalars import Code, Flag, Pattern, Percentage, Whole
from kith.values import Value

MOST_STAGES = 50
WON, LOST = "won", "lost"
CLOSED = (WON, LOST)
"""They end every pipeline, and are no stages of it."""
StageKey = Annotated[str, Pattern("[a-z][a-z0-9_]{0,63}", "It is a key in small letters, as in proposing.")]


class ForecastCategory(StrEnum):
    PIPELINE = "pipeline"
    BEST_CASE = "best_case"
    COMMIT = "commit"
    OMITTED = "omitted"


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineStage(Value):
    """A stage that opportunities go through, in order."""

    key: StageKey
    name: Code
    probability_percent: Percentage
    """Of being won."""
    forecast_category: ForecastCategory = ForecastCategory.PIPELINE
    required: Flag = False
    """Whether it may not be passed over on the way forward."""
    rotting_days: Annotated[int, Whole(1, 3650)] | None = None
    """After so many an opportunity has been in it for too long."""
    required_fields: list[Code] = field(default_factory=list)
    """Fields of an opportunity that have to be set before it goes on."""


class PipelineVersion(NamedTuple):
    """The stages of a pipeline, as an opportunity goes through them."""

    pipeline_id: UUID | None
    """None: that of tenants who declare none."""
    number: int | None
    stages: Sequence[PipelineStage]

    def stage(self, key: str) -> PipelineStage:
        """Raises Invalid."""
        for each in self.stages:
            if each.key == key:
                return each
        keys = ", ".join(each.key for each in self.stages)
        raise Invalid(f"Its pipeline has the stages {keys}.", field="stage")

    def left(self, key: str, to: str) -> Sequence[PipelineStage]:
        """Returns the stages from `key` on that are left on the way forward `to` another one, or to the end. None on
        the way back."""
        keys = [each.key for each in self.stages]
        return self.stages[keys.index(key) : keys.index(to) if to in keys else None]


def _stage(key: str, percent: str, category: ForecastCategory) -> PipelineStage:
    likely = Decimal(percent)
    return PipelineStage(key=key, name=key.capitalize(), probability_percent=likely, forecast_category=category)


BUILT_IN = PipelineVersion(
    None,
    None,
    (
        _stage("prospecting", "10.0000", ForecastCategory.PIPELINE),
        _stage("engaging", "30.0000", ForecastCategory.PIPELINE),
        _stage("proposing", "50.0000", ForecastCategory.BEST_CASE),
        _stage("negotiating", "80.0000", ForecastCategory.COMMIT),
    ),
)
"""Of tenants who declare no pipeline."""


@dataclass(frozen=True)
class Pipelines:
    """The versions of a tenant's pipelines that the rules of a request may need."""

    versions: Mapping[tuple[UUID | None, int | None], PipelineVersion] = field(default_factory=dict)
    current: Mapping[UUID, PipelineVersion] = field(default_factory=dict)
    default: PipelineVersion = BUILT_IN

    def kept(self, pipeline_id: UUID | None, number: int | None) -> PipelineVersion:
        """Returns the version that an opportunity began in, or was moved to."""
        return self.versions.get((pipeline_id, number), BUILT_IN)

    def now(self, pipeline_id: UUID | None) -> PipelineVersion:
        """Returns the version that a pipeline has now."""
        return BUILT_IN if pipeline_id is None else self.current[pipeline_id]

    def begun(self, pipeline_id: UUID | None) -> PipelineVersion:
        """Returns the version that an opportunity begins in."""
        return self.default if pipeline_id is None else self.now(pipeline_id)


NONE_DECLARED = Pipelines()
