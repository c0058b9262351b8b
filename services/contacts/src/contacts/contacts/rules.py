"""Contact: a person at a customer."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from contacts.erasure.rules import Erasable
from kith.events.contacts import ContactAmended, ContactCreated, ContactErased
from kith.nouns.aggregate import CustomerOwned


@dataclass(kw_only=True, eq=False)
class Contact(CustomerOwned, Erasable):
    """A person at a customer."""

    PERSONAL = ("name", "email", "phone")

    customer_id: UUID = field()  # not optional here, and so without the default it would inherit
    name: str | None
    """None: it was erased."""
    email: str | None = None
    phone: str | None = None
    role: str | None = None

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, ContactCreated]:
        it = cls(id=id, **fields)
        return it, ContactCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> ContactAmended:
        """Only the fields sent change; one sent as null is cleared."""
        self.ensure_not_erased()
        self.ensure_not_before_last_change(at)
        return ContactAmended.of_changed(self, self.set(fields))

    def erase(self, *, at: datetime) -> ContactErased:
        """Name, address and number go for good."""
        self.forget(at)
        return ContactErased()
