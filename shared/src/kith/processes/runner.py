"""Carries processes on: step by step to their end, or back to where they began.

A process is in the hand of one worker at a time, which has it until `next_at` and says so again after each step. If the
worker is killed, another takes it from there, and tries the step again under its key. What a step made is written
after it was made; so before one is undone it is looked up by its key, too.

Tenants take turns, and each has some in hand at most: neither one with a million nor one for whom a service is slow
keeps others waiting.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import prometheus_client
from sqlalchemy import Table, delete, func, literal_column, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.db.connections import Transaction, acting_for
from kith.errors import DomainError
from kith.nouns.batch import carry_out
from kith.nouns.calls import By, Call
from kith.nouns.unit_of_work import UnitOfWork
from kith.peers.calls import Peers, Refused
from kith.processes.declared import Creates, Here, Process, Run
from kith.processes.table import BACKWARDS, TABLE, ProcessState
from kith.reach import EVERYONE
from kith.runtime.tasks import Task
from kith.runtime.telemetry import log
from kith.runtime.turns import due_of_each_tenant

ENDED = prometheus_client.Counter(
    "kith_processes_total", "Processes that ended, by how: `done`, `undone` or `abandoned`", ["kind", "outcome"]
)
STUCK = prometheus_client.Gauge(
    "kith_processes_stuck", "Processes of all tenants that could not be undone, and wait for somebody", ["kind"]
)
FAILURES = prometheus_client.Counter("kith_process_failures_total", "Steps that failed, and are tried again", ["kind"])

IN_HAND = timedelta(seconds=30)
"""Longer than a step takes: a request for a token and one to a service."""
KEPT = timedelta(days=90)
STUCK_AFTER = 8
"""Failures in a row, which is after some four minutes."""
_MOST_DOUBLINGS = 8
_OF_A_TENANT, _OF_ALL = 4, 32
"""In hand at a time, of a process."""
_C = TABLE.c
_NOW = func.clock_timestamp()


class NotMine(Exception):
    """Somebody has turned the process back, or another worker has taken it."""


class Taken(NamedTuple):
    """A process in hand."""

    tenant_id: str
    id: UUID
    kind: str
    about_id: UUID
    params: Mapping[str, Any]
    held: Mapping[str, Any] | None
    state: str
    requested_at: datetime
    requested_by: str
    made: Mapping[str, str | None]
    left: Mapping[str, str | None] | None
    failures: int
    reason: str | None
    next_at: datetime
    now: datetime

    @property
    def key(self) -> tuple[str, UUID]:
        return self.tenant_id, self.id


class Processes:
    """Those of one service."""

    def __init__(
        self,
        kinds: Sequence[Process],
        *,
        source: str,
        outbox: Table,
        idempotency: Table,
        peers: Callable[[], Peers],
    ) -> None:
        """`peers` is asked for when the first step is taken: a worker starts without."""
        self._kinds = {each.kind: each for each in kinds}
        self._source = source
        self._tables = {"outbox": outbox, "idempotency": idempotency}
        self._peers = cache(peers)
        known = [_C.kind.in_([*self._kinds])]
        self._due = due_of_each_tenant(TABLE, ("tenant_id", "id"), most=_OF_A_TENANT, where=known)
        self._in_hand: dict[tuple[str, UUID], asyncio.Task[None]] = {}

    def tasks(self) -> tuple[Task, Task]:
        return Task("processes", self.step, seconds=0.5), Task("processes that are stuck", self.report, seconds=60)

    async def report(self, engine: AsyncEngine) -> bool:
        stuck = select(_C.kind, func.count()).where(_C.state == ProcessState.STUCK, _C.next_at.is_not(None))
        async with engine.connect() as connection:
            found = {row[0]: row[1] for row in await connection.execute(stuck.group_by(_C.kind))}
        for kind in self._kinds:
            STUCK.labels(kind).set(found.get(kind, 0))
        return False

    async def step(self, engine: AsyncEngine) -> bool:
        for kind in self._kinds:
            FAILURES.labels(kind)  # from the start: else the first would not be an increase
        self._in_hand = {key: each for key, each in self._in_hand.items() if not each.done()}
        for taken in await self._take(engine):
            self._in_hand[taken.key] = asyncio.create_task(self._carry_on(engine, taken))
        if not self._in_hand:
            return False
        try:
            await asyncio.wait(self._in_hand.values(), timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            for each in self._in_hand.values():
                each.cancel()
            raise
        return True

    async def _take(self, engine: AsyncEngine) -> list[Taken]:
        of_tenants = Counter(tenant for tenant, _ in self._in_hand)
        async with engine.begin() as connection:
            due = [(row.tenant_id, row.id) for row in await connection.execute(self._due)]
            random.shuffle(due)
            wanted = []
            for tenant, id in due[: _OF_ALL - len(self._in_hand)]:
                if of_tenants[tenant] < _OF_A_TENANT:
                    of_tenants[tenant] += 1
                    wanted.append((tenant, id))
            if not wanted:
                return []
            ours = tuple_(_C.tenant_id, _C.id).in_(wanted)
            free = select(_C.tenant_id, _C.id).where(ours, _C.next_at <= func.now()).with_for_update(skip_locked=True)
            held = {"in_hand": True, "next_at": _NOW + IN_HAND, "started_at": func.coalesce(_C.started_at, _NOW)}
            taken = update(TABLE).where(tuple_(_C.tenant_id, _C.id).in_(free)).values(held)
            columns = [_C[name] for name in Taken._fields if name != "now"]
            return [Taken(*row) for row in await connection.execute(taken.returning(*columns, _NOW))]

    async def _carry_on(self, engine: AsyncEngine, taken: Taken) -> None:
        try:
            while (now := await self._next(engine, taken)) is not None:
                taken = now
        except NotMine:
            await self._let_go(engine, taken)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one is not wrong with the others
            await self._put_off(engine, taken, error)

    async def _next(self, engine: AsyncEngine, taken: Taken) -> Taken | None:
        """Takes one step. Returns the process as it is then; None: it is over. Raises NotMine, and whatever the step
        raises."""
        process = self._kinds[taken.kind]
        try:
            run = await self._run_of(engine, process, taken)
            if taken.state in BACKWARDS:
                await self._back(engine, process, taken, run)
                return None
            if (step := process.step_after(taken.made)) is None:
                steps = len(process.steps) + 1
                whole = {"reason": None, "done": steps, "total": steps}
                await self._end(engine, taken, process.ends(run), ProcessState.DONE, whole)
                return None
            id = await self._create(taken, step, run)
        except (DomainError, Refused) as refusal:
            if taken.state in BACKWARDS:
                raise
            return await self._keep(engine, taken, {"state": ProcessState.UNDOING, "reason": str(refusal)})
        made = {**taken.made, step.name: None if id is None else str(id)}
        return await self._keep(engine, taken, {"made": made, "done": len(made), "total": len(process.steps) + 1})

    async def _create(self, taken: Taken, step: Creates, run: Run) -> UUID | None:
        if (body := step.body(run)) is None:
            return None
        sent = {name: value for name, value in body.items() if value is not None}
        sent["external_id"] = step.key(taken.id)
        return await self._peers().create(taken.tenant_id, step.service, step.plural, sent)

    async def _back(self, engine: AsyncEngine, process: Process, taken: Taken, run: Run) -> None:
        """Undoes the steps, the last one first, and then what holds here. What is abandoned is left."""
        if taken.left is None:
            peers = self._peers()
            for step in reversed(process.steps):
                if step.name in taken.made and taken.made[step.name] is None:
                    continue
                known = taken.made.get(step.name)
                if known is None and step.service not in peers.clients:
                    continue
                where = (taken.tenant_id, step.service, step.plural)
                id = UUID(known) if known is not None else await peers.find(*where, step.key(taken.id))
                if id is not None:
                    await peers.archive(*where, id)
        state = ProcessState.UNDONE if taken.left is None else ProcessState.ABANDONED
        await self._end(engine, taken, process.undone(run), state, {"made": {}, "done": 0})

    async def _end(
        self, engine: AsyncEngine, taken: Taken, calls: Sequence[Here], state: ProcessState, values: Mapping[str, Any]
    ) -> None:
        """In one transaction with what is done here, or not at all. Raises the DomainError that refuses it."""
        async with engine.begin() as connection, acting_for(connection, taken.tenant_id) as transaction:
            over = {"state": state, "finished_at": _NOW, "next_at": None, "in_hand": False, "held": None, "failures": 0}
            await self._write(connection, taken, {**over, **values})
            for each in calls:
                await self._do(transaction, taken, each)
            old = delete(TABLE).where(_C.tenant_id == taken.tenant_id, _C.finished_at < func.now() - KEPT)
            await connection.execute(old)
        ENDED.labels(taken.kind, state).inc()
        log.info("process ended", tenant=taken.tenant_id, kind=taken.kind, id=taken.id, state=state)

    async def _do(self, transaction: Transaction, taken: Taken, here: Here) -> None:
        by = By(taken.requested_by, EVERYONE)
        call = Call(here.command, here.input, id=here.id, creates=here.creates)
        (outcome,), _ = await carry_out(transaction, here.resource, [call], source=self._source, by=by, **self._tables)
        if outcome.error is not None:
            raise outcome.error

    async def _run_of(self, engine: AsyncEngine, process: Process, taken: Taken) -> Run:
        async with engine.begin() as connection, acting_for(connection, taken.tenant_id) as transaction:
            by = By(taken.requested_by, EVERYONE)
            uow = UnitOfWork(transaction, source=self._source, outbox=self._tables["outbox"], by=by)
            records = uow.repository(process.about)
            await records.load(ids=[taken.about_id])
            about = records.get(taken.about_id)
        made = {name: None if id is None else UUID(id) for name, id in taken.made.items()}
        return Run(taken.id, about, {**taken.params, **(taken.held or {})}, made, taken.reason)

    async def _keep(self, engine: AsyncEngine, taken: Taken, values: Mapping[str, Any]) -> Taken:
        """Writes how far it is, and keeps it in hand."""
        async with engine.begin() as connection:
            next_at = await self._write(connection, taken, {"failures": 0, **values, "next_at": _NOW + IN_HAND})
        kept = {name: value for name, value in values.items() if name in Taken._fields}
        return taken._replace(**kept, failures=0, next_at=next_at)

    async def _write(self, connection: AsyncConnection, taken: Taken, values: Mapping[str, Any]) -> Any:
        """Raises NotMine."""
        written = update(TABLE).where(*_mine(taken)).values(**values).returning(_C.next_at)
        row = (await connection.execute(written)).one_or_none()
        if row is None:
            raise NotMine
        return row.next_at

    async def _let_go(self, engine: AsyncEngine, taken: Taken) -> None:
        """Who has turned it back waits for that."""
        own = (_C.tenant_id == taken.tenant_id, _C.id == taken.id, _C.in_hand, _C.next_at == taken.next_at)
        async with engine.begin() as connection:
            await connection.execute(update(TABLE).where(*own).values(in_hand=False, next_at=_NOW))

    async def _put_off(self, engine: AsyncEngine, taken: Taken, error: Exception) -> None:
        log.warning("process failed", tenant=taken.tenant_id, kind=taken.kind, id=taken.id, error=error)
        FAILURES.labels(taken.kind).inc()
        failures = taken.failures + 1
        words = str(error) if getattr(error, "loggable", False) or isinstance(error, DomainError) else None
        reason = words or f"An internal error: {type(error).__name__}."
        pause = func.power(2, min(failures - 1, _MOST_DOUBLINGS)) * literal_column("interval '1 second'")
        values: dict[str, Any] = {"failures": failures, "in_hand": False, "next_at": _NOW + pause}
        is_late = taken.now - taken.requested_at > self._kinds[taken.kind].within
        if taken.state == ProcessState.RUNNING:
            values["reason"] = reason
            if is_late:
                values |= {"state": ProcessState.UNDOING, "failures": 0}
        elif failures >= STUCK_AFTER:
            values["state"] = ProcessState.STUCK
        try:
            async with engine.begin() as connection:
                await self._write(connection, taken, values)
        except NotMine:
            await self._let_go(engine, taken)


def _mine(taken: Taken) -> tuple[Any, ...]:
    own = (_C.tenant_id == taken.tenant_id, _C.id == taken.id)
    return (*own, _C.in_hand, _C.state == taken.state, _C.next_at == taken.next_at)
