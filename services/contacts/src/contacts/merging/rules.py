"""Merging: what was recorded twice is one. The record that remains takes what it lacks; when the two are separated
again it gives that back, unless it was changed since."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, get_type_hints
from uuid import UUID

from kith.errors import Conflict, Invalid
from kith.events import actors
from kith.nouns.aggregate import AlreadyErased, Archivable, Customisable, Erasable, plain, read_again

Key = Callable[[Any], Any]
CUSTOM = ("custom", "custom_personal")


@dataclass(frozen=True, slots=True)
class Taken:
    """A field that a record took from one that was merged into it: what it had before, and what it has of it. Values
    are as JSON has them. Of a list there is what it lacked. A custom field is `custom.` and its code."""

    of: UUID
    field: str
    before: Any
    after: Any

    @property
    def held_in(self) -> str:
        return self.field.partition(".")[0]


class Wins(StrEnum):
    """Why a field has the value that it has after a merge."""

    KEPT = "kept"
    """The record that remains has it already."""
    FILLED = "filled"
    """It had none."""
    CHOSEN = "chosen"
    """`take` names the field."""
    UNITED = "united"
    """Both have some of it."""


class Merged(Conflict):
    """The record is merged: say the one that remains."""

    def __init__(self, record: "Mergeable") -> None:
        what = type(record).__name__
        super().__init__(f"{what} {record.id} is merged into {record.merged_into}: say that one.")


@dataclass(kw_only=True, eq=False)
class Mergeable(Archivable, Customisable, Erasable):
    """Base of the nouns of which one record can be merged into another."""

    SINGLE: ClassVar[Sequence[str]]
    """The fields that the record that remains takes where it has none, or where it is told to."""
    UNITED: ClassVar[Mapping[str, Key]]
    """The lists that are united, each with what tells its values apart."""
    MOST: ClassVar[Mapping[str, int]] = {}
    """How many values such a list has at most."""
    MERGED: ClassVar[type[Merged]]

    merged_into: UUID | None = None
    """The record that remains of it; None: it stands for itself."""
    told_merged_into: UUID | None = None
    """The record that it was merged into, where that one was merged again."""
    taken: list[Taken] = field(default_factory=list)
    """From those that were merged into it, in the order in which they were."""

    def ensure_not_merged(self) -> None:
        """Raises Merged, which names the record that remains."""
        if self.merged_into is not None:
            raise self.MERGED(self)

    def ensure_erasable_by(self, actor: str) -> None:
        """Raises Merged for one that is merged: the two are one, and the one that remains has values of it. Whoever
        erases that one erases it, too: the service does."""
        if actor != actors.service("contacts"):
            self.ensure_not_merged()

    def settled(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Returns fields that were united, or are given back, as the record's rules want them, with the fields that
        follow from them. Here they are as they come; a noun with rules of lists says them."""
        return dict(fields)

    def ensure_mergeable(self, other: "Mergeable") -> None:
        """Raises Invalid or Conflict where this one cannot be merged into the other."""
        self.ensure_not_erased()
        self.ensure_not_merged()
        if other.id == self.id:
            raise Invalid(f"A {_word(self)} cannot be merged into itself.", field="into")
        if other.erased_at is not None:
            raise AlreadyErased(other)
        other.ensure_not_merged()
        if other.archived_at is not None:
            raise Invalid(f"{type(other).__name__} {other.id} is archived.", field="into")

    def merge_into(self, other: "Mergeable", at: datetime, take: Collection[str], shared: Collection[str]) -> list[str]:
        """Returns the fields of the other that have changed."""
        self.ensure_mergeable(other)
        self.ensure_not_before_last_change(at)
        other.ensure_not_before_last_change(at)
        found = self.outcome(other, take, shared)
        values = {name: value for name, (value, wins) in found.items() if wins is not Wins.KEPT}
        for name, value in values.items():
            if name in self.UNITED:
                taken = Taken(self.id, name, [], plain(self._lacked_by(other, name)))
            else:
                taken = Taken(self.id, name, plain(other.value_of(name)), plain(value))
            other.taken = [*other.taken, taken]
        self.merged_into, self.told_merged_into = other.id, None
        return _changed(other, values)

    def separate_from(self, other: "Mergeable | None", at: datetime) -> list[str]:
        """Returns the fields of the other that have changed. Raises Conflict if there is none."""
        if other is None:
            raise Conflict(f"{type(self).__name__} {self.id} is not merged.")
        if other.erased_at is not None and self.erased_at is None:  # it is erased with that one
            raise AlreadyErased(other)
        self.ensure_not_before_last_change(at)
        values: dict[str, Any] = {}
        for taken in [each for each in other.taken if each.of == self.id]:
            _give_back(other, taken, values)
        self.merged_into = self.told_merged_into = None
        return _changed(other, values)

    def outcome(
        self, other: "Mergeable", take: Collection[str], shared: Collection[str]
    ) -> Mapping[str, tuple[Any, Wins]]:
        """Returns what the record that remains has in each field after the merge, and why. `shared` are the codes of
        the custom fields of which both may have the same value: of the others each keeps its own. Raises Invalid for a
        list that would be too long."""
        found: dict[str, tuple[Any, Wins]] = {}
        for name in self.SINGLE:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine in (None, [], theirs):
                found[name] = theirs, Wins.KEPT
            elif name in take:
                found[name] = mine, Wins.CHOSEN
            else:
                found[name] = (mine, Wins.FILLED) if theirs in (None, []) else (theirs, Wins.KEPT)
        for name, key in self.UNITED.items():
            theirs = getattr(other, name)
            has = {key(each) for each in theirs}
            united = [*theirs, *(each for each in self._lacked_by(other, name) if key(each) not in has)]
            if len(united) > self.MOST.get(name, len(united)):
                raise Invalid(f"It would have {len(united)} {name}: at most {self.MOST[name]}.", field="into")
            wins = Wins.UNITED if self._lacked_by(other, name) else Wins.KEPT
            found[name] = other.settled({name: united})[name], wins
        for held, code in self._custom_of(other):
            mine, theirs = getattr(self, held), getattr(other, held)
            is_filled = code in shared and code not in theirs
            found[f"{held}.{code}"] = (mine[code], Wins.FILLED) if is_filled else (theirs.get(code), Wins.KEPT)
        return found

    def value_of(self, name: str) -> Any:
        """Returns the value of a field, or of a custom field, as Taken names it."""
        held, _, code = name.partition(".")
        return getattr(self, held).get(code) if code else getattr(self, name)

    def forget_taken(self) -> None:
        """What says who it is goes from what it took, too."""
        self.taken = [each for each in self.taken if each.held_in not in self.PERSONAL]

    def _custom_of(self, other: "Mergeable") -> Iterator[tuple[str, str]]:
        for held in CUSTOM:
            for code in sorted({*getattr(self, held), *getattr(other, held)}):
                yield held, code

    def _lacked_by(self, other: "Mergeable", name: str) -> list[Any]:
        """Returns what a list of this one has and the other's lacks. What that took from another one before is among
        it: it stays when only that other one is separated."""
        key = self.UNITED[name]
        own = {key(each) for each in getattr(other, name)} - _added_by(other, other.taken, name)
        return [_joining(each) for each in getattr(self, name) if key(each) not in own]


def _added_by(other: Mergeable, taken: Collection[Taken], name: str) -> set[Any]:
    key = other.UNITED[name]
    return {key(each) for one in taken if one.field == name for each in _restored(other, name, one.after)}


def _give_back(other: Mergeable, taken: Taken, values: dict[str, Any]) -> None:
    """Puts into `values` what the field is without it."""
    name, later = taken.field, other.taken[other.taken.index(taken) + 1 :]
    other.taken = [each for each in other.taken if each is not taken]
    if name in other.UNITED:
        gone = _added_by(other, [taken], name) - _added_by(other, other.taken, name)
        key = other.UNITED[name]
        values[name] = [each for each in values.get(name, getattr(other, name)) if key(each) not in gone]
        return
    above = next((each for each in later if each.field == name), None)
    if above is not None:
        # What was taken later was put on top of this: without this, it is on top of what was below. Unless that was
        # changed in between: then it is on top of the change.
        if above.before == taken.after:
            below = Taken(above.of, above.field, taken.before, above.after)
            other.taken = [below if each is above else each for each in other.taken]
    elif plain(other.value_of(name)) == taken.after and not _is_forgotten(other, taken):
        values[name] = taken.before if taken.held_in in CUSTOM else _restored(other, name, taken.before)


def _is_forgotten(other: Mergeable, taken: Taken) -> bool:
    return other.erased_at is not None and taken.held_in in other.PERSONAL


def _changed(other: Mergeable, values: Mapping[str, Any]) -> list[str]:
    settled = other.settled({name: value for name, value in values.items() if "." not in name})
    for name in values.keys() - settled.keys():
        held, _, code = name.partition(".")
        if code:
            rest = {each: kept for each, kept in settled.get(held, getattr(other, held)).items() if each != code}
            # None: it had none before.
            settled[held] = rest if values[name] is None else rest | {code: values[name]}
    changed = {name: value for name, value in settled.items() if value != getattr(other, name)}
    return other.set(changed) if changed else []


def _joining(value: Any) -> Any:
    """Returns a value as it comes into a list that has a primary one, or gets one then."""
    return replace(value, primary=False) if is_dataclass(value) and not isinstance(value, type) else value


def _restored(record: Mergeable, field: str, kept: Any) -> Any:
    return read_again(kept, get_type_hints(type(record))[field])


def _word(record: Mergeable) -> str:
    return type(record).__name__.lower()
