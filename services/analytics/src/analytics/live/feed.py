"""What subscriptions are fed from, in one process: per tenant one reader that looks what arrived, however many watch.

Nothing is queued for anybody. A reader only notifies the subscriptions that something concerns; each then reads on from
where it is, a page at a time and when its client has taken the one before. So a slow client costs no memory and loses
nothing: what it has not read yet stays in the database. Of figures only the newest is kept.
"""

import asyncio
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from operator import itemgetter
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast
from uuid import UUID
from weakref import WeakKeyDictionary

import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import QueuePool

from analytics.live.reads import (
    PAGE,
    Arrived,
    HealthChange,
    Horizon,
    Page,
    Position,
    arrivals,
    health_changes_after,
    horizon_of,
    page_of,
)
from analytics.projections.owners import owners_of
from kith.db.connections import Database
from kith.error_codes import ErrorCode
from kith.errors import Conflict
from kith.http.limits import TooManySubscriptions
from kith.runtime.telemetry import log

R = TypeVar("R")
HEARTBEAT_SECONDS = 15.0
"""After so long without an event a client gets its position."""
LOOK_SECONDS = (0.1, 0.5)
"""Between two looks: the first while things arrive, up to the second while nothing does."""
BLIND_SECONDS = 600.0
"""Who has not looked for so long takes it that everything arrived: arrivals are kept for an hour only."""
RETRY_SECONDS, TRIES = 1.0, 5
TAIL = 1000
"""Changes of health that are kept at hand for a tenant."""
GAUGE_SECONDS = 1.0
"""Between two computations of a figure, at least."""
MAX_GAUGES = 20
"""Different figures that are kept up to date for a tenant, per process."""
TROUBLE = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


class Interrupted(Conflict):
    """The database could not be read just now."""

    code = ErrorCode.INTERRUPTED

    def __init__(self) -> None:
        super().__init__("It cannot be read just now. Subscribe again, after the last cursor.")


class Look(NamedTuple):
    """What a reader saw."""

    horizon: Horizon
    arrived: list[Arrived] | None
    """None: it may have missed something."""
    health_changed: bool
    """If anybody watches that."""

    @property
    def is_empty(self) -> bool:
        return self.arrived == [] and not self.health_changed


Concerns = Callable[[Look], bool]


def arrived_any(look: Look, concerns: Callable[[Arrived], bool]) -> bool:
    return look.arrived is None or any(concerns(each) for each in look.arrived)


class Tail:
    """The newest changes of health: a subscription that is not far behind need not read the table."""

    def __init__(self, epoch: str, start: int) -> None:
        self.epoch = epoch
        self._start, self._end = Position(start), Position(start)
        self._rows: list[tuple[Position, HealthChange]] = []

    def extend(self, changes: list[tuple[Position, HealthChange]] | None, end: int) -> None:
        """By all that arrived before `end`; None: begin anew there."""
        self._end = Position(end)
        if changes is None:
            self._start, self._rows = self._end, []
        else:
            self._rows += changes
            if too_many := self._rows[:-TAIL]:
                self._start, self._rows = too_many[-1][0], self._rows[-TAIL:]

    def after(self, position: Position) -> Page[HealthChange] | None:
        """None: it does not go so far."""
        if not self._start <= position <= self._end:
            return None
        found = self._rows[bisect_right(self._rows, position, key=itemgetter(0)) :][:PAGE]
        return page_of(found, self._end.arrived)


class Watch:
    """What one subscription learns from the reader."""

    def __init__(self, concerns: Concerns, horizon: int, *, of_health: bool) -> None:
        self._concerns, self.of_health = concerns, of_health
        self._notified = asyncio.Event()
        self.horizon = horizon
        """All that arrived before has been looked at."""
        self.looked = False
        """Since the last time it waited in vain."""

    def note(self, look: Look) -> None:
        self.horizon, self.looked = look.horizon.arrived, True
        if self._concerns(look):
            self._notified.set()

    async def notified(self, seconds: float | None = None) -> bool:
        """Waits until something came that concerns it. False if nothing did for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._notified.wait()
        found = self._notified.is_set()
        self._notified.clear()
        return found


class Feed:
    """Of one tenant. It looks for as long as somebody watches."""

    def __init__(self, database: Database, tenant: str, gate: asyncio.Semaphore) -> None:
        self.database, self.tenant, self.gate = database, tenant, gate
        self._watches: set[Watch] = set()
        self._task: asyncio.Task[None] | None = None
        self._horizon: Horizon | None = None
        self._tail: Tail | None = None
        self._looked_at = 0.0
        self._owners: dict[UUID, UUID | None] = {}
        self._reading_owners = asyncio.Lock()

    @property
    def idle(self) -> bool:
        return not self._watches

    @asynccontextmanager
    async def watch(self, concerns: Concerns, *, of_health: bool = False) -> AsyncIterator[Watch]:
        watch = Watch(concerns, self._horizon.arrived if self._horizon else 0, of_health=of_health)
        self._watches.add(watch)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            yield watch
        finally:
            self._watches.discard(watch)
            if self.idle:
                task, self._task = self._task, None
                self._horizon = self._tail = None
                await _ended(task)

    async def horizon(self) -> Horizon:
        async with self.gate, self.database.read(self.tenant) as connection:
            return await horizon_of(connection)

    async def _run(self) -> None:
        least, most = LOOK_SECONDS
        wait = least
        while True:
            try:
                look = await self._look()
            except Exception as trouble:  # noqa: BLE001 - whatever it was, the next look tries again
                log.warning("live feed interrupted", tenant=self.tenant, error=trouble)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            wait = min(wait * 1.5, most) if look.is_empty else least
            for watch in self._watches:
                watch.note(look)
            await asyncio.sleep(wait)

    async def _look(self) -> Look:
        before, blind = self._horizon, time.monotonic() - self._looked_at > BLIND_SECONDS
        async with self.gate, self.database.read(self.tenant) as connection:
            horizon = await horizon_of(connection)
            if before is None or blind or before.epoch != horizon.epoch:
                look, self._tail = Look(horizon, None, health_changed=True), None
            elif before.arrived == horizon.arrived:
                look = Look(horizon, [], health_changed=False)
            else:
                found = await arrivals(connection, self.tenant, before.arrived, horizon.arrived)
                look = Look(horizon, found, await self._health_changed(connection, before.arrived, horizon))
        self._horizon, self._looked_at = horizon, time.monotonic()
        if not look.is_empty:  # among it may be that a customer changed hands
            self._owners = {}
        return look

    async def _health_changed(self, connection: AsyncConnection, start: int, horizon: Horizon) -> bool:
        if not any(watch.of_health for watch in self._watches):
            self._tail = None
            return False
        changes = await health_changes_after(connection, self.tenant, Position(start), horizon, limit=TAIL)
        if self._tail is None:
            self._tail = Tail(horizon.epoch, start)
        self._tail.extend(changes if len(changes) < TAIL else None, horizon.arrived)
        return bool(changes)

    async def owners(self, customers: Sequence[UUID]) -> Mapping[UUID, UUID | None]:
        """Returns whose the customers are. It is read once for all who watch, until something arrives."""
        async with self._reading_owners:
            known = self._owners
            if unknown := [each for each in dict.fromkeys(customers) if each not in known]:
                async with self.gate, self.database.read(self.tenant) as connection:
                    known |= await owners_of(connection, self.tenant, unknown)
            return known

    async def health_after(self, position: Position, epoch: str) -> Page[HealthChange]:
        """Raises CursorLost."""
        tail = self._tail
        if tail is not None and tail.epoch == epoch and (page := tail.after(position)):
            return page
        async with self.gate, self.database.read(self.tenant) as connection:
            horizon = await horizon_of(connection, epoch)
            rows = await health_changes_after(connection, self.tenant, position, horizon)
        return page_of(rows, horizon.arrived)


async def _ended(task: "asyncio.Task[None] | None") -> None:
    """It may be reading: that has to be over before the database is closed."""
    if task is not None:
        task.cancel()
        await asyncio.wait((task,))


class Delivery(NamedTuple, Generic[R]):
    """An event; None: nothing more for now, and this is the position to go on from."""

    position: Position
    event: R | None


async def follow(
    feed: Feed,
    position: Position,
    read: Callable[[Position], Awaitable[Page[R]]],
    concerns: Concerns,
    *,
    of_health: bool = False,
) -> AsyncIterator[Delivery[R]]:
    """All events after a position, in their order, without end. Raises Interrupted, and what `read` raises."""
    async with feed.watch(concerns, of_health=of_health) as watch:
        caught_up = False
        while True:
            page = await unless_interrupted(read(position))
            for at, event in page.rows:
                yield Delivery(at, event)
            position = page.position
            if page.more:
                continue
            if not caught_up:
                caught_up = True
                yield Delivery(position, None)
            while not await watch.notified(HEARTBEAT_SECONDS):
                if watch.looked:
                    position, watch.looked = max(position, Position(watch.horizon)), False
                    yield Delivery(position, None)


async def unless_interrupted(reading: Awaitable[R]) -> R:
    """Raises Interrupted for what may be over in a moment."""
    try:
        return await reading
    except TROUBLE as trouble:
        log.warning("subscription interrupted", error=trouble)
        raise Interrupted from trouble


class Watched(Protocol[R]):
    """A value that can be computed."""

    async def compute(self) -> R: ...

    def mark(self, value: R) -> str:
        """What makes it another value."""
        ...

    def concerns(self, look: Look) -> bool: ...


class Gauge(Generic[R]):
    """A value of one tenant that is computed anew when something arrived that concerns it, and at least `every` so many
    seconds, if any; once for all who watch it."""

    def __init__(self, feed: Feed, question: "Watched[R]", every: float | None = None) -> None:
        self._feed, self._question, self._every = feed, question, every
        self._watched = 0
        self._task: asyncio.Task[None] | None = None
        self._latest: tuple[str, R] | None = None
        self._failed: Exception | None = None
        self._moved = asyncio.Condition()

    @property
    def idle(self) -> bool:
        return self._watched == 0

    async def values(self, seen: str | None) -> AsyncIterator[tuple[str, R]]:
        """The value, unless it is the one whose mark was seen, and each other that it comes to, with its mark. A slow
        reader misses the ones in between. Raises what the computation raises."""
        self._watched += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            while True:
                async with self._moved:
                    while not self._is_news(seen):
                        await self._moved.wait()
                if self._failed is not None:
                    raise self._failed
                assert self._latest is not None
                seen = self._latest[0]
                yield self._latest
        finally:
            self._watched -= 1
            if self.idle:
                task, self._task = self._task, None
                self._latest = self._failed = None
                await _ended(task)

    def _is_news(self, seen: str | None) -> bool:
        return self._failed is not None or (self._latest is not None and self._latest[0] != seen)

    async def _run(self) -> None:
        async with self._feed.watch(self._question.concerns) as watch:
            while self._failed is None:
                began = time.monotonic()
                try:
                    value = await self._tried()
                except Exception as refused:  # noqa: BLE001 - raised to all who watch
                    self._failed = refused
                else:
                    self._latest = self._question.mark(value), value
                async with self._moved:
                    self._moved.notify_all()
                # However long it takes, it takes a fifth of the time at most.
                await asyncio.sleep(max(GAUGE_SECONDS, 4 * (time.monotonic() - began)))
                await watch.notified(self._every)

    async def _tried(self) -> R:
        for _ in range(TRIES - 1):
            with suppress(Interrupted):
                return await unless_interrupted(self._question.compute())
            await asyncio.sleep(RETRY_SECONDS)
        return await unless_interrupted(self._question.compute())


class Feeds:
    """Of one process and database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        slots = max(1, cast("QueuePool", database.engine.pool).size() // 4)
        self._looking, self.computing = asyncio.Semaphore(slots), asyncio.Semaphore(slots)
        self._of: dict[str, Feed] = {}
        self._gauges: dict[tuple[str, Hashable], Gauge[Any]] = {}

    def of(self, tenant: str) -> Feed:
        self._of = {name: feed for name, feed in self._of.items() if not feed.idle or name == tenant}
        return self._of.setdefault(tenant, Feed(self.database, tenant, self._looking))

    def gauge(self, tenant: str, question: Hashable, make: Callable[[], Gauge[R]]) -> Gauge[R]:
        """The same for all who ask the same. Raises TooManySubscriptions for one too many of a tenant."""
        self._gauges = {key: gauge for key, gauge in self._gauges.items() if not gauge.idle}
        if (tenant, question) not in self._gauges:
            if sum(of == tenant for of, _ in self._gauges) >= MAX_GAUGES:
                raise TooManySubscriptions(f"A tenant watches up to {MAX_GAUGES} different figures at a time.")
            self._gauges[tenant, question] = make()
        return self._gauges[tenant, question]


_FEEDS: WeakKeyDictionary[Database, Feeds] = WeakKeyDictionary()


def feeds_of(database: Database) -> Feeds:
    if database not in _FEEDS:
        _FEEDS[database] = Feeds(database)
    return _FEEDS[database]
