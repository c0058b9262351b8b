"""The daily scan, as of 00:00 UTC, of all customers: for scores that dropped, and for renewals that are near.

Each playbook and day is scanned once: a row marks it as done, in the transaction of the runs that came of it. The days
that an absent worker missed are scanned afterwards, one by one, each as of its own midnight.
"""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from analytics.health.engine.base import micros
from analytics.health.engine.facts import UnreadFacts
from analytics.health.engine.reads import everybody_of, unread_facts_of
from analytics.health.model.definition import DAY
from analytics.playbooks.facts import customers_at, renewals_between
from analytics.playbooks.firing import CustomerAt
from analytics.playbooks.form import playbooks
from analytics.playbooks.plan import Plan, RenewalNear, ScoreDropped
from analytics.playbooks.rules import PlaybookState
from analytics.playbooks.runs import Started, firing_of, lock_playbook, record
from analytics.playbooks.tables import playbook_days
from analytics.playbooks.trigger_event import TriggerEvent
from analytics.playbooks.trigger_scan import Renewal, drops, renewals_near
from analytics.projections.snapshot import Reads, snapshots
from kith.runtime.offload import BACKGROUND, offload
from kith.runtime.tasks import Task
from kith.runtime.telemetry import log

GRACE = timedelta(minutes=1)
"""The delay after midnight before the scan: by then the events of before have arrived, as a rule."""
_P = playbooks.c


class Due(NamedTuple):
    playbook: Started
    trigger: ScoreDropped | RenewalNear
    day: date
    """The day at whose beginning the scan looks."""

    @property
    def at(self) -> datetime:
        return datetime.combine(self.day, time(), UTC)


async def scan(engine: AsyncEngine, now: datetime | None = None) -> bool:
    """Scans for the next playbook and day that are due, if any. Returns whether there may be more."""
    async with engine.connect() as connection:
        due = await _due(connection, now or datetime.now(UTC))
        if due is None:
            return False
    found = [each async for each in _found(snapshots(engine), due)]
    async with engine.begin() as connection:
        await _act(connection, due, found)
    return True


async def _due(connection: AsyncConnection, now: datetime) -> Due | None:
    last = (
        select(func.max(playbook_days.c.day))
        .where(playbook_days.c.tenant_id == _P.tenant_id, playbook_days.c.playbook_id == _P.id)
        .scalar_subquery()
    )
    # One of the due ones at random: a large tenant does not keep the others waiting.
    rows = await connection.execute(
        select(_P.tenant_id, _P.id, _P.version, _P.started_at, _P.document, last)
        .where(
            _P.state == PlaybookState.STARTED,
            _P.fires,  # one that was started when its trigger could not fire acts when it is started again
            _P.document["when"]["kind"].astext.in_(
                [each.__struct_config__.tag for each in (ScoreDropped, RenewalNear)]
            ),
        )
        .order_by(func.random())
    )
    for tenant, id, version, started_at, document, day_before in rows:
        playbook = Started(tenant, id, version, started_at, Plan.from_document(document))
        due = Due(playbook, _trigger(playbook), _next(started_at, day_before))
        if due.at + GRACE <= now:
            return due
    return None


def _trigger(playbook: Started) -> ScoreDropped | RenewalNear:
    assert isinstance(playbook.plan.when, ScoreDropped | RenewalNear)
    return playbook.plan.when


def _next(started_at: datetime, done: date | None) -> date:
    """Returns the first midnight after the playbook's start that is not scanned yet."""
    first = (started_at.astimezone(UTC) + timedelta(days=1, microseconds=-1)).date()
    return first if done is None else max(first, done + timedelta(days=1))


async def _found(reads: Reads, due: Due) -> AsyncIterator[TriggerEvent]:
    tenant, at, trigger = due.playbook.tenant, micros(due.at), due.trigger
    since = at - trigger.days * DAY if isinstance(trigger, ScoreDropped) else at
    async for some in everybody_of(reads, tenant):
        renewals, customers = list[Renewal](), some
        async with reads() as connection:
            if isinstance(trigger, RenewalNear):
                renewals = await renewals_between(connection, tenant, some, at, at + 1, trigger.days)
                customers = sorted({each.customer_id for each in renewals})
                if not customers:
                    continue
            unread = await unread_facts_of(connection, tenant, customers, starts_at=since, ends_at=at)
        for each in await offload(_events, trigger, unread, renewals, at, lane=BACKGROUND):
            yield each


def _events(
    trigger: ScoreDropped | RenewalNear, unread: UnreadFacts, renewals: list[Renewal], at: int
) -> list[TriggerEvent]:
    facts = unread.read()
    if isinstance(trigger, ScoreDropped):
        return list(drops(trigger, facts, at, facts.everybody()))
    return list(renewals_near(trigger, facts, renewals, at, at + 1))


async def _act(connection: AsyncConnection, due: Due, found: list[TriggerEvent]) -> None:
    playbook = due.playbook
    # One worker at a time; a second one finds the day done, or the playbook stopped or revised meanwhile.
    await lock_playbook(connection, playbook)
    mine = (_P.tenant_id == playbook.tenant, _P.id == playbook.id, _P.version == playbook.version)
    d = playbook_days.c
    done = select(d.day).where(d.tenant_id == playbook.tenant, d.playbook_id == playbook.id, d.day == due.day)
    if await connection.scalar(select(_P.id).where(*mine, ~done.exists())) is None:
        return
    known = await customers_at(connection, playbook.tenant, [CustomerAt(each.customer_id, each.at) for each in found])
    firing = await firing_of(connection, playbook, found)
    runs = await record(connection, playbook, firing.take(found, known))
    await connection.execute(
        insert(playbook_days).values(
            tenant_id=playbook.tenant, playbook_id=playbook.id, day=due.day, looked_at=func.clock_timestamp(), runs=runs
        )
    )
    log.info("playbook looked", tenant=playbook.tenant, playbook=str(playbook.id), day=str(due.day), runs=runs)


TASKS = (Task("playbooks", scan, seconds=10),)
