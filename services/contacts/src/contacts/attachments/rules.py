"""Attachment: a file that belongs to a customer, a contact, or something that is theirs."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from kith.events.attachments import (
    AttachmentAdded,
    AttachmentAmended,
    AttachmentArchived,
    AttachmentErased,
    AttachmentRestored,
)
from kith.nouns.aggregate import Archivable, CustomerOwned, Erasable, NamesContact


@dataclass(kw_only=True, eq=False)
class Attachment(Archivable, CustomerOwned, Erasable, NamesContact):
    """A file that belongs to a customer, a contact, or something that is theirs. What is in it never changes."""

    PERSONAL = ("file_name", "sha256")

    customer_id: UUID = field()  # not optional here, and so without the default it would inherit
    about: str | None = None
    """The noun of what else it belongs to, with the service."""
    about_id: UUID | None = None
    content_id: UUID | None
    """Of what is in it. None: it was erased, and is gone from the store as well."""
    file_name: str | None
    """None: it was erased. The same of its `sha256`, by which a file can be recognised."""
    category: str | None = None
    media_type: str
    size: int
    """In bytes."""
    sha256: str | None
    author: str | None = None
    """The actor who added it."""

    @classmethod
    def add(cls, *, id: UUID, at: datetime, actor: str, **fields: Any) -> tuple[Self, AttachmentAdded]:
        """Its author is who adds it. The content was sent before: `POST /v1/attachments/content`. To send both in one
        request there is `POST /v1/attachments:upload`."""
        it = cls(id=id, author=actor, **fields)
        return it, AttachmentAdded.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> AttachmentAmended:
        """Gives it another name or category. What is in it stays: another file is another attachment."""
        self.ensure_not_erased()
        self.ensure_not_before_last_change(at)
        return AttachmentAmended.of_changed(self, self.set(fields))

    def archive(self, *, at: datetime) -> AttachmentArchived:
        """It is left out of lists, and is not changed until it is restored. Its content stays."""
        self.put_away(at)
        return AttachmentArchived()

    def restore(self, *, at: datetime) -> AttachmentRestored:
        """It is in lists again, as it was."""
        self.take_back(at)
        return AttachmentRestored()

    def erase(self, *, at: datetime) -> AttachmentErased:
        """Its name and its content go for good."""
        self.forget(at)
        return AttachmentErased()
