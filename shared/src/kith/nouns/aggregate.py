"""What every aggregate has. No I/O, no clock, no ids made here."""

from collections.abc import Mapping
from copy import copy, deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Self
from uuid import UUID

from kith.errors import Invalid, NothingAmended

_IMMUTABLE = frozenset({type(None), bool, int, float, str, bytes, UUID, Decimal, date, datetime})


def unshared(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values: whatever is changed of these, in place and however deep, leaves those as they are."""
    # Nearly all are of these types, and a copy of each would cost more than the rule.
    return {
        name: value if type(value) in _IMMUTABLE or isinstance(value, Enum) else deepcopy(value)
        for name, value in values.items()
    }


@dataclass(kw_only=True, eq=False)
class Aggregate:
    """Base of every noun that has rules. Its fields and the columns of its table have the same names.

    A rule is a method: it checks, then changes, and returns the event that happened. It is given `at`, the time of
    what it records, and whatever its input declares; a rule that creates is a classmethod and gets `id` too.
    """

    id: UUID
    external_id: str | None = None
    external_hash: int | None = None
    """Of the row that brought it in: tells a row sent twice from another row under the same external id."""
    version: int = 0
    created_at: datetime = field(default=None)  # type: ignore[assignment]  # set by whoever runs the creating rule
    updated_at: datetime = field(default=None)  # type: ignore[assignment]

    def relationship(self) -> UUID | None:
        """The customer it is a dealing with, if with one: its events are that customer's."""
        return None

    def ensure_not_before_last_change(self, at: datetime) -> None:
        """Raises Invalid for a time before the last change: its history is recorded in order."""
        if at < self.updated_at:
            raise Invalid(f"Its last change was at {self.updated_at.isoformat()}.", field="occurred_at")

    def copy(self) -> Self:
        """What is changed of it, in place as well, leaves this one as it is."""
        twin = copy(self)
        vars(twin).update(unshared(vars(self)))
        return twin

    def set(self, fields: Mapping[str, Any]) -> list[str]:
        """Set the fields; the names of those that changed. Raises NothingAmended if none did."""
        changed = sorted(name for name, value in fields.items() if value != getattr(self, name))
        if not changed:
            raise NothingAmended("Every field sent has that value already.")
        for name in changed:
            setattr(self, name, fields[name])
        return changed


@dataclass(kw_only=True, eq=False)
class CustomerOwned(Aggregate):
    """Base of the nouns that are a dealing with a customer, where one is known."""

    customer_id: UUID | None = None

    def relationship(self) -> UUID | None:
        return self.customer_id
