"""Lets timers go off: each once, as an ordinary command, in the transaction that ends the timer.

Tenants take turns, some timers each, so that a million of one tenant hold up nobody else. The record is locked before
the timer, as by requests: who changes the record meanwhile moves the timer first, or comes after it.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby, product
from typing import NamedTuple
from uuid import UUID

from prometheus_client import Counter, Histogram
from sqlalchemy import (
    ARRAY,
    Table,
    Text,
    Uuid,
    any_,
    cast,
    delete,
    exists,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from kith.db.connections import Transaction, acting_for
from kith.events import actors
from kith.nouns.batch import carry_out
from kith.nouns.calls import By, Call, Status
from kith.nouns.resource import Resource
from kith.reach import EVERYONE
from kith.runtime.tasks import Task
from kith.runtime.telemetry import log
from kith.runtime.turns import due_of_each_tenant
from kith.timers.table import TIMERS

FIRED = Counter(
    "kith_timers_total",
    "Timers that went off, by what became of their commands: `done`, `refused` by the rules, or `failed` and tried "
    "again later",
    ["noun", "command", "outcome"],
)
LATENESS = Histogram(
    "kith_timer_lateness_seconds",
    "How long after its instant, or after it was set if that was later, a timer went off",
    ["noun"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600),
)
OF_A_TENANT = 100
"""That go off in one turn."""
MOST_DOUBLINGS = 11
"""A timer that fails is tried again after a second, then two, four, and so on: in the end each half hour."""
_C = TIMERS.c


class Due(NamedTuple):
    tenant_id: str
    noun: str
    id: UUID
    command: str
    due_at: datetime


class Timers:
    """Of one service."""

    def __init__(self, resources: Sequence[Resource], *, source: str, outbox: Table, idempotency: Table) -> None:
        self._resources = {each.name: each for each in resources if each.timers}
        self._commands = {(each.name, command.name): command for each in resources for command in each.commands}
        self._tables = {"outbox": outbox, "idempotency": idempotency}
        self._source = source

    def task(self) -> Task:
        return Task("timers", self.step, seconds=0.5)

    def _declare(self) -> None:
        """Metrics begin with zero, where timers go off: in workers."""
        for each in self._resources.values():
            LATENESS.labels(each.name)
            for timer, outcome in product(each.timers, ("done", "refused", "failed")):
                FIRED.labels(each.name, timer.command, outcome)

    async def step(self, engine: AsyncEngine) -> bool:
        self._declare()
        async with engine.connect() as connection:
            if not await connection.scalar(_IS_ANY):
                return False
            due = [Due(*row) for row in await connection.execute(_DUE)]
        groups = [[*of_noun] for _, of_noun in groupby(due, key=lambda each: (each.tenant_id, each.noun))]
        random.shuffle(groups)  # so that workers who begin together do not wait for each other
        for each in groups:
            await self._let_off(engine, each)
        return bool(due)

    async def _let_off(self, engine: AsyncEngine, timers: Sequence[Due]) -> None:
        try:
            async with engine.begin() as connection, acting_for(connection, timers[0].tenant_id) as transaction:
                await self._carry_out(transaction, timers)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one record is not wrong with the others
            if len(timers) > 1:
                for each in timers:
                    await self._let_off(engine, [each])
                return
            (timer,) = timers
            log.warning("timer failed", tenant=timer.tenant_id, noun=timer.noun, command=timer.command, error=error)
            FIRED.labels(timer.noun, timer.command, "failed").inc()
            await _put_off(engine, timer)

    async def _carry_out(self, transaction: Transaction, timers: Sequence[Due]) -> None:
        resource = self._resources[timers[0].noun]
        written = await _locked(transaction, resource.table, timers)
        running = await _taken(transaction, timers)
        if not (going := [each for each in timers if (each.id, each.command) in running]):
            return
        last = {id: each.updated_at for id, each in written.items()}
        calls = []
        for each in going:
            command = self._commands[each.noun, each.command]
            # What was to happen at an instant has happened then, unless the record was changed since, and so now.
            at = each.due_at if each.due_at >= last.get(each.id, each.due_at) else None
            last[each.id] = at or _NOW
            calls.append(Call(command, command.input(occurred_at=at), id=each.id))
        by = By(actors.service(self._source), EVERYONE)
        outcomes, now = await carry_out(transaction, resource, calls, source=self._source, by=by, **self._tables)
        for each, outcome in zip(going, outcomes, strict=True):
            refused = outcome.status is Status.REJECTED
            if refused:
                what = {"tenant": each.tenant_id, "noun": each.noun, "command": each.command, "id": each.id}
                log.warning("timer refused", **what, error=outcome.error)
            FIRED.labels(each.noun, each.command, "refused" if refused else "done").inc()
            # Who sets one for the past does not make it late.
            since = max(each.due_at, written[each.id].recorded_at) if each.id in written else each.due_at
            LATENESS.labels(each.noun).observe(max(0.0, (now - since).total_seconds()))


_NOW = datetime.max.replace(tzinfo=UTC)
"""Later than all that is due."""
_IS_ANY = select(exists().where(_C.next_at <= func.now()))


_DUE = due_of_each_tenant(TIMERS, Due._fields, most=OF_A_TENANT, then=("noun",))


class _Written(NamedTuple):
    """When a record was changed last, and when that was recorded."""

    updated_at: datetime
    recorded_at: datetime


async def _locked(transaction: Transaction, table: Table, timers: Sequence[Due]) -> dict[UUID, _Written]:
    """Locks the records."""
    ids = cast([each.id for each in timers], ARRAY(Uuid))
    rows = (
        select(table.c.id, table.c.updated_at, table.c.recorded_at)
        .where(table.c.tenant_id == transaction.tenant, table.c.id == any_(ids))
        .order_by(table.c.id)
        .with_for_update(key_share=True)
    )
    return {id: _Written(*written) for id, *written in await transaction.connection.execute(rows)}


async def _taken(transaction: Transaction, timers: Sequence[Due]) -> set[tuple[UUID, str]]:
    """Ends those that are due still: another worker may have been here."""
    ids, commands = [each.id for each in timers], [each.command for each in timers]
    each = func.unnest(cast(ids, ARRAY(Uuid)), cast(commands, ARRAY(Text))).table_valued("id", "command")
    given = each.render_derived(name="given")
    ended = (
        delete(TIMERS)
        .where(
            _C.tenant_id == transaction.tenant,
            _C.id == given.c.id,
            _C.command == given.c.command,
            _C.next_at <= func.now(),
        )
        .returning(_C.id, _C.command)
    )
    return {(row.id, row.command) for row in await transaction.connection.execute(ended)}


async def _put_off(engine: AsyncEngine, timer: Due) -> None:
    pause = func.power(2, func.least(_C.failures, MOST_DOUBLINGS)) * literal_column("interval '1 second'")
    own = (_C.tenant_id == timer.tenant_id, _C.id == timer.id, _C.command == timer.command)
    async with engine.begin() as connection:
        later = update(TIMERS).where(*own).values(failures=_C.failures + 1, next_at=func.now() + pause)
        await connection.execute(later)
