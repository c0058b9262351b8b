"""Customer: a party we deal with, the unit of relationship. Other services know it by its id alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from contacts.erasure.rules import Erasable
from kith.errors import Invalid
from kith.events.contacts import CustomerAmended, CustomerCreated, CustomerErased


class CustomerKind(StrEnum):
    ORGANISATION = "organisation"
    PERSON = "person"


@dataclass(kw_only=True, eq=False)
class Customer(Erasable):
    """An organisation or a person that the tenant has a relationship with."""

    PERSONAL = ("name",)

    kind: CustomerKind
    name: str | None
    """None: it was erased."""
    country: str | None = None
    segment: str | None = None
    tier: str | None = None
    source: str | None = None
    """Where it came from."""
    owner: str | None = None
    tags: list[str] = field(default_factory=list)
    """In order, each once."""
    referred_by: UUID | None = None
    """The customer through whom it came."""

    def relationship(self) -> UUID | None:
        return self.id

    @classmethod
    def create(cls, *, id: UUID, at: datetime, tags: Sequence[str], **fields: Any) -> tuple[Self, CustomerCreated]:
        it = cls(id=id, tags=sorted(set(tags)), **fields)
        return it, CustomerCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> CustomerAmended:
        """Only the fields sent change; one sent as null is cleared."""
        if fields.get("referred_by") == self.id:
            raise Invalid("A customer cannot have referred itself.", field="referred_by")
        if "tags" in fields:
            fields["tags"] = sorted(set(fields["tags"]))
        self.ensure_not_erased()
        self.ensure_not_before_last_change(at)
        return CustomerAmended.of_changed(self, self.set(fields))

    def erase(self, *, at: datetime) -> CustomerErased:
        """The name goes for good. Its contacts are erased one by one."""
        self.forget(at)
        return CustomerErased()
