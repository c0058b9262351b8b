"""The event by which a service confirms that it has erased what it held of a person; each service publishes its own."""

from typing import ClassVar
from uuid import UUID

from msgspec import field

from kith.events.event import Event


class Confirmation(Event):
    """The service holds nothing any more that says who a customer or a contact is. The subject is the confirmation."""

    qualifies: ClassVar[bool] = False
    of_noun: str
    """`customer` or `contact`: what contacts has erased."""
    record_id: UUID
    """Which one."""
    records: dict[str, int] = field(default_factory=dict)
    """How many records of each noun something was taken out of."""
