"""The list of pairs that may be one, over both APIs, and what somebody decides about one.

That two records have the same address is told to nobody who may not see addresses: all of it needs the scope for
personal data.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
import strawberry
from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import ColumnElement, func, literal, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from contacts.contacts.form import CONTACTS
from contacts.customers.form import CUSTOMERS
from contacts.duplicates.likeness import Reason
from contacts.duplicates.tables import PairState, duplicates
from kith.api import Feature
from kith.errors import Invalid, NotFound
from kith.graphql.connections import NounConnection, noun_connection
from kith.graphql.context import Ctx
from kith.graphql.fields import field
from kith.graphql.inputs import checked
from kith.http.app import actor_with, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.lists.listing import Listing
from kith.nouns.lists.pages import DEFAULT_PAGE, MOST_COUNTED, NO_CURSOR, Page, Total, decoded, encoded, total_of
from kith.nouns.loads import load_one
from kith.nouns.parameters import First
from kith.scalars import Cursor, Flag, Id, Whole

WORDS = "Pairs of records that may be one: found when records are created or changed, and in those of before."
router = APIRouter(prefix="/v1", tags=["duplicates"], dependencies=[Depends(only_known_parameters)])
_READER, _WRITER = actor_with("contacts:read"), actor_with("contacts:write")
_PERSONAL = "contacts:personal"
_C = duplicates.c
Score = Annotated[int, Whole(0, 100)]


class DuplicateNoun(StrEnum):
    CUSTOMER = "customer"
    CONTACT = "contact"


@dataclass(slots=True)
class Duplicate:
    """Two records that may be one: how alike they are, of 100, and why. `left_at` is null while both are there, and
    alike."""

    id: UUID
    noun: DuplicateNoun
    one_id: UUID
    other_id: UUID
    score: int
    reasons: list[Reason]
    state: PairState
    found_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    left_at: datetime | None


@dataclass(slots=True)
class DuplicatePage:
    items: list[Duplicate]
    next: str | None
    total: Total | None = None


_COLUMNS = [_C[each.name] for each in fields(Duplicate)]


def _of(row: Any, kind: type[Any] = Duplicate) -> Any:
    shown = row._asdict()
    shown |= {"noun": DuplicateNoun(row.noun), "reasons": [Reason(each) for each in row.reasons]}
    return kind(**shown)


class _Wanted(NamedTuple):
    noun: DuplicateNoun | None
    state: PairState
    least: int
    of: UUID | None


async def page_of(
    connection: AsyncConnection,
    tenant: str,
    wanted: _Wanted,
    first: int,
    after: str | None,
    kind: type[Any] = Duplicate,
) -> Page[Any]:
    """Returns a page of the tenant's pairs, the most alike first. Raises Invalid for a malformed cursor."""
    rows = select(*_COLUMNS).where(*_are(tenant, wanted))
    if after is not None:
        rows = rows.where(tuple_(_C.score, _C.id) < tuple_(*(literal(each) for each in _keys(after))))
    found = (await connection.execute(rows.order_by(_C.score.desc(), _C.id.desc()).limit(first + 1))).all()
    shown = [_of(row, kind) for row in found[:first]]

    def cursor_of(number: int) -> str:
        return encoded([shown[number].score, shown[number].id])

    return Page(shown, cursor_of(-1) if len(found) > first else None, cursor_of)


async def count_of(connection: AsyncConnection, tenant: str, wanted: _Wanted) -> Total:
    """Returns how many pairs there are on all pages."""
    rows = select(_C.id).where(*_are(tenant, wanted)).limit(MOST_COUNTED + 1)
    return total_of(await connection.scalar(select(func.count()).select_from(rows.subquery())) or 0)


def _are(tenant: str, wanted: _Wanted) -> Iterator[ColumnElement[bool]]:
    yield _C.tenant_id == tenant
    yield _C.left_at.is_(None)
    yield _C.state == wanted.state
    yield _C.score >= wanted.least
    if wanted.noun is not None:
        yield _C.noun == wanted.noun.value
    if wanted.of is not None:
        yield or_(_C.one_id == wanted.of, _C.other_id == wanted.of)


def _keys(cursor: str) -> tuple[int, UUID]:
    try:
        score, id = msgspec.json.decode(decoded(cursor), type=tuple[int, UUID])
    except (ValueError, msgspec.DecodeError) as error:
        raise Invalid(NO_CURSOR, field="after") from error
    if not 0 <= score <= 100:
        raise Invalid(NO_CURSOR, field="after")
    return score, id


async def decide(
    connection: AsyncConnection, tenant: str, id: UUID, state: PairState, actor: str, kind: type[Any] = Duplicate
) -> Any:
    """Dismisses a pair, or takes that back. To say the same again changes nothing. Raises NotFound."""
    own = (_C.tenant_id == tenant, _C.id == id)
    decided = {"state": state, "decided_by": actor, "decided_at": func.now()}
    await connection.execute(update(duplicates).where(*own, _C.state != state).values(decided))
    row = (await connection.execute(select(*_COLUMNS).where(*own))).one_or_none()
    if row is None:
        raise NotFound.of("duplicate", id)
    return _of(row, kind)


@router.get(
    "/duplicates",
    response_model=DuplicatePage,
    operation_id="listDuplicates",
    summary="List pairs of records that may be one",
)
async def list_(
    request: Request,
    noun: DuplicateNoun | None = None,
    state: PairState = PairState.SUSPECTED,
    least: Annotated[Score, Query(description="the least score")] = 0,
    of: Annotated[Id | None, Query(description="a record that is one of the two")] = None,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
    count: Annotated[Flag, Query(description="whether to count the pairs of all pages")] = False,
    actor: Actor = _READER,
) -> Response:
    """The most alike first. It needs the scope contacts:personal too: that two have the same address says whose it
    is."""
    actor.require(_PERSONAL)
    wanted = _Wanted(noun, state, least, of)
    async with context_of(request).database.read(actor.tenant) as connection:
        page = await page_of(connection, actor.tenant, wanted, first, after)
        total = await count_of(connection, actor.tenant, wanted) if count else None
    return json_response(DuplicatePage(page.rows, page.next, total))


def _add_decision(verb: str, state: PairState, words: str) -> None:
    @router.post(
        f"/duplicates/{{id:segment}}:{verb}",
        response_model=Duplicate,
        operation_id=f"{verb}Duplicate",
        summary=f"{verb.capitalize()} a pair",
        description=words,
    )
    async def change(request: Request, id: Id, actor: Actor = _WRITER) -> Response:
        actor.require(_PERSONAL)
        async with context_of(request).database.write(actor.tenant) as transaction:
            return json_response(await decide(transaction.connection, actor.tenant, id, state, actor.id))


_DISMISS = "The two are not one. It is remembered, and they are not suspected again, whatever becomes alike of them."
_REOPEN = "The two may be one after all."
_add_decision("dismiss", PairState.DISMISSED, _DISMISS)
_add_decision("reopen", PairState.SUSPECTED, _REOPEN)


strawberry.enum(DuplicateNoun)
strawberry.enum(PairState, name="DuplicateState")
strawberry.enum(Reason, name="DuplicateReason")
_RECORDS = {DuplicateNoun.CUSTOMER: CUSTOMERS, DuplicateNoun.CONTACT: CONTACTS}


@cache
def _node_with(customer: Any, contact: Any) -> Any:
    """Returns the type of a pair, given those of the records."""

    async def both(pair: Any, info: Ctx, noun: DuplicateNoun, node: Any) -> list[Any]:
        if pair.noun is not noun:
            return []
        listing = Listing("contacts", _RECORDS[noun], {})
        found = [await load_one(info, listing, node, id) for id in (pair.one_id, pair.other_id)]
        return [each for each in found if each is not None]

    async def customers(self: Any, info: Ctx) -> list[customer]:
        return await both(self, info, DuplicateNoun.CUSTOMER, customer)

    async def contacts(self: Any, info: Ctx) -> list[contact]:
        return await both(self, info, DuplicateNoun.CONTACT, contact)

    records = {
        "customers": strawberry.field(customers, description="Both, where they are customers."),
        "contacts": strawberry.field(contacts, description="Both, where they are contacts."),
    }
    words = "Two records that may be one: how alike they are, of 100, and why."
    return strawberry.type(type("Duplicate", (Duplicate,), records), description=words)


def queries_of(nodes: Mapping[str, Any]) -> Sequence[Any]:
    node = _node_with(nodes["customer"], nodes["contact"])

    @field(description="Pairs of records that may be one, the most alike first.")
    async def duplicates(
        info: Ctx,
        noun: DuplicateNoun | None = None,
        state: PairState = PairState.SUSPECTED,
        least: Score = 0,
        of: Id | None = None,
        first: First = DEFAULT_PAGE,
        after: Cursor | None = None,
    ) -> NounConnection[node]:  # type: ignore[valid-type]
        actor, wanted = _permitted(info, "read"), _Wanted(noun, state, least, of)
        database = info.context.service.database

        async def counted() -> Total:
            async with database.read(actor.tenant) as connection:
                return await count_of(connection, actor.tenant, wanted)

        async with database.read(actor.tenant) as connection:
            return noun_connection(await page_of(connection, actor.tenant, wanted, first, after, node), counted)

    return [duplicates]


def mutations_of(nodes: Mapping[str, Any]) -> Sequence[Any]:
    node = _node_with(nodes["customer"], nodes["contact"])

    async def decided(info: Ctx, id: UUID, state: PairState) -> Any:
        actor = _permitted(info, "write")
        async with info.context.service.database.write(actor.tenant) as transaction:
            return await decide(transaction.connection, actor.tenant, id, state, actor.id, node)

    async def dismiss_duplicate(info: Ctx, id: Id) -> node:  # type: ignore[valid-type]
        return await decided(info, id, PairState.DISMISSED)  # type: ignore[no-any-return]

    async def reopen_duplicate(info: Ctx, id: Id) -> node:  # type: ignore[valid-type]
        return await decided(info, id, PairState.SUSPECTED)  # type: ignore[no-any-return]

    return [
        strawberry.mutation(checked(dismiss_duplicate), description=_DISMISS),
        strawberry.mutation(checked(reopen_duplicate), description=_REOPEN),
    ]


def _permitted(info: Ctx, verb: str) -> Actor:
    actor = info.context.actor
    actor.require(f"contacts:{verb}")
    actor.require(_PERSONAL)
    return actor


FEATURE = Feature(routers=[router], queries_of=queries_of, mutations_of=mutations_of)
