"""The kinds of measures by the class of their measures."""

from typing import Self, TypeVar, cast

from analytics.metrics.kinds.activity import ActivityKind
from analytics.metrics.kinds.distinct import DistinctKind
from analytics.metrics.kinds.flow import FlowKind
from analytics.metrics.kinds.kind import MeasureKind
from analytics.metrics.kinds.lapse import LapseKind
from analytics.metrics.kinds.recurring import RecurringKind
from analytics.metrics.kinds.score import ScoreKind
from analytics.metrics.kinds.stock import StockKind
from analytics.metrics.measure import Active, DistinctCount, Flow, Lapse, Measure, Recurring, Score, Stock

M = TypeVar("M", bound=Measure)


class Kinds:
    def __init__(self) -> None:
        self._kinds: dict[type[object], MeasureKind[Measure]] = {}

    def add(self, measures: type[M], kind: MeasureKind[M]) -> Self:
        # `of` looks a kind up by the class of its argument, so a kind only receives measures of its own class.
        self._kinds[measures] = cast("MeasureKind[Measure]", kind)
        return self

    def of(self, measure: M) -> MeasureKind[M]:
        return self._kinds[type(measure)]


KINDS = (
    Kinds()
    .add(Flow, FlowKind())
    .add(Stock, StockKind())
    .add(DistinctCount, DistinctKind())
    .add(Active, ActivityKind())
    .add(Lapse, LapseKind())
    .add(Score, ScoreKind())
    .add(Recurring, RecurringKind())
)
kind_of = KINDS.of
