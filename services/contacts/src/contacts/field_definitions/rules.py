"""Field definition: a field that a tenant adds to the records of a noun."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from kith.custom.field import LINKED, FieldType
from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.custom_fields import (
    FieldDefinitionAmended,
    FieldDefinitionArchived,
    FieldDefinitionCreated,
    FieldDefinitionRemoved,
    FieldDefinitionRestored,
)
from kith.nouns.aggregate import Archivable


class FieldWasRemoved(Conflict):
    code = ErrorCode.FIELD_REMOVED


@dataclass(kw_only=True, eq=False)
class FieldDefinition(Archivable):
    """A field that a tenant adds to the records of a noun."""

    of_noun: str
    code: str
    value_type: FieldType
    label: str
    help: str | None = None
    position: int = 0
    """Where forms show it, the least first."""
    required: bool = False
    """Of new records."""
    unique: bool = False
    """No two records have the same value."""
    personal: bool = False
    """Whether its values show people: they are then in `custom_personal`."""
    filterable: bool = False
    default: str | None = None
    choices: list[str] = field(default_factory=list)
    currency: str | None = None
    links_to: str | None = None
    removed_at: datetime | None = None
    swept_at: datetime | None = None
    """When no record had a value of it any more, after it was removed."""
    entries_after: UUID | None = None
    entries_made: int | None = None
    """See kith.custom.filling."""

    @classmethod
    def create(
        cls, *, id: UUID, at: datetime, personal: bool | None, **fields: Any
    ) -> tuple[Self, FieldDefinitionCreated]:
        """A text is personal unless you say that it is not: what is not personal travels in events, and stays there."""
        is_text = fields["value_type"] is FieldType.TEXT
        it = cls(id=id, personal=is_text if personal is None else personal, **fields)
        it.ensure_consistent()
        return it, FieldDefinitionCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> FieldDefinitionAmended:
        """Only the fields sent change. Choices are sent all, and none is left out: records may have it."""
        self._must_be_there(at)
        if missing := set(self.choices) - set(fields.get("choices", self.choices)):
            raise Invalid(f"Records may have {', '.join(sorted(missing))}: choices are only added.", field="choices")
        if self.filterable and not fields.get("filterable", True):
            raise Invalid("Lists are filtered by it, and go on to be.", field="filterable")
        changed = self.set(fields)
        self.ensure_consistent()
        if "filterable" in changed:
            self.entries_after, self.entries_made = UUID(int=0), 0
        return FieldDefinitionAmended.of(self, changed=changed)

    def archive(self, *, at: datetime) -> FieldDefinitionArchived:
        """Its values stay readable, and none is written."""
        self._must_be_there(at)
        self.put_away(at)
        return FieldDefinitionArchived.of(self)

    def restore(self, *, at: datetime) -> FieldDefinitionRestored:
        """Its values are written again."""
        self._must_be_there(at)
        self.take_back(at)
        return FieldDefinitionRestored.of(self)

    def remove(self, *, at: datetime) -> FieldDefinitionRemoved:
        """For good, with its values: they go from the records within a minute, and then the code may be used for
        another field."""
        self._must_be_there(at)
        self.removed_at = at
        return FieldDefinitionRemoved.of(self)

    def ensure_consistent(self) -> None:
        """Raises Invalid for what no field of its type has."""
        kind = self.value_type
        if kind.has_choices != bool(self.choices):
            raise Invalid(f"A field of type {kind} has {'' if kind.has_choices else 'no '}choices.", field="choices")
        for name, type_ in (("currency", FieldType.MONEY), ("links_to", FieldType.LINK)):
            if (kind is type_) != (getattr(self, name) is not None):
                raise Invalid(f"It is of a field of type {type_}, and of no other.", field=name)
        if self.links_to is not None and self.links_to not in LINKED:
            raise Invalid(f"It is one of {', '.join(LINKED)}.", field="links_to")
        if self.unique and not kind.may_be_unique:
            raise Invalid(f"A field of type {kind} is not unique.", field="unique")
        if self.default is not None and (self.unique or self.personal or kind is FieldType.MULTI_CHOICE):
            raise Invalid("A field that is unique, personal or of several choices has no default.", field="default")

    def _must_be_there(self, at: datetime) -> None:
        if self.removed_at is not None:
            raise FieldWasRemoved(f"Field {self.code} was removed.")
        self.ensure_not_before_last_change(at)
