"""`python -m <service> tenant`: what an operator does with all that a service holds of a tenant."""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from kith.db import migrations
from kith.db.connections import Database, is_tenant
from kith.runtime.progress import Shown
from kith.runtime.service import Service
from kith.runtime.settings import Settings
from kith.tenants.export import ExportRefused, Manifest, export_tenant


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
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="export")
    exporting = verbs.add_parser("export", help="write it as JSON lines, a file per table; it is personal data")
    exporting.add_argument("--tenant", required=True, help="whose")
    exporting.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="a folder that does not exist yet")
    return parser


async def _done(service: Service, settings: Settings, given: argparse.Namespace) -> list[str]:
    if reason := await migrations.behind(settings.database, service.package):
        raise SystemExit(f"{service.name}: {reason}")
    return await _export(service, settings, given)


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


def _report(manifest: Manifest, folder: Path) -> Iterator[str]:
    width = max(len(each.table) for each in manifest.tables)
    for each in manifest.tables:
        yield f"{each.table:{width}}  {each.rows:>12,} rows"
    yield f"{sum(each.rows for each in manifest.tables):,} rows as of {manifest.at.isoformat()} are in {folder}."
