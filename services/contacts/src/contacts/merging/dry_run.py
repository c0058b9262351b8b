"""What a merge would do, before it is done."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import Request
from sqlalchemy import ARRAY, Column, Uuid, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.merging.rules import Mergeable, Wins
from kith.audit.entries import Read
from kith.custom.changes import shared_of
from kith.custom.known import fields_of
from kith.db.owned import within
from kith.db.statements import zoned
from kith.errors import Invalid, NotFound
from kith.http.app import context_of
from kith.http.auth import Actor
from kith.nouns.access import reach_to_write
from kith.nouns.lists.pages import MOST_COUNTED, Total, total_of
from kith.nouns.resource import Resource
from kith.reach import Reach


@dataclass(slots=True)
class MergedFieldOutcome:
    """A field of the record that remains; a custom one is `custom.` and its code. `wins` says why it has its value
    after the merge: `kept`, `filled`, `chosen` or `united`. Personal values are null without the scope
    contacts:personal."""

    field: str
    wins: Wins
    before: Any = None
    after: Any = None


async def fields_and_moved(
    request: Request,
    actor: Actor,
    resource: Resource,
    id: UUID,
    into: UUID,
    take: Collection[str],
    moved: Mapping[str, Column[Any]],
) -> tuple[list[MergedFieldOutcome], dict[str, Total]]:
    """Returns who wins in each field, and how many records would be moved by each of these columns. Raises what the
    merge would."""
    context = context_of(request)
    async with context.database.read(actor.tenant) as connection:
        reach = reach_to_write(actor, "contacts", resource)
        found = await _records(connection, actor.tenant, resource, [id, into], reach)
        if id not in found:
            raise NotFound.of(resource.words, id)
        if into not in found:
            raise Invalid(f"There is no {resource.words} {into}.", field="into")
        record, other = found[id], found[into]
        record.ensure_mergeable(other)
        shared = shared_of((await fields_of(connection, actor.tenant)).of(resource.name))
        numbers = {name: await _number(connection, actor.tenant, column, id) for name, column in moved.items()}
    sees = actor.sees_personal("contacts")
    if (disclosure := context.disclosure_to(actor)) is not None:
        disclosure.note(Read.READ, resource.name, [id, into])
    fields = [
        MergedFieldOutcome(name, wins, *_shown(resource, name, (other.value_of(name), after), sees=sees))
        for name, (after, wins) in record.outcome(other, take, shared).items()
    ]
    return fields, numbers


def _shown(resource: Resource, name: str, values: Sequence[Any], *, sees: bool) -> Sequence[Any]:
    """Returns the values as an actor may see them."""
    if sees:
        return values
    if name.partition(".")[0] in resource.personal_fields:
        return ()
    return [resource.without_personal({name: value})[name] for value in values]


async def _records(
    connection: AsyncConnection, tenant: str, resource: Resource, ids: Sequence[UUID], reach: Reach
) -> dict[UUID, Mergeable]:
    table = resource.table
    rows = select(*(table.c[name] for name in resource.attributes))
    rows = rows.where(table.c.tenant_id == tenant, table.c.id.in_(ids))
    if reach.owners is not None:
        rows = rows.where(within(table, owners=cast([*reach.owners], ARRAY(Uuid))))
    found = (resource.aggregate(**zoned(row._asdict())) for row in await connection.execute(rows))
    return {each.id: each for each in found if isinstance(each, Mergeable)}


async def _number(connection: AsyncConnection, tenant: str, column: Column[Any], id: UUID) -> Total:
    rows = select(column.table.c.id).where(column.table.c.tenant_id == tenant, column == id).limit(MOST_COUNTED + 1)
    return total_of(await connection.scalar(select(func.count()).select_from(rows.subquery())) or 0)
