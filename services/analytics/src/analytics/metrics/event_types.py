"""The types of events that metrics are computed from."""

from collections.abc import Iterable

from analytics.metrics.definition import Metric
from analytics.metrics.kinds.registry import kind_of


def event_types_of(metrics: Iterable[Metric]) -> frozenset[str]:
    """Returns the types that the measures of these metrics name; those of activity are the tenant's own."""
    measures = (measure for metric in metrics for measure in metric.measures)
    return frozenset().union(*(kind_of(measure).event_types(measure) for measure in measures))
