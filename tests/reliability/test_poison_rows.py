"""An event that cannot be published, whatever is wrong with it, is set aside where it is seen and can be mended; all
others, of its tenant and of everybody, go on."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from prometheus_client import REGISTRY
from tests.conftest import FreshDatabase
from tests.kith.bus.readers import Reader

from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.bus import open_bus
from kith.bus.port import Bus, Outgoing
from kith.consumer import attend_dead_letters
from kith.consumer import run as consume
from kith.consumer.dead_letters import count_dead_letters
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.dead_letters import cli as dead_letters_cli
from kith.events.analytics import ActionRequested
from kith.events.envelope import Envelope
from kith.ids import new_id
from kith.outbox.dead_letters import group_of
from kith.outbox.relay import Relay, topic_of
from kith.runtime.service import Service
from kith.runtime.settings import Settings
from kith.testing import Answer, Issuer, Tenant, serving
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

SERVICES = (CONTACTS, SALES, SERVICE_DESK, ANALYTICS)
PARTITIONS = 4
PATIENCE = 60.0
"""Seconds until a test gives up waiting; never a measure of how long something takes."""
SOON = 5.0
"""Seconds within which others' events are counted, whatever one tenant's are like."""
SESSION = 2.0
VERSIONS = (1, 2, 3, 4)
"""Of the events of an aggregate; what is wrong is with the second."""

SOUND: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "contacts": ("contacts.contact.amended.v1", {"changed": ["role"]}),
    "sales": ("sales.order.placed.v1", {"value": "12.5000", "currency": "EUR"}),
    "service-desk": ("service-desk.case.opened.v1", {"priority": "low", "channel": "email", "state": "new"}),
    "analytics": ("analytics.pulse.set.v1", {"score": 70, "expires_at": "2027-01-01T00:00:00Z"}),
}
"""By service an event that says nothing wrong, and its body."""


@dataclass(frozen=True)
class Poison:
    """What is wrong with a row of the outbox, in SQL; and how it is mended: other headers, or a sound body."""

    name: str
    column: str
    value: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bool = False


NOON = "2026-03-01T12:00:00Z"
POISONS = [
    Poison("before all time", "time", "'-infinity'", {"ce_time": NOON}),
    Poison("after all time", "time", "'infinity'", {"ce_time": NOON}),
    Poison("before our era", "time", "'4713-01-01 BC'", {"ce_time": NOON}),
    Poison("in the first year", "time", "'0001-01-02'", {"ce_time": NOON}),
    Poison("after the last year", "time", "'20000-01-01'", {"ce_time": NOON}),
    Poison("never recorded", "recorded_at", "'-infinity'", {"ce_recordedat": NOON}),
    Poison("of no version", "aggregate_version", "0", {"ce_aggregateversion": "2"}),
    Poison("of a version before all", "aggregate_version", "-1", {"ce_aggregateversion": "2"}),
    Poison("of no type", "type", "''", {"ce_type": "?"}),
    Poison("typed as the bus's own", "type", "'kith.watermark.v1'", {"ce_type": "?"}),
    Poison("empty", "data", "''", body=True),
    Poison("not JSON", "data", r"'\xff00'", body=True),
    Poison("of another shape", "data", "'[1, 2]'", body=True),
    Poison("without its fields", "data", """'{"currency": 7, "changed": 7, "priority": 7, "score": "x"}'""", body=True),
    Poison("too deep", "data", "convert_to(repeat('[', 100000), 'UTF8')", body=True),
    Poison("too large", "data", """convert_to('{"x": "' || repeat('x', 3000000) || '"}', 'UTF8')""", body=True),
]
OF_NOBODY = Poison("of no tenant", "tenant_id", "'No Such Tenant!'")


@dataclass
class House:
    """One service with its relay, and analytics, which counts what it publishes."""

    service: Service
    bus: Bus
    issuer: Issuer
    urls: Mapping[str, str]
    api: Any
    operator: Tenant

    def tenant(self, name: str) -> Tenant:
        return Tenant(self.api, self.issuer, name)

    async def rows(self, service: str, statement: str, *values: object) -> list[Any]:
        connection = await asyncpg.connect(self.urls[service])
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def publish(self, tenant: str, subject: UUID, version: int = 1, poison: Poison | None = None) -> UUID:
        """Put an event into the outbox, as a command would."""
        id, (type, body) = new_id(), SOUND[self.service.name]
        values = {
            "id": f"'{id}'",
            "tenant_id": f"'{tenant}'",
            "type": f"'{type}'",
            "subject": f"'{subject}'",
            "aggregate_version": str(version),
            "customer_id": f"'{subject}'",
            "time": "now()",
            "recorded_at": "clock_timestamp()",
            "data": f"convert_to('{json.dumps(body)}', 'UTF8')",
        }
        if poison is not None:
            values[poison.column] = poison.value
        await self.rows(
            self.service.name,
            f"INSERT INTO outbox ({', '.join(values)}) VALUES ({', '.join(values.values())})",  # noqa: S608 - our own
        )
        return id

    async def counted(self, ids: Sequence[UUID]) -> Sequence[UUID]:
        """Which of the events analytics has counted."""
        found = await self.rows("analytics", "SELECT id FROM ledger WHERE id = ANY($1::uuid[])", ids)
        return [row["id"] for row in found]

    async def are_counted(self, *ids: UUID, within: float) -> None:
        async def all_are() -> bool:
            return len(await self.counted(ids)) == len(ids)

        await eventually(all_are, within=within)

    async def counted_up_to(self) -> Any:
        """Up to when all that this service recorded is counted."""
        rows = await self.rows(
            "analytics", "SELECT max(up_to) AS up_to FROM watermarks WHERE source = $1", self.service.name
        )
        return rows[0]["up_to"]


async def eventually(condition: Callable[[], Awaitable[bool]], *, within: float = PATIENCE) -> None:
    deadline = monotonic() + within
    while not await condition():
        assert monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


@pytest.fixture(scope="module", params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
async def bus(request: pytest.FixtureRequest, postgres: EmbeddedPostgres) -> AsyncIterator[Bus]:
    if request.param == "kafka":
        where = open_bus(request.getfixturevalue("kafka_bootstrap"), None, session=SESSION)
    else:
        name = f"bus_{uuid4().hex}"
        await asyncio.to_thread(postgres.create_databases, name)
        where = open_bus(None, postgres.url(name), session=SESSION)
    async with where as bus:
        yield bus


@pytest.fixture(params=SERVICES, ids=lambda service: service.name)
async def house(
    request: pytest.FixtureRequest, bus: Bus, issuer: Issuer, fresh_database: FreshDatabase
) -> AsyncIterator[House]:
    service: Service = request.param
    async with AsyncExitStack() as stack:
        urls = {
            each.name: await fresh_database(each) for each in {service.name: service, "analytics": ANALYTICS}.values()
        }
        client = await stack.enter_async_context(serving(service, urls[service.name], issuer))
        await stack.enter_async_context(working(service, urls[service.name], bus, relays=True))
        await stack.enter_async_context(working(ANALYTICS, urls["analytics"], bus, relays=False))
        yield House(service, bus, issuer, urls, client, Tenant(client, issuer, "poisoned"))


@asynccontextmanager
async def working(service: Service, url: str, bus: Bus, *, relays: bool) -> AsyncIterator[None]:
    """Its relay, or its consumers: what a worker of it does."""
    stop, tasks = asyncio.Event(), []
    engine = create_engine(url, role=WORKER_ROLE, pool_size=8, application=f"{service.name} worker")
    if relays:
        relay = Relay(service.name, engine, service.outbox, bus, partitions=PARTITIONS, retention_days=7)
        tasks.append(asyncio.create_task(relay.run(stop)))
    else:
        for subscription in service.subscriptions:
            await bus.create_topics(dict.fromkeys(subscription.topics, PARTITIONS))
            tasks += [
                asyncio.create_task(consume(subscription, bus, engine, stop=stop)),
                asyncio.create_task(attend_dead_letters(subscription, engine, stop=stop)),
            ]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait(tasks, timeout=PATIENCE)
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await engine.dispose()


@dataclass(frozen=True)
class Aggregate:
    """One with a poisoned event, and events before and after it."""

    poison: Poison
    subject: UUID
    before: UUID
    poisoned: UUID
    after: tuple[UUID, UUID]


async def poisoned(house: House, tenant: str, poison: Poison) -> Aggregate:
    subject = uuid4()
    before, bad, *after = [
        await house.publish(tenant, subject, version, poison if version == VERSIONS[1] else None)
        for version in VERSIONS
    ]
    return Aggregate(poison, subject, before, bad, (after[0], after[1]))


async def test_what_cannot_be_published_is_set_aside_and_mended_and_all_else_goes_on(house: House) -> None:
    tenant, other = f"t-{uuid4().hex}", f"t-{uuid4().hex}"
    mine = house.tenant(tenant)
    await house.are_counted(await house.publish(other, uuid4()), within=PATIENCE)

    aggregates = [await poisoned(house, tenant, poison) for poison in POISONS]
    theirs = await house.publish(other, uuid4())
    ours = await house.publish(tenant, uuid4())
    (last,) = await house.rows(house.service.name, "SELECT clock_timestamp() AS now")
    await house.are_counted(theirs, ours, *(each.before for each in aggregates), within=SOON)

    async def is_fresh() -> bool:
        return bool((await house.counted_up_to() or last["now"]) > last["now"])

    await eventually(is_fresh, within=SOON)

    dead_letters = await listed(mine)
    by_event = {UUID(letter["event_id"]): letter for letter in dead_letters}
    for each in aggregates:
        assert not by_event[each.poisoned]["parked"], each.poison.name
        assert by_event[each.poisoned]["reason"].startswith("NotPublishable"), each.poison.name
        assert [by_event[after]["parked"] for after in each.after] == [True, True], each.poison.name
        assert by_event[each.poisoned]["group"] == group_of(house.service.name)
    assert len(dead_letters) == 3 * len(POISONS)
    assert await listed(house.tenant(other)) == []
    assert await unpublished(house) == 0

    for each in aggregates:
        await mend(house, mine, by_event[each.poisoned], each.poison)
    replayed = await mine.post("/v1/dead-letters:replay", {})
    assert replayed.status_code in (200, 202), replayed.text
    await house.are_counted(*(id for each in aggregates for id in (each.poisoned, *each.after)), within=PATIENCE)
    assert await listed(mine) == []
    order = await order_on_the_bus(house, [each.subject for each in aggregates])
    assert order == {each.subject: [each.before, each.poisoned, *each.after] for each in aggregates}


async def test_it_is_seen_and_does_not_make_others_wait(house: House) -> None:
    tenant = f"t-{uuid4().hex}"
    await poisoned(house, tenant, POISONS[0])
    engine = create_engine(house.urls[house.service.name], role=WORKER_ROLE, pool_size=1, application="test")
    group = group_of(house.service.name)

    async def seen() -> bool:
        async with engine.connect() as connection:
            return (await count_dead_letters(connection)).get(group) == (1, 2)

    await eventually(seen)
    gauge = {"group": group, "kind": "failed"}
    assert REGISTRY.get_sample_value("kith_dead_letters_unresolved", gauge) == 1
    await engine.dispose()


async def test_what_was_set_aside_can_be_left_out_and_the_rest_goes_on(house: House) -> None:
    tenant = f"t-{uuid4().hex}"
    mine = house.tenant(tenant)
    aggregate = await poisoned(house, tenant, POISONS[0])

    async def all_listed() -> bool:
        return len(await listed(mine)) == 3

    await eventually(all_listed)
    (failed,) = [letter for letter in await listed(mine) if not letter["parked"]]
    again = await mine.post(f"/v1/dead-letters/{failed['id']}:replay", {})
    assert again.status_code in (200, 202)

    async def tried() -> bool:
        return bool((await mine.get(f"/v1/dead-letters/{failed['id']}")).json()["attempts"] == 2)

    await eventually(tried)
    assert await house.counted(aggregate.after) == []
    await mine.post(f"/v1/dead-letters/{failed['id']}:discard", {"note": "a slip"})
    await house.are_counted(*aggregate.after, within=PATIENCE)
    assert await house.counted([aggregate.poisoned]) == []


async def test_what_is_nobodys_is_mended_by_an_operator(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    other, owner = f"t-{uuid4().hex}", f"t-{uuid4().hex}"
    bad = await house.publish(other, uuid4(), 1, OF_NOBODY)
    await house.are_counted(await house.publish(other, uuid4()), within=PATIENCE)
    settings = Settings(database_url=house.urls[house.service.name], port=0)

    async def command(*words: str) -> str:
        await asyncio.to_thread(dead_letters_cli.run, house.service, settings, words)
        return capsys.readouterr().out

    (row,) = await house.rows(house.service.name, "SELECT id FROM dead_letters WHERE event_id = $1", bad)
    assert "No Such Tenant!" in await command("show", str(row["id"]))
    assert "NotPublishable: tenant_id" in await command("list", "--failed")
    with pytest.raises(SystemExit, match="not a tenant id"):
        await command("amend", str(row["id"]), "--tenant", "Still None!")
    await command("amend", str(row["id"]), "--tenant", owner)
    assert "1 took effect, 0 are left" in await command("replay", str(row["id"]))
    await house.are_counted(bad, within=PATIENCE)
    (event,) = await house.rows("analytics", "SELECT tenant_id FROM ledger WHERE id = $1", bad)
    assert event["tenant_id"] == owner
    with pytest.raises(SystemExit) as ended:
        await command("discard", str(row["id"]), "--note", "too late")
    assert ended.value.code == 1


STORED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "contacts": ("customers", {"kind": "person", "name": "Ada"}),
    "sales": ("opportunities", {"name": "Beans", "currency": "EUR"}),
    "service-desk": ("cases", {"subject": "Broken", "channel": "email"}),
    "analytics": ("pulses", {"customer_id": str(uuid4()), "score": 7}),
}


CHANGED = {
    "contacts": ("amend", {"name": "Grace"}),
    "sales": ("advance", {"stage": "proposing"}),
    "service-desk": ("resolve", {}),
}


@pytest.mark.parametrize("instant", ["-infinity", "infinity"])
async def test_a_row_that_was_stored_before_all_time_is_read_like_any_other(house: House, instant: str) -> None:
    mine = house.tenant(f"t-{uuid4().hex}")
    noun, body = STORED[house.service.name]
    made = [await mine.made(f"/v1/{noun}", **body) for _ in range(3)]
    await house.rows(
        house.service.name,
        f"UPDATE {noun} SET created_at = '{instant}', updated_at = '{instant}' WHERE id = $1",  # noqa: S608 - our own
        UUID(made[1]["id"]),
    )
    assert (await mine.get(f"/v1/{noun}/{made[1]['id']}")).status_code == 200
    seen: list[str] = []
    after: dict[str, str] = {}
    for _ in made:
        page = await mine.get(f"/v1/{noun}", first=1, **after)
        assert page.status_code == 200, page.text
        seen += [row["id"] for row in page.json()["items"]]
        after = {"after": page.json()["next"]}
    assert sorted(seen) == sorted(each["id"] for each in made)
    exported = await mine.get(f"/v1/{noun}:export")
    assert exported.status_code == 200
    assert len(exported.text.splitlines()) == len(made) + 1
    listed = await mine.ask(f"{{ {noun} {{ nodes {{ id createdAt updatedAt }} }} }}")
    assert {each["id"] for each in listed[noun]["nodes"]} == set(seen)
    if house.service.name in CHANGED:
        changed = await mine.post(
            f"/v1/{noun}/{made[1]['id']}:{CHANGED[house.service.name][0]}", CHANGED[house.service.name][1]
        )
        assert changed.status_code == 200, changed.text


STANDING: Sequence[Mapping[str, Any]] = [
    {"time": datetime.min.replace(tzinfo=UTC)},
    {"time": datetime.max.replace(tzinfo=UTC)},
    {"aggregate_version": 2**31},
    {"data": b"\xff"},
    {"data": b"[" * 100_000},
    {"data": b'{"due_at": "0001-01-01T00:00:00Z", "kind": "task"}'},
]
"""What may be wrong with an event that stands on the bus already."""


@pytest.mark.parametrize("service", [SALES, SERVICE_DESK, ANALYTICS], ids=lambda service: service.name)
async def test_what_stands_on_the_bus_and_cannot_be_applied_stops_nobody(
    service: Service, bus: Bus, fresh_database: FreshDatabase
) -> None:
    url = await fresh_database(service)
    kind = "case" if service is SERVICE_DESK else "task"
    sound = [action_requested(kind) for _ in range(3)]
    nobodys = {"tenant_id": f"No Such {uuid4()}!"}
    bad = [msgspec.structs.replace(action_requested(kind), **wrong) for wrong in (*STANDING, nobodys)]
    async with working(service, url, bus, relays=False), bus.producer() as producer:
        for envelope in [sound[0], *bad[:4], sound[1], *bad[4:], sound[2]]:
            await producer.publish([Outgoing(topic_of("analytics"), envelope.key(), envelope.data, envelope.headers())])
        made = {"sales": "tasks", "service-desk": "cases", "analytics": "ledger"}[service.name]
        connection = await asyncpg.connect(url)

        async def others_have_taken_effect() -> bool:
            tenants = [envelope.tenant_id for envelope in sound]
            query = f"SELECT count(*) FROM {made} WHERE tenant_id = ANY($1)"  # noqa: S608 - one of the three above
            return bool(await connection.fetchval(query, tenants) == len(sound))

        await eventually(others_have_taken_effect)

        async def each_took_effect_or_is_a_letter() -> bool:
            dead_letters = await connection.fetch(
                "SELECT event_id FROM dead_letters WHERE event_id = ANY($1::uuid[])", [each.id for each in bad]
            )
            query = f"SELECT count(*) FROM {made} WHERE tenant_id = ANY($1)"  # noqa: S608 - the same
            applied = await connection.fetchval(query, [each.tenant_id for each in bad])
            return len(dead_letters) + int(applied) == len(bad)

        await eventually(each_took_effect_or_is_a_letter)
        await connection.close()


def action_requested(kind: str) -> Envelope:
    """A playbook's request, of a tenant of its own."""
    action = ActionRequested(kind=kind, playbook_id=uuid4(), run_id=uuid4(), trigger="idle", title="Call")
    now = datetime.now(UTC)
    return Envelope(
        id=new_id(),
        source="analytics",
        type=action.type,
        subject=uuid4(),
        time=now,
        tenant_id=f"t-{uuid4().hex}",
        customer_id=uuid4(),
        aggregate_version=1,
        recorded_at=now,
        traceparent=None,
        data=msgspec.json.encode(action),
    )


async def listed(tenant: Tenant) -> Sequence[Answer]:
    answer = await tenant.get("/v1/dead-letters", state="unresolved", first=500)
    while answer.status_code == 503:  # the machine is too busy just now
        answer = await tenant.get("/v1/dead-letters", state="unresolved", first=500)
    assert answer.status_code == 200, answer.text
    found: Sequence[Answer] = answer.json()["items"]
    return found


async def mend(house: House, mine: Tenant, letter: Answer, poison: Poison) -> None:
    type, body = SOUND[house.service.name]
    changes = {name: type if value == "?" else value for name, value in poison.headers.items()}
    amendment = {"headers": changes} | ({"body": body} if poison.body else {})
    answer = await mine.post(f"/v1/dead-letters/{letter['id']}:amend", amendment)
    assert answer.status_code == 200, (poison.name, answer.text)


async def unpublished(house: House) -> int:
    rows = await house.rows(house.service.name, "SELECT count(*) AS n FROM outbox WHERE published_at IS NULL")
    count: int = rows[0]["n"]
    return count


async def order_on_the_bus(house: House, subjects: Collection[UUID]) -> Mapping[UUID, Sequence[UUID]]:
    """The events of each of these, in the order in which they came to the bus first."""
    order: dict[UUID, dict[UUID, None]] = {subject: {} for subject in subjects}
    topic = topic_of(house.service.name)
    async with Reader(house.bus, f"reader-{uuid4().hex}", [topic]) as reader:
        while not all(len(events) == len(VERSIONS) for events in order.values()):
            for message in await reader.poll():
                envelope = Envelope.from_message(message.headers, message.value)
                if envelope.subject in order:
                    order[envelope.subject][envelope.id] = None
    return {subject: list(events) for subject, events in order.items()}


def test_there_is_an_event_of_each_service() -> None:
    assert set(SOUND) == {service.name for service in SERVICES}
    assert [topic_of(name) for name in SOUND] == [f"kith.{name}" for name in SOUND]
