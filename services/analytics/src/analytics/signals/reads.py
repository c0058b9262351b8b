"""How a signal and a reading are seen."""

from dataclasses import dataclass
from uuid import UUID

from kith.nouns.resource import View


@dataclass(slots=True)
class SignalView(View):
    code: str
    title: str
    unit: str | None
    description: str | None


@dataclass(slots=True)
class ReadingView(View):
    signal_id: UUID
    customer_id: UUID
    value: float
