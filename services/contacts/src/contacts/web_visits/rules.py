"""Web visit: somebody known came to a site of ours. It happened: it never changes."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from kith.events.exchanges import WebVisitRecorded
from kith.nouns.aggregate import CustomerOwned, NamesContact


@dataclass(kw_only=True, eq=False)
class WebVisit(CustomerOwned, NamesContact):
    """A visit of a customer to a site, with the pages that were seen."""

    customer_id: UUID = field()  # not optional here, and so without the default it would inherit
    site: str | None = None
    landing_page: str | None = None
    source: str | None = None
    campaign: str | None = None
    pages: int = 1
    duration_seconds: int | None = None

    @classmethod
    def record(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, WebVisitRecorded]:
        it = cls(id=id, **fields)
        return it, WebVisitRecorded.of(it)
