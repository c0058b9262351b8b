"""Rows are read as the rules have them, whatever the driver makes of a column."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from contacts.customers.form import CUSTOMERS, CustomerView
from contacts.customers.rules import CustomerKind
from contacts.service import SERVICE
from contacts.tenant_settings.form import SETTINGS
from contacts.tenant_settings.rules import ActivityRule
from contacts.tenant_settings.rules import Settings as OfTenant
from contacts.touchpoints.form import TOUCHPOINTS
from contacts.touchpoints.rules import Channel
from kith.api import api_of
from kith.audit.disclosures import AuditWriter, Disclosure
from kith.db.connections import Database
from kith.nouns.lists.listing import ALL
from kith.nouns.lists.operators import Operator
from kith.nouns.queries import Queries
from kith.reach import EVERYONE
from kith.runtime.service import Service
from kith.testing import Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres

LISTINGS = api_of(SERVICE).listings
Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def contacts(serve: Serve, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(await serve(SERVICE), issuer, tenant)


@pytest.fixture
async def database(contacts: Tenant, postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    database = Database(postgres.url("kith_contacts"), pool_size=1, application="test")
    yield database
    await database.close()


@pytest.fixture
async def shown(contacts: Tenant, database: Database) -> AsyncIterator[Disclosure]:
    writer = AuditWriter("contacts", database)
    yield Disclosure(writer, contacts.name, "client:test")
    await writer.close()


async def test_a_value_is_what_the_rules_have(contacts: Tenant, database: Database, shown: Disclosure) -> None:
    ada = await contacts.made("/v1/customers", kind="person", name="Ada", tags=["gold", "new"])
    grace = await contacts.made("/v1/touchpoints", customer_id=ada["id"], channel="email", direction="inbound")
    rule: dict[str, Any] = {"event_types": ["sales.order.placed.v1"], "window_days": 9}
    await contacts.post("/v1/settings:amend", {"activity": rule})
    customers, touchpoints, settings = (
        Queries[Any](LISTINGS[each.name], each.view, reach=EVERYONE, personal=shown)
        for each in (CUSTOMERS, TOUCHPOINTS, SETTINGS)
    )
    async with database.read(contacts.name) as connection:
        one: CustomerView = await customers.one(connection, contacts.name, UUID(ada["id"]))
        listed = await customers.page(connection, contacts.name, ALL.and_also("kind", Operator.EQ, CustomerKind.PERSON))
        newest = await touchpoints.pages_of(connection, contacts.name, "customer_id", [one.id], ALL)
        theirs = await settings.singleton(connection, contacts.name)
    assert (one.kind, one.tags) == (CustomerKind.PERSON, ["gold", "new"])
    assert isinstance(one.kind, CustomerKind)
    assert listed.rows == [one]
    (seen,) = newest[one.id].rows
    assert (str(seen.id), seen.responded) == (grace["id"], None)
    assert isinstance(seen.channel, Channel)
    assert theirs.activity == ActivityRule(**rule)
    assert theirs.id == OfTenant.singleton(contacts.name).id


async def test_what_may_not_be_shown_is_not_read(contacts: Tenant, database: Database) -> None:
    ada = await contacts.made("/v1/customers", kind="person", name="Ada")
    customers = Queries[Any](LISTINGS["customer"], CUSTOMERS.view, reach=EVERYONE, personal=None)
    async with database.read(contacts.name) as connection:
        one: CustomerView = await customers.one(connection, contacts.name, UUID(ada["id"]))
    assert (one.name, one.kind) == (None, CustomerKind.PERSON)
