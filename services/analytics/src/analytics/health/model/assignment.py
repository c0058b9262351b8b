"""Assigns a health model to a customer at an instant: of those published before it and not retired, the most specific
one that is for a customer as its record was then.

An assignment ends, and another begins, when a model is published or retired, when the customer's record changes its
segment, tier, tags or custom fields, and when its place in a tree changes. All hold from the microsecond after, as
every event does for a score.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from analytics.health.model.definition import DEFAULT, UNIDENTIFIED, Audience, HealthModel


class Attributes(NamedTuple):
    """The fields of a record that decide which model is for the customer."""

    segment: str | None = None
    tier: str | None = None
    tags: frozenset[str] = frozenset()
    custom: frozenset[tuple[str, str]] = frozenset()
    """The custom fields that some model's audience names, each with a value."""
    within: frozenset[UUID] = frozenset()
    """The customers whose trees it is in, of those that some model's audience names."""


UNKNOWN = Attributes()


class Named(NamedTuple):
    """What the audiences of some models name, that of a record is read only if it is named."""

    fields: frozenset[str]
    """The codes of custom fields."""
    trees: frozenset[UUID]
    """The customers at which trees begin."""


class Record(NamedTuple):
    """The attributes of a customer's record at every instant from `since` on, until the next record."""

    since: int
    attributes: Attributes


class Publication(NamedTuple):
    """A model was published, or retired, at an instant."""

    id: str
    at: int
    model: HealthModel | None
    """None: it was retired."""


class Assignment(NamedTuple):
    """One model scores a customer at every instant from `since` to `until`, both included."""

    since: int
    until: int
    model: HealthModel | None
    """None: no model is for it."""


@dataclass(frozen=True)
class Models:
    """A tenant's health models over time."""

    publications: Sequence[Publication] = ()
    """Those of one model are in the order of its versions."""
    always: Sequence[HealthModel] | None = None
    """If given, these are in force at every instant, the most specific first, whatever was published."""
    _in_force: dict[int, list[HealthModel]] = field(default_factory=dict, compare=False)
    _assigned: dict[tuple[tuple[Record, ...], int, int], list[Assignment]] = field(default_factory=dict, compare=False)
    _chosen: dict[tuple[int, Attributes], HealthModel | None] = field(default_factory=dict, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles without the cache, which is cheap to rebuild and large to send."""
        return Models, (self.publications, self.always)

    @classmethod
    def only(cls, model: HealthModel) -> "Models":
        """Returns models with this one alone, for every customer, whatever its audience."""
        return cls(always=[replace(model, audience=Audience())])

    @cached_property
    def changes(self) -> list[int]:
        """Returns the first instants at which other models are in force, in order."""
        return [] if self.always is not None else sorted({each.at + 1 for each in self.publications})

    def at(self, instant: int) -> list[HealthModel]:
        """Returns the models in force at an instant: the most specific first; of equals the one published last; the
        default last of all."""
        return self._after(bisect_right(self.changes, instant))

    @cached_property
    def named(self) -> Named:
        models = self.always if self.always is not None else [each.model for each in self.publications]
        audiences = [model.audience for model in models if model is not None]
        codes = frozenset(code for each in audiences for code, _ in each.custom)
        return Named(codes, frozenset().union(*(each.within for each in audiences)))

    def choice(self, instant: int, attributes: Attributes) -> HealthModel | None:
        """Returns the model in force then for a customer with these attributes."""
        changes = bisect_right(self.changes, instant)
        if (changes, attributes) not in self._chosen:
            self._chosen[changes, attributes] = chosen(self._after(changes), attributes)
        return self._chosen[changes, attributes]

    def assignments(self, records: Sequence[Record], starts_at: int, ends_at: int) -> list[Assignment]:
        """Returns the assignments of a customer with these records over `[starts_at, ends_at]`, one after the other
        without a gap."""
        key = tuple(records), starts_at, ends_at
        if key not in self._assigned:
            self._assigned[key] = self._assignments(records, starts_at, ends_at)
        return self._assigned[key]

    def _assignments(self, records: Sequence[Record], starts_at: int, ends_at: int) -> list[Assignment]:
        changes = self.changes[bisect_right(self.changes, starts_at) : bisect_right(self.changes, ends_at)]
        begins = {starts_at, *changes, *(each.since for each in records if starts_at < each.since <= ends_at)}
        found: list[Assignment] = []
        for since in sorted(begins):
            model = self.choice(since, attributes_at(records, since))
            if found and found[-1].model == model:
                continue
            if found:
                found[-1] = found[-1]._replace(until=since - 1)
            found.append(Assignment(since, ends_at, model))
        return found

    def _after(self, changes: int) -> list[HealthModel]:
        """Returns the models in force after that number of changes."""
        if self.always is not None:
            return list(self.always)
        if changes not in self._in_force:
            last = {each.id: each for each in self.publications if changes and each.at < self.changes[changes - 1]}
            published = [(each.at, each.model) for each in last.values() if each.model is not None]
            published.sort(key=lambda each: (each[1].audience.specificity, each[0]), reverse=True)
            self._in_force[changes] = [*(model for _, model in published), DEFAULT]
        return self._in_force[changes]


def chosen(models: Sequence[HealthModel], of: Attributes) -> HealthModel | None:
    """Returns the model for a customer with these attributes; the models are ordered, the most specific first. A
    customer that stands for many has none."""
    if UNIDENTIFIED in of.tags:
        return None
    return next((model for model in models if model.audience.includes(*of)), None)


def attributes_at(records: Sequence[Record], instant: int) -> Attributes:
    """Returns the attributes at an instant. The first record also holds for the time before it was made."""
    index = bisect_right(records, instant, key=lambda each: each.since)
    return records[max(index - 1, 0)].attributes if records else UNKNOWN
