"""The form of a reason: what can be done with it, its table, and how it is seen."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import TEXT, Column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.one_at_a_time import one_at_a_time
from kith.db.tables import aggregate_table, one_of
from kith.errors import Conflict
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import UNSENT, Amendment, Archive, Input, NewInput, Restore, values_of
from kith.nouns.resource import ArchivableView, Attempt, Check, Command, Resource
from kith.scalars import Code, Text
from sales.reasons.rules import Reason, ReasonKind
from sales.tables import metadata

MOST_REASONS = 500
"""Of a kind, but for those that are archived."""


class CreateReason(NewInput):
    kind: ReasonKind
    code: Code
    label: Text | None = None


class AmendReason(Amendment):
    label: Text | None = UNSENT


reasons = aggregate_table(
    "reasons",
    metadata,
    Column("kind", one_of(ReasonKind), nullable=False),
    Column("code", TEXT, nullable=False),
    Column("label", TEXT),
    archivable=True,
    listed_by=("kind", "code"),
)


async def can_be_so(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that a code is in a list once, and that a list is short enough to be read with each request."""
    if not any(isinstance(given, CreateReason | Restore) for given, _ in asked):
        return lambda *_: None
    await one_at_a_time(connection, tenant, "reasons")
    c, codes = reasons.c, values_of((given for given, _ in asked), "code")
    named = select(c.kind, c.code).where(c.tenant_id == tenant, c.code.in_(codes))
    taken = {(row.kind, row.code) for row in await connection.execute(named)}
    listed = select(c.kind, c.id).where(c.tenant_id == tenant, c.archived_at.is_(None))
    lists: dict[ReasonKind, set[UUID]] = defaultdict(set)
    for row in await connection.execute(listed):
        lists[row.kind].add(row.id)

    def check(given: Input, it: Aggregate) -> None:
        assert isinstance(it, Reason)
        listed = lists[it.kind]
        if isinstance(given, Archive):
            listed.discard(it.id)
        if not isinstance(given, CreateReason | Restore):
            return
        if isinstance(given, CreateReason) and (it.kind, it.code) in taken:
            raise Conflict(f"There is a reason {it.code} already.", field="code")
        if len(listed) >= MOST_REASONS:
            raise Conflict(f"There are {MOST_REASONS} reasons of a kind at most: archive some.", field="kind")
        taken.add((it.kind, it.code))
        listed.add(it.id)

    return check


@dataclass(slots=True)
class ReasonView(ArchivableView):
    kind: ReasonKind
    code: str
    label: str | None


REASONS = Resource(
    "reason",
    "reasons",
    Reason,
    reasons,
    ReasonView,
    (
        Command("create", CreateReason, Reason.create),
        Command("amend", AmendReason, Reason.amend),
        Command("archive", Archive, Reason.archive),
        Command("restore", Restore, Reason.restore, of_archived=True),
    ),
    filters=("kind", "code"),
    unpublished={"label": "Words for people. Figures go by the code."},
    checks=can_be_so,
    reference_data=True,
)
