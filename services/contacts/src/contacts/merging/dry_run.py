"""What a merge would do, before it is done."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import strawberry
from fastapi import APIRouter, Request
from sqlalchemy import ARRAY, Column, Uuid, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response
from strawberry.scalars import JSON

from contacts.merging.rules import Mergeable, Wins
from kith.api import Feature
from kith.audit.entries import Read
from kith.custom.changes import shared_of
from kith.custom.known import fields_of
from kith.db.owned import within
from kith.db.statements import zoned
from kith.errors import Invalid, NotFound
from kith.graphql.connections import TotalCount
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.http.app import Context, actor_who, context_of, json_response
from kith.http.auth import Actor
from kith.nouns.access import reach_to_write
from kith.nouns.aggregate import plain
from kith.nouns.inputs import Input, read
from kith.nouns.lists.pages import MOST_COUNTED, Total, total_of
from kith.nouns.parameters import body_of
from kith.nouns.resource import Resource
from kith.reach import Reach
from kith.scalars import Id


@dataclass(slots=True)
class MergedFieldOutcome:
    """A field of the record that remains; a custom one is `custom.` and its code. `wins` says why it has its value
    after the merge: `kept`, `filled`, `chosen` or `united`. Personal ones, and lists with personal parts, are left out
    without the scope contacts:personal."""

    field: str
    wins: Wins
    before: Any = None
    after: Any = None


async def _tried(
    context: Context,
    actor: Actor,
    resource: Resource,
    id: UUID,
    into: UUID,
    take: Collection[str],
    moved: Mapping[str, Column[Any]],
) -> tuple[list[MergedFieldOutcome], dict[str, Total]]:
    """Returns who wins in each field, and how many records would be moved by each of these columns. Raises what the
    merge would."""
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
        MergedFieldOutcome(name, wins, other.value_of(name), after)
        for name, (after, wins) in record.outcome(other, take, shared).items()
        if sees or not _shows_people(resource, name)
    ]
    return fields, numbers


strawberry.enum(Wins, name="MergeWins")


@strawberry.type(name="MergedFieldOutcome", description=MergedFieldOutcome.__doc__)
class _Outcome:
    field: str
    wins: Wins
    before: JSON | None
    after: JSON | None


@strawberry.type(description="Records that name the one that remains from then on.")
class MovedByMerge:
    records: str
    total: TotalCount


@strawberry.type(name="MergeDryRun", description="What a merge would do. Nothing is changed.")
class _DryRun:
    fields: list[_Outcome]
    moved: list[MovedByMerge]
    elsewhere: str


def dry_run_feature(
    resource: Resource,
    given: type[Input],
    takes: type[StrEnum],
    moved: Mapping[str, Column[Any]],
    *,
    prefix: str,
    words: str,
    elsewhere: str,
) -> Feature:
    """Returns the dry run of a noun's `merge`, over both APIs: given the input of that command, the fields that it may
    take, and the columns that name what is merged. `prefix` begins the names of what REST shows, `words` say what
    becomes of the records, and `elsewhere` of those of other services."""
    counted: Any = make_dataclass(f"Moved{prefix}Records", [(name, Total) for name in moved], slots=True)
    counted.__doc__ = words
    parts = [("id", UUID), ("into", UUID), ("fields", list[MergedFieldOutcome]), ("moved", counted), ("elsewhere", str)]
    tried: Any = make_dataclass(f"{prefix}MergeDryRun", parts, slots=True)
    router = APIRouter(prefix="/v1", tags=[resource.plural])
    writer = actor_who(lambda actor: reach_to_write(actor, "contacts", resource))

    @router.post(
        f"/{resource.path}/{{id:segment}}:merge_dry_run",
        response_model=tried,
        operation_id=f"dryRun{prefix}Merge",
        summary="What a merge would do",
        openapi_extra=body_of(given),
    )
    async def dry_run(request: Request, id: Id, actor: Actor = writer) -> Response:
        """Says of each field who wins and why, and how many records name the one that remains from then on. Nothing is
        changed. It refuses what `:merge` refuses."""
        sent: Any = read(given, await request.body() or b"{}")
        fields, numbers = await _tried(context_of(request), actor, resource, id, sent.into, sent.take, moved)
        return json_response(tried(id, sent.into, fields, counted(**numbers), elsewhere))

    async def merge_dry_run(info: Ctx, id: Id, into: Id, take: list[takes] | None = None) -> _DryRun:  # type: ignore[valid-type]
        context = info.context
        reach_to_write(context.actor, "contacts", resource)
        fields, numbers = await _tried(context.service, context.actor, resource, id, into, take or [], moved)
        return _DryRun(
            fields=[
                _Outcome(field=each.field, wins=each.wins, before=plain(each.before), after=plain(each.after))
                for each in fields
            ],
            moved=[
                MovedByMerge(records=name, total=TotalCount(count=each.count, is_exact=each.is_exact))
                for name, each in numbers.items()
            ],
            elsewhere=elsewhere,
        )

    merge_dry_run.__name__ = f"{resource.name}_merge_dry_run"
    description = f"What a merge of the {resource.words} into another one would do. Nothing is changed."
    return Feature(routers=[router], queries=[field(description=description)(merge_dry_run)])


def _shows_people(resource: Resource, name: str) -> bool:
    """Whether what wins in a field says something of what is in it, which the scope for personal data alone shows."""
    field = name.partition(".")[0]
    return field in resource.personal_fields or field in resource.partly_personal


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
