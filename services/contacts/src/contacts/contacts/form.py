"""The form of a contact: what can be done with it, its table, and how it is seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy import TEXT, Column, Index, func, literal_column
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.contacts.rules import Contact, MergedContactField
from contacts.customers.form import customers, of_known_customer
from contacts.duplicates.refusing import OnDuplicate, needed_to, none_alike
from contacts.duplicates.tables import ToBeChecked
from contacts.erasure.noting import noting
from contacts.merging.effect import merging, separating
from contacts.merging.rules import Taken
from contacts.tables import metadata
from contacts.touchpoints.rules import Channel
from contacts.values import ContactRole, EmailAddress, PhoneNumber, PostalAddress, PreferredTime
from kith.customers.links import merge_columns
from kith.db.tables import Moment, aggregate_table, one_of, values_column
from kith.errors import Invalid
from kith.ids import new_id
from kith.nouns.inputs import AS_SET, UNSENT, Amendment, Archive, CustomValues, Input, NewInput, Restore, Wrong, refuse
from kith.nouns.resource import ArchivableView, Attempt, Check, Command, Follows, One, Resource, personal
from kith.nouns.value_inputs import Values
from kith.scalars import Code, Email, Id, Language, Phone, Text, Zone

Emails = Annotated[list[EmailAddress], Values(Contact.MOST["emails"])]
Phones = Annotated[list[PhoneNumber], Values(Contact.MOST["phones"])]
Addresses = Annotated[list[PostalAddress], Values(Contact.MOST["addresses"])]
Roles = Annotated[list[ContactRole], Values(Contact.MOST["roles"])]
PreferredTimes = Annotated[list[PreferredTime], Values(21)]
_PRIMARY_OF = {"email": "emails", "phone": "phones", "role": "roles"}


def _sent_twice(given: Input) -> Iterator[Wrong]:
    for one, several in given.PRIMARY_OF.items():
        is_amended = isinstance(given, Amendment) and {one, several} <= given.model_fields_set
        if is_amended or (getattr(given, one) and getattr(given, several)):
            yield one, f"It is the primary one of `{several}`: send one or the other."


class CreateContact(NewInput):
    PRIMARY_OF = _PRIMARY_OF

    customer_id: Id
    name: Text
    email: Email | None = Field(default=None, description="the primary one, where there are no others to send")
    phone: Phone | None = Field(default=None, description="the primary one, where there are no others to send")
    role: Code | None = None
    country: Code | None = Field(default=None, description="of numbers without a +; the customer's, if none is sent")
    emails: Emails = Field(default_factory=list)
    phones: Phones = Field(default_factory=list)
    addresses: Addresses = Field(default_factory=list)
    roles: Roles = Field(default_factory=list)
    salutation: Code | None = None
    title: Text | None = None
    preferred_channel: Channel | None = None
    preferred_times: PreferredTimes = Field(default_factory=list)
    language: Language | None = None
    time_zone: Zone | None = None
    custom: CustomValues = Field(default_factory=dict)
    custom_personal: CustomValues = Field(default_factory=dict)
    on_duplicate: OnDuplicate = OnDuplicate.PROCEED

    @property
    def needs(self) -> Sequence[str]:
        return needed_to(self.on_duplicate)

    @model_validator(mode="after")
    def _each_sent_once(self) -> Self:
        refuse(self, _sent_twice(self))
        return self


class AmendContact(Amendment):
    PRIMARY_OF = _PRIMARY_OF

    name: Text = UNSENT
    email: Email | None = UNSENT
    phone: Phone | None = UNSENT
    role: Code | None = UNSENT
    country: Code | None = UNSENT
    emails: Emails = UNSENT
    phones: Phones = UNSENT
    addresses: Addresses = UNSENT
    roles: Roles = UNSENT
    salutation: Code | None = UNSENT
    title: Text | None = UNSENT
    preferred_channel: Channel | None = UNSENT
    preferred_times: PreferredTimes = UNSENT
    language: Language | None = UNSENT
    time_zone: Zone | None = UNSENT
    custom: CustomValues = UNSENT
    custom_personal: CustomValues = UNSENT

    @model_validator(mode="after")
    def _each_sent_once(self) -> Self:
        refuse(self, _sent_twice(self))
        return self


class VerifyContact(Input):
    email: Email


class BounceContact(Input):
    email: Email
    reason: Code | None = None


class EraseContact(Input):
    pass


class MergeContact(Input):
    into: Id = Field(description="the contact that remains")
    take: Annotated[list[MergedContactField], Field(max_length=20), AS_SET] = Field(
        default_factory=list, description="fields in which this contact's values win, though the other one has some"
    )

    @property
    def needs(self) -> Sequence[str]:
        # Which addresses are united says which both have.
        return ("personal",)


class UnmergeContact(Input):
    pass


async def are_new(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that a contact is not there already, where that is asked for."""
    return await none_alike(connection, tenant, CONTACTS, asked, _made)


def _made(given: CreateContact) -> Contact:
    sent = given.fields() | {"roles": [], "preferred_times": []}
    try:
        contact, _ = Contact.create(id=new_id(), at=datetime.now(UTC), **sent)
    except Invalid:  # a number without a country, say, which is dialled in the customer's
        contact, _ = Contact.create(id=new_id(), at=datetime.now(UTC), **(sent | {"phone": None, "phones": []}))
    return contact


contacts = of_known_customer(
    aggregate_table(
        "contacts",
        metadata,
        Column("name", TEXT, comment="null: it was erased"),
        Column("email", TEXT),
        Column("phone", TEXT),
        Column("role", TEXT),
        Column("country", TEXT),
        values_column("emails", EmailAddress),
        values_column("phones", PhoneNumber),
        values_column("addresses", PostalAddress),
        values_column("roles", ContactRole),
        Column("salutation", TEXT),
        Column("title", TEXT),
        Column("preferred_channel", one_of(Channel)),
        values_column("preferred_times", PreferredTime),
        Column("language", TEXT),
        Column("time_zone", TEXT),
        Column("erased_at", Moment),
        *merge_columns("contact"),
        values_column("taken", Taken),
        customer_owned=True,
        archivable=True,
        customisable=True,
        listed_by=("name", "email", "role", "merged_into"),
    )
)


Index(
    "contacts_erased",
    contacts.c.tenant_id,
    contacts.c.id,
    contacts.c.erased_at,
    postgresql_where=contacts.c.erased_at.is_not(None),
)


OF_CONTACT = Follows(
    contacts.c.id,
    ("customer_id",),
    or_one_of=func.jsonb_path_query_array(contacts.c.roles, literal_column("'$[*].customer_id'"), type_=JSONB),
)
"""What names a contact is of its customer, or of another one that it has a role at."""


@dataclass(slots=True)
class ContactView(ArchivableView):
    customer_id: UUID
    role: str | None
    country: str | None
    erased_at: datetime | None
    merged_into: UUID | None
    emails: list[EmailAddress]
    phones: list[PhoneNumber]
    addresses: list[PostalAddress]
    roles: list[ContactRole]
    preferred_channel: Channel | None
    language: str | None
    time_zone: str | None
    custom: dict[str, Any]
    name: str | None = personal()
    email: str | None = personal()
    phone: str | None = personal()
    salutation: str | None = personal()
    title: str | None = personal()
    preferred_times: list[PreferredTime] | None = personal()
    custom_personal: dict[str, Any] | None = personal()


CONTACTS = Resource(
    "contact",
    "contacts",
    Contact,
    contacts,
    ContactView,
    (
        Command("create", CreateContact, Contact.create),
        Command("amend", AmendContact, Contact.amend),
        Command("verify", VerifyContact, Contact.verify),
        Command("bounce", BounceContact, Contact.bounce),
        Command("archive", Archive, Contact.archive),
        Command("restore", Restore, Contact.restore, of_archived=True),
        Command("merge", MergeContact, Contact.merge, together=merging(contacts)),
        Command("unmerge", UnmergeContact, Contact.unmerge, together=separating(contacts), of_archived=True),
        Command("erase", EraseContact, Contact.erase, erases=True),
    ),
    filters=("customer_id", "name", "email", "role", "merged_into"),
    searched=("name", "emails.address", "phones.number"),
    follows={"customer_id": Follows(customers.c.id, (), lends=("country",))},
    parts_name={"roles.customer_id": Follows(customers.c.id, ())},
    unpublished={"taken": "It begins with none; what it takes is amended."},
    relations=(One("customer", many="contacts"),),
    checks=are_new,
    more_side_tables=(ToBeChecked("contact", ("name", "emails", "phones", "merged_into", "archived_at", "erased_at")),),
    on_erase=noting,
)
