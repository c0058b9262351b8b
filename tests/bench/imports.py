"""An import of customers from CSV, from the file to the rows and their events, and their export by a job, against a
COPY of the same columns; and how much memory it takes to take in a file of any size."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.bench.measure import Figure

from contacts.resources import IMPORTED
from contacts.service import SERVICE
from contacts.tables import idempotency, outbox
from kith.api import context_for
from kith.db.migrations import migrate
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events import actors
from kith.exports.run import Checkpoint, Exporter
from kith.exports.tables import EXPORTS
from kith.ids import new_id
from kith.imports.plan import CreateImport
from kith.imports.rows import Wiring
from kith.imports.run import Importer
from kith.imports.tables import IMPORTS
from kith.imports.uploads import upload
from kith.jobs.changes import request
from kith.jobs.reads import JobView, details_of
from kith.jobs.runner import Jobs
from kith.jobs.table import JobState
from kith.runtime.settings import Settings
from kith_local.postgres import EmbeddedPostgres

ROWS = 100_000
LARGE = 2_000_000
"""Rows of the file whose uploading is weighed."""
HEADER = "external_id,name,kind,country,segment,tier,tags\n"
A_RATIO = 0.05
"""Of COPY, which checks nothing and writes no events."""
PIECE = 1000


def lines(start: int, count: int) -> bytes:
    rows = (f"c-{n},Customer {n},organisation,NO,office,gold,a;b\n" for n in range(start, start + count))
    return "".join(rows).encode()


async def content(rows: int) -> AsyncIterator[bytes]:
    yield HEADER.encode()
    for start in range(0, rows, PIECE):
        yield lines(start, PIECE)


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE imports")
    await connection.close()
    url = postgres.url("imports")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    copied = await _copied(url)
    context = context_for(SERVICE, Settings(database_url=url, port=0, pool_size=5))
    engine = create_engine(url, role=WORKER_ROLE, pool_size=5, application="bench")
    try:
        began = time.perf_counter()
        await _sent(context, "bench", ROWS)
        sent = time.perf_counter() - began
        importer = Importer(IMPORTED, Wiring("contacts", outbox, idempotency))
        jobs = Jobs(IMPORTS, {"customer": importer.run})
        while await jobs.step(engine):
            pass
        seconds = time.perf_counter() - began
        exported = await _exported(context, engine, "bench")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await _sent(context, "large", LARGE)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    finally:
        await engine.dispose()
        await context.close()
    return [
        Figure("import of 100k customers", ROWS / seconds, "COPY of the same columns", copied, A_RATIO),
        Figure("export of 100k customers", ROWS / exported, "COPY of the same columns", copied, A_RATIO),
        Figure("taking in a file", ROWS / sent, "COPY of the same columns", copied, A_RATIO),
        Figure(f"memory for {LARGE:,} rows", grown, "of it allowed", 32, 32, unit=" MB"),
    ]


async def _sent(context: Any, tenant: str, rows: int) -> None:
    given = CreateImport(noun="customer").model_dump(mode="json")
    async with context.database.write(tenant) as transaction:
        id = await request(
            transaction.connection,
            IMPORTS,
            tenant,
            "customer",
            given,
            by=actors.client("bench"),
            state=JobState.WAITING,
        )
    await upload(context.database, {each.name: each for each in IMPORTED}, tenant, id, content(rows))


async def _exported(context: Any, engine: AsyncEngine, tenant: str) -> float:
    """Returns how many seconds it takes."""
    began = time.perf_counter()
    upto, columns = new_id(), ["id", *(name for name in HEADER.strip().split(","))]
    held = Checkpoint(table="customers", columns=columns, upto=upto)
    asked = {"format": "csv", "fields": columns, "personal": True}
    async with context.database.write(tenant) as transaction:
        by, checkpoint = actors.client("bench"), msgspec.to_builtins(held)
        id = await request(transaction.connection, EXPORTS, tenant, "customer", asked, by=by, checkpoint=checkpoint)
    jobs = Jobs(EXPORTS, {"customer": Exporter("contacts", IMPORTED).run})
    while await jobs.step(engine):
        pass
    async with context.database.read(tenant) as connection:
        found = await details_of(connection, EXPORTS, JobView, tenant, id)
    assert (found.state, found.done) == ("done", ROWS), found
    return time.perf_counter() - began


async def _copied(url: str) -> float:
    connection = await asyncpg.connect(url)
    columns = "id uuid, external_id text, name text, kind text, country text, segment text, tier text, tags text"
    await connection.execute(f"CREATE TABLE copied ({columns}, PRIMARY KEY (id), UNIQUE (external_id))")
    rows = [(new_id(), f"c-{n}", f"Customer {n}", "organisation", "NO", "office", "gold", "a;b") for n in range(ROWS)]
    began = time.perf_counter()
    await connection.copy_records_to_table("copied", records=rows)
    seconds = time.perf_counter() - began
    await connection.close()
    await asyncio.sleep(0)
    return ROWS / seconds
