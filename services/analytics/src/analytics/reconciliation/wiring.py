"""Where reconciling is wired together: for the worker, and for `python -m analytics reconcile --tenant T`.

What it takes is loaded when there is something to do: a worker starts without.
"""

import argparse
import asyncio
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from analytics.settings import AnalyticsSettings
from kith.db.sessions import create_engine
from kith.db.tenancy import TENANT_PATTERN, WORKER_ROLE
from kith.runtime.service import Service
from kith.runtime.settings import Settings
from kith.runtime.tasks import Task

if TYPE_CHECKING:
    from analytics.reconciliation.reads import ReconciliationDetails
    from analytics.reconciliation.runs import Reconciler

# ruff: noqa: PLC0415 - see above


def reconciler(settings: AnalyticsSettings) -> "Reconciler":
    from analytics.reconciliation import comparing as reconciling
    from analytics.reconciliation.fetching import Services, missing
    from analytics.reconciliation.runs import Reconciler

    every = None if missing(settings) else timedelta(hours=settings.reconcile_hours)
    return Reconciler(reconciling, lambda: Services.of(settings), every)


@cache
def _of_this_process() -> "Reconciler":
    return reconciler(AnalyticsSettings())


async def _step(engine: AsyncEngine) -> bool:
    return await _of_this_process().step(engine)


async def _publish(engine: AsyncEngine) -> bool:
    from analytics.reconciliation.runs import publish

    await publish(engine)
    return False


TASKS = (Task("reconciliation", _step, seconds=5), Task("reconciliation figures", _publish, seconds=60))


def run(service: Service, settings: Settings, words: Sequence[str]) -> None:
    """Ends with code 1 if something differs or could not be compared."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {service.package} reconcile",
        description="Compare all that is counted with what the services hold",
    )
    parser.add_argument("--tenant", required=True)
    given = parser.parse_args(words)
    if not re.fullmatch(TENANT_PATTERN, given.tenant):
        parser.error(f"--tenant must match {TENANT_PATTERN}")
    found = asyncio.run(_reconcile(cast("AnalyticsSettings", settings), given.tenant))
    for line in lines(found):
        print(line)  # noqa: T201 - that is what the command is for
    if found.mismatches != 0:
        raise SystemExit(1)


async def _reconcile(settings: AnalyticsSettings, tenant: str) -> "ReconciliationDetails":
    from analytics.reconciliation.runs import alone, request

    engine = create_engine(settings.database, role=WORKER_ROLE, pool_size=4, application="kith analytics reconcile")
    try:
        async with engine.begin() as connection:
            id = await request(connection, tenant, by="command line")
        while not (found := await _look(engine, tenant, id)).finished_at:
            async with alone(engine) as is_mine:
                done = is_mine and await reconciler(settings).next(engine, only=id)
            if not done:
                await asyncio.sleep(1)  # a worker does it, or another one before
        return found
    finally:
        await engine.dispose()


async def _look(engine: AsyncEngine, tenant: str, id: UUID) -> "ReconciliationDetails":
    from analytics.reconciliation.reads import details_of

    async with engine.connect() as connection:
        return await details_of(connection, tenant, id)


def lines(found: "ReconciliationDetails") -> Iterator[str]:
    report = found.report
    if report is None:
        yield f"Not reconciled: {found.reason}"
        return
    yield f"{'collection':24}{'records':>10}{'in flight':>10}{'differ':>10}"
    for each in report.collections:
        kinds = ", ".join(f"{kind.count} {kind.kind}" for kind in each.kinds)
        yield f"{each.collection:24}{each.records:10,}{each.in_flight:10,}{each.mismatched:10,}  {kinds}".rstrip()
        for one in each.samples:
            where = " ".join(str(part) for part in (one.version, one.field) if part is not None)
            yield f"  {one.id} {one.kind} {where}: {one.expected} there, {one.found} here"
    yield f"{'metric':24}{'numbers':>10}{'':10}{'differ':>10}"
    for each_metric in report.metrics:
        row = f"{each_metric.metric:24}{each_metric.compared:10,}{'':10}{each_metric.different:10,}"
        yield f"{row}  {each_metric.note or ''}".rstrip()
        for one_figure in each_metric.differences:
            when = f"{one_figure.starts_at:%Y-%m-%d} to {one_figure.ends_at:%Y-%m-%d}"
            yield f"  {one_figure.component} {when}: {one_figure.expected} there, {one_figure.found} here"
    yield f"{found.mismatches:,} of them differ." if found.mismatches else "All agrees."
