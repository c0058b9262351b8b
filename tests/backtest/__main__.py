"""Writes what docs/health.md shows: see the package."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from tests.analytics.conftest import happened
from tests.analytics.reference.facts import company
from tests.backtest import page, plots
from tests.backtest.models import FIGURES, FOLDER, figures

from analytics.consumers import handle
from analytics.service import SERVICE
from kith.db.migrations import migrate
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.contacts import CustomerCreated
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced, OrderReturned
from kith.ids import new_id
from kith_local.postgres import EmbeddedPostgres

TENANT, BATCH = "retail", 2_000


def events() -> list[Envelope]:
    of = company("retail")
    first = dict(
        pl.concat([of.orders, of.returns]).drop_nulls("customer").group_by("customer").agg(pl.col("time").min()).rows()
    )
    ids = {customer: new_id() for customer in first}
    found = [
        happened(
            CustomerCreated(kind=row["kind"], country=row["country"], tags=row["tag"]),
            TENANT,
            first[row["customer"]],
            ids[row["customer"]],
        )
        for row in of.customers.iter_rows(named=True)
    ]
    for table, kind in ((of.orders, OrderPlaced), (of.returns, OrderReturned)):
        found += [
            happened(
                kind(value=row["amount"], currency=row["currency"], country=row["country"]),
                TENANT,
                row["time"],
                ids.get(row["customer"]),
            )
            for row in table.iter_rows(named=True)
        ]
    return found


async def measured(url: str) -> dict[str, Any]:
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    engine = create_engine(url, role=WORKER_ROLE, pool_size=2, application="backtest")
    all_of_them = events()
    for start in range(0, len(all_of_them), BATCH):
        async with engine.begin() as connection:
            await handle(connection, all_of_them[start : start + BATCH])
    found = await figures(engine, TENANT)
    await engine.dispose()
    return found


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="kith-backtest-", ignore_cleanup_errors=True) as folder:
        postgres = EmbeddedPostgres(Path(folder)).start()
        try:
            postgres.create_databases("backtest")
            found = asyncio.run(measured(postgres.url("backtest")))
        finally:
            postgres.stop()
    FIGURES.write_text(json.dumps(found, separators=(",", ":")).replace('},{"', '},\n{"') + "\n")
    for name, picture in plots.pictures(found).items():
        (FOLDER / name).write_text(picture)
    page.write(found)


main()
