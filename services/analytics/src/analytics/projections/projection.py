"""What a read model is, declared once. The live fold, the replay in memory, the rebuild with its shadow tables and its
comparison, and what was known at an instant go by the list of these."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.projections.facts import Fact, RecordedEvent, Survivors
from analytics.projections.past import Past
from analytics.projections.replay import Recomputation


@dataclass(frozen=True)
class ReadModel:
    """A table of a projection, and how it is made anew."""

    table: Table
    part: str = "''"
    """The column by which its rows are compared part by part, each tenant's."""
    is_rebuilt: bool = True
    """Whether a rebuild makes it anew and swaps it in. What was known at an instant has it in any case."""
    dated_by: str | None = None
    """It is not recomputed: of what was known are the rows whose instant in this column had come."""
    indexes: tuple[str, ...] = ()
    """Columns, by which it is read, beside the tenant, of what was known."""

    @property
    def name(self) -> str:
        return self.table.name


@dataclass
class Batch:
    """Events that are folded together, and what becomes of them."""

    events: Sequence[RecordedEvent]
    survivors: Survivors
    traceparents: Mapping[UUID, str | None]
    facts: Sequence[Fact] = ()
    """Of these events."""
    written: Sequence[Fact] = ()
    """The same, and the other facts of their aggregates that were made anew because an event came late."""
    moved: dict[str, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    """By tenant, the customers whose facts became another's, and those who have them now."""


@dataclass(frozen=True)
class Scope:
    """Which parts of a tenant's read model were made anew."""

    parts: frozenset[str]
    unready: frozenset[str]
    """Those whose live rows are not whole yet, and so not compared."""


Scopes = Mapping[str, Mapping[str, Scope]]
"""By table and tenant."""


class Projection:
    """Something that is kept up to date with the events. Each is a class of its own, with what it needs of these."""

    tables: ClassVar[tuple[ReadModel, ...]] = ()
    caches: ClassVar[tuple[Table, ...]] = ()
    """Tables that are filled from read models later on: a swap empties them."""
    event_types: ClassVar[frozenset[str]] = frozenset()
    """The types of events without which its tables would say something else, whatever is asked of what was known."""

    async def apply(self, connection: AsyncConnection, batch: Batch) -> None:
        """Bring the tables up to a batch of events, which may come late, in any order of their aggregates."""

    async def move(self, connection: AsyncConnection, tenant: str, customers: Iterable[UUID]) -> None:
        """After `apply`: facts of these customers became another's."""

    async def recompute(self, past: Past) -> Sequence[Recomputation]:  # noqa: ARG002 - of those that have tables
        """Make a tenant's rows anew, of events up to an instant if the past ends at one: a recomputation for each
        table, but for those of `dated_by`."""
        return ()

    async def complete(self, connection: AsyncConnection, scopes: Scopes) -> None:
        """In the swap: what is kept since the tables were made anew, and so is not in them, is noted to be made."""

    async def after_swap(self, connection: AsyncConnection) -> None:
        """Soon after: all facts were made anew."""


_declared: list[Projection] = []


def declare(*projections: Projection) -> None:
    """The projections of this service, in the order in which a batch is applied. The service's wiring says so, above
    all features: they import projections and not the other way round."""
    _declared[:] = projections


def declared() -> Sequence[Projection]:
    if not _declared:
        raise RuntimeError("No projections are declared: analytics.service does it.")
    return _declared


def read_models() -> list[ReadModel]:
    return [model for each in declared() for model in each.tables]


def rebuilt() -> list[ReadModel]:
    """Those that a rebuild makes anew and swaps."""
    return [each for each in read_models() if each.is_rebuilt]


def swapped() -> tuple[str, ...]:
    """The tables that whoever reads in a snapshot locks first. Of those that are swapped together, one will do."""
    return (rebuilt()[0].name,)
