"""The form of a note: what can be done with it, its table, and how it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy import ARRAY, TEXT, Boolean, Column, Uuid, any_, cast, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.about import index_about, refuse_one_alone, relations_about
from contacts.contacts.form import OF_CONTACT, contacts
from contacts.customers.form import of_known_customer
from contacts.notes.rules import Note
from contacts.tables import metadata
from contacts.users.form import users
from kith.db.tables import Moment, aggregate_table, reference
from kith.errors import Invalid
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import AS_SET, UNSENT, Amendment, Archive, Input, NewInput, Restore
from kith.nouns.resource import ArchivableView, Attempt, Check, Command, One, Resource, personal
from kith.scalars import Flag, Id
from kith.scalars.texts import Written

Body = Annotated[str, Written(10_000, lines=True)]
Mentions = Annotated[list[Id], Field(max_length=50), AS_SET]


class NoteSubject(StrEnum):
    """What a note may be about beside a customer or a contact."""

    OPPORTUNITY = "sales.opportunity"
    ORDER = "sales.order"
    TASK = "sales.task"
    CASE = "service-desk.case"


class WriteNote(NewInput):
    customer_id: Id | None = Field(default=None, description="the contact's, if one is named")
    contact_id: Id | None = None
    about: NoteSubject | None = Field(default=None, description="the noun of what else it is about")
    about_id: Id | None = Field(default=None, description="which one of them")
    body: Body
    mentions: Mentions = Field(default_factory=list, description="users whom it concerns")
    pinned: Flag = False

    @model_validator(mode="after")
    def _about_something(self) -> Self:
        refuse_one_alone(self)
        return self


class AmendNote(Amendment):
    body: Body = UNSENT
    mentions: Mentions = UNSENT
    pinned: Flag = UNSENT


class EraseNote(Input):
    pass


notes = of_known_customer(
    aggregate_table(
        "notes",
        metadata,
        *reference("contact_id", contacts),
        Column("about", TEXT),
        Column("about_id", Uuid),
        Column("body", TEXT, comment="null: it was erased"),
        Column("author", TEXT),
        Column("mentions", ARRAY(Uuid), nullable=False),
        Column("pinned", Boolean, nullable=False),
        Column("erased_at", Moment),
        customer_owned=True,
        told=("contact_id",),
        archivable=True,
        listed_by=("author",),
    )
)
index_about(notes)


async def users_are_there(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that there are the users that a note mentions."""
    named = {each for given, _ in asked for each in getattr(given, "mentions", None) or ()}
    u = users.c
    rows = select(u.id).where(u.tenant_id == tenant, u.id == any_(cast(sorted(named), ARRAY(Uuid))))
    found = set(await connection.scalars(rows)) if named else set()

    def check(given: Input, _: Aggregate) -> None:
        for each in getattr(given, "mentions", None) or ():
            if each not in found:
                raise Invalid(f"There is no user {each}.", field="mentions")

    return check


@dataclass(slots=True)
class NoteView(ArchivableView):
    customer_id: UUID
    contact_id: UUID | None
    about: str | None
    about_id: UUID | None
    author: str | None
    mentions: list[UUID]
    pinned: bool
    erased_at: datetime | None
    body: str | None = personal()


NOTES = Resource(
    "note",
    "notes",
    Note,
    notes,
    NoteView,
    (
        Command("write", WriteNote, Note.write),
        Command("amend", AmendNote, Note.amend),
        Command("archive", Archive, Note.archive),
        Command("restore", Restore, Note.restore, of_archived=True),
        Command("erase", EraseNote, Note.erase, erases=True),
    ),
    filters=("customer_id", "contact_id", "about_id", "author", "pinned"),
    unindexed={"pinned": "It is asked of the notes of one record, which are few."},
    searched=("body",),
    follows={"contact_id": OF_CONTACT},
    relations=(
        One("customer", many="notes"),
        One("contact", many="notes"),
        *relations_about(NoteSubject, "notes"),
    ),
    checks=users_are_there,
)
