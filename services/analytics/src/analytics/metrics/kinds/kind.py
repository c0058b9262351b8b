"""The protocol of a kind of measure: all that other modules need of it."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import Enum, auto
from typing import Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.metrics.measure import Measure
from analytics.metrics.query import Cells, Member, MetricQuery, Value, Weighed
from kith.nouns.lists.pages import Position

M_contra = TypeVar("M_contra", bound=Measure, contravariant=True)


class AddsUp(Enum):
    """How the value of the whole interval follows from the values of its periods and groups."""

    EVERYTHING = auto()
    """As the sum of all: each fact is counted in one period and group."""
    LAST_PERIOD = auto()
    """As the sum of the groups in the last period."""
    NOTHING = auto()
    """Not at all: the same customer may be counted in several."""


class MeasureKind(Protocol[M_contra]):
    """A kind implements this for its class of measures and is entered in metrics.kinds.registry."""

    async def evaluate(self, connection: AsyncConnection, query: MetricQuery, measures: Sequence[M_contra]) -> Cells:
        """Returns the measures' values per period and group, all measures in one pass; where the same pass yields the
        values of the whole interval, too, they are in the cell of `WHOLE`."""

    async def members(
        self,
        connection: AsyncConnection,
        query: MetricQuery,
        terms: Sequence[Weighed[M_contra]],
        after: Position | None,
        first: int,
    ) -> list[Member]:
        """Returns up to `first` customers or aggregates that a formula of such measures counts over the interval, each
        with what it adds and the event that proves it, in the order of their keys."""

    def describe(self, measure: M_contra, /) -> str:
        """Returns the measure in words."""

    def event_types(self, measure: M_contra, /) -> Iterable[str]:
        """Returns the types of events that the measure names; those of activity are the tenant's own."""

    def adds_up(self, measure: M_contra, /) -> AddsUp: ...

    def needs_end(self, measure: M_contra, /) -> bool:
        """Whether the value is unknown until the interval has ended; otherwise it is preliminary before."""

    def is_amount(self, _: M_contra, /) -> bool:
        """Whether the value is an amount of money, which has no sum over currencies."""
        return False

    def has_currency(self, _: M_contra, /) -> bool:
        """Whether the facts that it is computed from have a currency. A filter by currency does not apply to the
        others."""
        return False

    def empty(self, _: M_contra, /) -> Value:
        """Returns the value where nothing is counted."""
        return Decimal()
