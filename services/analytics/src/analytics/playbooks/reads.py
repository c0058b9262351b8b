"""Playbooks and their runs as views, with the outcome of what they requested."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.playbooks.comparison import Comparison, Evidence, Interval, Share, compare
from analytics.playbooks.firing import RunState
from analytics.playbooks.form import playbooks
from analytics.playbooks.plan import Plan
from analytics.playbooks.tables import playbook_runs
from analytics.projections.facts import types_of, word_of
from analytics.projections.owners import of_reach, out_of_reach
from analytics.projections.tables import facts, merged_customers
from kith.errors import Invalid, NotFound
from kith.nouns.lists.pages import DEFAULT_PAGE, MAX_PAGE, Page, Position
from kith.reach import Reach


@dataclass(slots=True)
class RequestedAction:
    id: UUID
    kind: str
    title: str
    due_at: datetime | None = None


@dataclass(slots=True)
class PlaybookRunView:
    """A run of a playbook for one customer."""

    id: UUID
    playbook_id: UUID
    playbook_version: int
    customer_id: UUID
    at: datetime
    """When the trigger event happened."""
    recorded_at: datetime
    trigger: dict[str, Any]
    """The trigger event, as it was recorded then."""
    state: RunState
    is_control: bool
    reason: str | None
    """Why it was suppressed."""
    actions: list[RequestedAction]
    trace_id: str | None
    outcome: dict[str, Any] | None
    """What counts as success."""
    settles_at: datetime | None
    settled_at: datetime | None
    succeeded: bool | None
    """Null until it is settled."""
    evidence_id: UUID | None
    """The event that made it a success; of a band, the last change of health before its days were over."""


@dataclass(slots=True)
class ActionResult:
    """The task or case that was made of a requested action."""

    kind: str
    id: UUID
    state: str | None
    created_at: datetime
    changed_at: datetime
    outcome: str | None
    """The outcome of a task that is closed."""


@dataclass(slots=True)
class PlaybookRunDetails(PlaybookRunView):
    results: list[ActionResult]


_R = playbook_runs.c
_SHOWN = [_R[name] for name in PlaybookRunView.__dataclass_fields__]


async def runs_of(
    connection: AsyncConnection,
    tenant: str,
    reach: Reach,
    *,
    first: int = DEFAULT_PAGE,
    after: str | None = None,
    playbook_id: UUID | None = None,
    customer_id: UUID | None = None,
    state: RunState | None = None,
) -> Page[PlaybookRunView]:
    """Returns a page of runs, newest first. Raises Invalid for a malformed cursor or a page that is too big."""
    if not 1 <= first <= MAX_PAGE:
        raise Invalid(f"A page has 1 to {MAX_PAGE} rows.", field="first")
    query = select(*_SHOWN).where(_R.tenant_id == tenant, *of_reach(tenant, reach, _R.customer_id, merged=True))
    for column, wanted in ((_R.playbook_id, playbook_id), (_R.customer_id, customer_id), (_R.state, state)):
        if wanted is not None:
            query = query.where(column == wanted)
    if after is not None:
        last = Position.of(after)
        query = query.where(tuple_(_R.at, _R.id) < tuple_(literal(last.at), literal(last.id)))
    query = query.order_by(_R.at.desc(), _R.id.desc()).limit(first + 1)
    rows = [_view(row) for row in await connection.execute(query)]
    page = rows[:first]
    return Page(page, Position(page[-1].at, page[-1].id).cursor() if len(rows) > first else None)


async def run_of(connection: AsyncConnection, tenant: str, reach: Reach, id: UUID) -> PlaybookRunDetails:
    """Returns one run. Raises NotFound."""
    row = (await connection.execute(select(*_SHOWN).where(_R.tenant_id == tenant, _R.id == id))).one_or_none()
    if row is None or await out_of_reach(connection, tenant, reach, [row.customer_id]):
        raise NotFound.of("playbook run", id)
    run = _view(row)
    shown = {name: getattr(run, name) for name in PlaybookRunView.__dataclass_fields__}
    return PlaybookRunDetails(**shown, results=await results_of(connection, tenant, id, run.customer_id))


def _view(row: Any) -> PlaybookRunView:
    shown = dict(row._mapping)  # noqa: SLF001 - that is its public name
    shown["state"] = RunState(shown["state"])
    shown["actions"] = msgspec.convert(shown["actions"], list[RequestedAction])
    return PlaybookRunView(**shown)


async def results_of(connection: AsyncConnection, tenant: str, run: UUID, customer: UUID) -> list[ActionResult]:
    """Returns the results of a run's actions from the ledger: tasks and cases carry the run that they come from."""
    now, begun, m = facts.alias("now"), facts.alias("begun"), merged_customers.c
    survivor = select(m.survivor).where(m.tenant_id == tenant, m.customer_id == customer).scalar_subquery()
    rows = await connection.execute(
        select(now.c.type, now.c.subject, now.c.phase, begun.c.time, now.c.time, now.c.state["outcome"].astext)
        .join(begun, (begun.c.tenant_id == now.c.tenant_id) & (begun.c.subject == now.c.subject))
        .where(
            now.c.tenant_id == tenant,
            now.c.customer_id == func.coalesce(survivor, customer),
            now.c.type.in_((*types_of("sales.task"), *types_of("service-desk.case"))),
            now.c.until.is_(None),
            now.c.state["run_id"].astext == str(run),
            begun.c.version == 1,
        )
        .order_by(begun.c.time, now.c.subject)
    )
    return [ActionResult(word_of(type), *rest) for type, *rest in rows]


@dataclass(slots=True)
class PlaybookOutcomes:
    """Customers, each by its first run in `[starts_at, ends_at)`: those with a requested action, and those that
    were left alone."""

    playbook_id: UUID
    starts_at: datetime | None
    """When it was last started, unless another instant was given; null: never."""
    ends_at: datetime | None
    """Null: up to now."""
    outcome: dict[str, Any] | None
    """What counts as success."""
    evidence: Evidence
    words: str
    treated: Share
    left_alone: Share
    difference: float | None
    interval: Interval | None
    p_value: float | None


async def outcomes_of(
    connection: AsyncConnection,
    tenant: str,
    id: UUID,
    *,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> PlaybookOutcomes:
    """Returns the outcomes. Raises NotFound."""
    p = playbooks.c
    row = (
        await connection.execute(select(p.document, p.started_at).where(p.tenant_id == tenant, p.id == id))
    ).one_or_none()
    if row is None:
        raise NotFound.of("playbook", id)
    plan, since = Plan.from_document(row.document), starts_at or row.started_at
    comparison = await _compared(connection, tenant, id, plan, since, ends_at)
    return PlaybookOutcomes(
        id,
        since,
        ends_at,
        msgspec.to_builtins(plan.outcome),
        *(getattr(comparison, name) for name in Comparison.__dataclass_fields__),
    )


async def _compared(
    connection: AsyncConnection, tenant: str, id: UUID, plan: Plan, since: datetime | None, until: datetime | None
) -> Comparison:
    # A customer counts once: its later runs say nothing new about chance.
    query = (
        select(_R.customer_id, _R.is_control, _R.settled_at, _R.succeeded)
        .ext(distinct_on(_R.customer_id))
        .where(_R.tenant_id == tenant, _R.playbook_id == id, _R.state != RunState.SUPPRESSED)
        .order_by(_R.customer_id, _R.at)
    )
    if since is not None:
        query = query.where(_R.at >= since)
    if until is not None:
        query = query.where(_R.at < until)
    each = query.subquery()
    settled = each.c.settled_at.is_not(None)
    rows = await connection.execute(
        select(
            each.c.is_control,
            func.count().filter(settled),
            func.count().filter(each.c.succeeded),
            func.count().filter(~settled),
        ).group_by(each.c.is_control)
    )
    shares = {control: Share.of(*numbers) for control, *numbers in rows}
    treated, left_alone = (shares.get(control, Share.of(0, 0)) for control in (False, True))
    return compare(treated, left_alone, control_share=plan.control_share, measured=plan.outcome is not None)
