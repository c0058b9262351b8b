"""What a service is, as its service.py declares it; kith.runtime.process runs it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.consumer import Subscription
from kith.doctor.check import Check
from kith.events.envelope import Envelope
from kith.runtime.offload import Lane
from kith.runtime.settings import Settings
from kith.runtime.tasks import Task


@dataclass(frozen=True)
class Service:
    name: str
    settings: type[Settings]
    outbox: Table
    idempotency: Table
    api: str
    """The module that has its API, and the name there. Only who serves it loads it: a worker starts without."""
    subscriptions: Sequence[Subscription] = ()
    tasks: Sequence[Task] = ()
    """What its worker does in the background."""
    lanes: Sequence[Lane] = ()
    """Computation beside the event loop whose processes begin with the service."""
    commands: Mapping[str, str] = field(default_factory=dict)
    """What `python -m <package>` does besides: by its word the module whose `run(service, settings, words)` does it."""
    swapped: Sequence[str] = ()
    """Tables that a command may swap for others while requests are served."""
    documents: Mapping[str, str] = field(default_factory=dict)
    """The same for what follows from the code alone, without settings: `run(service, words)`."""
    checks: Sequence[Check] = ()
    """What `doctor` looks at, besides what it does of every service."""
    after_restore: Callable[[AsyncConnection, Settings, Sequence[Envelope]], Awaitable[str]] | None = None
    """What `restored` does besides: given the events that the service published and has lost, in the transaction that
    withdraws them. Returns what it did, in words."""
    after_removal: Callable[[Settings, str], Awaitable[str]] | None = None
    """What is done when all rows of a tenant are removed: of what it has elsewhere. Returns what it did, in words."""
    after_migrations: Callable[[Connection], None] | None = None
    """What each run of the migrations does besides: partitions of the months to come, say."""

    @property
    def package(self) -> str:
        return self.name.replace("-", "_")
