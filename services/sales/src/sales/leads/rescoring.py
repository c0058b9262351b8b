"""Scores open leads anew when the tenant's rules have changed: some at a time, tenants in turn. Rules that change again
meanwhile take the place of those: what is left is scored by the new ones, and what was done is done once more."""

from sqlalchemy import false, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from kith.db.connections import acting_for
from kith.events import actors
from kith.nouns.batch import carry_out
from kith.nouns.calls import By, Call
from kith.reach import EVERYONE
from kith.runtime.tasks import Task
from kith.runtime.turns import Turns
from sales.lead_scoring.form import lead_scoring
from sales.leads.form import LEADS, SCORED_ANEW, RescoreLead, leads
from sales.leads.rules import ScoreUnchanged
from sales.tables import idempotency, outbox

AT_A_TIME = 200
"""Leads, which are locked meanwhile."""
_RESCORE = next(each for each in LEADS.internal if each.name == "rescore")


def rescoring() -> Task:
    c, s = leads.c, lead_scoring.c
    is_old = (or_(c.scored_by.is_(None), c.scored_by < s.number), SCORED_ANEW)
    of_it = select(c.id).where(c.tenant_id == s.tenant_id, *is_old)
    turns = Turns(select(s.tenant_id).where(s.number > 0, of_it.exists()))

    async def step(engine: AsyncEngine) -> bool:
        async with engine.begin() as connection:
            if (tenant := await turns.next(connection)) is None:
                return False
            some = select(c.id, c.updated_at, s.number, s.threshold).join(lead_scoring, s.tenant_id == c.tenant_id)
            some = some.where(c.tenant_id == tenant, *is_old).limit(AT_A_TIME)
            rows = (await connection.execute(some.with_for_update(skip_locked=True, key_share=True, of=leads))).all()
            if not rows:  # another worker has them
                return False
            async with acting_for(connection, tenant) as transaction:
                # As of its last change: whoever sends what happened to it since may do so still.
                calls = [Call(_RESCORE, RescoreLead(occurred_at=row.updated_at), id=row.id) for row in rows]
                by = By(actors.service("sales"), EVERYONE)
                outcomes, _ = await carry_out(
                    transaction, LEADS, calls, source="sales", outbox=outbox, idempotency=idempotency, by=by
                )
            same = [row.id for row, it in zip(rows, outcomes, strict=True) if isinstance(it.error, ScoreUnchanged)]
            seen = update(leads).where(c.tenant_id == tenant, c.id.in_(same))
            is_above = false() if rows[0].threshold is None else c.score >= rows[0].threshold
            by_these = {"scored_by": rows[0].number, "has_reached": is_above}
            await connection.execute(seen.values(by_these | {"recorded_at": func.clock_timestamp()}))
        return True

    return Task("lead scores", step, seconds=1)
