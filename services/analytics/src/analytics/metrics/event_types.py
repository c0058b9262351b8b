"""The types of events that metrics are computed from."""

from collections.abc import Iterable

from analytics.metrics.definition import Metric
from analytics.metrics.kinds.registry import kind_of
from analytics.projections.custom_fields import DEFINITION_TYPES


def event_types_of(metrics: Iterable[Metric]) -> frozenset[str]:
    """Returns the types that the measures of these metrics name, and those of the fields by which customers are
    divided; those of activity are the tenant's own."""
    measures = (measure for metric in metrics for measure in metric.measures)
    return frozenset(DEFINITION_TYPES).union(*(kind_of(measure).event_types(measure) for measure in measures))
