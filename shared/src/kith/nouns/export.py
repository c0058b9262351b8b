"""Exports a whole collection as a stream of lines (NDJSON): its rows in one snapshot, and a last line that confirms
that they are complete. A stream that breaks off has no last line. As CSV there is none: a stream that breaks off has no
last chunk, which clients of HTTP report."""

from asyncio import timeout
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from kith.custom.known import fields_of
from kith.http.app import Context
from kith.nouns import export_csv
from kith.nouns.export_csv import CSV
from kith.nouns.lists.listing import Asked
from kith.nouns.queries import Queries

NDJSON, TEXT = "application/x-ndjson", "text/plain"
LONGEST_SECONDS = 3600
"""An open snapshot holds up the vacuum of all tables: a slower client continues in another export."""


class Incomplete(Exception):
    """The export broke off: the rows that were read are not complete."""


class SnapshotResponse(StreamingResponse):
    """Streams what is read in one snapshot, as fast as the client takes it. The connection is acquired before the
    response begins, so that the request can still be refused, and is released however it ends."""

    def __init__(self, context: Context, tenant: str, content: AsyncIterator[bytes], media_type: str) -> None:
        super().__init__(content, media_type=media_type)
        self._context, self._tenant = context, tenant

    async def ready(self) -> None:
        """Called with the snapshot at hand, before the response begins. What it raises refuses the request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._context.database.snapshot(self._tenant) as self._snapshot:
            await self.ready()
            self.headers.update(self._context.position(self._snapshot.now))
            async with timeout(LONGEST_SECONDS):
                await super().__call__(scope, receive, send)


class Export(SnapshotResponse):
    """Streams the rows of a noun, a few hundred at a time."""

    def __init__(
        self,
        context: Context,
        tenant: str,
        queries: Queries[Any],
        asked: Asked,
        after: UUID | None,
        media_type: str = NDJSON,
    ) -> None:
        content = self._rows() if media_type == CSV else self._lines()
        super().__init__(context, tenant, content, media_type)
        self._queries, self._asked, self._after = queries, asked, after

    async def ready(self) -> None:
        self._asked = await self._queries.known(self._snapshot.connection, self._tenant, self._asked)

    async def _lines(self) -> AsyncIterator[bytes]:
        encoder, count = msgspec.json.Encoder(), 0
        async for rows in self._queries.all(self._snapshot.connection, self._tenant, self._asked, after=self._after):
            count += len(rows)
            yield encoder.encode_lines(rows)
        yield encoder.encode_lines([{"end": {"rows": count}}])

    async def _rows(self) -> AsyncIterator[bytes]:
        connection, queries = self._snapshot.connection, self._queries
        custom = await fields_of(connection, self._tenant)
        columns = export_csv.columns_of(queries.resource, queries.shown, custom)
        yield export_csv.header(columns)
        async for rows in queries.all(connection, self._tenant, self._asked, after=self._after):
            yield export_csv.lines(rows, columns)


def media_type_of(request: Request) -> str:
    """Returns the media type of the lines that the client accepts: many generated clients know text, and not NDJSON."""
    accepted = request.headers.get("accept", "").partition(";")[0].strip()
    return accepted if accepted in (TEXT, CSV) else NDJSON


async def rows_of(body: AsyncIterable[bytes]) -> AsyncIterator[dict[str, Any]]:
    """Yields the rows of an export's body, as they arrive: `rows_of(response.aiter_bytes())`. Raises Incomplete after
    the last one if they are not complete. It reads bytes, because characters that other readers take for line ends may
    stand in a name."""
    rest, count, promised = b"", 0, None
    async for piece in body:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            row: dict[str, Any] = msgspec.json.decode(line)
            if "end" in row:
                promised = row["end"]["rows"]
            else:
                count += 1
                yield row
    if promised != count:
        what = f"It broke off after {count} rows." if promised is None else f"{count} rows of {promised} arrived."
        raise Incomplete(what)
