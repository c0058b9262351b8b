"""`python -m <service> tenant`: what an operator does with all that a service holds of a tenant."""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from kith.db import migrations
from kith.db.connections import Database, is_tenant
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.runtime.progress import Shown
from kith.runtime.service import Service
from kith.runtime.settings import Settings
from kith.tenants.export import ExportRefused, Manifest, export_tenant
from kith.tenants.removal import RemovalRefused, Removed, readmit_tenant, remove_tenant


def run(service: Service, settings: Settings, words: Sequence[str]) -> None:
    given = _parser(service).parse_args(words)
    if not is_tenant(given.tenant):
        raise SystemExit(f"Not a tenant id: {given.tenant}.")
    for line in asyncio.run(_done(service, settings, given)):
        print(line)  # noqa: T201 - that is what the command is for


def _parser(service: Service) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {service.package} tenant", description=f"All that {service.name} holds of a tenant"
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="export|remove|readmit")
    exporting = verbs.add_parser("export", help="write it as JSON lines, a file per table; it is personal data")
    exporting.add_argument("--tenant", required=True, help="whose")
    exporting.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="a folder that does not exist yet")
    removing = verbs.add_parser("remove", help="delete it, for good; what is accepted for it from now on is nothing")
    readmitting = verbs.add_parser("readmit", help="let it in again, without anything of before")
    for each in (removing, readmitting):
        each.add_argument("--tenant", required=True, help="whose")
        each.add_argument("--confirm", required=True, metavar="TENANT", help="the same again")
    return parser


async def _done(service: Service, settings: Settings, given: argparse.Namespace) -> list[str]:
    if reason := await migrations.behind(settings.database, service.package, role=WORKER_ROLE):
        raise SystemExit(f"{service.name}: {reason}")
    if given.verb == "export":
        return await _export(service, settings, given)
    if given.confirm != given.tenant:
        raise SystemExit(f"--confirm says {given.confirm}, and --tenant {given.tenant}: nothing was done.")
    engine = create_engine(settings.database, role=WORKER_ROLE, pool_size=1, application=f"kith {service.name} tenant")
    shown = Shown()
    try:
        if given.verb == "readmit":
            return [f"{given.tenant} is let in again as of {(await readmit_tenant(engine, given.tenant)).isoformat()}."]
        removed = await remove_tenant(engine, given.tenant, progress=shown)
        more = [] if service.after_removal is None else [await service.after_removal(settings, given.tenant)]
    except RemovalRefused as refused:
        raise SystemExit(f"{service.name}: {refused}") from refused
    finally:
        shown.end()
        await engine.dispose()
    return [*_receipt(service, given.tenant, removed), *more]


async def _export(service: Service, settings: Settings, given: argparse.Namespace) -> list[str]:
    # Of the database itself: a replica may lack the latest, and this may be the last export before all is removed.
    database = Database(settings.database, pool_size=1, application=f"kith {service.name} tenant")
    shown = Shown()
    try:
        manifest = await export_tenant(
            database, service.name, service.outbox.metadata, tenant=given.tenant, to=given.to, progress=shown
        )
    except (ExportRefused, OSError) as error:
        raise SystemExit(f"{service.name}: {error}") from error
    finally:
        shown.end()
        await database.close()
    return list(_report(manifest, given.to))


def _receipt(service: Service, tenant: str, removed: Removed) -> Iterator[str]:
    width = max(len(name) for name in (*removed.receipt, tenant))
    for name, rows in sorted(removed.receipt.items()):
        yield f"{name:{width}}  {rows:>12,} rows"
    yield (
        f"{tenant} is removed from {service.name}: {sum(removed.receipt.values()):,} rows, "
        f"from {removed.removed_at.isoformat()} to {removed.finished_at.isoformat()}."
    )


def _report(manifest: Manifest, folder: Path) -> Iterator[str]:
    width = max(len(each.table) for each in manifest.tables)
    for each in manifest.tables:
        yield f"{each.table:{width}}  {each.rows:>12,} rows"
    yield f"{sum(each.rows for each in manifest.tables):,} rows as of {manifest.at.isoformat()} are in {folder}."
