"""What sales publishes of leads, and of the queues that share them out."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from msgspec import field

from kith.events.event import Amended, Event, Replaced


class LeadCaptured(Event):
    """A person or an organisation may become a customer. It is no dealing with one yet."""

    type: ClassVar[str] = "sales.lead.captured.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    state: str
    source: str | None = None
    campaign: str | None = None
    country: str | None = None
    owner_id: UUID | None = field(default=None, name="owner")
    queue_id: UUID | None = None
    duplicate_of_id: UUID | None = None
    """An open lead that had the same address then."""
    custom: dict[str, Any] = field(default_factory=dict)
    score: int | None = None
    """By the tenant's rules; None: there are none."""


class LeadAmended(Amended):
    type: ClassVar[str] = "sales.lead.amended.v1"
    qualifies: ClassVar[bool] = False
    source: str | None = None
    campaign: str | None = None
    country: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)
    score: int | None = None


class LeadScored(Event):
    """By other rules its score is another one."""

    type: ClassVar[str] = "sales.lead.scored.v1"
    qualifies: ClassVar[bool] = False
    score: int


class LeadScoreReached(Event):
    """It came to the threshold of the tenant's rules."""

    type: ClassVar[str] = "sales.lead.score-reached.v1"
    qualifies: ClassVar[bool] = False
    score: int
    threshold: int


class LeadAssigned(Event):
    type: ClassVar[str] = "sales.lead.assigned.v1"
    qualifies: ClassVar[bool] = False
    owner_id: UUID | None = field(name="owner")
    queue_id: UUID | None = None


class LeadWorked(Event):
    """Somebody looks after it."""

    type: ClassVar[str] = "sales.lead.worked.v1"
    qualifies: ClassVar[bool] = False
    state: str
    from_state: str


class LeadQualified(Event):
    """It is worth an opportunity."""

    type: ClassVar[str] = "sales.lead.qualified.v1"
    qualifies: ClassVar[bool] = False
    state: str
    from_state: str


class LeadDisqualified(Event):
    type: ClassVar[str] = "sales.lead.disqualified.v1"
    qualifies: ClassVar[bool] = False
    state: str
    from_state: str
    reason: str


class LeadNurtured(Event):
    """It is not ripe yet."""

    type: ClassVar[str] = "sales.lead.nurtured.v1"
    qualifies: ClassVar[bool] = False
    state: str
    from_state: str
    nurture_until: datetime


class LeadRecycled(Event):
    """It is new again."""

    type: ClassVar[str] = "sales.lead.recycled.v1"
    qualifies: ClassVar[bool] = False
    state: str
    from_state: str


class LeadConversionBegun(Event):
    """A customer, a contact and an opportunity are being made of it."""

    type: ClassVar[str] = "sales.lead.conversion-begun.v1"
    qualifies: ClassVar[bool] = False
    state: str
    from_state: str
    conversion_id: UUID | None = None
    """Of the process."""


class LeadConverted(Event):
    """A customer, and perhaps a contact and an opportunity, came of it."""

    type: ClassVar[str] = "sales.lead.converted.v1"
    qualifies: ClassVar[bool] = False
    state: str
    conversion_id: UUID | None = None
    contact_id: UUID | None = None
    opportunity_id: UUID | None = None


class LeadConversionUndone(Event):
    """It could not be converted, or was not to be: it is as it was."""

    type: ClassVar[str] = "sales.lead.conversion-undone.v1"
    qualifies: ClassVar[bool] = False
    state: str
    from_state: str


class LeadArchived(Event):
    """It was put away: lists leave it out."""

    type: ClassVar[str] = "sales.lead.archived.v1"
    qualifies: ClassVar[bool] = False


class LeadRestored(Event):
    type: ClassVar[str] = "sales.lead.restored.v1"
    qualifies: ClassVar[bool] = False


class LeadErased(Event):
    """Who it is is gone."""

    type: ClassVar[str] = "sales.lead.erased.v1"
    qualifies: ClassVar[bool] = False


class LeadScoringChanged(Replaced):
    """How leads are scored from now on. With other rules it has another number."""

    type: ClassVar[str] = "sales.lead-scoring.changed.v1"
    qualifies: ClassVar[bool] = False
    most: int
    number: int
    qualifies_leads: bool
    threshold: int | None = None


class LeadFormCreated(Event):
    """Visitors of a web page may become leads."""

    type: ClassVar[str] = "sales.lead-form.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    origins: list[str]
    takes: list[str]
    """Fields of a lead."""
    source: str | None = None
    campaign: str | None = None
    queue_id: UUID | None = None
    honeypot: str | None = None


class LeadFormAmended(Amended):
    type: ClassVar[str] = "sales.lead-form.amended.v1"
    qualifies: ClassVar[bool] = False
    origins: list[str] = field(default_factory=list)
    takes: list[str] = field(default_factory=list)
    source: str | None = None
    campaign: str | None = None
    queue_id: UUID | None = None
    honeypot: str | None = None


class LeadFormArchived(Event):
    """It was put away: it takes nothing."""

    type: ClassVar[str] = "sales.lead-form.archived.v1"
    qualifies: ClassVar[bool] = False


class LeadFormRestored(Event):
    type: ClassVar[str] = "sales.lead-form.restored.v1"
    qualifies: ClassVar[bool] = False


class LeadQueueCreated(Event):
    """Colleagues are given leads in turn."""

    type: ClassVar[str] = "sales.lead-queue.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    code: str
    members: list[UUID]
    gives_out: bool = True
    """Whether in turn; else members take them."""


class LeadQueueAmended(Amended):
    type: ClassVar[str] = "sales.lead-queue.amended.v1"
    qualifies: ClassVar[bool] = False
    code: str | None = None
    members: list[UUID] = field(default_factory=list)
    gives_out: bool | None = None


class LeadQueueArchived(Event):
    """It was put away: no lead is put into it."""

    type: ClassVar[str] = "sales.lead-queue.archived.v1"
    qualifies: ClassVar[bool] = False


class LeadQueueRestored(Event):
    type: ClassVar[str] = "sales.lead-queue.restored.v1"
    qualifies: ClassVar[bool] = False
