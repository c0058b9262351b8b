"""Customers whom silence alone puts at risk, at an instant known beforehand, and kills in the midst of what follows."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from tests.e2e.collector import Collector
from tests.e2e.house import PATIENCE, House, Tenant, until

from kith_local.live import subscribe

LONG_AGO = timedelta(days=50)
"""The next band is the worst one then."""
PLAYBOOK = {
    "title": "Sinking in silence",
    "document": {
        "when": {"kind": "band_changed", "to": ["at_risk"]},
        "actions": [
            {
                "kind": "task",
                "title": "Ask how they are",
                "due_in_days": 2,
                "owner": "019ca000-0000-7000-8000-000000000009",
            },
            {"kind": "case", "title": "Has gone silent", "priority": "high", "queue": "success"},
        ],
    },
}
HEALTH_CHANGED = """subscription { healthChanged(filter: {bands: [AT_RISK]}) {
    cursor change { customerId at fromBand band cause traceId } } }"""


def buyer(tenant: Tenant, name: str, bought_at: datetime) -> str:
    """A customer who bought once, and has been silent since. Returns its id."""
    about = {"occurred_at": bought_at.isoformat()}
    customer = tenant.post("contacts", "/v1/customers", {"name": name, "kind": "organisation", **about})["id"]
    tenant.post("sales", "/v1/orders", {"customer_id": customer, "value": "10", "currency": "EUR", **about})
    return str(customer)


def silence_until_at_risk(tenant: Tenant) -> timedelta:
    """How long after its only order a customer is at risk, as the house itself foresees it."""
    bought_at = datetime.now(UTC) - LONG_AGO
    customer = buyer(tenant, "Foreseen", bought_at)
    found: list[Any] = []

    def foreseen() -> bool:
        listed = tenant.get("analytics", "/v1/health/upcoming", to="at_risk")["items"]
        found[:] = [each for each in listed if each["customer_id"] == customer]
        return bool(found)

    until(foreseen)
    return datetime.fromisoformat(found[0]["due_at"]) - bought_at


@contextmanager
def watching(tenant: Tenant) -> Iterator[list[Any]]:
    """What a subscriber at the gateway sees."""
    seen: list[Any] = []
    begun = threading.Event()
    loop = asyncio.new_event_loop()

    async def watch() -> None:
        async for data in subscribe(tenant.house.url("gateway"), tenant.token, HEALTH_CHANGED):
            begun.set()
            if (change := data["healthChanged"]["change"]) is not None:
                seen.append(change)

    watcher = loop.create_task(watch())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([watcher])))
    thread.start()
    try:
        until(lambda: begun.is_set() or watcher.done())  # the first message says at once how far it is
        yield seen
        assert not watcher.done(), watcher.exception()
    finally:
        loop.call_soon_threadsafe(watcher.cancel)
        thread.join()
        loop.close()


ANALYTICS, SALES, DESK = WORKERS = "analytics-worker", "sales-worker", "service-desk-worker"


async def kill_in_between(house: House, collector: Collector, tenant: str) -> None:
    """kill -9, each time when something is half done: scores that are written and not committed; requests that the
    relay has published and not marked, a task and a case that are made and not committed; events of these that the
    relays have published and not marked."""
    async with asyncio.timeout(3 * PATIENCE), AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(_Held.of(house, name)) for name in WORKERS]
        analytics, sales, desk = databases
        await sales.lock("tasks")
        await desk.lock("cases")
        await analytics.hold_relay()
        await analytics.lock("playbook_runs")

        await analytics.until_it_waits("INSERT INTO playbook_runs%")
        await analytics.kill()
        await analytics.unlock()
        for each in (sales, desk):
            await each.until_it_waits("INSERT INTO %")
        await analytics.until_it_waits("UPDATE outbox%")
        traces = await analytics.traces(tenant)
        await collected(collector, traces, ("kith-analytics", "health at_risk"), ("kith-analytics", "playbook run"))
        await asyncio.gather(*(each.kill() for each in databases))
        for each in (sales, desk):
            await each.hold_relay()
            await each.unlock()
        await analytics.let_relay_go()

        for each in (sales, desk):
            await each.until_it_waits("UPDATE outbox%")
        await collected(collector, traces, ("kith-sales", "create task"), ("kith-service-desk", "open case"))
        await asyncio.gather(sales.kill(), desk.kill())
        for each in (sales, desk):
            await each.let_relay_go()


async def collected(collector: Collector, traces: Sequence[str], *spans: tuple[str, str]) -> None:
    """Waits until the collector has these of each trace: a process that is killed loses what it has not sent yet."""

    async def has_them() -> bool:
        return all(collector.within(trace) >= set(spans) for trace in traces)

    await _eventually(has_them)


async def _eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    while True:
        if await condition():
            return
        await asyncio.sleep(0.02)


class _Held:
    """A worker's database, in which the worker is made to wait in the midst of its work."""

    def __init__(self, house: House, worker: str, locking: Any, holding: Any) -> None:
        self._house, self._worker, self._locking, self._holding = house, worker, locking, holding
        self._transaction: Any = None

    @classmethod
    @asynccontextmanager
    async def of(cls, house: House, worker: str) -> AsyncIterator["_Held"]:
        url = house.database_url(worker.removesuffix("-worker"))
        locking, holding = await asyncpg.connect(url), await asyncpg.connect(url)
        try:
            # A relay marks what it has published by this update alone.
            await holding.execute("""
                CREATE FUNCTION held_by_a_test() RETURNS trigger LANGUAGE plpgsql
                    AS 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END';
                CREATE TRIGGER held_by_a_test BEFORE UPDATE OF published_at ON outbox
                    FOR EACH STATEMENT EXECUTE FUNCTION held_by_a_test();
            """)
            yield cls(house, worker, locking, holding)
        finally:
            await locking.close()
            await holding.execute("SELECT pg_advisory_unlock_all(); DROP FUNCTION held_by_a_test CASCADE")
            await holding.close()

    async def lock(self, table: str) -> None:
        """Nobody writes it until `unlock`."""
        self._transaction = self._locking.transaction()
        await self._transaction.start()
        await self._locking.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")

    async def unlock(self) -> None:
        await self._transaction.rollback()

    async def hold_relay(self) -> None:
        await self._holding.execute("SELECT pg_advisory_lock(4711)")

    async def let_relay_go(self) -> None:
        await self._holding.execute("SELECT pg_advisory_unlock(4711)")

    async def until_it_waits(self, query: str) -> None:
        async def waits() -> bool:
            return bool(await self._holding.fetch(f"SELECT {_WAITING} AND query ILIKE $2", self._application, query))

        await _eventually(waits)

    async def traces(self, tenant: str) -> list[str]:
        changes = "SELECT trace_id FROM health_changes WHERE tenant_id = $1 AND band = 'at_risk'"
        return [row["trace_id"] for row in await self._holding.fetch(changes, tenant)]

    async def kill(self) -> None:
        """And what it has sent: as the power would, keep that from being carried out after its death."""
        before = self._house.part(self._worker).restarts
        self._house.kill(self._worker)
        await self._holding.execute(f"SELECT pg_terminate_backend(pid) {_WAITING}", self._application)

        async def is_up() -> bool:
            return self._house.is_up(self._worker, restarts=before + 1)

        await _eventually(is_up)

    @property
    def _application(self) -> str:
        return f"kith {self._worker.removesuffix('-worker')} worker"


_WAITING = "FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'"
