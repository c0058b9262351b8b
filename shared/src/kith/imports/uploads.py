"""Takes in the file of an import, as it arrives: its records are kept in compressed pieces, in the database, where
every worker finds them."""

from asyncio import timeout
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.custom.known import fields_of
from kith.db.connections import Database
from kith.errors import Conflict, Invalid, NotFound
from kith.ids import new_id
from kith.imports.content import DELIMITERS, MOST_BYTES, Format, Splitter, header_of, keys_of, packed
from kith.imports.plan import Targets, fingerprint_of
from kith.imports.tables import IMPORTS, PIECES
from kith.jobs.table import JobState
from kith.nouns.resource import Resource

PIECE_ROWS = 1000
PIECE_CHARACTERS = 512 * 1024
LONGEST_SECONDS = 3600
_WRITTEN_AT_ONCE = 4


class _Upload:
    def __init__(self, database: Database, tenant: str, params: Mapping[str, Any]) -> None:
        self.id = new_id()
        self._database = database
        self._tenant = tenant
        self._format = Format(params["format"])
        self._splitter = Splitter(self._format, DELIMITERS.get(params["delimiter"]))
        self.columns: list[str] = []
        self.rows = 0
        self.pieces = 0
        self._records: list[str] = []
        self._characters = 0
        self._ready: list[dict[str, Any]] = []

    @property
    def delimiter(self) -> str | None:
        return self._splitter.delimiter

    async def take(self, body: AsyncIterator[bytes]) -> None:
        """Raises Invalid."""
        size = 0
        async for piece in body:
            if (size := size + len(piece)) > MOST_BYTES:
                raise Invalid(f"A file has at most {MOST_BYTES} bytes: import it in parts.", field="content")
            await self._add(piece)
        await self._add(b"", final=True)
        if self._records:
            self._pack()
        await self._write()
        if not self.columns:
            raise Invalid("It is empty.", field="content")

    async def _add(self, piece: bytes, *, final: bool = False) -> None:
        for record in self._splitter.fed(piece, final=final):
            if not self.columns and self._format is Format.CSV:
                self.columns = header_of(record, self._splitter.delimiter or ",")
                continue
            if not self.columns:
                self.columns = keys_of(record)
            self._records.append(record)
            self._characters += len(record)
            self.rows += 1
            if len(self._records) == PIECE_ROWS or self._characters > PIECE_CHARACTERS:
                self._pack()
        if len(self._ready) >= _WRITTEN_AT_ONCE:
            await self._write()

    def _pack(self) -> None:
        self._ready.append(
            {
                "tenant_id": self._tenant,
                "upload_id": self.id,
                "position": self.pieces,
                "first_row": self._splitter.row - len(self._records) + 1,
                "records": packed(self._records),
            }
        )
        self.pieces += 1
        self._records, self._characters = [], 0

    async def _write(self) -> None:
        if self._ready:
            async with self._database.write(self._tenant) as transaction:
                await transaction.connection.execute(insert(PIECES), self._ready)
            self._ready = []

    async def withdraw(self) -> None:
        async with self._database.write(self._tenant) as transaction:
            mine = (PIECES.c.tenant_id == self._tenant, PIECES.c.upload_id == self.id)
            await transaction.connection.execute(delete(PIECES).where(*mine))


async def upload(
    database: Database, resources: Mapping[str, Resource], tenant: str, id: UUID, body: AsyncIterator[bytes]
) -> None:
    """Takes the file of an import, which then is due. Raises NotFound, Conflict for one that has its file, and Invalid
    for a file that cannot be read, or has not the columns that are mapped."""
    async with database.read(tenant) as connection:
        params = await _waiting(connection, tenant, id)
    taken = _Upload(database, tenant, params)
    try:
        async with timeout(LONGEST_SECONDS):
            await taken.take(body)
        async with database.write(tenant) as transaction:
            connection = transaction.connection
            fingerprint = fingerprint_of(taken.columns)
            mapping = await _mapping(connection, tenant, resources[params["noun"]], params, taken.columns, fingerprint)
            found = {
                "delimiter": taken.delimiter,
                "columns": taken.columns,
                "mapping": mapping,
                "fingerprint": fingerprint,
                "pieces": taken.pieces,
            }
            due = {
                "state": JobState.REQUESTED,
                "params": {**params, **found},
                "total": taken.rows,
                "checkpoint": {"upload": str(taken.id), "position": 0, "report": None},
            }
            i = IMPORTS.c
            mine = (i.tenant_id == tenant, i.id == id, i.state == JobState.WAITING)
            if not (await connection.execute(update(IMPORTS).where(*mine).values(**due))).rowcount:
                raise _has_its_file()
    except Exception as error:
        # Who is cancelled in the midst of it leaves its pieces to the sweep.
        await taken.withdraw()
        if isinstance(error, TimeoutError):
            raise Invalid(f"A file is sent within {LONGEST_SECONDS} seconds.", field="content") from None
        raise


async def _waiting(connection: AsyncConnection, tenant: str, id: UUID) -> dict[str, Any]:
    found = select(IMPORTS.c.state, IMPORTS.c.params).where(IMPORTS.c.tenant_id == tenant, IMPORTS.c.id == id)
    row = (await connection.execute(found)).one_or_none()
    if row is None:
        raise NotFound.of("import", id)
    if row.state != JobState.WAITING:
        raise _has_its_file()
    params: dict[str, Any] = row.params
    return params


def _has_its_file() -> Conflict:
    return Conflict("It waits for no content: it has its own, or was cancelled. Make another import.")


async def _mapping(
    connection: AsyncConnection,
    tenant: str,
    resource: Resource,
    params: Mapping[str, Any],
    columns: Sequence[str],
    fingerprint: str,
) -> dict[str, str | None]:
    """Returns the target of each column. Raises Invalid."""
    given: Mapping[str, str | None] | None = params["mapping"]
    if given is not None:
        if missing := sorted(given.keys() - set(columns)):
            raise Invalid(
                f"The content has no such column. It has: {', '.join(columns)}.", field=f"mapping.{missing[0]}"
            )
        mapping = {each: given.get(each) for each in columns}
    else:
        mapping = await suggested(connection, tenant, resource, columns, fingerprint)
    targets = [each for each in mapping.values() if each is not None]
    if twice := sorted({each for each in targets if targets.count(each) > 1}):
        raise Invalid(f"Two columns are mapped to {twice[0]}.", field="mapping")
    if params["mode"] != "create" and params["match_by"] not in targets:
        raise Invalid(
            f"No column is mapped to {params['match_by']}, by which records are recognised: map one, match by another "
            "target, or send `mode: create`.",
            field="match_by",
        )
    return mapping


async def suggested(
    connection: AsyncConnection, tenant: str, resource: Resource, columns: Sequence[str], fingerprint: str
) -> dict[str, str | None]:
    """Returns the mapping of the tenant's last import with these columns; if there is none, that by their names."""
    i = IMPORTS.c
    last = select(i.params["mapping"]).where(
        i.tenant_id == tenant,
        i.kind == resource.name,
        i.params["fingerprint"].astext == fingerprint,
        i.state == JobState.DONE,
    )
    before = await connection.scalar(last.order_by(i.requested_at.desc()).limit(1))
    fields = (await fields_of(connection, tenant)).of(resource.name)
    by_name = Targets(resource).suggested(columns, fields)
    return by_name if before is None else {each: before.get(each, by_name[each]) for each in columns}


async def apply(connection: AsyncConnection, tenant: str, id: UUID) -> None:
    """Has a dry run that is done carried out. Raises NotFound and Conflict."""
    i = IMPORTS.c
    mine = (i.tenant_id == tenant, i.id == id)
    row = (
        await connection.execute(select(i.state, i.params, i.checkpoint).where(*mine).with_for_update())
    ).one_or_none()
    if row is None:
        raise NotFound.of("import", id)
    if row.state != JobState.DONE or not row.params["dry_run"]:
        raise Conflict("It is no dry run that is done: there is nothing to apply.")
    again = {
        "state": JobState.REQUESTED,
        "params": {**row.params, "dry_run": False},
        "checkpoint": {**row.checkpoint, "position": 0, "report": None},
        "requested_at": func.clock_timestamp(),
        "done": 0,
        "report": None,
        "finished_at": None,
        "attempts": 0,
    }
    await connection.execute(update(IMPORTS).where(*mine).values(**again))
