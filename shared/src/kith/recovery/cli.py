"""`python -m <service> restored`: for an operator who has restored the service's database, before it runs again."""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from kith.audit import entries as audit
from kith.audit.entries import Entry
from kith.bus import open_bus
from kith.bus.port import Bus, BusError
from kith.db import migrations
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events import actors
from kith.recovery.restored import Compared, NotRestored, compare, ensure_alone, mend, since_when
from kith.runtime.service import Service
from kith.runtime.settings import Settings


def run(service: Service, settings: Settings, words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=f"python -m {service.package} restored",
        description=f"After the database of {service.name} was restored to an earlier instant, or has failed over to a "
        "replica that lagged: withdraw the events that it published since and has lost, and publish again those that "
        "the bus has lost. Its APIs and workers must be stopped, but for a dry run",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument(
        "--restored-to",
        type=_instant,
        metavar="INSTANT",
        help="to which instant it was restored, as in 2026-01-31T12:00:00Z; by default that of its newest event",
    )
    given = parser.parse_args(words)
    try:
        lines = asyncio.run(_run(service, settings, given))
    except (NotRestored, BusError) as error:
        raise SystemExit(f"{service.name}: {error}") from error
    for line in lines:
        print(line)  # noqa: T201 - that is what the command is for


async def _run(service: Service, settings: Settings, given: argparse.Namespace) -> list[str]:
    if reason := await migrations.behind(settings.database, service.package, role=WORKER_ROLE):
        raise NotRestored(reason)
    engine = create_engine(
        settings.database, role=WORKER_ROLE, pool_size=2, application=f"kith {service.name} restored"
    )
    try:
        async with open_bus(settings.kafka_bootstrap, settings.bus_database, settings) as bus:
            return await restored(
                service, settings, engine, bus, to=given.restored_to, dry_run=given.dry_run, progress=_show
            )
    finally:
        await engine.dispose()


async def restored(
    service: Service,
    settings: Settings,
    engine: AsyncEngine,
    bus: Bus,
    *,
    to: datetime | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """Returns what was done, in words. Raises NotRestored and BusError, with nothing changed."""
    outbox = service.outbox
    async with engine.connect() as owning:
        await owning.execution_options(isolation_level="AUTOCOMMIT")
        try:
            if not dry_run:
                await ensure_alone(owning, service.name)
            since = await since_when(owning, retention_days=settings.outbox_retention_days, restored_to=to)
            found = await compare(
                owning, bus, service.name, outbox, since, progress, generation=settings.topic_generation
            )
            lines = list(_report(found, dry_run=dry_run))
            if not dry_run:
                async with engine.begin() as connection:
                    await mend(connection, outbox, found)
                    await audit.add(connection, _entries(service, found, datetime.now(UTC)))
                    if service.after_restore is not None:
                        lines.append(await service.after_restore(connection, settings, found.lost))
        finally:
            await owning.invalidate()  # back in the pool the session would keep the outbox
    return lines


def _entries(service: Service, found: Compared, now: datetime) -> Iterator[Entry]:
    """Of the audit logs of the tenants that have lost something."""
    for tenant, lost in sorted(Counter(each.tenant_id for each in found.lost).items()):
        detail = f"{lost} events withdrawn since {found.since.isoformat()}"
        yield Entry(tenant, now, actors.service(service.name), "restore", "database", detail=detail)


def _report(found: Compared, *, dry_run: bool) -> Iterator[str]:
    yield f"Compared {found.looked_at:,} messages since {found.since:%Y-%m-%d %H:%M:%S} UTC."
    will = "to be " if dry_run else ""
    yield f"Events {will}withdrawn, which are on the bus and not in the database: {len(found.lost):,}"
    for type, number in sorted(Counter(each.type for each in found.lost).items()):
        yield f"  {number:,} {type}"
    yield f"Events {will}published again, which the bus has lost: {len(found.missing):,}"
    if found.withdrawn_before:
        yield f"Events of this database that an earlier restore withdrew, and that stay so: {found.withdrawn_before:,}"


def _show(messages: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{messages:,} messages compared\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("no zone")
    return found.astimezone(UTC)
