"""The subgraph of service-desk: its nouns with their relations, and what it adds to a customer."""

from uuid import UUID

import strawberry

from kith.nouns.graphql import Ctx, Graph, field, load_newest
from kith.nouns.rest import First
from service_desk.cases.views import CaseView
from service_desk.resources import CASES


@strawberry.federation.type(keys=["id"])
class Case(CaseView):
    @strawberry.field
    def customer(self) -> "Customer | None":
        return Customer(id=self.customer_id) if self.customer_id else None


@strawberry.federation.type(keys=["id"])
class Customer:
    """The customer belongs to contacts; here is what it asked for."""

    id: UUID

    @field(description="Newest first.")
    async def cases(self, info: Ctx, first: First = 20) -> list[Case] | None:
        return await load_newest(info, CASES, Case, of="customer_id", owner=self.id, first=first)


graph = Graph("service-desk")
graph.add(CASES, Case)
graph.extend(Customer)
schema = graph.schema()
