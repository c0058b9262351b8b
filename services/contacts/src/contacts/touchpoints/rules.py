"""Touchpoint: one exchange with a customer, by whatever channel and from either side. It happened: it never changes."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.events.exchanges import TouchpointRecorded
from kith.nouns.aggregate import CustomerOwned, NamesContact


class Channel(StrEnum):
    EMAIL = "email"
    PHONE = "phone"
    CHAT = "chat"
    SMS = "sms"
    POST = "post"
    VISIT = "visit"
    WEB = "web"
    SOCIAL = "social"


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


@dataclass(kw_only=True, eq=False)
class Touchpoint(CustomerOwned, NamesContact):
    """An exchange with a customer: a call, a message, a meeting, a visit."""

    customer_id: UUID = field()  # not optional here, and so without the default it would inherit
    channel: Channel
    direction: Direction
    outcome: str | None = None
    duration_seconds: int | None = None
    attempts: int = 1
    """How often it was tried until it came about, this one included."""
    campaign: str | None = None
    responded: bool | None = None
    sentiment: int | None = None
    """How they took it, from -100 to 100."""
    user_id: UUID | None = None
    """Who of ours it was."""
    about: str | None = None
    about_id: UUID | None = None
    """What it was about: the noun with its service, and its id."""

    @classmethod
    def record(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, TouchpointRecorded]:
        it = cls(id=id, **fields)
        return it, TouchpointRecorded.of(it)
