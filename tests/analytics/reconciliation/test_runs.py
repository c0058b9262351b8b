"""Reconciliation against the real services: it agrees where they agree, and names what was done behind their backs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import FreshDatabase

from analytics.consumers import handle
from analytics.ledger.sources import SOURCES
from analytics.reconciliation import comparing as reconciling
from analytics.reconciliation import fetching
from analytics.reconciliation import wiring as command_line
from analytics.reconciliation.collections import COLLECTIONS
from analytics.reconciliation.fetching import NotFetched, Services
from analytics.reconciliation.figures import METRICS
from analytics.reconciliation.reads import ReconciliationDetails, details_of
from analytics.reconciliation.records import Kind
from analytics.reconciliation.report import CollectionReport, MetricReport
from analytics.reconciliation.runs import TRIES, Reconciler, alone, publish, request
from analytics.reconciliation.wiring import lines
from analytics.service import SERVICE
from analytics.settings import AnalyticsSettings
from contacts.service import SERVICE as CONTACTS
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.catalogue import EVENTS
from kith.events.envelope import Envelope
from kith.ids import new_id
from kith.outbox.relay import Watermark
from kith.peers.credentials import ClientCredentials, NoToken, claim_of
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant, serving
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

EVE, JOE = str(new_id()), str(new_id())
NOW = datetime.now(UTC)


def ago(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


@pytest.fixture(scope="module")
async def url(fresh_database: FreshDatabase) -> str:
    """A database of this file's own: what is due is due for all tenants."""
    return await fresh_database(SERVICE)


@pytest.fixture(scope="module")
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=5, application="test worker")
    yield engine
    await engine.dispose()


@pytest.fixture(scope="module")
async def analytics(url: str, issuer: Issuer) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(SERVICE, url, issuer) as client:
        yield client


@dataclass
class House:
    """The services, and analytics beside them, for one tenant."""

    name: str
    contacts: Tenant
    sales: Tenant
    desk: Tenant
    analytics: Tenant
    engine: AsyncEngine
    postgres: EmbeddedPostgres
    url: str
    reconciler: Reconciler
    seen: dict[str, int] = field(default_factory=dict)

    async def pump(self) -> None:
        """What the relays and the bus do: all events so far are counted, and it is known that they are."""
        for service in (CONTACTS, SALES, SERVICE_DESK):
            rows = await self.behind_the_back(
                service.package,
                "SELECT * FROM outbox WHERE tenant_id = $1 AND seq > $2 ORDER BY seq",
                self.name,
                self.seen.get(service.name, 0),
            )
            names = [name for name in Envelope.__struct_fields__ if name != "source"]
            events = [Envelope(source=service.name, **{name: row[name] for name in names}) for row in rows]
            if rows:
                self.seen[service.name] = rows[-1]["seq"]
            async with self.engine.begin() as connection:
                await handle(connection, events)
        await self.count_up_to(datetime.now(UTC) + timedelta(hours=1))

    async def count_up_to(self, time: datetime) -> None:
        marks = [
            Envelope(
                id=new_id(), source=source, type=Watermark.type, subject=UUID(int=0), time=time, tenant_id="",
                customer_id=None, aggregate_version=0, recorded_at=time, traceparent=None,
                data=msgspec.json.encode(Watermark([])),
            )
            for source in SOURCES
        ]  # fmt: skip
        async with self.engine.begin() as connection:
            await connection.exec_driver_sql("DELETE FROM watermarks")
            await handle(connection, marks)

    async def behind_the_back(self, package: str, statement: str, *values: Any) -> list[Any]:
        """As an operator who may log in to the database of a service, or of analytics."""
        url = self.url if package == "analytics" else self.postgres.url(f"kith_{package}")
        connection = await asyncpg.connect(url)
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def reconciled(self, **changed: Any) -> ReconciliationDetails:
        async with self.engine.begin() as connection:
            id = await request(connection, self.name, by="test")
        assert await replace(self.reconciler, **changed).next(self.engine, only=id)
        async with self.engine.begin() as connection:
            return await details_of(connection, self.name, id)


@pytest.fixture
async def house(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]],
    issuer: Issuer,
    tenant: str,
    engine: AsyncEngine,
    postgres: EmbeddedPostgres,
    url: str,
    analytics: httpx.AsyncClient,
) -> House:
    clients = {service.name: await serve(service) for service in (CONTACTS, SALES, SERVICE_DESK)}

    async def token(tenant: str) -> str:
        return issuer.token(tenant, fetching.SCOPES)

    @asynccontextmanager
    async def services() -> AsyncIterator[Services]:
        yield Services(clients, token)

    contacts, sales, desk = (Tenant(clients[name], issuer, tenant) for name in ("contacts", "sales", "service-desk"))
    # Nothing is written while these tests compare: nothing is too new.
    reconciler = Reconciler(reconciling, services, None, margin=timedelta(0), patience_seconds=0)
    return House(tenant, contacts, sales, desk, Tenant(analytics, issuer, tenant), engine, postgres, url, reconciler)


@pytest.fixture
async def busy(house: House) -> House:
    """A tenant that has some of everything, all of it counted."""
    await fill(house)
    await house.pump()
    return house


async def fill(house: House) -> None:
    anna, ben, cid = [
        await house.contacts.made(
            "/v1/customers", kind="person", name=name, segment="shop", tags=["b", "a"], occurred_at=ago(300)
        )
        for name in ("Anna", "Ben", "Cid")
    ]
    await changed(house.contacts, f"/v1/customers/{anna['id']}:amend", segment=None, tags=[], occurred_at=ago(200))
    await house.contacts.made("/v1/contacts", customer_id=ben["id"], name="Bo", role="buyer", occurred_at=ago(90))
    for days in (100, 20):
        await house.contacts.made(
            "/v1/touchpoints", customer_id=ben["id"], channel="phone", direction="outbound", occurred_at=ago(days)
        )
    beans = await house.sales.made("/v1/products", name="Beans", price="12.50", currency="EUR", occurred_at=ago(299))
    for customer, days, value in (
        (anna, 295, "10"), (anna, 100, "20.25"), (anna, 3, "30"), (ben, 250, "5"), (ben, 40, "7.5"), (cid, 170, "0"),
    ):  # fmt: skip
        await house.sales.made(
            "/v1/orders", customer_id=customer["id"], value=value, currency="EUR", country="NL", occurred_at=ago(days)
        )
    await house.sales.made("/v1/orders", value="99", currency="EUR", occurred_at=ago(60))
    await house.sales.made("/v1/returns", customer_id=ben["id"], value="2.5", currency="EUR", occurred_at=ago(30))
    chances = [
        await house.sales.made(
            "/v1/opportunities", customer_id=cid["id"], name="Chance", value=str(value), currency="EUR",
            owner_id=EVE, product_id=beans["id"], expected_close="2030-01-31", stage="engaging", occurred_at=ago(150),
        )
        for value in (100, 200, 300, 400)
    ]  # fmt: skip
    won, lost, amended, _ = (f"/v1/opportunities/{each['id']}" for each in chances)
    await changed(house.sales, f"{won}:advance", stage="negotiating", occurred_at=ago(140))
    await changed(house.sales, f"{won}:win", value="110", occurred_at=ago(80))
    await changed(house.sales, f"{lost}:lose", reason="price", occurred_at=ago(70))
    await changed(house.sales, f"{amended}:amend", value="333", owner_id=None, occurred_at=ago(5))
    tasks = [
        await house.sales.made(
            "/v1/tasks", customer_id=cid["id"], title="Call", reason="band_changed", owner_id=EVE,
            due_at="2030-01-31T09:00:00.5+01:00", playbook_id=str(new_id()), run_id=str(new_id()), occurred_at=ago(50),
        )
        for _ in range(3)
    ]  # fmt: skip
    done, reopened, _ = (f"/v1/tasks/{each['id']}" for each in tasks)
    await changed(house.sales, f"{done}:amend", title="Call them", owner_id=JOE, due_at=None, occurred_at=ago(45))
    await changed(house.sales, f"{done}:complete", outcome="called_back", occurred_at=ago(44))
    await changed(house.sales, f"{reopened}:cancel", occurred_at=ago(43))
    await changed(house.sales, f"{reopened}:reopen", occurred_at=ago(42))
    line = {"product_id": beans["id"], "quantity": "2.5", "unit_price": "12.50", "discount_percent": 10}
    offers = [
        await house.sales.made("/v1/quotes", customer_id=cid["id"], currency="EUR", lines=[line], occurred_at=ago(60))
        for _ in range(2)
    ]
    taken, revised = (f"/v1/quotes/{each['id']}" for each in offers)
    for each in (taken, revised):
        await changed(house.sales, f"{each}:send", occurred_at=ago(59))
    await changed(house.sales, f"{taken}:view", occurred_at=ago(58))
    await changed(house.sales, f"{taken}:accept", signature="Cid", occurred_at=ago(57))
    await changed(house.sales, f"{revised}:decline", reason="price", occurred_at=ago(56))
    await changed(house.sales, f"{revised}:revise", occurred_at=ago(55))
    await changed(house.sales, f"{revised}:amend", lines=[line, line], occurred_at=ago(54))
    call = {"customer_id": cid["id"], "kind": "call", "direction": "outbound", "subject": "Beans", "owner_id": EVE}
    await house.sales.made("/v1/activities", **call, opportunity_id=chances[0]["id"], occurred_at=ago(90))
    plans = [
        await house.sales.made("/v1/activities", **call, planned_for=ago(35), occurred_at=ago(50)) for _ in range(2)
    ]
    held, moved = (f"/v1/activities/{each['id']}" for each in plans)
    await changed(house.sales, f"{held}:hold", outcome="interested", duration_seconds=300, occurred_at=ago(35))
    await changed(house.sales, f"{moved}:amend", owner_id=JOE, subject="Tea", occurred_at=ago(36))
    await changed(house.sales, f"{moved}:reschedule", planned_for="2030-01-31T09:00:00Z", occurred_at=ago(35))
    lead = await house.sales.made(
        "/v1/leads", name="Dora", email="dora@example.org", source="fair", occurred_at=ago(33)
    )
    await house.sales.made("/v1/leads", name="Dora", email="Dora@example.org", owner_id=EVE, occurred_at=ago(32))
    await changed(house.sales, f"/v1/leads/{lead['id']}:work", occurred_at=ago(31))
    await changed(house.sales, f"/v1/leads/{lead['id']}:disqualify", reason="no_budget", occurred_at=ago(30))
    await subscribe(house, cid["id"])
    cases = [
        await house.desk.made(
            "/v1/cases", customer_id=cid["id"], subject="Broken", priority="low", channel="email",
            contact_id=str(new_id()), occurred_at=ago(120),
        )
        for _ in range(3)
    ]  # fmt: skip
    first, second, _ = (f"/v1/cases/{each['id']}" for each in cases)
    for each in (first, second):
        await changed(house.desk, f"{each}:start", assignee_id=JOE, occurred_at=ago(110))
        await changed(house.desk, f"{each}:resolve", sla_met=True, occurred_at=ago(100))
    await changed(house.desk, f"{first}:close", occurred_at=ago(90))
    await changed(house.desk, f"{second}:reopen", reason="again", occurred_at=ago(60))
    await changed(house.desk, f"{second}:resolve", occurred_at=ago(10))
    await changed(house.contacts, "/v1/settings:amend", time_zone="Europe/Amsterdam", occurred_at=ago(1))


async def subscribe(house: House, customer: str) -> None:
    plan = {"plan": "pro", "seats": 2, "unit_price": "49", "currency": "EUR", "term_months": 120}
    paid = [
        await house.sales.made("/v1/subscriptions", customer_id=customer, **plan, occurred_at=ago(80)) for _ in range(2)
    ]
    turned, lapsing = (f"/v1/subscriptions/{each['id']}" for each in paid)
    await changed(house.sales, f"{turned}:change", seats=3, effective_at=ago(70), occurred_at=ago(60))
    await changed(house.sales, f"{turned}:cancel", at_term_end=True, reason="pricing", occurred_at=ago(50))
    await changed(house.sales, f"{lapsing}:amend", auto_renew=False, renewal_notice_days=60, occurred_at=ago(50))


async def changed(tenant: Tenant, path: str, **body: object) -> Answer:
    answer = await tenant.post(path, body)
    assert answer.status_code == 200, answer.text
    found: Answer = answer.json()
    return found


def collection(found: ReconciliationDetails, name: str) -> CollectionReport:
    assert found.report is not None, found.reason
    return next(each for each in found.report.collections if each.collection == name)


def metric(found: ReconciliationDetails, id: str) -> MetricReport:
    assert found.report is not None, found.reason
    return next(each for each in found.report.metrics if each.metric == id)


def kinds(found: ReconciliationDetails) -> dict[str, dict[Kind, int]]:
    assert found.report is not None, found.reason
    return {each.collection: {k.kind: k.count for k in each.kinds} for each in found.report.collections if each.kinds}


def different(found: ReconciliationDetails) -> dict[str, set[str]]:
    assert found.report is not None, found.reason
    return {each.metric: {d.component for d in each.differences} for each in found.report.metrics if each.different}


async def order_of(house: House, days: float) -> UUID:
    (row,) = await house.behind_the_back(
        "sales",
        "SELECT id FROM orders WHERE tenant_id = $1 AND created_at = $2",
        house.name,
        datetime.fromisoformat(ago(days)),
    )
    return UUID(str(row["id"]))


def test_every_event_of_the_other_services_belongs_to_a_collection() -> None:
    """Of its own nouns analytics holds the rows and the ledger in one database: there is nobody to ask. That something
    was erased is no record."""
    others = {type for type in EVENTS if not type.startswith("analytics.") and ".erasure." not in type}
    assert {type for each in COLLECTIONS for type in each.types} == others


async def test_what_agrees_agrees_to_the_last_record_and_figure(busy: House) -> None:
    found = await busy.reconciled()
    assert found.reason is None
    assert (kinds(found), different(found), found.mismatches) == ({}, {}, 0)
    report = found.report
    assert report is not None
    assert {each.collection: each.records for each in report.collections} == {
        "settings": 1, "customers": 3, "contacts": 1, "touchpoints": 2, "products": 1, "pipelines": 0, "reasons": 0,
        "opportunities": 4, "forecast-adjustments": 0,
        "orders": 8, "quotes": 2, "returns": 1, "tasks": 3, "cases": 3, "users": 0, "teams": 0, "roles": 0,
        "field-definitions": 0, "activities": 3, "leads": 2, "lead-queues": 0, "lead-forms": 0, "lead-scoring": 0,
        "quote-settings": 0,
        "quotas": 0, "subscriptions": 2,
        "usages": 0, "exchange-rates": 0, "invoices": 0, "deliveries": 0, "goals": 0, "milestones": 0,
        "price-books": 0, "prices": 0,
        "adoptions": 0, "web-visits": 0, "consents": 0, "notes": 0, "attachments": 0,
    }  # fmt: skip
    assert [each.in_flight for each in report.collections] == [0] * len(COLLECTIONS)
    assert report.compared_to > NOW
    assert timedelta(days=365) < report.compared_to - report.compared_from < timedelta(days=400)
    assert {each.metric: each.compared for each in report.metrics if each.metric in METRICS}["revenue"] == 13 * 4
    assert all(each.compared for each in report.metrics)
    assert found.done == found.total
    assert list(lines(found))[-1] == "All agrees."


async def test_figures_are_compared_with_what_was_sold_and_not_with_nothing(busy: House) -> None:
    """Both sides empty would agree too."""
    await busy.behind_the_back("analytics", "UPDATE facts SET amount = amount + 1 WHERE tenant_id = $1", busy.name)
    found = await busy.reconciled()
    ordered = [each for each in metric(found, "revenue").differences if each.component == "ordered"]
    assert sum(each.expected for each in ordered) == float(Decimal("199.88"))
    assert sum(each.found or 0 for each in ordered) == float(Decimal("207.88"))


async def test_an_event_lost_from_the_ledger_is_missed(busy: House) -> None:
    order = await order_of(busy, 40)
    await busy.behind_the_back("analytics", "DELETE FROM ledger WHERE subject = $1", order)
    await busy.behind_the_back("analytics", "DELETE FROM facts WHERE subject = $1", order)
    found = await busy.reconciled()
    assert kinds(found) == {"orders": {Kind.MISSING: 1}}
    (sample,) = collection(found, "orders").samples
    assert (sample.id, sample.expected, sample.found) == (order, "1", None)
    assert different(found) == {"orders": {"orders"}, "revenue": {"orders", "ordered"}}
    (difference,) = metric(found, "orders").differences
    assert (difference.expected, difference.found) in {(1, 0), (2, 1)}
    assert found.mismatches == 4


async def test_a_row_lost_from_the_ledger_alone_is_missed_though_no_figure_shows_it(busy: House) -> None:
    await busy.behind_the_back("analytics", "DELETE FROM ledger WHERE subject = $1", await order_of(busy, 40))
    found = await busy.reconciled()
    assert kinds(found) == {"orders": {Kind.MISSING: 1, Kind.NOT_IN_LEDGER: 1}}
    assert different(found) == {}


async def test_a_gap_in_the_versions_is_named(busy: House) -> None:
    (row,) = await busy.behind_the_back(
        "analytics",
        "DELETE FROM ledger WHERE tenant_id = $1 AND type = 'sales.opportunity.advanced.v1' RETURNING subject",
        busy.name,
    )
    await busy.behind_the_back("analytics", "DELETE FROM facts WHERE subject = $1 AND version = 2", row["subject"])
    found = await busy.reconciled()
    assert kinds(found) == {"opportunities": {Kind.GAP: 1, Kind.FIELD: 1}}
    gap, until = collection(found, "opportunities").samples
    assert (gap.id, gap.version, gap.expected, gap.found) == (row["subject"], 2, "1-3", "1, 3")
    assert (until.version, until.field) == (1, "until")


@pytest.mark.parametrize(
    ("days", "change", "field", "wrong"),
    [
        (3, "amount = 31", "amount", {"revenue": {"ordered"}}),
        (3, 'state = state || \'{"country": "BE"}\'', "country", {}),
        (3, "currency = 'USD'", "currency", {"revenue": {"ordered"}}),
        (
            100,
            "time = time - interval '40 days'",
            "time",
            {"orders": {"orders"}, "revenue": {"orders", "ordered"}},
        ),
        (3, "customer_id = gen_random_uuid()", "customer", {}),
    ],
)
async def test_a_fact_that_was_changed_is_named_by_its_field(
    busy: House, days: float, change: str, field: str, wrong: dict[str, set[str]]
) -> None:
    order = await order_of(busy, days)
    await busy.behind_the_back("analytics", f"UPDATE facts SET {change} WHERE subject = $1", order)  # noqa: S608
    found = await busy.reconciled()
    assert set(kinds(found)) == {"orders"}
    assert field in {each.field for each in collection(found, "orders").samples}
    assert {each.id for each in collection(found, "orders").samples} == {order}
    assert different(found) == wrong


async def test_amounts_are_compared_currency_by_currency(busy: House) -> None:
    before = metric(await busy.reconciled(), "revenue").compared
    for currency in ("EUR", "USD"):
        await busy.sales.made("/v1/orders", value="1", currency=currency, occurred_at=ago(4))
    await busy.pump()
    found = await busy.reconciled()
    assert found.mismatches == 0
    assert (metric(found, "revenue").compared, metric(found, "revenue").note) == (before + 2 * 13, None)

    await busy.behind_the_back(
        "analytics", "UPDATE facts SET currency = 'JPY' WHERE tenant_id = $1 AND currency = 'USD'", busy.name
    )
    wrong = metric(await busy.reconciled(), "revenue").differences
    assert {(each.component, each.currency, each.expected, each.found) for each in wrong} == {
        ("ordered", "USD", 1, 0),
        ("ordered", "JPY", 0, 1),
    }


async def test_an_order_deleted_behind_the_services_back_is_unknown_to_it(busy: House) -> None:
    order = await order_of(busy, 250)
    await busy.behind_the_back("sales", "DELETE FROM orders WHERE id = $1", order)
    found = await busy.reconciled()
    assert kinds(found) == {"orders": {Kind.UNKNOWN: 1}}
    (sample,) = collection(found, "orders").samples
    assert (sample.id, sample.expected, sample.found) == (order, None, "1")
    wrong = different(found)
    # It was Ben's first: he is new elsewhere, and was not active when he was.
    assert wrong["revenue"] == {"orders", "ordered"}
    assert wrong["customers.active"] == {"E"}
    assert wrong["sales.new_customers"] == {"new"}
    assert {"S", "E"} <= wrong["retention.crr"]


async def test_a_record_changed_behind_the_services_back_differs(busy: House) -> None:
    won_is_lost = "UPDATE opportunities SET stage = 'lost' WHERE tenant_id = $1 AND stage = 'won'"
    await busy.behind_the_back("sales", won_is_lost, busy.name)
    found = await busy.reconciled()
    assert {each.field for each in collection(found, "opportunities").samples} == {"stage", "phase"}
    assert different(found) == {"sales.close_rate": {"won", "lost"}, "sales.close_rate_value": {"won", "lost"}}


async def test_activity_spans_that_are_wrong_show_in_the_figures(busy: House) -> None:
    await busy.behind_the_back("analytics", "DELETE FROM activity_spans WHERE tenant_id = $1", busy.name)
    found = await busy.reconciled()
    assert kinds(found) == {}
    assert set(different(found)) == {"customers.active", "retention.crr", "sales.new_customers"}


async def test_merged_customers_are_one_on_both_sides(busy: House) -> None:
    """As contacts will say it: the ledger has heard of a merge, and records go on naming who they were with."""
    rows = await busy.behind_the_back(
        "contacts", "SELECT id, version FROM customers WHERE tenant_id = $1 ORDER BY id", busy.name
    )
    absorbed, survivor = rows[0], rows[1]
    merged = Envelope(
        id=new_id(), source="contacts", type="contacts.customer.merged.v1", subject=absorbed["id"],
        time=NOW - timedelta(days=2), tenant_id=busy.name, customer_id=absorbed["id"],
        aggregate_version=absorbed["version"] + 1, recorded_at=NOW, traceparent=None,
        data=msgspec.json.encode({"into": survivor["id"]}),
    )  # fmt: skip
    async with busy.engine.begin() as connection:
        await handle(connection, [merged])
    await busy.behind_the_back(
        "contacts",
        "UPDATE customers SET version = version + 1, updated_at = $2 WHERE id = $1",
        absorbed["id"],
        NOW - timedelta(days=2),
    )
    assert (await busy.reconciled()).mismatches == 0
    await busy.behind_the_back(
        "analytics", "UPDATE facts SET customer_id = origin_id WHERE origin_id = $1", absorbed["id"]
    )
    assert "survivor" in {each.field for each in collection(await busy.reconciled(), "orders").samples}


async def test_whoever_is_erased_agrees_with_what_was_told_before(busy: House) -> None:
    """Events carry the kinds of addresses, and an erasure empties the list without telling of it."""
    (customer, *_) = await busy.behind_the_back("contacts", "SELECT id FROM customers WHERE tenant_id = $1", busy.name)
    emails = [{"address": "ada@example.org", "label": "work"}]
    ada = await busy.contacts.made("/v1/contacts", customer_id=str(customer["id"]), name="Ada", emails=emails)
    await changed(busy.contacts, f"/v1/contacts/{ada['id']}:erase")
    await busy.pump()
    assert kinds(await busy.reconciled()) == {}


async def test_all_before_the_last_year_is_compared_as_one(busy: House) -> None:
    order = await busy.sales.made("/v1/orders", value="8", currency="EUR", occurred_at="2011-05-05T12:00:00Z")
    await busy.pump()
    found = await busy.reconciled()
    assert found.report is not None
    assert found.mismatches == 0
    assert metric(found, "revenue").compared == 14 * 4
    assert found.report.compared_from == datetime(2011, 5, 4, 22, tzinfo=UTC), "the midnight of Amsterdam"
    await busy.behind_the_back("analytics", "UPDATE facts SET amount = 9 WHERE subject = $1", UUID(order["id"]))
    (difference,) = metric(await busy.reconciled(), "revenue").differences
    assert (difference.starts_at, difference.expected, difference.found) == (found.report.compared_from, 8, 9)


async def test_a_definition_of_activity_with_segments_is_followed(busy: House) -> None:
    await changed(
        busy.contacts,
        "/v1/settings:amend",
        activity={"event_types": ["sales.order.placed.v1"], "window_days": 90},
        segment_activity=[{"segment": "shop", "event_types": ["contacts.touchpoint.recorded.v1"], "window_days": 30}],
        occurred_at=ago(0.5),
    )
    await busy.pump()
    async with busy.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE activity_rules SET ready_at = now()")
    from analytics.projections.fold_activity import refold_activity, rules_of

    async with busy.engine.begin() as connection:
        rows = await connection.exec_driver_sql(
            "SELECT DISTINCT customer_id FROM facts WHERE tenant_id = $1 AND customer_id IS NOT NULL", (busy.name,)
        )
        rules = (await rules_of(connection, [busy.name]))[busy.name]
        await refold_activity(connection, busy.name, [row[0] for row in rows], rules)
    found = await busy.reconciled()
    assert found.report is not None
    assert found.report.activity_version == 2
    assert (kinds(found), different(found)) == ({}, {})
    await busy.behind_the_back(
        "analytics", "DELETE FROM activity_spans WHERE tenant_id = $1 AND rule LIKE '30d:%'", busy.name
    )
    assert "customers.active" in different(await busy.reconciled())


async def test_what_records_do_not_tell_is_said_and_not_compared(busy: House) -> None:
    await changed(
        busy.contacts,
        "/v1/settings:amend",
        activity={"event_types": ["service-desk.case.resolved.v1"], "window_days": 90},
        occurred_at=ago(0.5),
    )
    await busy.pump()
    async with busy.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE activity_rules SET ready_at = now()")
    active = metric(await busy.reconciled(), "customers.active")
    assert (active.compared, active.note) == (0, "Records do not say when service-desk.case.resolved.v1 happened.")


async def test_what_came_while_the_services_were_exported_is_in_flight(busy: House) -> None:
    """An order recorded after the exports, of a time long ago, is no mismatch; figures are compared up to then."""
    services = busy.reconciler.services

    @asynccontextmanager
    async def then_one_more() -> AsyncIterator[Services]:
        async with services() as given:
            yield given
        await busy.sales.made("/v1/orders", value="1", currency="EUR", occurred_at=ago(20))
        await busy.pump()

    found = await busy.reconciled(services=then_one_more)
    assert (found.mismatches, collection(found, "orders").in_flight) == (0, 1)
    assert found.report is not None
    assert found.report.compared_to == datetime.fromisoformat(ago(20))
    assert (await busy.reconciled()).mismatches == 0


async def test_what_was_written_just_before_an_export_may_not_be_in_it(busy: House) -> None:
    await busy.sales.made("/v1/orders", value="1", currency="EUR")
    await busy.pump()
    await busy.behind_the_back("sales", "DELETE FROM orders WHERE tenant_id = $1 AND value = 1", busy.name)
    found = await busy.reconciled(margin=timedelta(minutes=1))
    assert (found.mismatches, collection(found, "orders").in_flight) == (0, 1)
    assert kinds(await busy.reconciled(margin=timedelta(0))) == {"orders": {Kind.UNKNOWN: 1}}


async def test_analytics_that_has_not_counted_the_exports_is_not_compared(busy: House) -> None:
    await busy.count_up_to(NOW - timedelta(days=1))
    found = await busy.reconciled()
    assert (found.state, found.mismatches, found.report) == ("failed", None, None)
    assert found.reason == "Analytics has not counted what contacts, sales, service-desk had when it was exported."


async def test_a_service_that_refuses_fails_the_reconciliation_and_says_so(busy: House) -> None:
    services = busy.reconciler.services

    @asynccontextmanager
    async def without_scopes() -> AsyncIterator[Services]:
        async with services() as given:

            async def token(tenant: str) -> str:
                return busy.sales.issuer.token(tenant, "contacts:read")

            yield replace(given, token=token)

    found = await busy.reconciled(services=without_scopes)
    assert (found.state, found.reason) == ("failed", "sales answered 403 for its products.")


async def test_a_service_that_is_busy_is_tried_again(busy: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.001)
    services, answers, cut = busy.reconciler.services, [503, 503], list[int]()

    async def sometimes(request: httpx.Request) -> httpx.Response:
        if answers:
            return httpx.Response(answers.pop())
        answer = await busy.contacts.client.get(str(request.url), headers=request.headers)
        *rows, _ = answer.content.splitlines(keepends=True)
        if rows and not cut:
            cut.append(len(rows))
            return httpx.Response(200, content=b"".join(rows))
        return answer

    @asynccontextmanager
    async def stumbling() -> AsyncIterator[Services]:
        async with (
            services() as given,
            httpx.AsyncClient(transport=httpx.MockTransport(sometimes), base_url="http://contacts") as contacts,
        ):
            yield replace(given, clients={**given.clients, "contacts": contacts})

    found = await busy.reconciled(services=stumbling)
    assert found.mismatches == 0
    assert collection(found, "customers").records == cut[0]
    answers += [503] * 99
    found = await busy.reconciled(services=stumbling)
    assert found.reason == "contacts did not give all settings: it answered 503"


# Asking for one


async def test_one_is_requested_and_looked_at_over_the_api(busy: House) -> None:
    requested = await busy.analytics.post("/v1/reconciliations", {})
    assert requested.status_code == 202
    assert (requested.json()["state"], requested.json()["requested_by"]) == ("requested", "test")
    again = await busy.analytics.post("/v1/reconciliations", {})
    assert again.json()["id"] == requested.json()["id"]
    assert await busy.reconciler.step(busy.engine)
    found = (await busy.analytics.get(requested.headers["Location"])).json()
    assert (found["state"], found["mismatches"]) == ("done", 0)
    assert len(found["report"]["collections"]) == len(COLLECTIONS)
    listed = (await busy.analytics.get("/v1/reconciliations", first=1)).json()
    assert [each["id"] for each in listed["items"]] == [found["id"]]
    assert "report" not in listed["items"][0]


async def test_reconciliations_are_the_tenants_own_and_take_the_scope(
    busy: House, other_tenant: str, analytics: httpx.AsyncClient
) -> None:
    requested = await busy.analytics.post("/v1/reconciliations", {})
    theirs = Tenant(analytics, busy.sales.issuer, other_tenant)
    assert (await theirs.get(requested.headers["Location"])).status_code == 404
    assert (await theirs.get("/v1/reconciliations")).json()["items"] == []
    refused = await busy.analytics.without("analytics:operate").post("/v1/reconciliations", {})
    assert refused.status_code == 403
    assert await busy.reconciler.step(busy.engine)


async def test_the_records_of_another_tenant_are_nobody_elses_mismatch(
    busy: House, other_tenant: str, analytics: httpx.AsyncClient
) -> None:
    other = replace(
        busy, name=other_tenant, seen={},
        **{each: replace(getattr(busy, each), name=other_tenant) for each in ("contacts", "sales", "desk")},
    )  # fmt: skip
    await other.sales.made("/v1/orders", value="5", currency="EUR", occurred_at=ago(9))
    await other.pump()
    assert (await busy.reconciled()).mismatches == 0
    assert collection(await other.reconciled(), "orders").records == 1


async def test_every_tenant_is_due_once_in_the_interval(busy: House) -> None:
    nightly = replace(busy.reconciler, every=timedelta(days=1))
    while await nightly.step(busy.engine):
        pass
    listed = (await busy.analytics.get("/v1/reconciliations")).json()["items"]
    assert [(each["state"], each["requested_by"]) for each in listed] == [("done", None)]
    await busy.behind_the_back(
        "analytics", "UPDATE reconciliations SET requested_at = requested_at - interval '25 hours'"
    )
    assert await nightly.step(busy.engine)


async def test_one_runs_at_a_time(busy: House) -> None:
    await busy.analytics.post("/v1/reconciliations", {})
    async with alone(busy.engine) as is_mine:
        assert is_mine
        assert not await busy.reconciler.step(busy.engine)
        async with alone(busy.engine) as is_mine_too:
            assert not is_mine_too
    assert await busy.reconciler.step(busy.engine)


async def test_one_whose_process_ended_is_begun_again_but_not_for_ever(busy: House) -> None:
    @asynccontextmanager
    async def killed() -> AsyncIterator[Services]:
        raise asyncio.CancelledError
        yield

    async with busy.engine.begin() as connection:
        id = await request(connection, busy.name, by="test")
    for _ in range(TRIES):
        with pytest.raises(asyncio.CancelledError):
            await replace(busy.reconciler, services=killed).step(busy.engine)
        async with busy.engine.begin() as connection:
            assert (await details_of(connection, busy.name, id)).state == "running"
    assert await busy.reconciler.step(busy.engine)
    async with busy.engine.begin() as connection:
        found = await details_of(connection, busy.name, id)
    assert (found.state, found.reason) == ("failed", "It was begun 3 times and each time its process ended.")


async def test_the_gauge_says_what_differs_until_it_does_not(busy: House) -> None:
    def gauge_value(kind: str, metric: str) -> float:
        return REGISTRY.get_sample_value("kith_reconciliation_mismatch", {"kind": kind, "metric": metric}) or 0

    await busy.reconciled()
    await publish(busy.engine)
    before = gauge_value("record", "orders"), gauge_value("figure", "orders")
    order = await order_of(busy, 40)
    kept = await busy.behind_the_back("analytics", "DELETE FROM facts WHERE subject = $1 RETURNING *", order)
    await busy.reconciled()
    await publish(busy.engine)
    assert (gauge_value("record", "orders") - before[0], gauge_value("figure", "orders") - before[1]) == (1, 1)
    (row,) = kept
    columns = ", ".join(row.keys())
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await busy.behind_the_back("analytics", f"INSERT INTO facts ({columns}) VALUES ({places})", *row.values())  # noqa: S608
    await busy.reconciled()
    await publish(busy.engine)
    assert (gauge_value("record", "orders"), gauge_value("figure", "orders")) == before
    assert (REGISTRY.get_sample_value("kith_reconciliation_age_seconds") or 0) > 0


async def test_the_command_line_says_what_differs_and_ends_with_1(
    busy: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order = await order_of(busy, 40)
    await busy.behind_the_back("analytics", "UPDATE facts SET amount = 8 WHERE subject = $1", order)
    monkeypatch.setattr(command_line, "reconciler", lambda _: busy.reconciler)
    settings = AnalyticsSettings(KITH_DATABASE_URL_ANALYTICS=busy.url)  # type: ignore[call-arg]
    found = await command_line._reconcile(settings, busy.name)
    assert found.requested_by == "command line"

    async def already_done(*_: object) -> ReconciliationDetails:
        return found

    monkeypatch.setattr(command_line, "_reconcile", already_done)
    with pytest.raises(SystemExit) as ended:
        await asyncio.to_thread(command_line.run, SERVICE, settings, ["--tenant", busy.name])
    assert ended.value.code == 1
    printed = capsys.readouterr().out
    assert f"  {order} field 1 amount: 7.5000 there, 8.0000 here" in printed
    assert printed.endswith("2 of them differ.\n")


# The token


async def test_without_the_settings_it_says_which_are_missing() -> None:
    settings = AnalyticsSettings(database_url="postgresql://nowhere/kith", url_sales="http://sales")
    with pytest.raises(NotFetched, match="KITH_URL_CONTACTS, KITH_URL_SERVICE_DESK, KITH_CLIENT_FILE"):
        async with Services.of(settings):
            pass


async def test_a_token_for_another_tenant_is_not_used(
    tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An issuer that does not know the parameter may answer a token all the same."""
    file, sent = tmp_path / "client.json", []
    file.write_text('{"client_id": "kith", "client_secret": "a:b"}')

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append((request.headers["authorization"], request.content.decode()))
        return httpx.Response(200, json={"access_token": issuer.token("mine")})

    transport, client = httpx.MockTransport(answer), httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **given: client(transport=transport, **given))
    settings = AnalyticsSettings(
        database_url="postgresql://nowhere/kith",
        client_file=file,
        token_url="http://issuer/token",
        tenant_parameter="org",
    )
    credentials = ClientCredentials(settings, fetching.SCOPES)
    assert claim_of(await credentials.token("mine"), "tenant") == "mine"
    assert sent[0][0] == httpx.BasicAuth("kith", "a%3Ab")._auth_header
    assert sent[0][1].endswith("&org=mine")
    with pytest.raises(NoToken, match="not for the tenant theirs"):
        await credentials.token("theirs")
