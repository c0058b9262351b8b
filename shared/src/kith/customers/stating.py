"""The few facts of customers and contacts that services keep, as contacts states them once (kith.nouns.stating)."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from sqlalchemy import Table

from kith.nouns.fills import Fill
from kith.nouns.resource import Resource
from kith.nouns.stating import stated_once


class CustomerStated(msgspec.Struct, omit_defaults=True):
    """Its envelope has the customer, and the version of the event after which this holds."""

    type: ClassVar[str] = "contacts.customer.stated.v1"
    kind: str
    segment: str | None = None
    tier: str | None = None
    stage: str | None = None
    owner_id: UUID | None = None


class ContactStated(msgspec.Struct, omit_defaults=True):
    """Its envelope has the contact."""

    type: ClassVar[str] = "contacts.contact.stated.v1"
    merged_into: UUID | None = None
    told_merged_into: UUID | None = None
    """The one that it was merged into, where that was merged again."""
    erased_at: datetime | None = None


def _contact_stated(contact: Any) -> ContactStated:
    return ContactStated(**{name: getattr(contact, name) for name in ContactStated.__struct_fields__})


def _statement_of(customer: Any) -> CustomerStated:
    return CustomerStated(**{name: getattr(customer, name) for name in CustomerStated.__struct_fields__})


def stating(customers: Resource, outbox: Table, *, source: str) -> Fill:
    """Returns the fill that states the customers that were there before."""
    return stated_once(customers, outbox, source=source, type=CustomerStated.type, statement_of=_statement_of)


def stating_contacts(contacts: Resource, outbox: Table, *, source: str) -> Fill:
    """Returns the fill that states the contacts that were there before, for services that did not keep them."""
    return stated_once(contacts, outbox, source=source, type=ContactStated.type, statement_of=_contact_stated)
