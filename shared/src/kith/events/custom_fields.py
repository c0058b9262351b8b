"""What contacts publishes of the fields that a tenant defines for its records."""

from datetime import datetime
from typing import ClassVar

from msgspec import field

from kith.events.event import Amended, Event


class FieldDefined(Event):
    """Base of the events of a field that a tenant has defined. Each carries all that services keep of it; its words for
    people stay in contacts."""

    of_noun: str
    """The noun whose records have it, `customer`."""
    code: str
    value_type: str
    required: bool = False
    unique: bool = False
    personal: bool = False
    filterable: bool = False
    default: str | None = None
    choices: list[str] = field(default_factory=list)
    currency: str | None = None
    links_to: str | None = None
    archived_at: datetime | None = None
    removed_at: datetime | None = None


class FieldDefinitionCreated(FieldDefined):
    type: ClassVar[str] = "contacts.field-definition.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False


class FieldDefinitionAmended(Amended):
    """Besides what changed it carries the rest of FieldDefined."""

    type: ClassVar[str] = "contacts.field-definition.amended.v1"
    qualifies: ClassVar[bool] = False
    of_noun: str
    code: str
    value_type: str
    required: bool = False
    unique: bool = False
    personal: bool = False
    filterable: bool = False
    default: str | None = None
    choices: list[str] = field(default_factory=list)
    currency: str | None = None
    links_to: str | None = None
    archived_at: datetime | None = None
    removed_at: datetime | None = None


class FieldDefinitionArchived(FieldDefined):
    """Its values are read, and no more written."""

    type: ClassVar[str] = "contacts.field-definition.archived.v1"
    qualifies: ClassVar[bool] = False


class FieldDefinitionRestored(FieldDefined):
    type: ClassVar[str] = "contacts.field-definition.restored.v1"
    qualifies: ClassVar[bool] = False


class FieldDefinitionRemoved(FieldDefined):
    """It is gone, and so are its values."""

    type: ClassVar[str] = "contacts.field-definition.removed.v1"
    qualifies: ClassVar[bool] = False
