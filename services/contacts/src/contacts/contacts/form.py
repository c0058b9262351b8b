"""The form of a contact: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from sqlalchemy import TEXT, Column, Index

from contacts.contacts.rules import Contact
from contacts.customers.form import of_known_customer
from contacts.tables import metadata
from kith.db.tables import Moment, aggregate_table
from kith.nouns.inputs import UNSENT, Amendment, Input, NewInput
from kith.nouns.resource import Command, One, Resource, View, personal
from kith.scalars import Code, Id, Text, Written

# Something, one @, a domain with a dot. Only sending mail shows whether it arrives there.
_EMAIL = r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+"
Email = Annotated[str, Written(254, spelling=_EMAIL, rule="It is an address of e-mail, as in ann@example.com.")]
_PHONE = r"\+?[0-9][0-9 ()./-]{2,30}"
Phone = Annotated[str, Written(32, spelling=_PHONE, rule="It is a telephone number, as in +43 1 5125 0.")]


class CreateContact(NewInput):
    customer_id: Id
    name: Text
    email: Email | None = None
    phone: Phone | None = None
    role: Code | None = None


class AmendContact(Amendment):
    name: Text = UNSENT
    email: Email | None = UNSENT
    phone: Phone | None = UNSENT
    role: Code | None = UNSENT


class EraseContact(Input):
    pass


contacts = of_known_customer(
    aggregate_table(
        "contacts",
        metadata,
        Column("name", TEXT, comment="null: it was erased"),
        Column("email", TEXT),
        Column("phone", TEXT),
        Column("role", TEXT),
        Column("erased_at", Moment),
        customer_owned=True,
    )
)


Index(
    "contacts_erased",
    contacts.c.tenant_id,
    contacts.c.id,
    contacts.c.erased_at,
    postgresql_where=contacts.c.erased_at.is_not(None),
)


@dataclass(slots=True)
class ContactView(View):
    customer_id: UUID
    role: str | None
    erased_at: datetime | None
    name: str | None = personal()
    email: str | None = personal()
    phone: str | None = personal()


CONTACTS = Resource(
    "contact",
    "contacts",
    Contact,
    contacts,
    ContactView,
    (
        Command("create", CreateContact, Contact.create),
        Command("amend", AmendContact, Contact.amend),
        Command("erase", EraseContact, Contact.erase, erases=True),
    ),
    filters=("customer_id",),
    relations=(One("customer", many="contacts"),),
)
