"""The base of all aggregates. It does no I/O, reads no clock and makes no ids."""

from collections.abc import Mapping
from copy import copy, deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Self
from uuid import UUID

import msgspec

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid, NothingAmended

_IMMUTABLE = frozenset({type(None), bool, int, float, str, bytes, UUID, Decimal, date, datetime})


def unshared(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the same values, unshared: a change of the result, in place and however deep, leaves the argument
    unchanged."""
    return {name: _unshared(value) for name, value in values.items()}


def _unshared(value: Any) -> Any:
    # Nearly all values are of these types, and deepcopy would cost more than the rule.
    kind = type(value)
    if kind in _IMMUTABLE or isinstance(value, Enum):
        return value
    if kind is list:
        return [_unshared(each) for each in value]
    if kind is dict:
        return {name: _unshared(each) for name, each in value.items()}
    return deepcopy(value)


def plain(value: Any) -> Any:
    """Returns what a record holds as JSON has it."""
    return msgspec.to_builtins(value)


def read_again(value: Any, kind: Any) -> Any:
    """Returns what `plain` has made of a value of this type."""
    return msgspec.convert(value, kind)


@dataclass(kw_only=True, eq=False)
class Aggregate:
    """Base of every noun that has rules. Its fields and the columns of its table have the same names.

    A rule is a method: it checks, then changes, and returns the event that happened. It is given `at`, the time of the
    change, and whatever its input declares; a rule that creates is a classmethod and gets `id` too.
    """

    id: UUID
    external_id: str | None = None
    external_hash: int | None = None
    """The fingerprint of the input that created it: distinguishes a repeated row from another row with the same
    external id."""
    version: int = 0
    created_at: datetime = field(default=None)  # type: ignore[assignment]  # set by the caller of the creating rule
    updated_at: datetime = field(default=None)  # type: ignore[assignment]

    def relationship(self) -> UUID | None:
        """Returns the customer that its events belong to, if any."""
        return None

    def ensure_not_before_last_change(self, at: datetime) -> None:
        """Raises Invalid for a time before the last change: its history is recorded in order."""
        if at < self.updated_at:
            raise Invalid(f"Its last change was at {self.updated_at.isoformat()}.", field="occurred_at")

    def copy(self) -> Self:
        """Returns a copy: a change of it, in place as well, leaves the original unchanged."""
        twin = copy(self)
        vars(twin).update(unshared(vars(self)))
        return twin

    def set(self, fields: Mapping[str, Any]) -> list[str]:
        """Sets the fields. Returns the names of those that changed. Raises NothingAmended if none did."""
        changed = sorted(name for name, value in fields.items() if value != getattr(self, name))
        if not changed:
            raise NothingAmended("Every field sent has that value already.")
        for name in changed:
            setattr(self, name, fields[name])
        return changed


class RecordArchived(Conflict):
    code = ErrorCode.RECORD_ARCHIVED

    def __init__(self, record: Aggregate) -> None:
        super().__init__(f"{type(record).__name__} {record.id} is archived: restore it first.")


class RecordNotArchived(Conflict):
    code = ErrorCode.RECORD_NOT_ARCHIVED

    def __init__(self, record: Aggregate) -> None:
        super().__init__(f"{type(record).__name__} {record.id} is not archived.")


@dataclass(kw_only=True, eq=False)
class Archivable(Aggregate):
    """Base of the nouns whose records can be archived: they stay as they are, and are left out of lists."""

    archived_at: datetime | None = None

    def put_away(self, at: datetime) -> None:
        """Raises Invalid. That it is not archived yet has been ensured, as for every command but a restoring one."""
        self.ensure_not_before_last_change(at)
        self.archived_at = at

    def take_back(self, at: datetime) -> None:
        if self.archived_at is None:
            raise RecordNotArchived(self)
        self.ensure_not_before_last_change(at)
        self.archived_at = None

    def ensure_not_archived(self) -> None:
        """Raises RecordArchived."""
        if self.archived_at is not None:
            raise RecordArchived(self)


class AlreadyErased(Conflict):
    code = ErrorCode.ALREADY_ERASED

    def __init__(self, record: "Erasable") -> None:
        super().__init__(f"{type(record).__name__} {record.id} was erased.")


@dataclass(kw_only=True, eq=False)
class Erasable(Aggregate):
    """Base of the nouns whose records can be erased: what says who it is goes for good, and what happened with it
    stays, under its id."""

    PERSONAL: ClassVar[tuple[str, ...]]
    """The fields that say who it is."""

    erased_at: datetime | None = None

    def forget(self, at: datetime) -> None:
        self.ensure_not_erased()
        self.ensure_not_before_last_change(at)
        for name in self.PERSONAL:
            held = getattr(self, name)
            setattr(self, name, type(held)() if isinstance(held, list | dict) else None)
        self.erased_at = at

    def ensure_not_erased(self) -> None:
        """Raises AlreadyErased: nothing is written about it again."""
        if self.erased_at is not None:
            raise AlreadyErased(self)


@dataclass(kw_only=True, eq=False)
class Customisable(Aggregate):
    """Base of the nouns whose records have fields that a tenant defines, by their codes (kith.custom)."""

    custom: dict[str, Any] = field(default_factory=dict)
    custom_personal: dict[str, Any] = field(default_factory=dict)
    """The values of those that show people."""


@dataclass(kw_only=True, eq=False)
class OfCustomer(Aggregate):
    """Base of the nouns that name a customer, where one is known."""

    customer_id: UUID | None = None

    def relationship(self) -> UUID | None:
        return self.customer_id


@dataclass(kw_only=True, eq=False)
class CustomerOwned(OfCustomer):
    """Base of the nouns that belong to a customer, and to the one that remains of it when it is merged."""

    told_customer_id: UUID | None = None
    """The customer that it was told, where that one is merged."""

    def relationship(self) -> UUID | None:
        return self.told_customer_id or self.customer_id


@dataclass(kw_only=True, eq=False)
class NamesContact(Aggregate):
    """Base of the nouns that name a contact, where one is known, and the one that remains of it when it is merged."""

    contact_id: UUID | None = None
    told_contact_id: UUID | None = None
    """The contact that it was told, where that one is merged."""
