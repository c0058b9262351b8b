"""What analytics publishes: how relationships stand, what people and partners reported of them, and the actions that it
requests."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from msgspec import Struct, field

from kith.events.erasures import Confirmation
from kith.events.event import Event, Replaced


class HealthModelDrafted(Event):
    type: ClassVar[str] = "analytics.health-model.drafted.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False


class HealthModelRevised(Event):
    """The draft was changed. What is in force is what was published last."""

    type: ClassVar[str] = "analytics.health-model.revised.v1"
    qualifies: ClassVar[bool] = False


class HealthModelPublished(Event):
    """From now on it scores whom it is for. `document` is the model, whole."""

    type: ClassVar[str] = "analytics.health-model.published.v1"
    qualifies: ClassVar[bool] = False
    number: int
    """1 when first published, and one more each time."""
    document: dict[str, Any]


class HealthModelRetired(Event):
    type: ClassVar[str] = "analytics.health-model.retired.v1"
    qualifies: ClassVar[bool] = False


class SignalDefined(Event):
    """A number that a partner knows of customers."""

    type: ClassVar[str] = "analytics.signal.defined.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    code: str


class ReadingRecorded(Event):
    """A signal's value for a customer, at the event's time."""

    type: ClassVar[str] = "analytics.reading.recorded.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    signal_id: UUID
    value: float


class PulseSet(Event):
    """A person's own judgement of a relationship, until it expires. The note stays where it was written."""

    type: ClassVar[str] = "analytics.pulse.set.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    score: int
    """0 to 100."""
    expires_at: datetime


class Driver(Struct, omit_defaults=True):
    measure: str
    change: float
    """Of its part of the score, in points: by what happened at that instant, or else over the 30 days before."""


class HealthChanged(Replaced):
    """A relationship came into another band at the event's time: by what happened, or by silence alone."""

    type: ClassVar[str] = "analytics.health.changed.v1"
    qualifies: ClassVar[bool] = False
    cause: str
    """`event`, `silence`, `model`, or `correction`: what came late changed the past."""
    coverage: float
    model: str | None = None
    """Id of the model, or `default`. None: none is for it."""
    model_version: int | None = None
    band: str | None = None
    """`at_risk`, `steady`, `healthy`. None: nothing is known of it any more."""
    from_band: str | None = None
    """None: it is scored for the first time, or nothing was known of it."""
    score: float | None = None
    drivers: list[Driver] = field(default_factory=list)
    """The measures whose parts changed, most first."""


class PlaybookDrafted(Event):
    type: ClassVar[str] = "analytics.playbook.drafted.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False


class PlaybookRevised(Event):
    type: ClassVar[str] = "analytics.playbook.revised.v1"
    qualifies: ClassVar[bool] = False


class PlaybookStarted(Event):
    """From now on it acts."""

    type: ClassVar[str] = "analytics.playbook.started.v1"
    qualifies: ClassVar[bool] = False


class PlaybookStopped(Event):
    type: ClassVar[str] = "analytics.playbook.stopped.v1"
    qualifies: ClassVar[bool] = False


class ActionRequested(Event):
    """A playbook requests an action for a customer. Its receiver does it once: the subject is its id."""

    type: ClassVar[str] = "analytics.action.requested.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    kind: str
    """`task`: of sales. `case`: of service-desk. `webhook`: of any listener."""
    playbook_id: UUID
    run_id: UUID
    trigger: str
    """What set it off: `band_changed`, `score_dropped`, ..."""
    title: str
    """Of the playbook's author, the same for every customer: it must name nobody."""
    due_at: datetime | None = None
    owner_id: UUID | None = field(default=None, name="owner")
    priority: str | None = None
    category: str | None = None
    queue: str | None = None
    explanation: str | None = None
    """Path in analytics' REST API of why: the customer's health at that instant."""


class ErasureConfirmed(Confirmation):
    type: ClassVar[str] = "analytics.erasure.confirmed.v1"
    creates: ClassVar[bool] = True
