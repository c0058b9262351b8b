"""The nouns of analytics in its subgraph, with their relations."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from analytics.health.model.reads import HealthModelView
from analytics.pulses.reads import PulseView
from analytics.resources import HEALTH_MODELS, PULSES, READINGS, SIGNALS
from analytics.signals.reads import ReadingView, SignalView
from kith.nouns.graphql import Ctx, Graph, load_one

if TYPE_CHECKING:
    from analytics.graphql import Customer

LazyCustomer = Annotated["Customer", strawberry.lazy("analytics.graphql")]


@strawberry.federation.type(keys=["id"])
class HealthModel(HealthModelView):
    draft_document: JSON | None  # type: ignore[assignment]
    published_document: JSON | None  # type: ignore[assignment]


@strawberry.federation.type(keys=["id"])
class Signal(SignalView):
    pass


@strawberry.federation.type(keys=["id"])
class Reading(ReadingView):
    @strawberry.field
    async def signal(self, info: Ctx) -> Signal | None:
        return await load_one(info, SIGNALS, Signal, self.signal_id)

    @strawberry.field
    def customer(self) -> LazyCustomer:
        return customer_of(self.customer_id)


@strawberry.federation.type(keys=["id"])
class Pulse(PulseView):
    @strawberry.field
    def customer(self) -> LazyCustomer:
        return customer_of(self.customer_id)


def customer_of(id: UUID) -> "Customer":
    from analytics.graphql import Customer  # noqa: PLC0415 - it names these nouns itself

    return Customer(id=id)


def add_nouns(graph: Graph) -> None:
    graph.add(HEALTH_MODELS, HealthModel)
    graph.add(SIGNALS, Signal)
    graph.add(READINGS, Reading)
    graph.add(PULSES, Pulse)
