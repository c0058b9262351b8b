"""The subgraph of sales: its nouns with their relations, and what it adds to a customer."""

from uuid import UUID

import strawberry

from kith.nouns.graphql import Ctx, Graph, field, load_newest, load_one
from kith.nouns.rest import First
from sales.opportunities.views import OpportunityView
from sales.orders.views import OrderView, ReturnView
from sales.products.views import ProductView
from sales.resources import OPPORTUNITIES, ORDERS, PRODUCTS, RETURNS, TASKS
from sales.tasks.views import TaskView


@strawberry.federation.type(keys=["id"])
class Product(ProductView):
    pass


@strawberry.federation.type(keys=["id"])
class Opportunity(OpportunityView):
    @strawberry.field
    def customer(self) -> "Customer | None":
        return Customer(id=self.customer_id) if self.customer_id else None

    @strawberry.field
    async def product(self, info: Ctx) -> Product | None:
        return await load_one(info, PRODUCTS, Product, self.product_id) if self.product_id else None


@strawberry.federation.type(keys=["id"])
class Order(OrderView):
    @strawberry.field
    def customer(self) -> "Customer | None":
        return Customer(id=self.customer_id) if self.customer_id else None


@strawberry.federation.type(keys=["id"])
class Return(ReturnView):
    @strawberry.field
    def customer(self) -> "Customer | None":
        return Customer(id=self.customer_id) if self.customer_id else None


@strawberry.federation.type(keys=["id"])
class Task(TaskView):
    @strawberry.field
    def customer(self) -> "Customer | None":
        return Customer(id=self.customer_id) if self.customer_id else None


@strawberry.federation.type(keys=["id"])
class Customer:
    """The customer belongs to contacts; here are its dealings."""

    id: UUID

    @field(description="Newest first.")
    async def opportunities(self, info: Ctx, first: First = 20) -> list[Opportunity] | None:
        return await load_newest(info, OPPORTUNITIES, Opportunity, of="customer_id", owner=self.id, first=first)

    @field(description="Newest first.")
    async def orders(self, info: Ctx, first: First = 20) -> list[Order] | None:
        return await load_newest(info, ORDERS, Order, of="customer_id", owner=self.id, first=first)

    @field(description="Newest first.")
    async def tasks(self, info: Ctx, first: First = 20) -> list[Task] | None:
        return await load_newest(info, TASKS, Task, of="customer_id", owner=self.id, first=first)


graph = Graph("sales")
graph.add(PRODUCTS, Product)
graph.add(OPPORTUNITIES, Opportunity)
graph.add(ORDERS, Order)
graph.add(RETURNS, Return)
graph.add(TASKS, Task)
graph.extend(Customer)
schema = graph.schema()
