"""The types of events that metrics are computed from."""

from collections.abc import Iterable

from analytics.metrics.definition import Metric
from analytics.metrics.measure import Active, Did, DistinctCount, Flow, Measure, Score, Stock
from analytics.projections.facts import types_of
from kith.events.sales import OrderPlaced, OrderReturned


def event_types_of(metrics: Iterable[Metric]) -> frozenset[str]:
    """Returns the types that the measures of these metrics name; those of activity are the tenant's own."""
    measures = (measure for metric in metrics for measure in metric.measures)
    return frozenset().union(*(_event_types(measure) for measure in measures))


def _event_types(measure: Measure) -> Iterable[str]:
    match measure:
        case Flow(types=types):
            return types
        case Stock(noun=noun):
            return types_of(noun)
        case DistinctCount(all_of=all_of, any_of=any_of):
            return {type for trait in (*all_of, *any_of) if isinstance(trait, Did) for type in trait.types}
        case Score():
            return (OrderPlaced.type, OrderReturned.type)
        case Active():
            return ()
