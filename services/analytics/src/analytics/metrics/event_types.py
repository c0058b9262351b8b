"""The types of events that metrics are computed from."""

from collections.abc import Collection

from analytics.metrics.definition import OPPORTUNITY_TEAM, Metric
from analytics.metrics.kinds.registry import kind_of
from analytics.projections.custom_fields import DEFINITION_TYPES
from analytics.projections.teams import PEOPLE


def event_types_of(metrics: Collection[Metric]) -> frozenset[str]:
    """Returns the types that the measures of these metrics name, and those of the fields by which customers are
    divided; those of activity are the tenant's own."""
    people = PEOPLE if any(OPPORTUNITY_TEAM in metric.dimensions for metric in metrics) else ()
    measures = (measure for metric in metrics for measure in metric.measures)
    return frozenset(DEFINITION_TYPES).union(people, *(kind_of(measure).event_types(measure) for measure in measures))
