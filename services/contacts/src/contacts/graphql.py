"""The subgraph of contacts: it owns the customer, which the other services extend."""

import strawberry

from contacts.contacts.views import ContactView
from contacts.customers.views import CustomerView
from contacts.resources import CONTACTS, CUSTOMERS, SETTINGS, TOUCHPOINTS
from contacts.tenant_settings.rules import ActivityRule, SegmentActivity
from contacts.tenant_settings.views import SettingsView
from contacts.touchpoints.views import TouchpointView
from kith.nouns.graphql import Ctx, Graph, field, load_newest, load_one
from kith.nouns.rest import First


@strawberry.federation.type(keys=["id"])
class Customer(CustomerView):
    @field(description="Newest first.")
    async def contacts(self, info: Ctx, first: First = 20) -> "list[Contact] | None":
        return await load_newest(info, CONTACTS, Contact, of="customer_id", owner=self.id, first=first)

    @field(description="Newest first.")
    async def touchpoints(self, info: Ctx, first: First = 20) -> "list[Touchpoint] | None":
        return await load_newest(info, TOUCHPOINTS, Touchpoint, of="customer_id", owner=self.id, first=first)

    @strawberry.field
    async def referrer(self, info: Ctx) -> "Customer | None":
        return await load_one(info, CUSTOMERS, Customer, self.referred_by) if self.referred_by else None


@strawberry.federation.type(keys=["id"])
class Contact(ContactView):
    @strawberry.field
    async def customer(self, info: Ctx) -> Customer | None:
        return await load_one(info, CUSTOMERS, Customer, self.customer_id)


@strawberry.federation.type(keys=["id"])
class Touchpoint(TouchpointView):
    @strawberry.field
    async def customer(self, info: Ctx) -> Customer | None:
        return await load_one(info, CUSTOMERS, Customer, self.customer_id)

    @strawberry.field
    async def contact(self, info: Ctx) -> Contact | None:
        return await load_one(info, CONTACTS, Contact, self.contact_id) if self.contact_id else None


strawberry.type(ActivityRule)
strawberry.type(SegmentActivity)


@strawberry.type
class Settings(SettingsView):
    pass


graph = Graph("contacts")
graph.add(CUSTOMERS, Customer)
graph.add(CONTACTS, Contact)
graph.add(TOUCHPOINTS, Touchpoint)
graph.add(SETTINGS, Settings)
schema = graph.schema()
