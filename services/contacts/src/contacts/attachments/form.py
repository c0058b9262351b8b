"""The form of an attachment: what can be done with it, its table, and how it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy import ARRAY, TEXT, BigInteger, Column, ForeignKeyConstraint, Index, Uuid, and_, any_, cast, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.about import index_about, refuse_one_alone, relations_about
from contacts.attachments.rules import Attachment
from contacts.contacts.form import OF_CONTACT, contacts
from contacts.customers.form import of_known_customer
from contacts.tables import contents, metadata
from kith.attachments.kinds import MediaType, Sha256
from kith.db.tables import Moment, aggregate_table, reference
from kith.errors import Conflict
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import UNSENT, Amendment, Archive, Input, NewInput, Restore, values_of
from kith.nouns.resource import ArchivableView, Attempt, Check, Command, Follows, One, Resource, personal
from kith.scalars import Code, Id, Whole, Written

FileName = Annotated[str, Written(255, spelling=r"[^/\\]+", rule="It is a name, without a path: no / and no \\.")]
Size = Annotated[int, Whole(1)]


class AttachedTo(StrEnum):
    """What an attachment may belong to beside a customer or a contact."""

    OPPORTUNITY = "sales.opportunity"
    ORDER = "sales.order"
    TASK = "sales.task"
    CASE = "service-desk.case"


class AddAttachment(NewInput):
    customer_id: Id | None = Field(default=None, description="the contact's, if one is named")
    contact_id: Id | None = None
    about: AttachedTo | None = Field(default=None, description="the noun of what else it belongs to")
    about_id: Id | None = Field(default=None, description="which one of them")
    content_id: Id = Field(description="what was answered to `POST /v1/attachments/content`")
    file_name: FileName
    category: Code | None = Field(default=None, description="a word of the tenant's: `contract`, `invoice`")
    media_type: MediaType | None = Field(default=None, description="the content's; if it is sent, it has to be that")
    size: Size | None = Field(default=None, description="the content's, in bytes; likewise")
    sha256: Sha256 | None = Field(default=None, description="the content's; likewise")

    @model_validator(mode="after")
    def _belongs_to_something(self) -> Self:
        refuse_one_alone(self)
        return self


class AmendAttachment(Amendment):
    file_name: FileName = UNSENT
    category: Code | None = UNSENT


class EraseAttachment(Input):
    pass


attachments = of_known_customer(
    aggregate_table(
        "attachments",
        metadata,
        *reference("contact_id", contacts),
        Column("about", TEXT),
        Column("about_id", Uuid),
        Column("content_id", Uuid, comment="null: it was erased, and is gone from the store"),
        Column("file_name", TEXT, comment="null: it was erased"),
        Column("category", TEXT),
        Column("media_type", TEXT, nullable=False),
        Column("size", BigInteger, nullable=False, comment="in bytes"),
        Column("sha256", TEXT, comment="in hexadecimal; null: it was erased"),
        Column("author", TEXT),
        Column("erased_at", Moment),
        customer_owned=True,
        told=("contact_id",),
        archivable=True,
        listed_by=("author", "category", "size"),
    )
)
attachments.append_constraint(ForeignKeyConstraint(["tenant_id", "content_id"], [contents.c.tenant_id, contents.c.id]))
Index("attachments_by_content_id", attachments.c.tenant_id, attachments.c.content_id, unique=True)
index_about(attachments)
Index(
    "attachments_by_erasure",
    attachments.c.erased_at,
    postgresql_where=and_(attachments.c.erased_at.is_not(None), attachments.c.content_id.is_not(None)),
)


async def content_is_free(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that a content is attached once: what is erased of one is gone of the other as well."""
    a, sent = attachments.c, values_of([given for given, _ in asked], "content_id")
    rows = select(a.content_id).where(a.tenant_id == tenant, a.content_id == any_(cast([*sent], ARRAY(Uuid))))
    taken = set(await connection.scalars(rows)) if sent else set()

    def check(given: Input, _: Aggregate) -> None:
        if (id := getattr(given, "content_id", None)) is None:
            return
        if id in taken:
            raise Conflict(f"Content {id} is attached already: send it again.", field="content_id")
        taken.add(id)

    return check


@dataclass(slots=True)
class AttachmentView(ArchivableView):
    customer_id: UUID
    contact_id: UUID | None
    about: str | None
    about_id: UUID | None
    category: str | None
    media_type: str
    size: int
    author: str | None
    erased_at: datetime | None
    file_name: str | None = personal()
    sha256: str | None = personal()


ATTACHMENTS = Resource(
    "attachment",
    "attachments",
    Attachment,
    attachments,
    AttachmentView,
    (
        Command("add", AddAttachment, Attachment.add),
        Command("amend", AmendAttachment, Attachment.amend),
        Command("archive", Archive, Attachment.archive),
        Command("restore", Restore, Attachment.restore, of_archived=True),
        Command("erase", EraseAttachment, Attachment.erase, erases=True),
    ),
    filters=("customer_id", "contact_id", "about_id", "author", "category", "size", "media_type"),
    unindexed={"media_type": "It is asked of the attachments of one record, which are few."},
    searched=("file_name",),
    unpublished={"content_id": "Nobody else can do anything with it."},
    follows={
        "contact_id": OF_CONTACT,
        "content_id": Follows(contents.c.id, ("media_type", "size", "sha256")),
    },
    relations=(
        One("customer", many="attachments"),
        One("contact", many="attachments"),
        *relations_about(AttachedTo, "attachments"),
    ),
    checks=content_is_free,
)
