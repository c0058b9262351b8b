"""Contact: a person at a customer."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from contacts.domain.amendment import amend
from kith.domain import OfCustomer
from kith.events.contacts import ContactAmended, ContactCreated


@dataclass(kw_only=True, eq=False)
class Contact(OfCustomer):
    customer_id: UUID = field()  # not optional here, and so without the default it would inherit
    name: str
    email: str | None = None
    phone: str | None = None
    role: str | None = None

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, ContactCreated]:
        it = cls(id=id, **fields)
        return it, ContactCreated(role=it.role)

    def amend(self, *, at: datetime, **fields: Any) -> ContactAmended:
        """Only the fields sent change; one sent as null is cleared."""
        changed = amend(self, at, fields)
        return ContactAmended(changed=changed, role=self.role if "role" in changed else None)
