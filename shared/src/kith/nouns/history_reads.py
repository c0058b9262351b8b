"""Reads the history of records, newest first, a page at a time by version."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any
from uuid import UUID

import msgspec
from asyncpg import Record
from sqlalchemy import ARRAY, Integer, RowMapping, Select, Text, Uuid, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.audit.disclosures import Disclosure
from kith.audit.entries import Read
from kith.db.statements import Statement
from kith.errors import Invalid
from kith.nouns.history import TABLE, without
from kith.nouns.lists.pages import DEFAULT_PAGE, MAX_PAGE, Page, decoded
from kith.nouns.resource import Resource

BATCH = 500
"""The entries that a cursor fetches at a time."""


@dataclass(slots=True)
class FieldChange:
    """Values are as REST shows them."""

    field: str
    old: Any
    new: Any


@dataclass(slots=True)
class HistoryEntry:
    """What one command did to a record. `actor` is who sent it: `user:<id>`, `client:<id>`, `run:<id>` of a playbook,
    `form:<id>` of a web page, `event:<id>` that it follows from, or `service:<name>`. `version` is the record's after
    it."""

    version: int
    command: str
    actor: str
    time: datetime
    recorded_at: datetime
    changes: list[FieldChange]


async def pages(
    connection: AsyncConnection,
    tenant: str,
    resource: Resource,
    subjects: Sequence[UUID],
    *,
    personal: Disclosure | None,
    first: int = DEFAULT_PAGE,
    after: str | None = None,
) -> Mapping[UUID, Page[HistoryEntry]]:
    """Returns the same page of the histories of several records, in one select. Personal fields are not even selected
    unless they may be shown, which `personal` notes then. Raises Invalid for a malformed cursor or too big a page."""
    if not 1 <= first <= MAX_PAGE:
        raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
    values = {
        "tenant": tenant,
        "subjects": list(subjects),
        "before": _LATEST if after is None else _version_of(after),
        "hidden": [] if personal is not None else sorted(resource.personal_fields),
        "most": first + 1,
    }
    found: dict[UUID, list[HistoryEntry]] = {id: [] for id in subjects}
    for row in await _newest().fetch(connection, values):
        found[row["subject"]].append(_entry(resource, row, personal=personal is not None))
    if personal is not None and resource.has_personal:
        personal.note(Read.HISTORY, resource.name, [id for id, entries in found.items() if entries])
    return {id: _page(entries, first) for id, entries in found.items()}


async def whole(
    connection: AsyncConnection, tenant: str, resource: Resource, subjects: Sequence[UUID]
) -> AsyncIterator[list[tuple[UUID, HistoryEntry]]]:
    """Yields all entries of several records, with their personal fields, a batch at a time by a cursor; each record's
    newest first."""
    values = {"tenant": tenant, "subjects": list(subjects), "before": _LATEST, "hidden": [], "most": None}
    entries = _newest_rows().execution_options(yield_per=BATCH)
    async with connection.stream(entries, values) as found:
        async for rows in found.mappings().partitions():
            yield [(row["subject"], _entry(resource, row, personal=True)) for row in rows]


def _entry(resource: Resource, row: Record | RowMapping, *, personal: bool) -> HistoryEntry:
    changed: dict[str, Any] = row["changes"] or {}
    for name, parts in () if personal else resource.partly_personal.items():
        if name in changed:
            old, new = ([{part: each.get(part) for part in parts} for each in values] for values in changed.pop(name))
            changed |= {name: (old, new)} if old != new else {}
    changes = [FieldChange(name, *changed[name]) for name in resource.view_fields if name in changed]
    return HistoryEntry(row["version"], row["command"], row["actor"], row["time"], row["recorded_at"], changes)


def _page(entries: list[HistoryEntry], first: int) -> Page[HistoryEntry]:
    rows = entries[:first]
    return Page(rows, _cursor(rows[-1].version) if len(entries) > first else None)


def _cursor(version: int) -> str:
    return base64.urlsafe_b64encode(b"%d" % version).decode().rstrip("=")


_LATEST = 2**31 - 1
_Version = Annotated[int, msgspec.Meta(ge=1, le=_LATEST)]


def _version_of(cursor: str) -> int:
    try:
        return msgspec.json.decode(decoded(cursor), type=_Version)
    except (ValueError, msgspec.DecodeError) as error:
        raise Invalid("It is not a cursor of this list.", field="after") from error


@cache
def _newest() -> Statement:
    return Statement(_newest_rows())


@cache
def _newest_rows() -> Select[Any]:
    columns = TABLE.c
    wanted = func.unnest(bindparam("subjects", type_=ARRAY(Uuid))).table_valued("subject").render_derived(name="wanted")
    shown = without(columns.changes, bindparam("hidden", type_=ARRAY(Text))).label("changes")
    entries = (
        select(columns.version, columns.command, columns.actor, columns.time, columns.recorded_at, shown)
        .where(
            columns.tenant_id == bindparam("tenant"),
            columns.subject == wanted.c.subject,
            columns.version < bindparam("before", type_=Integer),
        )
        .order_by(columns.version.desc())
        .limit(bindparam("most", type_=Integer))
        .lateral()
    )
    return select(wanted.c.subject, *entries.c).select_from(wanted, entries)
