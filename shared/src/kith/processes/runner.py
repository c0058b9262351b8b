"""Carries processes on: step by step to their end, or back to where they began.

A process is in the hand of one worker at a time, which has it until `next_at` and says so again after each step, on the
way back too. If the worker is killed, another takes it from there, and tries the step again under its key. What a step
made is written after it was made; so before one is held to be undone it is looked up by its key.

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
from sqlalchemy import Table, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.db.connections import Transaction, acting_for
from kith.errors import Conflict, DomainError
from kith.nouns.batch import carry_out
from kith.nouns.calls import By, Call
from kith.nouns.unit_of_work import UnitOfWork
from kith.peers.calls import Peers, Refused
from kith.processes.declared import Creates, LocalCommand, Process, Run
from kith.processes.table import BACKWARDS, IN_HAND, TABLE, ProcessState
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

KEPT = timedelta(days=90)
STUCK_AFTER = 8
"""Failures in a row, which is after some two minutes."""
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
    started_at: datetime
    requested_by: str
    made: Mapping[str, str | None]
    left: Mapping[str, str | None] | None
    failures: int
    reason: str | None
    next_at: datetime
    now: datetime

    @property
    def is_first(self) -> bool:
        """Whether nobody has had it in hand before."""
        return self.started_at == self.now

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
        try:
            return await self._step(engine)
        except asyncio.CancelledError:  # the process ends: what is in hand is taken by another
            for each in self._in_hand.values():
                each.cancel()
            await asyncio.gather(*self._in_hand.values(), return_exceptions=True)
            raise

    async def _step(self, engine: AsyncEngine) -> bool:
        for kind in self._kinds:
            FAILURES.labels(kind)  # from the start: else the first would not be an increase
        self._in_hand = {key: each for key, each in self._in_hand.items() if not each.done()}
        for taken in await self._take(engine):
            self._in_hand[taken.key] = asyncio.create_task(self._carry_on(engine, taken))
        if not self._in_hand:
            return False
        await asyncio.wait(self._in_hand.values(), timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
        return True

    async def _take(self, engine: AsyncEngine) -> list[Taken]:
        of_tenants = Counter(tenant for tenant, _ in self._in_hand)
        async with engine.begin() as connection:
            due = [(row.tenant_id, row.id) for row in await connection.execute(self._due)]
            random.shuffle(due)
            wanted = []
            for tenant, id in due:
                if (tenant, id) not in self._in_hand and of_tenants[tenant] < _OF_A_TENANT:
                    of_tenants[tenant] += 1
                    wanted.append((tenant, id))
            wanted = wanted[: _OF_ALL - len(self._in_hand)]
            if not wanted:
                return []
            ours = tuple_(_C.tenant_id, _C.id).in_(wanted)
            free = select(_C.tenant_id, _C.id).where(ours, _C.next_at <= func.now()).with_for_update(skip_locked=True)
            held = {"in_hand": True, "next_at": _NOW + IN_HAND, "started_at": func.coalesce(_C.started_at, func.now())}
            taken = update(TABLE).where(tuple_(_C.tenant_id, _C.id).in_(free)).values(held)
            columns = [_C[name] for name in Taken._fields if name != "now"]
            return [Taken(*row) for row in await connection.execute(taken.returning(*columns, func.now()))]

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
                return await self._back(engine, process, taken, run)
            if (step := process.step_after(taken.made)) is None:
                steps = len(process.steps) + 1
                whole = {"done": steps, "total": steps}
                await self._end(engine, taken, process.ends(run), ProcessState.DONE, whole)
                return None
            id = await self._create(taken, step, run)
        except (DomainError, Refused) as refusal:
            if taken.state in BACKWARDS:
                raise
            return await self._keep(engine, taken, _turned_back(str(refusal)))
        made = {**taken.made, step.name: None if id is None else str(id)}
        return await self._keep(engine, taken, {"made": made, "done": len(made), "total": len(process.steps) + 1})

    async def _create(self, taken: Taken, step: Creates, run: Run) -> UUID | None:
        if (body := step.body(run)) is None:
            return None
        peers = self._peers()
        if taken.is_first and step.service not in peers.clients:
            raise Conflict(f"It is not set where {step.service} is, or how to get in.")
        sent = {name: value for name, value in body.items() if value is not None}
        sent["external_id"] = step.key(taken.id)
        return await peers.create(taken.tenant_id, step.service, step.plural, sent)

    async def _back(self, engine: AsyncEngine, process: Process, taken: Taken, run: Run) -> Taken | None:
        """Undoes a step, the last one first; or what holds here, when there is none."""
        steps = [each for each in reversed(process.steps) if taken.made.get(each.name, "") is not None]
        if taken.left is None and not (taken.is_first and not self._peers().clients):
            for each in steps:
                if (undone := await self._undone(taken, each)) is not None:
                    return await self._keep(engine, taken, undone)
        left: dict[str, str | None] = {name: id for name, id in taken.made.items() if id is not None}
        if taken.left is not None and (step := process.step_after(taken.made)) is not None:
            left[step.name] = None
        state = ProcessState.UNDONE if taken.left is None else ProcessState.ABANDONED
        await self._end(engine, taken, process.undone(run), state, {"made": {}, "left": left or None, "done": 0})
        return None

    async def _undone(self, taken: Taken, step: Creates) -> Mapping[str, Any] | None:
        """Undoes a step. Returns what is to be written of that; None: there is nothing to undo any more."""
        where = (taken.tenant_id, step.service, step.plural)
        known = taken.made.get(step.name)
        if known is None:
            found = await self._peers().find(*where, step.key(taken.id))
            return {"made": {**taken.made, step.name: None if found is None else str(found)}}
        if not await self._peers().archive(*where, UUID(known)):
            return None
        return {"made": {**taken.made, step.name: None}}

    async def _end(
        self,
        engine: AsyncEngine,
        taken: Taken,
        calls: Sequence[LocalCommand],
        state: ProcessState,
        values: Mapping[str, Any],
    ) -> None:
        """In one transaction with what is done here, or not at all. Raises the DomainError that refuses it."""
        async with engine.begin() as connection, acting_for(connection, taken.tenant_id) as transaction:
            over = {"state": state, "finished_at": _NOW, "next_at": None, "in_hand": False, "held": None}
            await self._write(connection, taken, {**over, "failures": 0, "failure": None, **values})
            for each in calls:
                await self._do(transaction, taken, each)
            old = (_C.requested_at < func.now() - KEPT, _C.next_at.is_(None))
            await connection.execute(delete(TABLE).where(_C.tenant_id == taken.tenant_id, *old))
        ENDED.labels(taken.kind, state).inc()
        log.info("process ended", tenant=taken.tenant_id, kind=taken.kind, id=taken.id, state=state)

    async def _do(self, transaction: Transaction, taken: Taken, command: LocalCommand) -> None:
        by = By(taken.requested_by, EVERYONE)
        call = Call(command.command, command.input, id=command.id, creates=command.creates)
        (outcome,), _ = await carry_out(
            transaction, command.resource, [call], source=self._source, by=by, **self._tables
        )
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
        return Run(taken.id, taken.about_id, about, {**taken.params, **(taken.held or {})}, made)

    async def _keep(self, engine: AsyncEngine, taken: Taken, values: Mapping[str, Any]) -> Taken:
        """Writes how far it is, and keeps it in hand."""
        async with engine.begin() as connection:
            next_at = await self._write(
                connection, taken, {"failures": 0, "failure": None, **values, "next_at": _NOW + IN_HAND}
            )
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
        """Has a process that was turned back while it was in hand go on at once."""
        own = (*_key(taken), _C.in_hand, _C.next_at == taken.next_at)
        async with engine.begin() as connection:
            await connection.execute(update(TABLE).where(*own).values(in_hand=False, next_at=_NOW))

    async def _put_off(self, engine: AsyncEngine, taken: Taken, error: Exception) -> None:
        log.warning("process failed", tenant=taken.tenant_id, kind=taken.kind, id=taken.id, error=error)
        FAILURES.labels(taken.kind).inc()
        failures = taken.failures + 1
        words = str(error) if getattr(error, "loggable", False) or isinstance(error, DomainError) else None
        failure = words or f"An internal error: {type(error).__name__}."
        seconds = 2 ** min(failures - 1, _MOST_DOUBLINGS) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        values: dict[str, Any] = {"failures": failures, "failure": failure, "in_hand": False}
        values["next_at"] = _NOW + timedelta(seconds=seconds)
        within = self._kinds[taken.kind].within
        if taken.state == ProcessState.RUNNING and taken.now - taken.started_at > within:
            late = f"It had not ended within {int(within.total_seconds() // 60)} minutes. {failure}"
            # What was not answered may yet be done.
            values |= {**_turned_back(late), "failures": 0, "next_at": _NOW + IN_HAND}
        elif taken.state in BACKWARDS and failures >= STUCK_AFTER:
            values["state"] = ProcessState.STUCK
        try:
            async with engine.begin() as connection:
                await self._write(connection, taken, values)
        except NotMine:
            await self._let_go(engine, taken)


def _turned_back(reason: str) -> dict[str, Any]:
    """What names people is not needed on the way back."""
    return {"state": ProcessState.UNDOING, "reason": reason, "held": None}


def _key(taken: Taken) -> tuple[Any, ...]:
    return (_C.tenant_id == taken.tenant_id, _C.id == taken.id)


def _mine(taken: Taken) -> tuple[Any, ...]:
    return (*_key(taken), _C.in_hand, _C.state == taken.state, _C.next_at == taken.next_at)
