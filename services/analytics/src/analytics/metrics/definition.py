"""A metric is data: words, components, and a formula. Adding one adds a definition to analytics.metrics.catalogue, and
its test."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from analytics.metrics.measure import Measure
from kith.errors import Invalid

Counts = Mapping[str, Decimal | None]
"""By component. None: the value is undefined, as the median of nothing is."""
DIGITS = 4


class Unit(StrEnum):
    PERCENT = "percent"
    MONEY = "money"
    COUNT = "count"
    SECONDS = "seconds"
    DAYS = "days"


_SCALE = {Unit.PERCENT: Decimal(100), Unit.DAYS: 1 / Decimal(86_400)}
"""Converts from counts, or from seconds, to the unit."""


class Source(StrEnum):
    """The source of a dimension's field."""

    EVENT = "event"
    """The event, or the state of its aggregate then."""
    CUSTOMER = "customer"
    """The customer's record, as of the end of the interval."""
    AGE = "age"
    """The time that the aggregate's clock had run at the end of the interval."""
    TEAM = "team"
    """The team of the user whose the aggregate is, as of the end of the interval, and each team which that is within;
    or the team whose it is itself."""
    LABEL = "label"
    """The label that the model gave the customer."""
    BAND = "band"
    """The band that the customer's health was in at the end of the interval, as it was published."""


@dataclass(frozen=True)
class Dimension:
    """A dimension by which a metric can be grouped and filtered."""

    name: str
    source: Source = Source.EVENT
    stored_as: str = ""
    held_in: str = ""
    """For CUSTOMER: the object of its record that has the field."""
    several: bool = False
    """For CUSTOMER and TEAM: whether it may have several values. It counts under each."""
    only: tuple[str, ...] = ()
    """For CUSTOMER: the values there are; any other counts as none. Empty: any."""
    groups: bool = True
    """Whether figures are grouped by it. Filtered by it they are in any case."""
    names_customers: bool = False
    """For CUSTOMER: whether its values are ids of customers, in the tree that they form."""
    first: int = 0
    """For EVENT: how many characters of the field it is, as the first seven of a day are its month. 0: all."""
    steps: tuple[tuple[timedelta, str], ...] = ()
    """For AGE: a name for each step up to an age; the rest has the last name."""

    @property
    def field(self) -> str:
        return self.stored_as or self.name


def _customer(*names: str) -> tuple[Dimension, ...]:
    return tuple(Dimension(name, Source.CUSTOMER) for name in names)


OWNER = Dimension("owner", Source.CUSTOMER)
TAG = Dimension("tag", Source.CUSTOMER, "tags", several=True)
ULTIMATE_PARENT = Dimension("ultimate_parent", Source.CUSTOMER, names_customers=True)
"""The customer at the top of the customer's tree; itself, if it is a part of none."""
OPPORTUNITY_TEAM = Dimension("opportunity_team", Source.TEAM, several=True)
USERS = Dimension("users", Source.TEAM)
"""Those whose the aggregate is: a team's is theirs if all in the team, and within it, are among them."""
WITHIN = Dimension("within", Source.CUSTOMER, groups=False, names_customers=True)
"""A customer that the customer is, or is below."""
BAND = Dimension("band", Source.BAND)
CURRENCY = Dimension("currency")
"""Amounts in different currencies have no sum: figures of amounts are kept apart by it, unless they are asked in one
(see metrics.converted)."""
CUSTOMER = (*_customer("segment", "tier", "kind", "country", "source"), OWNER, TAG, ULTIMATE_PARENT, WITHIN)
"""The dimensions of a customer, by their plain names. A customer with two tags counts under each."""


def of(noun: str, *names: str) -> tuple[Dimension, ...]:
    """Returns dimensions by fields of the event that the customer has too, prefixed: those of an order are
    `order_country` and so on."""
    return tuple(Dimension(f"{noun}_{name}", stored_as=name) for name in names)


def by(*own: Dimension | str) -> tuple[Dimension, ...]:
    """Returns dimensions by these fields of the event, and those of the customer. Raises ValueError where both have a
    name: one name means the same in every metric."""
    mine = tuple(each if isinstance(each, Dimension) else Dimension(each) for each in own)
    if both := {each.name for each in mine} & {each.name for each in CUSTOMER}:
        raise ValueError(f"{', '.join(sorted(both))}: the customer has it, too; say whose it is")
    return (*mine, *CUSTOMER)


@dataclass(frozen=True)
class Term:
    sign: int
    component: str


def terms(formula: str) -> tuple[Term, ...]:
    """Parses the terms of a formula: `E - N` is E, less N."""
    sign, found = 1, []
    for word in formula.split():
        if word in ("+", "-"):
            sign = 1 if word == "+" else -1
        else:
            found.append(Term(sign, word))
            sign = 1
    return tuple(found)


def part(formula: str, counts: Counts) -> Decimal | None:
    total = Decimal()
    for term in terms(formula):
        value = counts[term.component]
        if value is None:
            return None
        total += term.sign * value
    return total


@dataclass(frozen=True)
class Metric:
    id: str
    title: str
    unit: Unit
    words: str
    components: Mapping[str, Measure]
    numerator: str
    """A sum or difference of components."""
    denominator: str | None = None
    """The same; None if the metric is no ratio."""
    sums: Mapping[str, str] = field(default_factory=dict)
    """Sums and differences of components that are shown after them, by their names."""
    dimensions: tuple[Dimension, ...] = CUSTOMER
    known_by: Mapping[str, tuple[Dimension, ...]] = field(default_factory=dict)
    """The dimensions of a component that lacks some of the others. It is unknown, as are sums with it, where all is
    grouped or filtered by those, or converted."""
    reached_by: Dimension = OWNER
    """By which it is filtered for who has a limited reach."""
    at_instant: bool = False
    """Whether it is evaluated at one instant, the end of the interval, and looks back from there."""
    version: int = 1
    example: str = field(default="", compare=False)
    """Worked out with small numbers, for the documentation."""

    def __hash__(self) -> int:
        return hash((self.id, self.version))

    def value(self, counts: Counts) -> Decimal | None:
        """Returns the value. A ratio with an empty denominator is None, never 0."""
        above = part(self.numerator, counts)
        below = part(self.denominator, counts) if self.denominator else Decimal(1)
        return above / below * _SCALE.get(self.unit, 1) if above is not None and below else None

    @property
    def measures(self) -> frozenset[Measure]:
        return frozenset(self.components.values())

    def unknown(self, dimensions: Iterable[Dimension], *, converted: bool) -> frozenset[Measure]:
        """Returns the measures that are unknown where all is grouped and filtered by these."""
        used = set(dimensions)
        return frozenset(self.components[name] for name, by in self.known_by.items() if converted or used - {*by})

    def dimension(self, name: str, *, parameter: str = "groupBy") -> Dimension:
        """Returns the dimension. Raises Invalid that lists the dimensions there are."""
        there_are = [each for each in self.dimensions if each.groups or parameter != "groupBy"]
        for each in there_are:
            if each.name == name:
                return each
        allowed = ", ".join(each.name for each in there_are) or "nothing"
        raise Invalid(f"{self.id} cannot be sliced by {name!r}, only by {allowed}.", field=parameter)
