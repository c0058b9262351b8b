"""What sales publishes of quotas."""

from datetime import date
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from msgspec import field

from kith.events.event import Amended, Event


class QuotaCreated(Event):
    """A user is to win so much in a period."""

    type: ClassVar[str] = "sales.quota.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    owner_id: UUID = field(name="owner")
    period: str
    starts_on: date
    value: Decimal
    currency: str


class QuotaCreatedForTeam(Event):
    """A team is to win so much in a period."""

    type: ClassVar[str] = "sales.quota.created-for-team.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    team_id: UUID
    period: str
    starts_on: date
    value: Decimal
    currency: str


class QuotaAmended(Amended):
    type: ClassVar[str] = "sales.quota.amended.v1"
    qualifies: ClassVar[bool] = False
    value: Decimal | None = None


class QuotaArchived(Event):
    """It was put away: it is not to be attained any more."""

    type: ClassVar[str] = "sales.quota.archived.v1"
    qualifies: ClassVar[bool] = False


class QuotaRestored(Event):
    type: ClassVar[str] = "sales.quota.restored.v1"
    qualifies: ClassVar[bool] = False
