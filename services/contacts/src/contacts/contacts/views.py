"""How a contact is seen."""

from dataclasses import dataclass
from uuid import UUID

from kith.nouns.resource import View, personal


@dataclass(slots=True)
class ContactView(View):
    customer_id: UUID
    role: str | None
    name: str | None = personal()
    email: str | None = personal()
    phone: str | None = personal()
