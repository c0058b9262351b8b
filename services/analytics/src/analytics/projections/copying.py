"""Recomputes a tenant's read models: reads its events from the ledger by a cursor, and writes rows into tables by
COPY."""

from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from uuid import UUID

from analytics.projections.past import CHUNK, Past
from analytics.projections.replay import CountedFact, FoldedFacts, Recomputation
from kith.db.sessions import Driver


async def recompute(
    past: Past,
    made: Sequence[Recomputation],
    into: Driver,
    schema: str,
    *,
    types: Sequence[str] | None = None,
    customers: Sequence[UUID] | None = None,
    chunk: int = CHUNK,
) -> AsyncIterator[int]:
    """Fills the tables of a schema. Yields how many events it took, some at a time. Reads and writes may share one
    driver connection: each chunk is read before it is written."""
    facts = FoldedFacts(await past.merged())
    async for events in past.stream(types, customers, chunk=chunk):
        await _take(made, facts.take(events), into, schema)
        yield len(events)
    await _take(made, facts.rest(), into, schema)
    for each in made:
        await _copy(into, schema, each, each.rest())


async def _take(made: Iterable[Recomputation], facts: Sequence[CountedFact], into: Driver, schema: str) -> None:
    for each in made:
        await _copy(into, schema, each, each.take(facts))


async def _copy(driver: Driver, schema: str, made: Recomputation, lines: Iterable[str]) -> None:
    rest = iter(lines)
    first = "".join(islice(rest, CHUNK)).encode()
    if not first:
        return

    async def chunks() -> AsyncIterator[bytes]:
        chunk = first
        while chunk:
            yield chunk
            chunk = "".join(islice(rest, CHUNK)).encode()

    await driver.copy_to_table(made.table, source=chunks(), schema_name=schema, columns=list(made.columns))
