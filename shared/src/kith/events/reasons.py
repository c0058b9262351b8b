"""What sales publishes of reasons."""

from typing import ClassVar

from kith.events.event import Amended, Event


class ReasonCreated(Event):
    """The tenant has another reason, for which something ends as it does."""

    type: ClassVar[str] = "sales.reason.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    kind: str
    code: str


class ReasonAmended(Amended):
    type: ClassVar[str] = "sales.reason.amended.v1"
    qualifies: ClassVar[bool] = False


class ReasonArchived(Event):
    """It was put away: it is not taken any more."""

    type: ClassVar[str] = "sales.reason.archived.v1"
    qualifies: ClassVar[bool] = False


class ReasonRestored(Event):
    type: ClassVar[str] = "sales.reason.restored.v1"
    qualifies: ClassVar[bool] = False
