"""Dead letters as a tenant sees them."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.consumer.amendment import readable
from kith.consumer.dead_letters import UNRESOLVED, headers_of
from kith.consumer.replay import Wish
from kith.consumer.tables import TABLES
from kith.errors import Invalid, NotFound
from kith.nouns.lists.pages import DEFAULT_PAGE, MAX_PAGE, Page

SHOWN_WAITING = 100

_LETTERS = TABLES.dead_letters
_COLUMNS = _LETTERS.c


class State(StrEnum):
    UNRESOLVED = "unresolved"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


@dataclass(slots=True)
class LetterView:
    """`parked`: it did not fail itself, and waits behind one of its aggregate that did. `requested`: what has been
    requested and is not done yet. One of the group `<service>.outbox` could not be published: it was never on the bus,
    so its partition is -1, and its offset its position in the outbox."""

    id: int
    group: str
    topic: str
    partition: int
    offset: int
    event_id: UUID | None
    type: str | None
    subject: UUID | None
    state: State
    parked: bool
    reason: str
    attempts: int
    first_failed_at: datetime
    requested: Wish | None
    requested_at: datetime | None
    replayed_at: datetime | None
    discarded_at: datetime | None


@dataclass(slots=True)
class HeaderView:
    name: str
    value: str


@dataclass(slots=True)
class MessageView:
    """`body` if it is JSON, else `body_base64`."""

    headers: list[HeaderView]
    body: Any
    body_base64: str | None


@dataclass(slots=True)
class HistoryEntry:
    """Who (the subject of the token) requested what; `before` is the message as it was before it was amended."""

    at: datetime
    by: str
    action: str
    note: str | None
    before: MessageView | None


@dataclass(slots=True)
class WaitingLetter:
    id: int
    event_id: UUID | None
    type: str | None


@dataclass(slots=True)
class LetterDetails(LetterView):
    """`waiting` is how many of its aggregate are unresolved behind it, `next_waiting` the first of them."""

    message: MessageView
    waiting: int
    next_waiting: list[WaitingLetter]
    history: list[HistoryEntry]


STATE = case(
    (_COLUMNS.replayed_at.is_not(None), State.REPLAYED.value),
    (_COLUMNS.discarded_at.is_not(None), State.DISCARDED.value),
    else_=State.UNRESOLVED.value,
).label("state")
_VIEW = [
    _COLUMNS.id,
    _COLUMNS.group_name.label("group"),
    *(_COLUMNS[name] for name in ("topic", "partition", "offset", "event_id", "type", "subject")),
    STATE,
    *(_COLUMNS[name] for name in ("parked", "reason", "attempts", "first_failed_at")),
    *(_COLUMNS[name] for name in ("requested", "requested_at", "replayed_at", "discarded_at")),
]


async def page_of(
    connection: AsyncConnection,
    tenant: str | None,
    *,
    first: int = DEFAULT_PAGE,
    after: str | None = None,
    state: State | None = None,
    type: str | None = None,
    parked: bool | None = None,
) -> Page[LetterView]:
    """Oldest first: an aggregate's first letter is the one to look at. Without a tenant, all that the role may see.
    Raises Invalid for a cursor that is none or a page that is too big."""
    if not 1 <= first <= MAX_PAGE:
        raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
    query = select(*_VIEW).where(visible_to(tenant)).order_by(_COLUMNS.id).limit(first + 1)
    if after is not None:
        if not re.fullmatch("[0-9]{1,18}", after):
            raise Invalid("It is not a cursor of this list.", field="after")
        query = query.where(_COLUMNS.id > int(after))
    if state is not None:
        query = query.where(_IN_STATE[state])
    if type is not None:
        query = query.where(_COLUMNS.type == type)
    if parked is not None:
        query = query.where(_COLUMNS.parked.is_(parked))
    rows = [_view(row) for row in await connection.execute(query)]
    shown = rows[:first]
    return Page(shown, str(shown[-1].id) if len(rows) > first else None)


_IN_STATE: dict[State, ColumnElement[bool]] = {
    State.UNRESOLVED: UNRESOLVED,
    State.REPLAYED: _COLUMNS.replayed_at.is_not(None),
    State.DISCARDED: _COLUMNS.discarded_at.is_not(None),
}


async def details_of(connection: AsyncConnection, tenant: str | None, id: int) -> LetterDetails:
    """Raises NotFound."""
    query = select(*_VIEW, _COLUMNS.tenant_id, _COLUMNS.headers, _COLUMNS.value, _COLUMNS.history)
    row = (await connection.execute(query.where(visible_to(tenant), _COLUMNS.id == id))).one_or_none()
    if row is None:
        raise NotFound.of("dead letter", id)
    waiting, count = [], 0
    if row.state == State.UNRESOLVED and row.subject is not None and row.tenant_id is not None:
        behind = (
            UNRESOLVED
            & (_COLUMNS.tenant_id == row.tenant_id)
            & (_COLUMNS.subject == row.subject)
            & (_COLUMNS.group_name == row.group)
            & (_COLUMNS.id > id)
        )
        count = await connection.scalar(select(func.count()).where(behind)) or 0
        columns = (_COLUMNS.id, _COLUMNS.event_id, _COLUMNS.type)
        rows = await connection.execute(select(*columns).where(behind).order_by(_COLUMNS.id).limit(SHOWN_WAITING))
        waiting = [WaitingLetter(*each) for each in rows]
    view = _view(row)
    return LetterDetails(
        **{name: getattr(view, name) for name in LetterView.__slots__},
        message=_message(row.headers, row.value),
        waiting=count,
        next_waiting=waiting,
        history=[_entry(each) for each in row.history],
    )


def visible_to(tenant: str | None) -> ColumnElement[bool]:
    return _COLUMNS.tenant_id == tenant if tenant is not None else literal(True)


def _view(row: Any) -> LetterView:
    values = {name: getattr(row, name) for name in LetterView.__slots__}
    values["state"] = State(row.state)
    values["requested"] = Wish(row.requested) if row.requested is not None else None
    return LetterView(**values)


def _message(headers: Any, value: bytes) -> MessageView:
    body, base64 = readable(value)
    shown = [HeaderView(name, text.decode(errors="backslashreplace")) for name, text in headers_of(headers)]
    return MessageView(shown, body, base64)


def _entry(entry: dict[str, Any]) -> HistoryEntry:
    before = entry.get("before")
    return HistoryEntry(
        datetime.fromisoformat(entry["at"]),
        entry["by"],
        entry["action"],
        entry.get("note"),
        _message(before["headers"], headers_of([("", before["value"])])[0][1]) if before else None,
    )
