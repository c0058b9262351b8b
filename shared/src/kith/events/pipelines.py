"""What sales publishes of pipelines."""

from decimal import Decimal
from typing import ClassVar

from msgspec import Struct, field

from kith.events.event import Amended, Event


class PipelineStage(Struct, omit_defaults=True):
    """A stage that opportunities go through, in order."""

    key: str
    name: str
    probability_percent: Decimal
    """Of being won."""
    forecast_category: str = "pipeline"
    required: bool = False
    rotting_days: int | None = None
    required_fields: list[str] = field(default_factory=list)


class PipelineCreated(Event):
    type: ClassVar[str] = "sales.pipeline.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    number: int
    """Of this version of its stages."""
    stages: list[PipelineStage]
    is_default: bool


class PipelineAmended(Amended):
    """With other stages it has another number. Opportunities keep the stages of the number that they began in."""

    type: ClassVar[str] = "sales.pipeline.amended.v1"
    qualifies: ClassVar[bool] = False
    number: int | None = None
    stages: list[PipelineStage] = field(default_factory=list)
    is_default: bool = False


class PipelineArchived(Event):
    """It was put away: no opportunity begins in it."""

    type: ClassVar[str] = "sales.pipeline.archived.v1"
    qualifies: ClassVar[bool] = False


class PipelineRestored(Event):
    type: ClassVar[str] = "sales.pipeline.restored.v1"
    qualifies: ClassVar[bool] = False
