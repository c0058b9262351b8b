"""The form of a playbook: its commands, its table and its view."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    TEXT,
    Boolean,
    Column,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.playbooks.documents import PlaybookDocument, SignalCrossedDocument
from analytics.playbooks.rules import Document, Playbook, PlaybookState
from analytics.signals.form import signals
from analytics.tables import metadata
from kith.db.tables import Moment, Structured, aggregate_table, one_of
from kith.errors import Invalid
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import UNSENT, Amendment, Input, NewInput
from kith.nouns.resource import Attempt, Check, Command, Resource, View
from kith.scalars import Text


class DraftPlaybook(NewInput):
    title: Text
    document: PlaybookDocument

    def fields(self) -> dict[str, Any]:
        return {**super().fields(), "document": self.document.kept()}


class RevisePlaybook(Amendment):
    title: Text = UNSENT
    document: PlaybookDocument = UNSENT

    def fields(self) -> dict[str, Any]:
        found = super().fields()
        return found | {"document": self.document.kept()} if "document" in found else found


class StartPlaybook(Input):
    pass


class StopPlaybook(Input):
    pass


async def signal_is_defined(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    named = {signal for each, _ in asked if (signal := _signal(each)) is not None}
    c, known = signals.c, set[UUID]()
    if named:
        known = set(await connection.scalars(select(c.id).where(c.tenant_id == tenant, c.id.in_(named))))

    def check(given: Input, _: Aggregate) -> None:
        signal = _signal(given)
        if signal is not None and signal not in known:
            raise Invalid(f"There is no signal {signal}. Define it first.", field="document.when.signal")

    return check


def _signal(given: Input) -> UUID | None:
    document = getattr(given, "document", None)
    when = document.when if isinstance(document, PlaybookDocument) else None
    return when.signal if isinstance(when, SignalCrossedDocument) else None


playbooks = aggregate_table(
    "playbooks",
    metadata,
    Column("title", TEXT, nullable=False),
    Column("document", Structured(Document), nullable=False),
    Column("state", one_of(PlaybookState), nullable=False),
    Column("fires", Boolean, nullable=False),
    Column("fires_not", TEXT),
    Column("started_at", Moment),
    Column("stopped_at", Moment),
)


@dataclass(slots=True)
class PlaybookView(View):
    title: str
    document: Document
    state: PlaybookState
    fires: bool
    """Whether its trigger can fire at all."""
    fires_not: str | None
    """Why it cannot."""
    started_at: datetime | None
    """When it was last started. Earlier events do not trigger it."""
    stopped_at: datetime | None


PLAYBOOKS = Resource(
    "playbook",
    "playbooks",
    Playbook,
    playbooks,
    PlaybookView,
    (
        Command("draft", DraftPlaybook, Playbook.draft),
        Command("revise", RevisePlaybook, Playbook.revise),
        Command("start", StartPlaybook, Playbook.start),
        Command("stop", StopPlaybook, Playbook.stop),
    ),
    filters=("state",),
    searched=("title",),
    unindexed={"state": "A tenant has a handful of them."},
    unpublished=dict.fromkeys(
        ("title", "document", "state", "fires"), "What acts is here, and what it does is in the events of its actions."
    ),
    checks=signal_is_defined,
)
