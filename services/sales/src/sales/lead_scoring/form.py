"""The form of lead scoring: what can be done with it, its table, and how it is seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from sqlalchemy import Boolean, Column, Integer, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.tables import aggregate_table, values_column
from kith.nouns.inputs import UNSENT, Amendment
from kith.nouns.resource import Command, Resource, View
from kith.nouns.value_inputs import Values
from kith.scalars import Flag, Whole
from sales.lead_scoring.rules import LeadScoring
from sales.lead_scoring.values import MOST_POINTS, MOST_RULES, NOT_SCORED, Scoring, ScoringRule
from sales.tables import metadata

Most = Annotated[int, Whole(1, MOST_POINTS)]


class AmendLeadScoring(Amendment):
    rules: Annotated[list[ScoringRule], Values(MOST_RULES)] = UNSENT
    most: Most = UNSENT
    threshold: Most | None = UNSENT
    qualifies_leads: Flag = UNSENT


lead_scoring = aggregate_table(
    "lead_scoring",
    metadata,
    values_column("rules", ScoringRule),
    Column("most", Integer, nullable=False),
    Column("threshold", Integer),
    Column("qualifies_leads", Boolean, nullable=False),
    Column("number", Integer, nullable=False),
)


@dataclass(slots=True)
class LeadScoringView(View):
    # Version 0 has no time: nobody has changed it yet.
    created_at: datetime | None  # type: ignore[assignment]
    updated_at: datetime | None  # type: ignore[assignment]
    rules: list[ScoringRule]
    most: int
    threshold: int | None
    qualifies_leads: bool
    number: int


LEAD_SCORING = Resource(
    "lead_scoring",
    "lead_scoring",
    LeadScoring,
    lead_scoring,
    LeadScoringView,
    (Command("amend", AmendLeadScoring, LeadScoring.amend),),
    unpublished={"rules": "They may quote what people write. Events of leads say what a score is."},
    singleton=LeadScoring.singleton,
)


async def scoring_of(connection: AsyncConnection, tenant: str) -> Scoring:
    """Returns what the tenant's leads are scored by."""
    c = lead_scoring.c
    rows = select(c.number, c.rules, c.most, c.threshold).where(c.tenant_id == tenant)
    row = (await connection.execute(rows)).one_or_none()
    return NOT_SCORED if row is None else Scoring(*row)
