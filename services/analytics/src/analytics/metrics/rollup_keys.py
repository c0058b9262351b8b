"""The keys of totals: per type of event the fields that the catalogue's flows read."""

from sqlalchemy import ColumnElement, func, literal
from sqlalchemy.dialects.postgresql import JSONB

from analytics.metrics.catalogue import METRICS
from analytics.metrics.measure import Count, Flow, Has, Is, Sum
from analytics.projections.fields import field_of
from analytics.projections.tables import facts


def is_plain(measure: Flow) -> bool:
    """Whether it can be summed in advance: it depends on nothing but its own fact."""
    single = not measure.of_lines and (measure.of == Count() or measure.of == Sum())
    return single and all(isinstance(condition, Is | Has) for condition in measure.where)


def _shapes() -> dict[str, tuple[str, ...]]:
    fields: dict[str, set[str]] = {}
    plain = (m for metric in METRICS.values() for m in metric.measures if isinstance(m, Flow) and is_plain(m))
    for measure in plain:
        for type in measure.types:
            mine = fields.setdefault(type, set())
            mine.update(condition.field for condition in measure.where if isinstance(condition, Is | Has))
            if measure.of == Sum():
                mine.add("currency")
    return {type: tuple(sorted(names)) for type, names in sorted(fields.items())}


SHAPES = _shapes()
"""Per type of event the fields that are kept apart."""
SHAPE = ";".join(f"{type}:{','.join(fields)}" for type, fields in SHAPES.items())
OF_CUSTOMER = "of_customer"
"""Kept apart as well: whether the customer is known."""


def key_of(type: str) -> ColumnElement[object]:
    """Returns the key of a fact's total."""
    fields = [part for name in SHAPES[type] for part in (literal(name), field_of(facts, name))]
    known = [literal(OF_CUSTOMER), func.nullif(facts.c.customer_id.is_not(None), False)]
    return func.jsonb_strip_nulls(func.jsonb_build_object(*fields, *known, type_=JSONB), type_=JSONB)
