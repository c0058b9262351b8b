"""Currencies: without rates, amounts of different ones have no sum, so figures of amounts are told currency by
currency."""

from analytics.metrics.definition import Dimension, Metric
from analytics.metrics.measure import Flow, Measure, Median, Score, Stock, Sum
from analytics.projections.facts import attributes_of, noun_of

CURRENCY = Dimension("currency")
MODELS_OF_AMOUNTS = frozenset({"historic", "simple", "predicted"})
"""What these models say of a customer follows from its purchases in one currency: the number and the count of it."""


def is_of_amounts(measure: Measure) -> bool:
    """Whether it is in a currency."""
    match measure:
        case Flow(of=of) | Stock(of=of):
            return isinstance(of, Sum | Median) and of.field == "amount"
        case Score(model=model):
            return model in MODELS_OF_AMOUNTS
        case _:
            return False


def has_currency(measure: Measure) -> bool:
    """Whether what it looks at has a currency. A filter by currency says nothing to the others."""
    match measure:
        case Flow(types=types):
            return all("currency" in attributes_of(noun_of(type)) for type in types)
        case Stock(noun=noun):
            return "currency" in attributes_of(noun)
        case Score():
            return True
        case _:
            return False


def in_amounts(metric: Metric) -> bool:
    """Whether it is told currency by currency."""
    return any(is_of_amounts(measure) for measure in metric.measures)
