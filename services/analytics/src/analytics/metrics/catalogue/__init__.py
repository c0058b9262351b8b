"""The catalogue: every metric there is, by its id."""

from analytics.metrics.catalogue import (
    activities,
    leads,
    lifecycle,
    marketing,
    retention,
    sales,
    service,
    subscriptions,
    value,
)
from analytics.metrics.definition import Metric
from kith.errors import NotFound

AREAS: dict[str, tuple[Metric, ...]] = {
    "Retention": retention.METRICS,
    "Value": value.METRICS,
    "Sales": (*sales.METRICS, *activities.METRICS, *leads.METRICS),
    "Subscriptions": subscriptions.METRICS,
    "Service": service.METRICS,
    "Marketing": marketing.METRICS,
    "Lifecycle and usage": lifecycle.METRICS,
}
METRICS: dict[str, Metric] = {metric.id: metric for metrics in AREAS.values() for metric in metrics}


def metric(id: str, *, parameter: str = "id") -> Metric:
    """Returns the metric with this id. Raises NotFound that lists the ids there are."""
    if id not in METRICS:
        raise NotFound(f"There is no metric {id}. There are: {', '.join(sorted(METRICS))}.", field=parameter)
    return METRICS[id]
