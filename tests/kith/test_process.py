"""What a worker does besides relaying and consuming."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, nullcontext
from dataclasses import replace
from multiprocessing.resource_tracker import ensure_running
from typing import Any, cast

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from kith.bus.port import Bus, BusError
from kith.consumer import Subscription
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.http.probes import probes
from kith.outbox.relay import Relay
from kith.runtime import process
from kith.runtime.offload import Lane, offload
from kith.runtime.service import Service
from kith.runtime.settings import Settings
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE

SETTINGS = Settings(database_url="postgresql:///none", port=0, topic_partitions=3, idempotency_hours=24)


class ShakyBus:
    """Cannot be reached the first times."""

    def __init__(self, failures: int = 0) -> None:
        self._failures = failures
        self.created: dict[str, int] = {}
        self.pruned = asyncio.Event()

    def _answer(self) -> None:
        if self._failures:
            self._failures -= 1
            raise BusError("not there yet")

    async def create_topics(self, topics: dict[str, int]) -> None:
        self._answer()
        self.created |= topics

    async def prune(self, _: object) -> int:
        self._answer()
        self.pruned.set()
        return 0


async def _nothing(*_: Any, **__: Any) -> None:
    return None


async def test_a_consumer_waits_for_a_bus_that_starts_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "BUS_RETRY_SECONDS", 0.001)
    bus, followed = ShakyBus(failures=3), asyncio.Event()

    async def consume(*_: Any, **__: Any) -> None:
        followed.set()

    monkeypatch.setattr(process, "follow", consume)
    not_ready: dict[str, str] = {}
    subscription = Subscription("group", ("topic",), _nothing)
    await process._consume(subscription, cast("Bus", bus), cast("Any", None), not_ready, asyncio.Event(), SETTINGS)
    assert (followed.is_set(), bus.created, not_ready) == (True, {"topic": 3}, {})
    assert REGISTRY.get_sample_value("kith_consumer_halted", {"group": "group"}) == 0


async def test_a_worker_goes_by_the_generation_of_the_topics_that_its_settings_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = SETTINGS.model_copy(
        update={"topic_generation": 2, "database_url": "postgresql://localhost/none", "topic_partitions": 5}
    )
    bus, given = ShakyBus(), list[int]()

    async def follow(*_: Any, generation: int, **__: Any) -> None:
        given.append(generation)

    async def relay(self: Relay, _: asyncio.Event) -> None:
        given.append(self._generation)

    async def attend(subscription: Subscription, *_: Any, **__: Any) -> None:
        assert (subscription.topics, subscription.partitions) == (("topic.2",), 5)

    monkeypatch.setattr(process, "follow", follow)
    monkeypatch.setattr(process, "attend_dead_letters", attend)
    monkeypatch.setattr(process, "open_bus", lambda *_: nullcontext(bus))
    monkeypatch.setattr(process, "attend", _nothing)
    monkeypatch.setattr(process, "_prune", _nothing)
    monkeypatch.setattr(process, "_report", _nothing)
    monkeypatch.setattr(Relay, "run", relay)
    service = replace(SERVICE, tasks=(), subscriptions=[Subscription("group", ("topic",), _nothing)])
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        await process._start_workers(service, settings, {}, {}, asyncio.Event(), stack, tasks)
    assert given == [2, 2]
    assert bus.created == {"topic.2": 5}


async def test_a_consumer_that_cannot_go_on_says_why_it_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    async def consume(*_: Any, **__: Any) -> None:
        raise RuntimeError("the line stops here")

    monkeypatch.setattr(process, "follow", consume)
    not_ready: dict[str, str] = {}
    stop = asyncio.Event()
    subscription = Subscription("group", ("topic",), _nothing)
    halted = asyncio.create_task(
        process._consume(subscription, cast("Bus", ShakyBus()), cast("Any", None), not_ready, stop, SETTINGS)
    )
    async with asyncio.timeout(10):
        while not not_ready:  # noqa: ASYNC110 - a probe reads it as it is; nothing announces it
            await asyncio.sleep(0)
        assert not_ready == {"group": "the line stops here"}
        assert REGISTRY.get_sample_value("kith_consumer_halted", {"group": "group"}) == 1
        assert not halted.done()
        stop.set()
        await halted


async def test_a_worker_attends_to_the_dead_letters_of_each_subscription(monkeypatch: pytest.MonkeyPatch) -> None:
    attended: list[str] = []

    async def attend(subscription: Subscription, *_: Any, **__: Any) -> None:
        attended.append(subscription.group)

    monkeypatch.setattr(process, "attend_dead_letters", attend)
    monkeypatch.setattr(process, "open_bus", lambda *_: nullcontext(ShakyBus()))
    monkeypatch.setattr(process, "_consume", _nothing)
    monkeypatch.setattr(process, "attend", _nothing)
    monkeypatch.setattr(process, "_prune", _nothing)
    monkeypatch.setattr(process, "_report", _nothing)
    monkeypatch.setattr(Relay, "run", _nothing)
    service = replace(
        SERVICE, tasks=(), subscriptions=[Subscription(group, ("topic",), _nothing) for group in ("one", "two")]
    )
    settings = SETTINGS.model_copy(update={"database_url": "postgresql://localhost/none"})
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        await process._start_workers(service, settings, {}, {}, asyncio.Event(), stack, tasks)
    assert attended == ["one", "two"]


async def test_a_service_goes_on_where_no_process_for_computation_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    lane = Lane("test")
    ensure_running()  # of Python's own, which is started by the same means, and is not what is missing here
    with monkeypatch.context() as patched:
        patched.setattr("multiprocessing.spawn.get_executable", lambda: b"/bin/false")
        await process._begin(lane, "sales.service")
    assert await offload(abs, -3, lane=lane) == 3


async def test_a_worker_says_how_many_dead_letters_there_are_and_is_ready_all_the_same(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]], postgres: EmbeddedPostgres, tenant: str
) -> None:
    await serve(SERVICE)
    engine = create_engine(postgres.url("kith_sales"), role=WORKER_ROLE, pool_size=2, application="test worker")
    letter = text("""
        INSERT INTO dead_letters (group_name, topic, partition, "offset", message_key, value, headers, tenant_id,
                                  reason, parked, attempts)
        VALUES (:group, 'topic', 0, :offset, '', '', '[]', :group, 'why', :parked, 1)
    """)
    async with engine.begin() as connection:
        for offset, parked in enumerate((False, True, True)):
            await connection.execute(letter, {"group": tenant, "offset": offset, "parked": parked})
    notes: dict[str, str] = {}
    stop = asyncio.Event()
    counting = asyncio.create_task(process._report(SERVICE, engine, notes, stop))
    async with asyncio.timeout(10):
        while tenant not in notes:  # noqa: ASYNC110 - a probe reads it as it is; nothing announces it
            await asyncio.sleep(0)
    stop.set()
    await counting
    async with httpx.AsyncClient(transport=httpx.ASGITransport(probes({}, notes)), base_url="http://worker") as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert f"{tenant}: dead letters: 1 failed, 2 wait behind them" in answer.text.split("; ")
    assert answer.text.startswith("ok; ")
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM dead_letters WHERE group_name = :group"), {"group": tenant})
    await engine.dispose()


@pytest.mark.parametrize("fault", [RuntimeError("a bug"), BusError("not there yet")])
async def test_pruning_goes_on_whatever_went_wrong(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PRUNE_SECONDS", 0.001)
    stop, tries = asyncio.Event(), 0

    class Bad(ShakyBus):
        async def prune(self, _: object) -> int:
            nonlocal tries
            tries += 1
            if tries == 3:
                stop.set()
            raise fault

    async with asyncio.timeout(10):
        await process._prune(SERVICE, cast("Bus", Bad()), cast("Any", None), SETTINGS, stop)
    assert tries == 3


async def test_an_idempotency_key_is_forgotten_after_a_day_and_a_bulk_row_never(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]],
    postgres: EmbeddedPostgres,
    tenant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "PRUNE_SECONDS", 0.001)
    await serve(SERVICE)
    engine = create_engine(postgres.url("kith_sales"), role=WORKER_ROLE, pool_size=2, application="test worker")
    async with engine.begin() as connection:
        await connection.execute(
            text("""
                INSERT INTO idempotency
                VALUES (:tenant, 'old key', 1, gen_random_uuid(), 'answer', now() - interval '25 hours'),
                       (:tenant, 'new key', 1, gen_random_uuid(), 'answer', now() - interval '23 hours'),
                       (:tenant, 'old row', 1, gen_random_uuid(), NULL, now() - interval '1 year')
            """),
            {"tenant": tenant},
        )
    stop, bus = asyncio.Event(), ShakyBus(failures=1)
    pruning = asyncio.create_task(process._prune(SERVICE, cast("Bus", bus), engine, SETTINGS, stop))
    async with asyncio.timeout(10):
        await bus.pruned.wait()
        stop.set()
        await pruning
    async with engine.connect() as connection:
        left = await connection.scalars(
            text("SELECT key FROM idempotency WHERE tenant_id = :tenant ORDER BY key"), {"tenant": tenant}
        )
        assert left.all() == ["new key", "old row"]
    await engine.dispose()


async def test_a_probe_sends_nobody_to_the_host_that_a_request_names() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(probes({})), base_url="http://evil.example") as client:
        for path in ("/livez/", "/readyz/", "/metrics/"):
            assert (await client.get(path)).status_code == 404
