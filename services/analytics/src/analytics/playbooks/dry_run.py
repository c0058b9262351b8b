"""What a playbook would have done over a past, from the ledger: the same rules, over the same trigger events, as if it
had been started at the beginning. It changes nothing and requests no action."""

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.health.engine.base import FAR, micros, moment
from analytics.health.engine.facts import UnreadFacts
from analytics.health.engine.reads import everybody_of, number_of_customers, unread_facts_of
from analytics.health.model.assignment import Models
from analytics.health.model.definition import DAY
from analytics.health.model.timeline import models_of
from analytics.playbooks.facts import customer_of, customers_at, renewals_between, trigger_events_between
from analytics.playbooks.firing import CustomerAt, Firing, Run, RunState
from analytics.playbooks.plan import BandChanged, Customer, Plan, RenewalNear, ScoreDropped, Trigger
from analytics.playbooks.trigger_event import TriggerEvent
from analytics.playbooks.trigger_scan import Renewal, band_changes, drops, midnights, renewals_near
from analytics.projections.facts import types_of
from analytics.projections.snapshot import Reads
from analytics.projections.tables import facts
from kith.error_codes import ErrorCode
from kith.errors import Invalid
from kith.runtime.offload import BACKGROUND, offload

AT_A_TIME = 5_000
"""The customers that are in memory at once."""
SAMPLE = 1_000

MAX_WAITING = 2_000_000
"""The trigger events that are in memory at once, where a daily limit makes those of all customers compete."""

OfScores = BandChanged | ScoreDropped | RenewalNear
"""The triggers that scores are computed for."""
Progress = Callable[[int, int], Awaitable[None]]


class TooManyHappenings(Invalid):
    code = ErrorCode.TOO_MANY_HAPPENINGS


@dataclass(slots=True)
class MonthOfRuns:
    month: str
    """`2026-03`, of UTC."""
    runs: int


@dataclass(slots=True)
class WouldRun:
    customer_id: UUID
    at: datetime
    state: RunState
    band: str | None
    from_band: str | None
    score: float | None


@dataclass(slots=True)
class DryRunReport:
    words: str
    starts_at: datetime
    ends_at: datetime
    runs: int
    """How often it would have fired: runs requested and left alone."""
    customers: int
    requested: int
    left_alone: int
    suppressed: int
    """Runs beyond the daily limit; not counted among the runs."""
    cooled_down: int
    """Further trigger events, of customers whose last run was within the cool-down."""
    months: list[MonthOfRuns]
    sample: list[WouldRun]
    """Newest first, 1,000 at most."""
    notes: list[str]


async def dry_run(
    reads: Reads,
    tenant: str,
    playbook: UUID,
    plan: Plan,
    starts_at: datetime,
    ends_at: datetime,
    progress: Progress,
) -> DryRunReport:
    """Runs the playbook over `[starts_at, ends_at)`. The playbook's id decides who is in the control share, so it is
    needed."""
    firing = Firing(playbook, plan)
    runs = await would_run(reads, tenant, firing, starts_at, ends_at, progress)
    return await asyncio.to_thread(report, firing, runs, starts_at, ends_at)


async def would_run(
    reads: Reads,
    tenant: str,
    firing: Firing,
    starts_at: datetime,
    ends_at: datetime,
    progress: Progress,
) -> list[Run]:
    """Returns the runs, in the order of time. Raises TooManyHappenings."""
    past = _Past(reads, tenant, firing.plan.when, micros(starts_at), micros(ends_at))
    runs, waiting, known = list[Run](), list[TriggerEvent](), dict[CustomerAt, Customer]()
    async for some in past.trigger_events(progress):
        if firing.plan.limit_per_day is None:  # customers do not compete with each other
            runs += await asyncio.to_thread(firing.take, *some)
            continue
        waiting += some.trigger_events
        known |= some.known
        if len(waiting) > MAX_WAITING:
            raise TooManyHappenings(
                f"Over {MAX_WAITING:,} trigger events compete for the runs of a day: that many are not held at once. "
                "Ask for a shorter past, or leave out limit_per_day."
            )
    runs += await asyncio.to_thread(firing.take, waiting, known)
    return await asyncio.to_thread(sorted, runs, key=lambda run: (run.trigger_event.at, run.trigger_event.customer_id))


def report(firing: Firing, runs: Sequence[Run], starts_at: datetime, ends_at: datetime) -> DryRunReport:
    plan, states = firing.plan, Counter(run.state for run in runs)
    fired = [run for run in runs if run.state is not RunState.SUPPRESSED]
    customers = len({run.trigger_event.customer_id for run in fired})
    notes = []
    if plan.when.reason is not None:
        notes.append(f"{plan.when.reason} Until then it fires for nobody.")
    if isinstance(plan.when, OfScores):
        notes.append("Scored by the health models in force today, as of each instant.")
    notes.append("As if it had been started then, with no runs before.")
    return DryRunReport(
        words=(
            f"It would have fired {len(fired)} times, for {customers} customers: {states[RunState.REQUESTED]} with "
            f"actions, {states[RunState.LEFT_ALONE]} left alone. {firing.cooled_down} more were within the cool-down, "
            f"{states[RunState.SUPPRESSED]} beyond the limit of a day."
        ),
        starts_at=starts_at,
        ends_at=ends_at,
        runs=len(fired),
        customers=customers,
        requested=states[RunState.REQUESTED],
        left_alone=states[RunState.LEFT_ALONE],
        suppressed=states[RunState.SUPPRESSED],
        cooled_down=firing.cooled_down,
        months=[
            MonthOfRuns(month, number)
            for month, number in sorted(Counter(f"{run.trigger_event.at:%Y-%m}" for run in fired).items())
        ],
        sample=[
            WouldRun(
                run.trigger_event.customer_id,
                run.trigger_event.at,
                run.state,
                run.trigger_event.band,
                run.trigger_event.from_band,
                run.trigger_event.score,
            )
            for run in runs[: -SAMPLE - 1 : -1]
        ],
        notes=notes,
    )


class _Epoch(NamedTuple):
    """A state of a customer's record, from an instant on."""

    since: int
    customer: Customer


class Some(NamedTuple):
    trigger_events: list[TriggerEvent]
    known: dict[CustomerAt, Customer]
    """Each customer as it was known at each trigger event."""


@dataclass(frozen=True)
class _Past:
    """Finds the trigger events of a past. Which model scored a customer, and whether it was in the audience, is as of
    each instant."""

    reads: Reads
    tenant: str
    trigger: Trigger
    starts_at: int
    ends_at: int

    async def trigger_events(self, progress: Progress) -> AsyncIterator[Some]:
        """Yields all trigger events of some customers, then of others."""
        if isinstance(self.trigger, OfScores):
            async for some in self._of_scores(self.trigger, progress):
                yield some
        else:
            async for some in self._of_events(progress):
                yield some

    async def _of_events(self, progress: Progress) -> AsyncIterator[Some]:
        starts_at, ends_at = moment(self.starts_at), moment(self.ends_at)
        async with self.reads() as connection:
            all_of_them = await trigger_events_between(connection, self.tenant, starts_at, ends_at)
        found = await asyncio.to_thread(self._meant, all_of_them)
        known: dict[CustomerAt, Customer] = {}
        for start in range(0, len(found), AT_A_TIME):
            some = [CustomerAt(each.customer_id, each.at) for each in found[start : start + AT_A_TIME]]
            async with self.reads() as connection:
                known |= await customers_at(connection, self.tenant, some)
            await progress(start + len(some), len(found))
        yield Some(found, known)

    def _meant(self, trigger_events: Sequence[TriggerEvent]) -> list[TriggerEvent]:
        return sorted(filter(self.trigger.fires, trigger_events), key=lambda each: (each.customer_id, each.at))

    async def _of_scores(self, trigger: OfScores, progress: Progress) -> AsyncIterator[Some]:
        async with self.reads() as connection:
            models = Models(always=await models_of(connection, self.tenant))
            total = await number_of_customers(connection, self.tenant)
        days = trigger.days if isinstance(trigger, ScoreDropped) else 0
        since, done = self.starts_at - 1 - days * DAY, 0
        async for some in everybody_of(self.reads, self.tenant):
            renewals, customers = list[Renewal](), some
            async with self.reads() as connection:
                if isinstance(trigger, RenewalNear):
                    renewals = await renewals_between(
                        connection, self.tenant, some, self.starts_at, self.ends_at, trigger.days
                    )
                    customers = sorted({each.customer_id for each in renewals})
                unread = await unread_facts_of(
                    connection, self.tenant, customers, starts_at=since, ends_at=self.ends_at, models=models
                )
                epochs = await self._epochs(connection, some)
            span = self.starts_at, self.ends_at
            yield Some(*await offload(_trigger_events, trigger, unread, renewals, epochs, span, lane=BACKGROUND))
            done += len(some)
            await progress(done, max(total, done))

    async def _epochs(self, connection: AsyncConnection, customers: Sequence[UUID]) -> dict[UUID, list[_Epoch]]:
        """Returns the states of the customers that have a record. The first one also holds for the time before it was
        made."""
        f = facts.c
        rows = await connection.execute(
            select(f.subject, f.version, f.time, f.state)
            .where(
                f.tenant_id == self.tenant,
                f.type.in_(types_of("contacts.customer")),
                f.subject.between(customers[0], customers[-1]),
                or_(f.until.is_(None), f.until >= moment(self.starts_at)),
            )
            .order_by(f.subject, f.version)
        )
        epochs: dict[UUID, list[_Epoch]] = {}
        for id, version, time, state in rows:
            epochs.setdefault(id, []).append(_Epoch(int(-FAR) if version == 1 else micros(time), customer_of(state)))
        return epochs


def _trigger_events(
    trigger: OfScores,
    unread: UnreadFacts,
    renewals: Sequence[Renewal],
    epochs: Mapping[UUID, Sequence[_Epoch]],
    span: tuple[int, int],
) -> tuple[list[TriggerEvent], dict[CustomerAt, Customer]]:
    health, (starts_at, ends_at) = unread.read(), span
    if isinstance(trigger, RenewalNear):
        found = list(renewals_near(trigger, health, renewals, starts_at, ends_at))
    elif isinstance(trigger, ScoreDropped):
        instants = midnights(starts_at, ends_at)
        found = [each for at in instants for each in drops(trigger, health, at, health.everybody())]
    else:
        found = list(band_changes(trigger, health, starts_at - 1, ends_at - 1))
    return found, {
        CustomerAt(each.customer_id, each.at): _as_of(epochs.get(each.customer_id, ()), micros(each.at))
        for each in found
    }


def _as_of(epochs: Sequence[_Epoch], at: int) -> Customer:
    """Returns the record as of an instant, events at that very instant included, as in playbooks.facts.customers_at."""
    index = bisect_right(epochs, at, key=lambda each: each.since)
    return epochs[index - 1].customer if index else Customer()
