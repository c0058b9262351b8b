"""How a pulse is seen."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kith.nouns.resource import View, personal


@dataclass(slots=True)
class PulseView(View):
    customer_id: UUID
    score: int
    expires_at: datetime
    note: str | None = personal()
