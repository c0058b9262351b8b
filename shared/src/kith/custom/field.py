"""A custom field as every service knows it, and the types of values that it may have."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self
from uuid import UUID


class FieldType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    DATE = "date"
    INSTANT = "instant"
    CHOICE = "choice"
    MULTI_CHOICE = "multi_choice"
    BOOLEAN = "boolean"
    LINK = "link"

    @property
    def has_choices(self) -> bool:
        return self in (FieldType.CHOICE, FieldType.MULTI_CHOICE)

    @property
    def may_be_unique(self) -> bool:
        return self in (FieldType.TEXT, FieldType.NUMBER, FieldType.LINK)


SERVICES: Mapping[str, str] = {
    "customer": "contacts",
    "contact": "contacts",
    "opportunity": "sales",
    "order": "sales",
    "lead": "sales",
    "activity": "sales",
    "subscription": "sales",
    "task": "sales",
    "case": "service-desk",
}
"""The nouns whose records take custom fields, each with the service that has them."""
LINKED: Mapping[str, str] = {
    "customer": "customers",
    "contact": "contacts",
    "user": "users",
    "product": "products",
    "opportunity": "opportunities",
    "order": "orders",
    "lead": "leads",
    "activity": "activities",
    "subscription": "subscriptions",
    "task": "tasks",
    "case": "cases",
}
"""The nouns that links name, each with the table of its records."""


@dataclass(frozen=True)
class CustomField:
    id: UUID
    of_noun: str
    code: str
    value_type: FieldType
    personal: bool
    required: bool = False
    unique: bool = False
    filterable: bool = False
    choices: tuple[str, ...] = ()
    currency: str | None = None
    links_to: str | None = None
    default: str | None = None
    """As a query string spells a value."""
    archived: bool = False
    filling: int | None = None
    """Of how many records entries are made, while lists are not filtered by it yet: see kith.custom.filling."""

    @classmethod
    def of(cls, defined: Any) -> Self:
        """Returns the field of its definition, or of a row of a service's table of them."""
        given = {each.name: getattr(defined, each.name) for each in fields(cls) if each.name not in _READ_OTHERWISE}
        return cls(
            **given,
            value_type=FieldType(defined.value_type),
            choices=tuple(defined.choices),
            archived=defined.archived_at is not None,
            filling=None if defined.entries_after is None else defined.entries_made or 0,
        )

    @property
    def held_in(self) -> str:
        """The field of the record that has its value."""
        return "custom_personal" if self.personal else "custom"

    @property
    def path(self) -> str:
        return f"{self.held_in}.{self.code}"

    @property
    def has_entries(self) -> bool:
        return self.filterable or self.unique


_READ_OTHERWISE = frozenset({"value_type", "choices", "archived", "filling"})
