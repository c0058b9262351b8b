"""The REST of the audit log, of every service."""

import base64
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from kith.audit.table import TABLE
from kith.errors import Invalid
from kith.http.app import actor_with, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.lists.pages import DEFAULT_PAGE, decoded
from kith.nouns.parameters import First
from kith.scalars import Cursor

AUDIT = "Who read personal data, and who did what only administrators may. Entries are added, never changed."
_C = TABLE.c


@dataclass(slots=True)
class AuditEntry:
    """`action` is `read`, `list`, `export` or `history`, or the name of a command; `noun` says of what, and `subjects`
    are the ids of the records: null where it was about all of them. `position` and `hash` are those of the tenant's
    chain; null until it is sealed, which takes a second."""

    id: UUID
    at: datetime
    actor: str
    action: str
    noun: str
    subjects: list[UUID] | None
    detail: str | None
    position: int | None
    hash: str | None


@dataclass(slots=True)
class AuditPage:
    items: list[AuditEntry]
    next: str | None


def audit_router(service: str) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["audit log"], dependencies=[Depends(only_known_parameters)])
    auditor = actor_with(f"{service}:audit")

    @router.get("/audit-log", response_model=AuditPage, operation_id="listAuditLog", summary="List the audit log")
    async def list_(
        request: Request, first: First = DEFAULT_PAGE, after: Cursor | None = None, actor: Actor = auditor
    ) -> Response:
        """Newest first. `next` is the cursor of the next page: send it as `after`."""
        async with context_of(request).database.read(actor.tenant) as connection:
            return json_response(await _page(connection, actor.tenant, first, after))

    return router


async def _page(connection: AsyncConnection, tenant: str, first: int, after: str | None) -> AuditPage:
    columns = (_C.id, _C.at, _C.actor, _C.action, _C.noun, _C.subjects, _C.detail, _C.position, _C.hash)
    rows = select(*columns).where(_C.tenant_id == tenant).order_by(_C.id.desc()).limit(first + 1)
    if after is not None:
        rows = rows.where(_C.id < _id_of(after))
    found = [
        AuditEntry(*row[:-1], hash=None if row.hash is None else row.hash.hex())
        for row in await connection.execute(rows)
    ]
    items = found[:first]
    return AuditPage(items, _cursor(items[-1].id) if len(found) > first else None)


def _cursor(id: UUID) -> str:
    return base64.urlsafe_b64encode(id.bytes).decode().rstrip("=")


def _id_of(cursor: str) -> UUID:
    try:
        return UUID(bytes=decoded(cursor))
    except ValueError as error:
        raise Invalid("It is not a cursor of this list.", field="after") from error
