"""How a customer is seen."""

from dataclasses import dataclass
from uuid import UUID

from contacts.customers.rules import CustomerKind
from kith.nouns.resource import View, personal


@dataclass(slots=True)
class CustomerView(View):
    kind: CustomerKind
    country: str | None
    segment: str | None
    tier: str | None
    source: str | None
    owner: str | None
    tags: list[str]
    referred_by: UUID | None
    name: str | None = personal()
