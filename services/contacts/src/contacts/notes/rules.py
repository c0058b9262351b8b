"""Note: what somebody wrote down of a customer."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from kith.events.notes import NoteAmended, NoteArchived, NoteErased, NoteRestored, NoteWritten
from kith.nouns.aggregate import Archivable, CustomerOwned, Erasable, NamesContact


@dataclass(kw_only=True, eq=False)
class Note(Archivable, CustomerOwned, Erasable, NamesContact):
    """What somebody wrote down of a customer, a contact, or something that is theirs."""

    PERSONAL = ("body",)

    customer_id: UUID = field()  # not optional here, and so without the default it would inherit
    about: str | None = None
    """The noun of what else it is about, with the service."""
    about_id: UUID | None = None
    body: str | None
    """None: it was erased."""
    author: str | None = None
    """The actor who wrote it."""
    mentions: list[UUID] = field(default_factory=list)
    """Users, in order, each once."""
    pinned: bool = False

    @classmethod
    def write(cls, *, id: UUID, at: datetime, actor: str, **fields: Any) -> tuple[Self, NoteWritten]:
        """Its author is who writes it."""
        it = cls(id=id, author=actor, **fields)
        return it, NoteWritten.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> NoteAmended:
        """Only the fields sent change. Whoever amends it, its author stays; the history says who changed it."""
        self.ensure_not_erased()
        self.ensure_not_before_last_change(at)
        return NoteAmended.of_changed(self, self.set(fields))

    def archive(self, *, at: datetime) -> NoteArchived:
        """It is left out of lists, and is not changed until it is restored."""
        self.put_away(at)
        return NoteArchived()

    def restore(self, *, at: datetime) -> NoteRestored:
        """It is in lists again, as it was."""
        self.take_back(at)
        return NoteRestored()

    def erase(self, *, at: datetime) -> NoteErased:
        """Its text goes for good."""
        self.forget(at)
        return NoteErased()
