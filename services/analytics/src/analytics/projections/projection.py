"""A read model, declared once. The live fold, the replay in memory, the rebuild with its shadow tables and its
comparison, and reads as known at an instant follow from the list of projections."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, NamedTuple
from uuid import UUID

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.ledger.withdrawals import Withdrawn
from analytics.projections.facts import Fact, RecordedEvent, Survivors
from analytics.projections.past import Past
from analytics.projections.replay import Recomputation


@dataclass(frozen=True)
class ReadModel:
    """A table of a projection, and how it is recomputed."""

    table: Table
    part: str = "''"
    """The column that divides each tenant's rows into the parts that are compared."""
    is_rebuilt: bool = True
    """Whether a rebuild recomputes it and swaps it in. A read as known at an instant recomputes it in any case."""
    dated_by: str | None = None
    """Set for a table that is not recomputed: a read as known at an instant sees the rows whose value in this column
    had come."""
    indexes: tuple[str, ...] = ()
    """Columns that a read as known at an instant indexes, beside the tenant."""

    @property
    def name(self) -> str:
        return self.table.name


class GainedFact(NamedTuple):
    """A fact that counts for another customer than before."""

    customer_id: UUID
    """The customer for whom it counts now."""
    type: str
    time: datetime


@dataclass
class Moved:
    """Facts of a tenant that a merge, an unmerge or a withdrawal took from customers, and gave to others."""

    lost: set[UUID] = field(default_factory=set)
    """The customers that lost some of their facts, or all."""
    gained: list[GainedFact] = field(default_factory=list)

    @property
    def customers(self) -> set[UUID]:
        """The customers that lost facts, and those that own them now."""
        return self.lost | {each.customer_id for each in self.gained}


@dataclass
class Batch:
    """Events that are folded together, with their facts and their effects."""

    events: Sequence[RecordedEvent]
    survivors: Survivors
    traceparents: Mapping[UUID, str | None]
    facts: Sequence[Fact] = ()
    """The facts of these events."""
    written: Sequence[Fact] = ()
    """The same, and the other facts of their aggregates that were recomputed because an event came late."""
    withdrawn: Sequence[Withdrawn] = ()
    """The events that are removed; then there are no `events`, and `written` has their facts, too, as they were."""
    moved: dict[str, Moved] = field(default_factory=lambda: defaultdict(Moved))
    """By tenant, what moved between customers."""


@dataclass(frozen=True)
class Scope:
    """The parts of a tenant's read model that were recomputed."""

    parts: frozenset[str]
    unready: frozenset[str]
    """Parts whose live rows are not complete yet, and so are not compared."""


Scopes = Mapping[str, Mapping[str, Scope]]
"""The scopes by table and tenant."""


class Projection:
    """A read model that is kept up to date with the events. Each is a subclass that overrides what it needs of
    these."""

    tables: ClassVar[tuple[ReadModel, ...]] = ()
    caches: ClassVar[tuple[Table, ...]] = ()
    """Tables that are derived from read models later on: a swap empties them."""
    event_types: ClassVar[frozenset[str]] = frozenset()
    """The types of events that its tables always depend on, whichever facts a read as known at an instant needs."""

    async def apply(self, connection: AsyncConnection, batch: Batch) -> None:
        """Brings the tables up to a batch of events, which may come late, in any order of their aggregates."""

    async def retract(self, connection: AsyncConnection, batch: Batch) -> None:
        """Removes what came of events that were withdrawn: `batch.withdrawn`, of which the ledger has none any more. It
        is called in the place of `apply`, and `move` after it, for all their customers."""

    async def move(self, connection: AsyncConnection, tenant: str, moved: Moved) -> None:
        """Called after `apply`, if facts have moved between customers."""

    async def recompute(self, past: Past) -> Sequence[Recomputation]:  # noqa: ARG002 - of those that have tables
        """Returns the recomputations of a tenant's rows, one for each table but those with `dated_by`, from events up
        to an instant if the past ends at one."""
        return ()

    async def complete(self, connection: AsyncConnection, scopes: Scopes) -> None:
        """Called in the swap: schedules the computation of what is kept since the tables were recomputed, and so is
        missing in them."""

    async def after_swap(self, connection: AsyncConnection) -> None:
        """Called soon after the swap, as all facts were recomputed."""


_declared: list[Projection] = []


def declare(*projections: Projection) -> None:
    """Declares the projections of this service, in the order in which a batch is applied. Called by the service's
    wiring, which knows all features: they import projections and not the other way round."""
    _declared[:] = projections


def declared() -> Sequence[Projection]:
    if not _declared:
        raise RuntimeError("No projections are declared: analytics.service does it.")
    return _declared


def read_models() -> list[ReadModel]:
    return [model for each in declared() for model in each.tables]


def rebuilt() -> list[ReadModel]:
    """Returns the projections' tables that a rebuild recomputes and swaps."""
    return [each for each in read_models() if each.is_rebuilt]


def swapped() -> tuple[str, ...]:
    """Returns the tables that a reader in a snapshot locks first. Of those that are swapped together, one suffices."""
    return (rebuilt()[0].name,)
