"""The kinds of measures are found by the class of a measure."""

from typing import get_args

from analytics.metrics.kinds.flow import FlowKind
from analytics.metrics.kinds.registry import KINDS, kind_of
from analytics.metrics.measure import Flow, Measure


def test_every_class_of_measures_has_a_kind() -> None:
    assert KINDS._kinds.keys() == set(get_args(Measure))


def test_a_measure_is_of_the_kind_of_its_class() -> None:
    assert isinstance(kind_of(Flow(("sales.order.placed.v1",))), FlowKind)
