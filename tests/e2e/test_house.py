"""What happens in one service is counted in another: the whole house, through its public API."""

import asyncio
import secrets
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from tests.conftest import free_ports
from tests.e2e import retail, silence
from tests.e2e.collector import Collector
from tests.e2e.house import PATIENCE, SERVICES, House, Tenant, python, run_replay, until
from tests.kith.bus.readers import Reader, drive
from tests.recorded import needs_recorded_data

from kith.bus import open_bus
from kith.bus.port import Incoming

CUSTOMER = """
query ($id: UUID!) {
  customer(id: $id) {
    id name
    contacts { nodes { id name } }
    opportunities { nodes { id stage value } }
    orders { nodes { id value currency } }
    cases { nodes { id state } }
    health { score band coverage contributions { measure events } }
    timeline { nodes { id type source subject } }
  }
  freshness { source countedUpTo }
}"""

CRR = """
{ metric(id: "retention.crr", from: "2011-06-01T00:00:00Z", to: "2011-09-01T00:00:00Z") {
    value components { name value } definitionVersion freshness { source countedUpTo } } }"""
COHORT = CRR.replace("retention.crr", "retention.cohort")

LONG_AGO = "2025-01-01T00:00:00Z"

OPEN = """
mutation ($input: OpenOpportunityInput!) {
  openOpportunity(input: $input) {
    __typename
    ... on Opportunity { id version updatedAt }
    ... on Problem { detail }
  } }"""
MOVE = """
mutation ($id: UUID!, $input: %sOpportunityInput!) {
  answer: %sOpportunity(id: $id, input: $input) {
    __typename
    ... on Opportunity { id version updatedAt }
    ... on Problem { detail }
  } }"""


MOVE_IF = """mutation ($id: UUID!, $input: AdvanceOpportunityInput!) {
  advanceOpportunity(id: $id, input: $input, ifVersion: 1) {
    ... on Opportunity { id version }
    ... on Problem { status }
  } }"""


def open_opportunity(tenant: Tenant, *, trace: str | None = None, **fields: object) -> str:
    """Through the gateway. Returns its id."""
    headers = {"traceparent": trace} if trace else None
    opened = tenant.ask(OPEN, headers=headers, input={"name": "A deal", "currency": "EUR", **fields})["openOpportunity"]
    assert opened["__typename"] == "Opportunity", opened
    tenant.wrote("sales", datetime.fromisoformat(opened["updatedAt"]))
    return str(opened["id"])


def move_opportunity(tenant: Tenant, id: str, verb: str, **fields: object) -> None:
    moved = tenant.ask(MOVE % (verb.title(), verb), id=id, input=fields)["answer"]
    assert moved["__typename"] == "Opportunity", moved
    tenant.wrote("sales", datetime.fromisoformat(moved["updatedAt"]))


def test_of_many_who_move_one_opportunity_at_once_one_does(house: House, ours: Tenant) -> None:
    for round in range(5):
        id = open_opportunity(ours, name=f"Round {round}")

        def by_rest(stage: str, id: str = id) -> int:
            headers = {**ours.headers, "If-Match": '"1"'}
            path = f"{house.url('sales')}/v1/opportunities/{id}:advance"
            return httpx.post(path, json={"stage": stage}, headers=headers, timeout=30).status_code

        def by_graphql(stage: str, id: str = id) -> int:
            moved = ours.ask(MOVE_IF, id=id, input={"stage": stage})["advanceOpportunity"]
            return int(moved.get("status", 200))

        with ThreadPoolExecutor(12) as clients:
            moves = [
                clients.submit(move, stage)
                for stage in ("engaging", "proposing", "negotiating") * 2
                for move in (by_rest, by_graphql)
            ]
            answers = sorted(each.result() for each in moves)
        assert answers == [200] + [412] * 11
        shown = httpx.get(f"{house.url('sales')}/v1/opportunities/{id}", headers=ours.headers).json()
        assert (shown["version"], len(shown["visits"])) == (2, 2)


def test_one_query_shows_all_that_happened_with_a_customer_and_to_nobody_else(
    house: House, ours: Tenant, theirs: Tenant
) -> None:
    customer = ours.post("contacts", "/v1/customers", {"name": "Hotel Adler", "kind": "organisation"})["id"]
    contact = ours.post("contacts", "/v1/contacts", {"customer_id": customer, "name": "Ada Lang"})["id"]
    opportunity = open_opportunity(ours, customerId=customer, value="1200")
    move_opportunity(ours, opportunity, "advance", stage="negotiating")
    move_opportunity(ours, opportunity, "win", value="1100")
    order = ours.post("sales", "/v1/orders", {"customer_id": customer, "value": "1100", "currency": "EUR"})["id"]
    case = ours.post(
        "service-desk", "/v1/cases", {"customer_id": customer, "subject": "It squeaks", "channel": "phone"}
    )["id"]
    ours.until_counted()

    shown = ours.ask(CUSTOMER, id=customer)["customer"]
    assert (shown["id"], shown["name"]) == (customer, "Hotel Adler")
    assert shown["contacts"]["nodes"] == [{"id": contact, "name": "Ada Lang"}]
    assert [(each["id"], each["stage"], float(each["value"])) for each in shown["opportunities"]["nodes"]] == [
        (opportunity, "won", 1100)
    ]
    assert [(each["id"], float(each["value"]), each["currency"]) for each in shown["orders"]["nodes"]] == [
        (order, 1100, "EUR")
    ]
    assert [each["id"] for each in shown["cases"]["nodes"]] == [case]
    # How the relationship came to be scored is in it too, whenever that was.
    timeline = [each for each in shown["timeline"]["nodes"] if each["source"] != "analytics"]
    assert [(each["type"], each["subject"]) for each in reversed(timeline)] == [
        ("contacts.customer.created.v1", customer),
        ("contacts.contact.created.v1", contact),
        ("sales.opportunity.opened.v1", opportunity),
        ("sales.opportunity.advanced.v1", opportunity),
        ("sales.opportunity.won.v1", opportunity),
        ("sales.order.placed.v1", order),
        ("service-desk.case.opened.v1", case),
    ]
    health = shown["health"]
    assert 0 < health["score"] <= 100
    behind = {event for each in health["contributions"] for event in each["events"]}
    assert behind
    assert behind <= {each["id"] for each in timeline}

    assert theirs.ask(CUSTOMER, id=customer)["customer"] is None
    assert theirs.ask("{ customers { nodes { id } } orders { nodes { id } } cases { nodes { id } } }") == {
        "customers": {"nodes": []},
        "orders": {"nodes": []},
        "cases": {"nodes": []},
    }
    assert theirs.ledger() == {}
    timeline_url = f"{theirs.house.url('analytics')}/v1/customers/{customer}/timeline"
    assert theirs.house.http.get(timeline_url, headers=theirs.headers).status_code == 404
    assert set(components(theirs.ask(CRR)["metric"]).values()) == {0}


def test_without_a_token_nothing_is_answered(house: House, ours: Tenant) -> None:
    customer = ours.post("contacts", "/v1/customers", {"name": "Hotel Adler", "kind": "organisation"})["id"]
    query = {"query": CUSTOMER, "variables": {"id": customer}}
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = httpx.post(f"{house.url('gateway')}/graphql", json=query, headers=headers, trust_env=False).json()
        assert answer["errors"]
        assert not any((answer.get("data") or {}).values())
        for service, path in (("contacts", "customers"), ("sales", "orders"), ("analytics", "ledger")):
            refused = httpx.get(f"{house.url(service)}/v1/{path}", headers=headers, trust_env=False)
            assert refused.status_code == 401


def test_a_trace_goes_from_the_gateway_into_the_ledger(house: House, ours: Tenant, collector: Collector) -> None:
    trace = secrets.token_hex(16)
    opportunity = open_opportunity(ours, trace=f"00-{trace}-{secrets.token_hex(8)}-01")
    ((event, traceparent),) = house.rows("sales", "SELECT id, traceparent FROM outbox WHERE subject = $1", opportunity)
    assert traceparent.split("-")[1] == trace

    headers = asyncio.run(headers_on_the_bus(house, "kith.sales", str(event)))
    assert headers["ce_traceparent"] == traceparent

    ours.until_counted()
    until(
        lambda: {("kith-sales", "POST /graphql"), ("kith-analytics", "analytics process")} <= collector.of_trace(trace)
    )


def test_the_doctor_finds_a_house_that_works_in_order(house: House, ours: Tenant) -> None:
    ours.post("sales", "/v1/orders", {"value": "1100", "currency": "EUR"})
    ours.until_counted()
    with python("kith_local", "doctor", environment=house.environment, output=subprocess.PIPE) as doctor:
        report, _ = doctor.communicate(timeout=60)
    assert doctor.returncode == 0, report
    assert report.count("ok       bus\n") == len(SERVICES)


@pytest.mark.timeout(240)
def test_silence_sets_a_playbook_off_exactly_once_though_all_are_killed_in_between(
    house: House, ours: Tenant, collector: Collector
) -> None:
    silent_for = silence.silence_until_at_risk(ours)
    at = datetime.now(UTC) + timedelta(seconds=15)
    customers = {silence.buyer(ours, f"Silent {number}", at - silent_for) for number in range(3)}
    ours.until_counted()
    playbook = ours.post("analytics", "/v1/playbooks", silence.PLAYBOOK)["id"]
    ours.post("analytics", f"/v1/playbooks/{playbook}:start", {})

    with silence.watching(ours) as seen:
        asyncio.run(silence.kill_in_between(house, collector, ours.name))
        until(lambda: {each["customerId"] for each in seen} >= customers)
        until(lambda: {"sales.task.created.v1", "service-desk.case.opened.v1"} <= ours.ledger().keys())
        until(lambda: events_counted(house, ours, SERVICES) == events_recorded(house, ours, SERVICES))
        published = offsets_read(house, "analytics")  # as far as its own consumer is: behind that nothing comes again
        for service in ("sales", "service-desk"):
            until(lambda service=service: is_as_far(offsets_read(house, service), published))  # type: ignore[misc]

    assert [(each["customerId"], each["fromBand"], each["band"], each["cause"]) for each in seen] == [
        (each["customerId"], "STEADY", "AT_RISK", "SILENCE") for each in seen
    ]
    assert len(seen) == 3
    assert {abs(datetime.fromisoformat(each["at"]) - at) < timedelta(milliseconds=1) for each in seen} == {True}
    for service, path in (("sales", "/v1/tasks"), ("service-desk", "/v1/cases")):
        made = ours.get(service, path, playbook_id=playbook)["items"]
        assert Counter(each["customer_id"] for each in made) == dict.fromkeys(customers, 1), path
        assert house.rows(service, "SELECT reason FROM dead_letters") == []

    traces = {each["traceId"] for each in seen}
    runs = ours.get("analytics", "/v1/playbook-runs", playbook_id=playbook)["items"]
    assert Counter(run["trace_id"] for run in runs) == dict.fromkeys(traces, 1)
    assert len(traces) == 3, "each goes its own way"
    chain = {
        ("kith-analytics", "health at_risk"),
        ("kith-analytics", "playbook run"),
        ("kith-sales", "create task"),
        ("kith-service-desk", "open case"),
    }
    until(lambda: all(chain <= collector.within(trace) for trace in traces))
    for service, type in (("sales", "sales.task.created.v1"), ("service-desk", "service-desk.case.opened.v1")):
        query = "SELECT traceparent FROM outbox WHERE tenant_id = $1 AND type = $2"
        events = house.rows(service, query, ours.name, type)
        assert {row["traceparent"].split("-")[1] for row in events} == traces


async def headers_on_the_bus(house: House, topic: str, event_id: str) -> dict[str, str]:
    async with open_bus(*house.bus) as bus, Reader(bus, f"test-{event_id}", [topic]) as reader:

        def found() -> list[Incoming]:
            return [each for each in reader.received if ("ce_id", event_id.encode()) in each.headers]

        await drive(reader, until=lambda: bool(found()))
        return {name: value.decode() for name, value in found()[0].headers}


def test_a_worker_stopped_while_it_folds_exits_with_0_and_loses_nothing(house: House, ours: Tenant) -> None:
    customers = customers_of(ours, 200)
    with orders_being_sent(ours, customers) as sent, second_worker(house) as (worker, folded):
        until(lambda: folded() > 1000)  # not by watermarks alone
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    ours.until_counted()
    assert ours.ledger() == {
        "contacts.customer.created.v1": len(customers),
        "sales.order.placed.v1": sum(sent),
    }


def customers_of(tenant: Tenant, count: int) -> list[str]:
    rows = [
        {"external_id": f"c-{n}", "occurred_at": LONG_AGO, "kind": "person", "name": f"Customer {n}"}
        for n in range(count)
    ]
    made = tenant.post("contacts", "/v1/customers:bulk", {"rows": rows})
    assert made["accepted"] == count
    return [each["id"] for each in made["results"]]


@contextmanager
def orders_being_sent(tenant: Tenant, customers: list[str]) -> Iterator[list[int]]:
    """One order a customer, again and again until the block ends. Yields how many, request by request."""
    sent: list[int] = []
    enough = threading.Event()

    def send() -> None:
        while not enough.is_set():
            about = {"occurred_at": LONG_AGO, "value": "1", "currency": "EUR"}
            rows = [{"external_id": f"o-{len(sent)}-{n}", "customer_id": id, **about} for n, id in enumerate(customers)]
            sent.append(tenant.post("sales", "/v1/orders:bulk", {"rows": rows})["accepted"])
            enough.wait(0.02)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
    finally:
        enough.set()
        thread.join()


@contextmanager
def second_worker(house: House) -> Iterator[tuple["subprocess.Popen[str]", Any]]:
    """Another process of analytics' worker, and how many events it has folded."""
    (port,) = free_ports(1)
    log = house.layout.log_of("second-worker")

    def folded() -> float:
        try:
            figures = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        except httpx.TransportError:
            return 0
        counts = (line.split()[-1] for line in figures.splitlines() if line.startswith("kith_consumer_events_total{"))
        return sum(map(float, counts))

    with (
        log.open("wb") as output,
        python(
            "analytics",
            "worker",
            environment={**house.worker_environment, "KITH_METRICS_PORT": str(port)},
            output=output.fileno(),
        ) as worker,
    ):
        try:
            yield worker, folded
        finally:
            if worker.poll() is None:
                worker.kill()


@pytest.mark.timeout(300)
def test_a_replay_through_three_kills_counts_what_the_file_says(house: House, ours: Tenant, tmp_path: Path) -> None:
    rows = retail.rows()
    retail.write(rows, tmp_path)
    wanted = retail.expected_events(rows)

    with run_replay(house, tenant=ours.name, folder=tmp_path) as replay:
        try:
            for number in range(3):
                before = {name: house.part(name).restarts for name in KILLED}
                asyncio.run(kill_in_the_act(house, relay=number == 0))
                until(lambda before=before: all(house.is_up(n, restarts=before[n] + 1) for n in KILLED))  # type: ignore[misc]
            assert replay.poll() is None, "the kills come while it works"
            said, _ = replay.communicate(timeout=200)
        finally:
            replay.kill()
    assert replay.returncode == 0, said

    assert_the_ledger_holds_what_the_services_hold(house, ours)
    assert ours.ledger() == wanted
    assert_counted(ours, retail.expected_counts(rows))

    with run_replay(house, tenant=ours.name, folder=tmp_path) as again:
        try:
            said, _ = again.communicate(timeout=120)
        finally:
            again.kill()
    assert again.returncode == 0, said
    assert "Events published 0, folded 0." in said
    assert ours.ledger() == wanted
    assert_the_ledger_holds_what_the_services_hold(house, ours)
    assert_counted(ours, retail.expected_counts(rows))


KILLED = ("analytics-worker", "contacts-worker", "sales-worker")


async def kill_in_the_act(house: House, *, relay: bool) -> None:
    """kill -9 while the fold has written half of a batch and, if requested, the relay has published and not marked.

    Locks hold them there: one on what the fold writes last, one on the rows that the relay would mark.
    """
    async with asyncio.timeout(PATIENCE), connected(house, "analytics") as folded, connected(house, "sales") as sold:
        await folded.execute("LOCK TABLE activity_spans IN SHARE ROW EXCLUSIVE MODE")
        if relay:
            await until_found(sold, ORDERS_ON_THEIR_WAY)
            await until_found(sold, f"SELECT {WAITING}", "kith sales worker")
        await until_found(folded, f"SELECT {WAITING}", "kith analytics worker")
        house.kill(*KILLED)
        if relay:
            # Its last statement was sent: as the power would, keep it from being carried out after its death.
            await sold.execute(f"SELECT pg_terminate_backend(pid) {WAITING}", "kith sales worker")


ORDERS_ON_THEIR_WAY = "SELECT FROM outbox WHERE published_at IS NULL AND type = 'sales.order.placed.v1' FOR UPDATE"
WAITING = "FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'"


async def until_found(connection: Any, query: str, *arguments: object) -> None:
    while not await connection.fetch(query, *arguments):
        await connection.execute("SELECT pg_stat_clear_snapshot()")  # the transaction has seen who waits already
        await asyncio.sleep(0.01)


@asynccontextmanager
async def connected(house: House, service: str) -> AsyncIterator[Any]:
    """In a transaction, so that locks last until the end of the block."""
    connection = await asyncpg.connect(house.database_url(service))
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


def assert_the_ledger_holds_what_the_services_hold(house: House, tenant: Tenant) -> None:
    """Event by event what was recorded, and noun by noun what there is."""
    query = "SELECT * FROM {} WHERE tenant_id = $1"
    recorded = events_recorded(house, tenant, SERVICES[:3])
    assert events_counted(house, tenant, SERVICES[:3]) == recorded
    assert tenant.ledger() == Counter(recorded.values())
    for service, table, type in (
        ("contacts", "customers", "contacts.customer.created.v1"),
        ("sales", "orders", "sales.order.placed.v1"),
        ("sales", "returns", "sales.order.returned.v1"),
    ):
        held = house.rows(service, query.format(table), tenant.name)
        assert len(held) == tenant.ledger()[type], table
    assert house.rows("analytics", "SELECT * FROM dead_letters") == []


def offsets_read(house: House, service: str) -> dict[int, int]:
    """How far the service has read what analytics publishes, by partition."""
    offsets = house.rows(service, "SELECT partition, next_offset FROM consumer_offsets WHERE topic = 'kith.analytics'")
    return {row["partition"]: row["next_offset"] for row in offsets}


def is_as_far(read: Mapping[int, int], as_that: Mapping[int, int]) -> bool:
    return all(read.get(partition, 0) >= offset for partition, offset in as_that.items())


def events_recorded(house: House, tenant: Tenant, services: Sequence[str]) -> dict[UUID, str]:
    """Returns the events in the outboxes, each with its type."""
    query = "SELECT id, type FROM outbox WHERE tenant_id = $1"
    return {row["id"]: row["type"] for each in services for row in house.rows(each, query, tenant.name)}


def events_counted(house: House, tenant: Tenant, services: Sequence[str]) -> dict[UUID, str]:
    """Returns the events of the services in the ledger."""
    query = "SELECT id, type FROM ledger WHERE tenant_id = $1 AND source = ANY($2)"
    return {row["id"]: row["type"] for row in house.rows("analytics", query, tenant.name, list(services))}


def assert_counted(tenant: Tenant, expected: retail.Counts) -> None:
    """Over GraphQL as over REST, and as counted straight from the file."""
    for id, query, figures in (("retention.crr", CRR, expected.crr), ("retention.cohort", COHORT, expected.cohort)):
        shown = tenant.ask(query)["metric"]
        single = tenant.get(
            "analytics", f"/v1/metrics/{id}", **{"from": "2011-06-01T00:00:00Z", "to": "2011-09-01T00:00:00Z"}
        )
        assert {**components(shown), "value": shown["value"]} == figures
        assert {**components(single), "value": single["value"]} == figures
        assert shown["definitionVersion"] == single["definition_version"] == 1
        assert {each["source"] for each in shown["freshness"]} == {each["source"] for each in single["freshness"]}
        assert all(each["counted_up_to"] for each in single["freshness"])


def components(figure: Any) -> dict[str, float]:
    return {each["name"]: each["value"] for each in figure["components"]}


@needs_recorded_data
def test_the_straight_count_over_the_recorded_file_is_the_worked_one() -> None:
    counts = retail.expected_counts(retail.all_rows())
    assert counts.crr == {"S": 1960, "E": 1924, "N": 587, "W": 231, "value": 68.2143}
    assert counts.cohort["value"] == 56.4286
