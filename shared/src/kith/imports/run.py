"""Does imports: piece by piece, each in one transaction with its events, its faults and the checkpoint, so that one
that was cut off goes on where it was, and no row is done twice."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from asyncpg import PostgresError
from prometheus_client import Counter
from sqlalchemy import ColumnElement, String, cast, delete, exists, func, literal_column, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kith.custom.known import fields_of
from kith.db.connections import acting_for
from kith.db.sqlstates import sqlstate
from kith.db.statements import insert_many
from kith.errors import DomainError, Invalid
from kith.imports.content import Format, unpacked
from kith.imports.plan import Plan
from kith.imports.rows import Carried, Counts, Fault, Rows, Wiring
from kith.imports.tables import FAULTS, IMPORTS, PIECES
from kith.jobs.runner import AGAIN, Jobs, NotMine, Work
from kith.jobs.table import OPEN, JobState
from kith.nouns.resource import Resource
from kith.runtime.tasks import Task
from kith.runtime.telemetry import log

ROWS = Counter(
    "kith_import_rows_total",
    "Rows of imports by what became of them: `created`, `updated`, `unchanged`, `skipped`, `failed`",
    ["noun", "outcome"],
)
MOST_FAULTS = 100_000
"""Rows that were refused are kept up to so many of an import, and counted beyond."""
FIRST_FAULTS = 20
"""That the job itself names."""
CONTENT_KEPT: ColumnElement[Any] = literal_column("interval '1 day'")
"""Of what nobody is going to do any more, and of a dry run."""
FAULTS_KEPT: ColumnElement[Any] = literal_column("interval '30 days'")
LEASE = timedelta(seconds=20)
"""So long an import waits whose process was killed. One that only was slow loses no more than a piece."""
_TRIES = 4
_RETRIED = frozenset({"23505", "40001", "40P01"})
"""Somebody else created the same record, or wrote the same rows in another order."""


@dataclass
class ImportFault:
    row: int
    field: str | None
    reason: str


@dataclass
class ImportReport(Counts):
    """What has become of the rows; while it runs, up to now."""

    faults: list[ImportFault] = field(default_factory=list)
    """The first ones; `GET /v1/imports/{id}/faults` has them all."""

    def adding(self, carried: Carried) -> "ImportReport":
        made = ImportReport(**{**vars(self), "faults": list(self.faults)})
        made.add(carried.counts)
        left = max(0, FIRST_FAULTS - len(made.faults))
        made.faults += [ImportFault(each.row, each.field, each.reason) for each in carried.faults[:left]]
        return made


class Importer:
    """Of one service."""

    def __init__(self, resources: Sequence[Resource], wiring: Wiring) -> None:
        self._resources = {each.name: each for each in resources}
        self._wiring = wiring

    def tasks(self) -> tuple[Task, ...]:
        jobs = Jobs(IMPORTS, dict.fromkeys(self._resources, self.run), LEASE)
        return (Task("imports", jobs.step, seconds=1), Task("contents of imports", sweep, seconds=300))

    async def run(self, work: Work) -> Any:
        async with work.engine.connect() as connection:
            fields = await fields_of(connection, work.tenant, anew=True)
        plan = Plan(self._resources[work.kind], work.params, fields.of(work.kind))
        position, done = work.checkpoint["position"], work.done
        report = msgspec.convert(work.checkpoint["report"] or {}, ImportReport)
        while position < work.params["pieces"]:
            if work.turn_is_over:
                return AGAIN
            position += 1
            report, done = await self._retrying(work, plan, position, report, done)
        if not work.params["dry_run"]:
            async with work.engine.begin() as connection:
                await connection.execute(delete(PIECES).where(*_upload(work)))
        return report

    async def _retrying(
        self, work: Work, plan: Plan, position: int, report: ImportReport, done: int
    ) -> tuple[ImportReport, int]:
        one_by_one = False
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._piece(work, plan, position, report, done, one_by_one=one_by_one)
            except (NotMine, DomainError):
                raise
            except Exception as error:
                if attempt == _TRIES or (one_by_one and not _may_pass(error)):
                    raise
                # What is wrong with one row is no fault of the others: alone, it is refused.
                one_by_one = one_by_one or not _may_pass(error)
                log.warning("piece of an import tried again", tenant=work.tenant, noun=work.kind, error=error)
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, not a secret
        raise AssertionError("the last attempt returns or raises")

    async def _piece(
        self, work: Work, plan: Plan, position: int, report: ImportReport, done: int, *, one_by_one: bool
    ) -> tuple[ImportReport, int]:
        async with work.engine.begin() as connection:
            records = await _records(connection, work, position - 1)
            if one_by_one:
                carried = await self._each(connection, work, plan, records)
            else:
                carried = await self._carried(connection, work, plan, records)
            made, done = report.adding(carried), done + len(records)
            left = max(0, MOST_FAULTS - report.failed)
            await _keep(connection, work, carried.faults[:left])
            shown = msgspec.to_builtins(made)
            checkpoint = {**work.checkpoint, "position": position, "report": shown}
            await work.renew(connection, checkpoint=checkpoint, report=shown, done=done)
        if not work.params["dry_run"]:
            for outcome, number in vars(carried.counts).items():
                ROWS.labels(work.kind, outcome).inc(number)
        return made, done

    async def _carried(
        self, connection: AsyncConnection, work: Work, plan: Plan, records: Sequence[tuple[int, str]]
    ) -> Carried:
        is_dry, params = work.params["dry_run"], work.params
        # A dry run does it all, and takes it back.
        attempt = await connection.begin_nested() if is_dry else None
        async with acting_for(connection, work.tenant) as transaction:
            rows = Rows(transaction, plan, self._wiring, actor=work.requested_by, is_dry=is_dry)
            delimiter = params["delimiter"] if params["format"] == Format.CSV else None
            carried = await rows.carry_out(records, delimiter=delimiter, columns=len(params["columns"]))
        if attempt is not None:
            await attempt.rollback()
        return carried

    async def _each(
        self, connection: AsyncConnection, work: Work, plan: Plan, records: Sequence[tuple[int, str]]
    ) -> Carried:
        found = Carried()
        for number, record in records:
            try:
                async with connection.begin_nested():
                    carried = await self._carried(connection, work, plan, [(number, record)])
            except (DBAPIError, PostgresError, ArithmeticError, LookupError, TypeError, ValueError) as error:
                if _may_pass(error):
                    raise
                log.warning("row of an import refused", tenant=work.tenant, noun=work.kind, row=number, error=error)
                found.refused(number, record, Invalid(f"An internal error: {type(error).__name__}."))
            else:
                found.counts.add(carried.counts)
                found.faults += carried.faults
        return found


def _may_pass(error: Exception) -> bool:
    return isinstance(error, DBAPIError | PostgresError) and sqlstate(error) in _RETRIED


def _upload(work: Work) -> tuple[Any, Any]:
    return PIECES.c.tenant_id == work.tenant, PIECES.c.upload_id == UUID(work.checkpoint["upload"])


async def _records(connection: AsyncConnection, work: Work, position: int) -> list[tuple[int, str]]:
    """Raises Invalid."""
    found = select(PIECES.c.first_row, PIECES.c.records).where(*_upload(work), PIECES.c.position == position)
    row = (await connection.execute(found)).one_or_none()
    if row is None:
        raise Invalid("Its content is not here any more: import it anew.")
    return list(enumerate(unpacked(row.records), row.first_row))


async def _keep(connection: AsyncConnection, work: Work, faults: Sequence[Fault]) -> None:
    own = {"tenant_id": work.tenant, "import_id": work.id}
    rows = (
        {
            **own,
            "row": each.row,
            "field": each.field,
            "reason": each.reason,
            "record": each.record.replace("\0", ""),
        }
        for each in faults
    )
    await insert_many(connection, FAULTS, rows)


async def sweep(engine: AsyncEngine) -> bool:
    """Removes a content that nobody is going to import any more, and the faults of an import of long ago. Whoever has
    sent no content for a day has changed their mind."""
    p, i, f = PIECES.c, IMPORTS.c, FAULTS.c
    is_open = exists().where(
        i.tenant_id == p.tenant_id,
        i.state.in_([each for each in OPEN if each is not JobState.WAITING]),
        i.checkpoint["upload"].astext == cast(p.upload_id, String),
    )
    left = select(p.tenant_id, p.upload_id).where(p.written_at < func.now() - CONTENT_KEPT, ~is_open).limit(1)
    has_faults = exists().where(f.tenant_id == i.tenant_id, f.import_id == i.id)
    old = select(i.tenant_id, i.id).where(i.finished_at < func.now() - FAULTS_KEPT, has_faults).limit(1)
    more = False
    async with engine.begin() as connection:
        given_up = {"state": JobState.CANCELLED, "finished_at": func.now()}
        waited = (i.state == JobState.WAITING, i.requested_at < func.now() - CONTENT_KEPT)
        await connection.execute(update(IMPORTS).where(*waited).values(**given_up))
        if (row := (await connection.execute(left)).one_or_none()) is not None:
            more = True
            await connection.execute(delete(PIECES).where(p.tenant_id == row.tenant_id, p.upload_id == row.upload_id))
        if (row := (await connection.execute(old)).one_or_none()) is not None:
            more = True
            await connection.execute(delete(FAULTS).where(f.tenant_id == row.tenant_id, f.import_id == row.id))
    return more
