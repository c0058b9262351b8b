"""The life of a playbook: drafted, started, stopped and started again."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from analytics.playbooks.plan import Plan
from kith.error_codes import ErrorCode
from kith.errors import Conflict
from kith.events.analytics import PlaybookDrafted, PlaybookRevised, PlaybookStarted, PlaybookStopped
from kith.nouns.aggregate import Aggregate

Document = dict[str, Any]


class PlaybookState(StrEnum):
    DRAFT = "draft"
    STARTED = "started"
    STOPPED = "stopped"


class PlaybookIsStarted(Conflict):
    code = ErrorCode.PLAYBOOK_STARTED

    def __init__(self, playbook: "Playbook", what: str) -> None:
        super().__init__(f"Playbook {playbook.id} is started. {what}")


class PlaybookNotStarted(Conflict):
    code = ErrorCode.PLAYBOOK_NOT_STARTED


@dataclass(kw_only=True, eq=False)
class Playbook(Aggregate):
    """What is to be done for a customer when something happens to the relationship."""

    title: str
    document: Document
    """The plan as a document (see playbooks.plan)."""
    state: PlaybookState = PlaybookState.DRAFT
    fires: bool = True
    """Whether its trigger can fire at all."""
    fires_not: str | None = None
    """Why it cannot."""
    started_at: datetime | None = None
    """When it was last started. Earlier events do not trigger it, and its outcomes are those of the runs since."""
    stopped_at: datetime | None = None

    @classmethod
    def draft(cls, *, id: UUID, at: datetime, title: str, document: Document) -> tuple[Self, PlaybookDrafted]:
        it = cls(id=id, title=title, document=document)
        it._update_fires()
        return it, PlaybookDrafted.of(it)

    def revise(self, *, at: datetime, **fields: Any) -> PlaybookRevised:
        """Changes only the fields sent; a document is sent whole. A started playbook must be stopped first: runs that
        are compared must be of one document."""
        if self.state is PlaybookState.STARTED:
            raise PlaybookIsStarted(self, "Stop it, then revise it.")
        self.ensure_not_before_last_change(at)
        self.set(fields)
        self._update_fires()
        return PlaybookRevised.of(self)

    def start(self, *, at: datetime) -> PlaybookStarted:
        """Starts the playbook: from now on it fires."""
        if self.state is PlaybookState.STARTED:
            raise PlaybookIsStarted(self, "There is nothing to start.")
        self.ensure_not_before_last_change(at)
        self._update_fires()  # again: by now a service may publish the events of its trigger
        self.state, self.started_at = PlaybookState.STARTED, at
        return PlaybookStarted.of(self)

    def stop(self, *, at: datetime) -> PlaybookStopped:
        """Stops the playbook: it fires no more. Actions that it requested stay requested, and its outcomes are still
        settled."""
        if self.state is not PlaybookState.STARTED:
            raise PlaybookNotStarted(f"Playbook {self.id} is not started.")
        self.ensure_not_before_last_change(at)
        self.state, self.stopped_at = PlaybookState.STOPPED, at
        return PlaybookStopped.of(self)

    def _update_fires(self) -> None:
        self.fires_not = Plan.from_document(self.document).when.reason
        self.fires = self.fires_not is None
