"""A withdrawal: tells consumers that an event has not happened, as its service was restored to before it."""

from typing import ClassVar
from uuid import UUID

import msgspec


class Withdrawal(msgspec.Struct, frozen=True):
    """Its envelope has the tenant, subject, customer and version of the event that it withdraws, and so its key: it
    comes after that event, and before any other that has this version."""

    type: ClassVar[str] = "kith.withdrawal.v1"
    event_id: UUID
    event_type: str
