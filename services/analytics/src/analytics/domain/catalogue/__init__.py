"""The catalogue: every metric there is, by its id."""

from analytics.domain.catalogue import marketing, retention, sales, service, value
from analytics.domain.metric import Metric
from kith.domain import NotFound

METRICS: dict[str, Metric] = {
    metric.id: metric for part in (retention, value, sales, service, marketing) for metric in part.METRICS
}


def metric(id: str) -> Metric:
    """Raises NotFound that lists what there is."""
    if id not in METRICS:
        raise NotFound(f"There is no metric {id}. There are: {', '.join(sorted(METRICS))}.", field="id")
    return METRICS[id]
