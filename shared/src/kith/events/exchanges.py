"""What contacts publishes of what happened with customers: touchpoints, usage, adoption, web visits."""

from typing import ClassVar
from uuid import UUID

from kith.events.event import Event


class TouchpointRecorded(Event):
    type: ClassVar[str] = "contacts.touchpoint.recorded.v1"
    creates: ClassVar[bool] = True
    channel: str
    direction: str
    contact_id: UUID | None = None
    outcome: str | None = None
    duration_seconds: int | None = None
    attempts: int = 1
    campaign: str | None = None
    responded: bool | None = None
    sentiment: int | None = None
    """How they took it, from -100 to 100."""
    user_id: UUID | None = None
    """Who of ours it was."""
    about: str | None = None
    """The noun of what it was about, with the service: `sales.opportunity`."""
    about_id: UUID | None = None


class UsageRecorded(Event):
    """What a customer bought was used."""

    type: ClassVar[str] = "contacts.usage.recorded.v1"
    creates: ClassVar[bool] = True
    uses: int
    contact_id: UUID | None = None
    product: str | None = None
    feature: str | None = None
    duration_seconds: int | None = None
    failures: int | None = None


class AdoptionMeasured(Event):
    """How much of what a customer bought it uses."""

    type: ClassVar[str] = "contacts.adoption.measured.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    bought: int
    used: int
    share: float
    """Used of bought."""
    product: str | None = None


class WebVisitRecorded(Event):
    type: ClassVar[str] = "contacts.web-visit.recorded.v1"
    creates: ClassVar[bool] = True
    pages: int
    contact_id: UUID | None = None
    site: str | None = None
    landing_page: str | None = None
    source: str | None = None
    campaign: str | None = None
    duration_seconds: int | None = None
