"""Describes a metric in words, from its definition, for readers of the catalogue."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analytics.metrics.definition import Dimension, Metric, Source, Unit, terms
from analytics.metrics.kinds.registry import kind_of

_SCALED = {Unit.PERCENT: " * 100", Unit.DAYS: " / 86,400"}
_WHOSE = {
    Source.LABEL: "what the model calls the customer",
    Source.AGE: "at the end",
    Source.BAND: "of the customer's health",
    Source.EVENT: "its own",
    Source.TEAM: "its owner's",
    Source.CUSTOMER: "the customer's",
}


@dataclass(frozen=True)
class Description:
    """A metric as it is shown: the data of the definition, in words."""

    id: str
    title: str
    area: str
    unit: str
    version: int
    words: str
    formula: str
    components: Mapping[str, str]
    dimensions: Mapping[str, tuple[str, ...]]
    """The names of the dimensions, by their source."""
    at_instant: bool
    example: str


def describe(metric: Metric, area: str) -> Description:
    return Description(
        id=metric.id,
        title=metric.title,
        area=area,
        unit=metric.unit,
        version=metric.version,
        words=metric.words,
        formula=formula(metric),
        components={name: kind_of(measure).describe(measure) for name, measure in metric.components.items()}
        | {name: f"`{sum}`" for name, sum in metric.sums.items()},
        dimensions=_by_source(metric.dimensions),
        at_instant=metric.at_instant,
        example=metric.example,
    )


def formula(metric: Metric) -> str:
    """Returns the formula, from the components to the unit: `(E - N) / S * 100`."""
    parts = [metric.numerator, *([metric.denominator] if metric.denominator else [])]
    ratio = " / ".join(f"({part})" if len(parts) > 1 and len(terms(part)) > 1 else part for part in parts)
    return ratio + _SCALED.get(metric.unit, "")


def _by_source(dimensions: Iterable[Dimension]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for source, whose in _WHOSE.items():
        names = tuple(each.name for each in dimensions if each.source is source)
        found |= {whose: names} if names else {}
    return found
