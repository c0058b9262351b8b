"""Finds the records that may be the same as some others.

Only those are compared that have a token in common (kith.nouns.search.entries): a word of the name, two characters of a
name in Chinese, a whole address or number. A token that very many have says little, and is left out: so the cost of a
record is bounded, however many there are.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import prometheus_client
from sqlalchemy import ARRAY, Integer, Table, Text, Uuid, any_, bindparam, cast, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.duplicates.likeness import LEAST, Likeness, Sketch, likeness
from kith.db.statements import Statement, streamed
from kith.db.tables import TenantId
from kith.nouns.resource import Resource
from kith.nouns.search.entries import TABLE as ENTRIES
from kith.nouns.search.entries import SearchedField
from kith.runtime.slices import in_slices

MOST_ALIKE = 50
"""A token that more records have is left out."""
MOST_COMPARED = 200
"""Records that one is compared with: those that have the most in common with it."""

LEFT_OUT = prometheus_client.Counter(
    "kith_duplicate_tokens_left_out_total",
    "Tokens by which no duplicates were looked for, because more than 50 records have them",
    ["noun"],
)


class Alike(NamedTuple):
    """A record that may be the same."""

    id: UUID
    score: int
    reasons: Sequence[str]


async def alike(
    connection: AsyncConnection,
    tenant: str,
    resource: Resource,
    records: Sequence[Any],
    known: Mapping[UUID, Iterable[UUID]] | None = None,
) -> list[list[Alike]]:
    """Returns for each of these records those that may be the same, the best first. `known` are ids that it is compared
    with besides."""
    compared = await _in_common(connection, tenant, resource, records)
    for record, others in zip(records, compared, strict=True):
        others.update((known or {}).get(record.id, ()))
        others.discard(record.id)
    sketches = await _sketches(connection, tenant, resource.table, set().union(*compared))
    found: list[list[Alike]] = []
    async for record, others in in_slices(zip(records, compared, strict=True)):
        sketch = Sketch.of(record)
        scored: list[tuple[UUID, Likeness]] = [(id, likeness(sketch, sketches[id])) for id in others if id in sketches]
        good = [Alike(id, each.score, each.reasons) for id, each in scored if each.score >= LEAST]
        found.append(sorted(good, key=lambda each: (-each.score, each.id)))
    return found


async def _in_common(
    connection: AsyncConnection, tenant: str, resource: Resource, records: Sequence[Any]
) -> list[set[UUID]]:
    tokens = [
        (number, field.name, token)
        for number, record in enumerate(records)
        for field in resource.searched_fields
        for token in _telling(field, record)
    ]
    columns = [list(each) for each in zip(*tokens, strict=True)] or [[], [], []]
    values = {"tenant": tenant, **dict(zip(("numbers", "fields", "tokens"), columns, strict=True))}
    counts: list[Counter[UUID]] = [Counter() for _ in records]
    for row in await _HAVING.fetch(connection, values):
        if len(row["ids"]) > MOST_ALIKE + 1:  # itself among them
            LEFT_OUT.labels(resource.name).inc()
        else:
            counts[row["number"]].update(row["ids"])
    return [{id for id, _ in each.most_common(MOST_COMPARED)} for each in counts]


def _telling(field: SearchedField, record: Any) -> set[str]:
    """Returns the tokens of a field by which others are looked for. Of an address or a number it is the whole one."""
    tokens = field.tokens(record)
    if field.part is not None:
        return {each for each in tokens if each.startswith("+" if field.is_number else "=")}
    return {each for each in tokens if len(each) > 1}


async def _sketches(connection: AsyncConnection, tenant: str, table: Table, ids: Iterable[UUID]) -> dict[UUID, Sketch]:
    """Returns the records that are there: not merged, not archived, not erased."""
    wanted = sorted(ids)
    if not wanted:
        return {}
    columns = [table.c[name] for name in COMPARED if name in table.c]
    rows = select(*columns).where(
        table.c.tenant_id == tenant, table.c.id == any_(cast(wanted, ARRAY(Uuid))), *is_there(table)
    )
    return {row.id: Sketch.of(row) async for row in streamed(connection, rows, most=len(wanted))}


def is_there(table: Table) -> list[Any]:
    return [table.c[name].is_(None) for name in GONE if name in table.c]


COMPARED = ("id", "name", "kind", "website", "customer_id", "emails", "phones")
GONE = ("merged_into", "archived_at", "erased_at")


def _having() -> Statement:
    arrays = {"numbers": Integer, "fields": Text, "tokens": Text}
    sent = func.unnest(*(bindparam(name, type_=ARRAY(kind())) for name, kind in arrays.items()))
    given = sent.table_valued("number", "field", "token").render_derived(name="given")
    c = ENTRIES.c
    ids = (
        select(c.id)
        .where(c.tenant_id == bindparam("tenant", type_=TenantId), c.field == given.c.field, c.token == given.c.token)
        .order_by(c.at.desc(), c.id.desc())
        .limit(literal_column(str(MOST_ALIKE + 2)))
    )
    return Statement(select(given.c.number, func.array(ids.scalar_subquery()).label("ids")).select_from(given))


_HAVING = _having()
