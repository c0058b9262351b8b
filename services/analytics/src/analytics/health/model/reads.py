"""How a health model is seen."""

from dataclasses import dataclass
from datetime import datetime

from analytics.health.model.rules import Document, HealthModelState
from kith.nouns.resource import View


@dataclass(slots=True)
class HealthModelView(View):
    title: str
    state: HealthModelState
    draft_document: Document | None
    published_document: Document | None
    number: int
    published_at: datetime | None
