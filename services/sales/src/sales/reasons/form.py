"""The form of a reason: what can be done with it, its table, and how it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import TEXT, Column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.tables import aggregate_table, one_of
from kith.errors import Conflict
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import UNSENT, Amendment, Archive, Input, NewInput, Restore, values_of
from kith.nouns.resource import ArchivableView, Attempt, Check, Command, Resource
from kith.scalars import Code, Text
from sales.reasons.rules import Reason, ReasonKind
from sales.tables import metadata


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


async def code_is_new(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    c, codes = reasons.c, values_of((given for given, _ in asked), "code")
    rows = select(c.kind, c.code).where(c.tenant_id == tenant, c.code.in_(codes))
    taken = {(row.kind, row.code) for row in await connection.execute(rows)}

    def check(given: Input, _: Aggregate) -> None:
        if isinstance(given, CreateReason):
            if (given.kind, given.code) in taken:
                raise Conflict(f"There is a reason {given.code} already.", field="code")
            taken.add((given.kind, given.code))

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
    checks=code_is_new,
    reference_data=True,
)
