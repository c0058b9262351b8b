"""A message on its way to the handler: read as an event, or with the reason why it cannot be."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from kith.bus.port import Incoming
from kith.events.envelope import Envelope, UnknownVersion


class Line(NamedTuple):
    """The line of one aggregate: its events must stay in order."""

    tenant_id: str
    subject: UUID


class Delivery(msgspec.Struct, frozen=True, gc=False):  # one per event: a dataclass takes several times longer to make
    message: Incoming
    envelope: Envelope | None
    fault: str | None = None

    @property
    def line(self) -> Line | None:
        if self.envelope is not None:
            return Line(self.envelope.tenant_id, self.envelope.subject)
        tenant_id = self.tenant_id
        try:
            return Line(tenant_id, UUID(self._header("ce_subject"))) if tenant_id is not None else None
        except ValueError:
            return None

    @property
    def tenant_id(self) -> str | None:
        """Whose it is, as far as that can be read."""
        found = self.envelope.tenant_id if self.envelope is not None else self._header("ce_tenantid")
        # PostgreSQL has no NUL in text; without it, it might read as another tenant's.
        return found if found and "\0" not in found else None

    @property
    def type(self) -> str | None:
        return self.envelope.type if self.envelope is not None else self._header("ce_type") or None

    @property
    def name(self) -> str:
        """The name by which dead letters parked behind this one refer to it."""
        if self.envelope is not None:
            return str(self.envelope.id)
        return f"{self.message.topic}[{self.message.partition}]@{self.message.offset}"

    def _header(self, name: str) -> str:
        """Empty, if it is missing or cannot be read."""
        try:
            return (dict(self.message.headers).get(name) or b"").decode()  # Kafka has headers without a value
        except UnicodeDecodeError:
            return ""


def read_all(messages: Sequence[Incoming]) -> list[Delivery]:
    event = Envelope.from_message
    try:
        return [Delivery(message, event(message.headers, message.value)) for message in messages]
    except UnknownVersion:
        return [read(message) for message in messages]


def read(message: Incoming) -> Delivery:
    try:
        return Delivery(message, Envelope.from_message(message.headers, message.value))
    except UnknownVersion as unreadable:
        return Delivery(message, None, fault=f"not an event: {unreadable}")
