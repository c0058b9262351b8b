"""`python -m <service> audit`: checks that the audit log is as it was written. For operators who may log in to the
service's database."""

import argparse
import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from kith.audit.chain import Head, Verified, heads, verify
from kith.audit.table import TABLE
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.runtime.service import Service
from kith.runtime.settings import Settings


def run(service: Service, settings: Settings, words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {service.package} audit", description="The audit log")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="heads|verify")
    verbs.add_parser("heads", help="print the last entry of each tenant's chain: keep it outside of the database")
    verifying = verbs.add_parser("verify", help="say which entries were altered, or are missing")
    verifying.add_argument("--tenant", help="of this tenant only")
    verifying.add_argument("--heads", type=Path, help="a file of heads that were printed before: all must be there")
    given = parser.parse_args(words)
    if given.verb == "heads":
        for head in asyncio.run(_heads(settings)):
            print(msgspec.json.encode(head).decode())  # noqa: T201 - that is what the command is for
        return
    checked = asyncio.run(_verified(settings, given.tenant, _known(given.heads)))
    for each in checked:
        print(f"{each.tenant}: {each.entries:,} entries, {'altered' if each.faults else 'as they were written'}")  # noqa: T201
        for fault in each.faults:
            print(f"  {fault}")  # noqa: T201
    altered = sum(bool(each.faults) for each in checked)
    print(f"{len(checked):,} chains, {f'{altered:,} altered' if altered else 'all as they were written'}")  # noqa: T201
    if altered:
        raise SystemExit(1)


def _known(file: Path | None) -> list[Head]:
    if file is None:
        return []
    try:
        return [msgspec.json.decode(line, type=Head) for line in file.read_bytes().splitlines() if line]
    except (OSError, msgspec.MsgspecError) as wrong:
        raise SystemExit(f"{file}: {wrong}") from wrong


async def _heads(settings: Settings) -> list[Head]:
    engine = _engine(settings)
    try:
        async with engine.connect() as connection:
            return await heads(connection)
    finally:
        await engine.dispose()


async def _verified(settings: Settings, tenant: str | None, known: Sequence[Head]) -> list[Verified]:
    of_tenants: dict[str, list[Head]] = defaultdict(list)
    for head in known:
        of_tenants[head.tenant].append(head)
    engine = _engine(settings)
    try:
        async with engine.connect() as connection:
            found = set(await connection.scalars(select(TABLE.c.tenant_id).distinct())) | set(of_tenants)
            tenants = sorted(found) if tenant is None else [tenant]
            return [await verify(connection, each, of_tenants[each]) for each in tenants]
    finally:
        await engine.dispose()


def _engine(settings: Settings) -> AsyncEngine:
    return create_engine(settings.database, role=WORKER_ROLE, pool_size=1, application="kith audit")
