"""The phrases of which descriptions of measures are composed: events, conditions, and quantities."""

from collections.abc import Iterable, Iterator

from analytics.metrics.measure import (
    Condition,
    Count,
    CustomerInUse,
    DayIn,
    Has,
    InstantIn,
    InUse,
    Is,
    Median,
    Never,
    Of,
    OfNewCustomer,
    Overridden,
    SameDay,
    Stands,
    Sum,
)
from analytics.projections.facts import PHASES, types_of, verb_of, word_of
from kith.events.catalogue import EVENTS


def joined(what: str, clauses: Iterable[str], taken: str) -> str:
    return ", ".join([" ".join([what, *joined_by_and(clauses)]), taken])


def joined_by_and(clauses: Iterable[str]) -> Iterator[str]:
    for index, clause in enumerate(clauses):
        yield f"and {clause}" if index else clause


def listed(words: Iterable[str], last_by: str = "or") -> str:
    *most, last = words
    return f"{', '.join(most)} {last_by} {last}" if most else last


def plural(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def events_in_words(types: Iterable[str]) -> str:
    """Describes event types: `sales.opportunity.won.v1` and `.lost.v1` are opportunities won or lost."""
    verbs: dict[str, list[str]] = {}
    for type in types:
        verbs.setdefault(word_of(type), []).append(verb_of(type))
    return listed(f"{plural(noun)} {listed(mine)}" for noun, mine in verbs.items())


def taken_in_words(of: Of, noun: str) -> str:
    match of:
        case Count():
            return "counted"
        case Sum(field, percent, weights):
            weighed = [f"{weight} in {phase}" for phase, weight in (weights or {}).items()]
            if percent is not None:
                weighed = [f"their {_field(noun, percent)}", *(["where it is not known", *weighed] if weighed else [])]
            return f"their {_field(noun, field)} added up" + (f", times {', '.join(weighed)}" if weighed else "")
        case Median(field):
            return f"the median of their {_field(noun, field)}"


def condition_in_words(noun: str, condition: Condition) -> str:  # noqa: C901, PLR0911 - a phrase for each
    match condition:
        case Is(field, values, negated):
            known = f"neither {listed(values, 'nor')}" if negated else listed(values)
            return f"with {_field(noun, field)} {known}"
        case Has(field):
            return f"with a known {_field(noun, field)}"
        case Never(verbs):
            return f"that were never {listed(verbs)} before"
        case SameDay():
            return "on the calendar day on which their clock began to run"
        case OfNewCustomer():
            return "by customers whose first qualifying event lies in the interval"
        case InUse():
            return "that are not archived"
        case DayIn(field) | InstantIn(field):
            return f"whose {_field(noun, field)} lies in the interval"
        case Stands(types):
            return f"that none of {events_in_words(types)} followed in the interval"
        case Overridden(whose):
            return f"that an override of {'its owner' if whose == 'owner' else 'a team'} stands for"
        case CustomerInUse():
            return "that are neither archived nor merged into another"


def _field(noun: str, field: str) -> str:
    if field == "phase":
        return next((name for name in PHASES for t in types_of(noun) if name in EVENTS[t].__struct_fields__), "phase")
    return {"amount": "value", "from_phase": "stage left"}.get(field, field.replace("_", " "))
