"""A metric in words: what its definition says, for whoever reads the catalogue."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from analytics.metrics.definition import Dimension, Metric, Source, Unit, terms
from analytics.metrics.measure import (
    Active,
    Attribute,
    Condition,
    Count,
    Did,
    DistinctCount,
    Flow,
    Has,
    Is,
    IsActive,
    Key,
    Measure,
    Median,
    Never,
    Of,
    OfNewCustomer,
    SameDay,
    Score,
    Stock,
    Sum,
    Trait,
)
from analytics.projections.facts import PHASES, noun_of, types_of, verb_of, word_of
from kith.events.catalogue import EVENTS

_SCALED = {Unit.PERCENT: " * 100", Unit.DAYS: " / 86,400"}
_WHOSE = {
    Source.LABEL: "what the model calls the customer",
    Source.AGE: "at the end",
    Source.EVENT: "its own",
    Source.CUSTOMER: "the customer's",
}


@dataclass(frozen=True)
class Description:
    """A metric as it is shown: all that is data in the definition is words here."""

    id: str
    title: str
    area: str
    unit: str
    version: int
    words: str
    formula: str
    components: Mapping[str, str]
    dimensions: Mapping[str, tuple[str, ...]]
    """Names, by whose they are."""
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
        components={name: in_words(measure) for name, measure in metric.components.items()},
        dimensions=_by_source(metric.dimensions),
        at_instant=metric.at_instant,
        example=metric.example,
    )


def formula(metric: Metric) -> str:
    """`(E - N) / S * 100`: from the components to the unit."""
    parts = [metric.numerator, *([metric.denominator] if metric.denominator else [])]
    ratio = " / ".join(f"({part})" if len(parts) > 1 and len(terms(part)) > 1 else part for part in parts)
    return ratio + _SCALED.get(metric.unit, "")


def in_words(measure: Measure) -> str:
    match measure:
        case Flow(types, of, where, of_customers):
            clauses = [_condition(noun_of(types[0]), each) for each in where]
            known = ["with a known customer"] if of_customers else []
            return _joined(_events(types), _taken(of, noun_of(types[0])), [*clauses, *known])
        case Stock(noun, of, where):
            standing = f"{_many(noun.rpartition('.')[2])} at the end"
            return _joined(standing, _taken(of, noun), [_condition(noun, each) for each in where])
        case DistinctCount(all_of, any_of, key):
            whom = "customers" if key is Key.CUSTOMER else _subjects(all_of)
            traits = [_trait(each) for each in all_of]
            if any_of:
                traits.append(" or ".join(_trait(each) for each in any_of))
            return f"distinct {whom} with {'; and with '.join(traits)}"
        case Active():
            return f"customers {_listed(_activity(measure), 'and')}"
        case Score(model, sum, label):
            called = f" and labelled {label}" if label else ""
            return f"customers scored {_name(model)}{called}, " + ("their scores added up" if sum else "counted")


def _joined(what: str, taken: str, clauses: Iterable[str]) -> str:
    return ", ".join([" ".join([what, *_and(clauses)]), taken])


def _and(clauses: Iterable[str]) -> Iterator[str]:
    for index, clause in enumerate(clauses):
        yield f"and {clause}" if index else clause


def _taken(of: Of, noun: str) -> str:
    match of:
        case Count():
            return "counted"
        case Sum(field, weights):
            weighed = ", ".join(f"{weight} in {phase}" for phase, weight in (weights or {}).items())
            return f"their {_field(noun, field)} added up" + (f", times {weighed}" if weighed else "")
        case Median(field):
            return f"the median of their {_field(noun, field)}"


def _condition(noun: str, condition: Condition) -> str:
    match condition:
        case Is(field, values):
            return f"with {_field(noun, field)} {_listed(values)}"
        case Has(field):
            return f"with a known {_field(noun, field)}"
        case Never(verbs):
            return f"that were never {_listed(verbs)} before"
        case SameDay():
            return "on the calendar day on which their clock began to run"
        case OfNewCustomer():
            return "by customers whose first qualifying event lies in the interval"


def _trait(trait: Trait) -> str:
    match trait:
        case Did(types, at_least, months, in_interval, where):
            clauses = " ".join(_and(_condition(noun_of(types[0]), each) for each in where))
            past = f"in the {months} months before the end" if months else "to date"
            when = "in the interval" if in_interval else past
            number = f"{at_least} or more" if at_least > 1 else "any"
            return " ".join(filter(None, [number, _events(types), clauses, when]))
        case Attribute(field):
            return f"{field.replace('_', ' ')} on record"
        case IsActive():
            return "activity at the end"


def _activity(measure: Active) -> Iterator[str]:
    said = {
        "at_start": ("active at the start", "not active at the start"),
        "at_end": ("active at the end", "not active at the end"),
        "before": ("first active before the start", "never active before the start"),
        "during": ("active at some time in the interval", "not active in the interval"),
        "new": ("first active in the interval", "not first active in the interval"),
    }
    for name, (yes, no) in said.items():
        wanted = getattr(measure, name)
        if wanted is not None:
            yield yes if wanted else no


def _events(types: Iterable[str]) -> str:
    """`sales.opportunity.won.v1` and `.lost.v1` are opportunities won or lost."""
    verbs: dict[str, list[str]] = {}
    for type in types:
        verbs.setdefault(word_of(type), []).append(verb_of(type))
    return _listed(f"{_many(noun)} {_listed(mine)}" for noun, mine in verbs.items())


def _subjects(traits: Iterable[Trait]) -> str:
    nouns = {word_of(type): None for trait in traits if isinstance(trait, Did) for type in trait.types}
    return _listed(_many(noun) for noun in nouns)


def _field(noun: str, field: str) -> str:
    if field == "phase":
        return next((name for name in PHASES for t in types_of(noun) if name in EVENTS[t].__struct_fields__), "phase")
    return {"amount": "value", "from_phase": "stage left"}.get(field, field.replace("_", " "))


def _many(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def _listed(words: Iterable[str], last_by: str = "or") -> str:
    *most, last = words
    return f"{', '.join(most)} {last_by} {last}" if most else last


def _name(model: str) -> str:
    return {"p_alive": "P(alive)"}.get(model, model)


def _by_source(dimensions: Iterable[Dimension]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for source, whose in _WHOSE.items():
        names = tuple(each.name for each in dimensions if each.source is source)
        found |= {whose: names} if names else {}
    return found
