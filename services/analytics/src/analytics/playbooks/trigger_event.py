"""Trigger events: what happened to a relationship, in the form that playbooks evaluate."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

TRIGGERING_CAUSES = frozenset({"event", "silence"})
"""The causes of a band change that trigger a playbook. A new model does not, nor a correction of the past: then nothing
happened to the customer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerEvent:
    """`kind` is that of the trigger it may fire; fields that it does not have are None."""

    kind: str
    customer_id: UUID
    at: datetime
    band: str | None = None
    from_band: str | None = None
    score: float | None = None
    from_score: float | None = None
    """The earlier score that a drop is measured from."""
    by_model: float | None = None
    """The part of that change that is due to another model, if one came to score the customer."""
    cause: str | None = None
    segment: str | None = None
    signal: UUID | None = None
    value: float | None = None
    from_value: float | None = None
    renews_at: datetime | None = None
    """The end of the term, if a renewal is near."""
    event_id: UUID | None = None
    traceparent: str | None = None

    def payload(self) -> dict[str, Any]:
        """Returns the fields that are kept with a run."""
        found = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _KEPT_APART}
        return {name: value for name, value in found.items() if value is not None}


_KEPT_APART = frozenset({"customer_id", "at", "traceparent"})
