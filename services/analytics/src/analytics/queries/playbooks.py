"""How playbooks and their runs are seen."""

from dataclasses import dataclass
from datetime import datetime

from analytics.domain.playbooks.playbook import Document, PlaybookState
from kith.resource import View


@dataclass(slots=True)
class PlaybookView(View):
    title: str
    document: Document
    state: PlaybookState
    fires: bool
    """Whether there is anything that could set it off."""
    fires_not: str | None
    """Why not."""
    started_at: datetime | None
    """Last. What happened before does not set it off."""
    stopped_at: datetime | None
