"""The visits of opportunities from before they were kept, worked out from the histories of the records."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, cast, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.nouns.fills import Fill
from sales.opportunities.form import OPPORTUNITIES, opportunities
from sales.opportunities.values import MOST_VISITS, StageVisit
from sales.tables import history

Move = tuple[datetime, Any]
"""When a command was, and the stages before and after it; None: it left the stage as it was."""


async def fill_visits(connection: AsyncConnection, tenant: str, records: Sequence[Any]) -> None:
    """Of those whose history is whole: of others nobody knows."""
    lacking = {each.id: each for each in records if _lacks_visits(each)}
    if not lacking:
        return
    h, moves = history.c, defaultdict[UUID, list[Move]](list)
    rows = (
        select(h.subject, h.time, cast(h.changes, JSONB)["stage"].label("stages"))
        .where(h.tenant_id == tenant, h.subject == any_(cast([*lacking], ARRAY(Uuid))))
        .order_by(h.subject, h.version)
    )
    for row in await connection.execute(rows):
        moves[row.subject].append((row.time, row.stages))
    found = [
        {"of": id, "found": _visits(each, moves[id])} for id, each in lacking.items() if len(moves[id]) == each.version
    ]
    if found:
        c = opportunities.c
        filled = update(opportunities).where(c.tenant_id == tenant, c.id == bindparam("of"))
        await connection.execute(filled.values(visits=bindparam("found", type_=c.visits.type)), found)


def _lacks_visits(record: Any) -> bool:
    """Whether it has none, only those since it moved next, or none since code of before moved it."""
    visits = record.visits
    if not visits or visits[-1].stage != record.stage:
        return True
    return len(visits) < MOST_VISITS and visits[0].entered_at != record.created_at


def _visits(record: Any, moves: Sequence[Move]) -> list[StageVisit]:
    turns = [(at, stages) for at, stages in moves if stages is not None]
    entered = [record.created_at, *(at for at, _ in turns)]
    stages = [turns[0][1][0] if turns else record.stage, *(after for _, (_, after) in turns)]
    left = [*entered[1:], None]
    visits = [
        StageVisit(stage=stage, entered_at=since, left_at=until)
        for stage, since, until in zip(stages, entered, left, strict=True)
    ]
    return visits[-MOST_VISITS:]


VISITS = Fill("visits/opportunity/2", OPPORTUNITIES, fill_visits)
