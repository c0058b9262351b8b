"""Jobs as readers see them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from kith.jobs.reads import JobView


@dataclass(slots=True)
class HealthJobView(JobView):
    id: UUID
    kind: str
    """`what_if`, `backtest`, `distribution` or `dry_run`."""
    params: dict[str, Any]
    """What was requested."""
    state: str
    """`requested`, `running`, `done`, `failed` or `cancelled`."""
    requested_at: datetime
    requested_by: str
    started_at: datetime | None
    finished_at: datetime | None
    done: int
    """How far it is: customers, of `total`."""
    total: int | None
    reason: str | None
    """Why it failed."""


@dataclass(slots=True)
class HealthJobDetails(HealthJobView):
    report: dict[str, Any] | None
    """Once it is done: what was found."""
