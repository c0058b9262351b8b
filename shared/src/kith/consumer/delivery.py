"""A message on its way to the handler: read as an event, or with the reason why it cannot be."""

from typing import NamedTuple
from uuid import UUID

import msgspec

from kith.bus.port import Incoming
from kith.events.envelope import Envelope, UnknownVersion


class Line(NamedTuple):
    """Events that must stay in order: those of one aggregate."""

    tenant_id: str
    subject: UUID


class Delivery(msgspec.Struct, frozen=True):  # one per event: to make a dataclass takes several times longer
    message: Incoming
    envelope: Envelope | None
    fault: str | None = None

    @property
    def line(self) -> Line | None:
        if self.envelope is not None:
            return Line(self.envelope.tenant_id, self.envelope.subject)
        headers = dict(self.message.headers)
        try:
            return Line(headers["ce_tenantid"].decode(), UUID(headers["ce_subject"].decode()))
        except (KeyError, ValueError):
            return None

    @property
    def name(self) -> str:
        """What the letters behind this one call it."""
        if self.envelope is not None:
            return str(self.envelope.id)
        return f"{self.message.topic}[{self.message.partition}]@{self.message.offset}"


def read(message: Incoming) -> Delivery:
    try:
        return Delivery(message, Envelope.from_message(message.headers, message.value))
    except UnknownVersion as unreadable:
        return Delivery(message, None, fault=f"not an event: {unreadable}")
