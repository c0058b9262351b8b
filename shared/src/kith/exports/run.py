"""Makes exports: piece by piece, each in one transaction with the checkpoint, so that one that was cut off goes on
where it was, and no record is missing or there twice.

A piece is read as whoever asked for the export: with the reach, and the personal fields, that it had then.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from prometheus_client import Counter
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.connections import acting_for
from kith.errors import Conflict
from kith.exports.dropping import bytes_kept, sweep
from kith.exports.tables import EXPORTS, PIECES
from kith.imports.content import Format
from kith.jobs.runner import AGAIN, Jobs, NotMine, Work
from kith.nouns import export_csv
from kith.nouns.lists.listing import Asked, Listing, listings_of
from kith.nouns.queries import Queries
from kith.nouns.resource import Resource
from kith.reach import Reach
from kith.runtime.tasks import Task

ROWS = Counter("kith_export_rows_total", "Rows that jobs have exported", ["noun"])
PIECE_ROWS = 1000
MOST_BYTES = 2 * 1024**3
"""Of contents that are kept of a tenant, compressed."""
LEASE = timedelta(seconds=20)
"""So long an export waits whose process was killed."""


@dataclass
class ExportReport:
    """What is made; while it runs, up to now."""

    rows: int = 0
    bytes: int = 0
    """Of the content, as it is fetched."""
    sha256: str | None = None
    """Of the content, in hexadecimal, once it is done."""


class Checkpoint(msgspec.Struct, omit_defaults=True):
    """What is exported, and how far it is. By `table` and `where` it is found when somebody is erased."""

    table: str
    columns: list[str]
    """Of CSV."""
    upto: UUID | None
    """The last record that there was when it was asked for."""
    owners: list[UUID] | None = None
    """Whose records were within reach; None: everybody's."""
    where: dict[str, Any] | None = None
    """The condition, where it may say who somebody is. Else it is among the job's params."""
    after: UUID | None = None
    """The last record that was read."""
    pieces: int = 0
    is_whole: bool = False


class Plan(NamedTuple):
    """What is read, and how it is written."""

    queries: Queries[dict[str, Any]]
    asked: Asked
    format: Format

    @classmethod
    def of(cls, listing: Listing, params: Mapping[str, Any], held: Checkpoint) -> "Plan":
        """Raises Invalid."""
        sent = {"where": params.get("where") or held.where, "fields": params["fields"]}
        asked = listing.asked_in_body(json.dumps(sent).encode(), personal=params["personal"])
        reach = Reach(None if held.owners is None else tuple(held.owners))
        queries = Queries(listing, dict, reach=reach, personal=params["personal"] or None, fields=asked.fields)
        return cls(queries, asked, Format(params["format"]))

    def written(self, rows: Sequence[Mapping[str, Any]], held: Checkpoint, before: int, *, is_last: bool) -> bytes:
        """Returns rows as they stand in the content, given how many are before them."""
        if self.format is Format.CSV:
            header = b"" if held.pieces else export_csv.header(held.columns)
            return header + export_csv.lines(rows, held.columns)
        end = [{"end": {"rows": before + len(rows)}}] if is_last else []
        return msgspec.json.Encoder().encode_lines([*rows, *end])


class Exporter:
    """Of one service."""

    def __init__(self, service: str, resources: Sequence[Resource]) -> None:
        self._service = service
        self._resources = resources

    @cached_property
    def _listings(self) -> Mapping[str, Listing]:
        return listings_of(self._service, self._resources)

    def tasks(self) -> tuple[Task, ...]:
        jobs = Jobs(EXPORTS, {each.name: self.run for each in self._resources}, LEASE)
        return (Task("exports", jobs.step, seconds=1), Task("contents of exports", sweep, seconds=300))

    async def run(self, work: Work) -> Any:
        held = msgspec.convert(work.checkpoint, Checkpoint)
        plan = Plan.of(self._listings[work.kind], work.params, held)
        if work.total is None:
            await work.progress(work.done, await _total(work, plan, held))
        async with work.engine.connect() as connection:
            made, kept = await _made(connection, work), await bytes_kept(connection, work.tenant)
        while not held.is_whole:
            if work.turn_is_over:
                return AGAIN
            if kept > MOST_BYTES:
                raise Conflict(f"More than {MOST_BYTES} bytes of exports are kept: cancel others, and resume it.")
            held, made, size = await _piece(work, plan, held, made)
            kept += size
        made.sha256 = await _sha256(work, held.pieces)
        return made


async def _total(work: Work, plan: Plan, held: Checkpoint) -> int:
    if held.upto is None:
        return 0
    async with work.engine.begin() as connection, acting_for(connection, work.tenant):
        return await plan.queries.number_upto(connection, work.tenant, plan.asked, held.upto)


async def _made(connection: AsyncConnection, work: Work) -> ExportReport:
    """Returns what is made up to now."""
    e = EXPORTS.c
    report = await connection.scalar(select(e.report).where(e.tenant_id == work.tenant, e.id == work.id))
    return msgspec.convert(report or {}, ExportReport)


async def _piece(work: Work, plan: Plan, held: Checkpoint, made: ExportReport) -> tuple[Checkpoint, ExportReport, int]:
    """Returns how far it is then, and how many bytes the piece takes."""
    async with work.engine.begin() as connection:
        ids, rows = await _read(connection, work, plan, held)
        is_whole = len(ids) < PIECE_ROWS
        content = plan.written(rows, held, made.rows, is_last=is_whole)
        packed = zlib.compress(content, 1)
        piece = {
            "tenant_id": work.tenant,
            "export_id": work.id,
            "position": held.pieces,
            "first_byte": made.bytes,
            "first_id": ids[0] if ids else None,
            "last_id": ids[-1] if ids else None,
            "content": packed,
        }
        await connection.execute(insert(PIECES).values(piece))
        made = ExportReport(made.rows + len(ids), made.bytes + len(content))
        after, where = (ids[-1] if ids else held.after), None if is_whole else held.where
        held = msgspec.structs.replace(held, after=after, pieces=held.pieces + 1, is_whole=is_whole, where=where)
        checkpoint, report = msgspec.to_builtins(held), msgspec.to_builtins(made)
        # Who has it no more by now, as somebody was erased say, takes all of this back.
        await work.renew(connection, done=made.rows, checkpoint=checkpoint, report=report)
    ROWS.labels(work.kind).inc(len(ids))
    return held, made, len(packed)


async def _read(
    connection: AsyncConnection, work: Work, plan: Plan, held: Checkpoint
) -> tuple[list[UUID], list[dict[str, Any]]]:
    if held.upto is None:
        return [], []
    async with acting_for(connection, work.tenant):
        return await plan.queries.piece(
            connection, work.tenant, plan.asked, after=held.after, upto=held.upto, most=PIECE_ROWS
        )


async def _sha256(work: Work, pieces: int) -> str:
    p, found = PIECES.c, sha256()
    of_it = select(p.content).where(p.tenant_id == work.tenant, p.export_id == work.id)
    for position in range(pieces):
        async with work.engine.connect() as connection:
            content = await connection.scalar(of_it.where(p.position == position))
        if content is None:
            raise NotMine
        found.update(zlib.decompress(content))
    return found.hexdigest()
