"""The four services in this process, on databases of their own and one bus."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.reliability.test_poison_rows import working

from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.bus import open_bus
from kith.db import migrations
from kith.db.login import sqlalchemy_url
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE, create_roles
from kith.ids import new_id
from kith.runtime.service import Service
from kith.runtime.tasks import attend
from kith.testing import Issuer, Tenant, serving
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

SERVICES = (CONTACTS, SALES, SERVICE_DESK, ANALYTICS)
BUS = "bus"
PATIENCE = 90.0


@dataclass(frozen=True)
class House:
    issuer: Issuer
    urls: Mapping[str, str]
    """By service; the bus's is named `bus`."""
    apis: Mapping[str, httpx.AsyncClient]

    def tenant(self, service: str, name: str) -> Tenant:
        return Tenant(self.apis[service], self.issuer, name)

    async def rows(self, database: str, statement: str, *values: object) -> Sequence[Any]:
        connection = await asyncpg.connect(self.urls[database])
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def insert_event(
        self, service: str, tenant: str, type: str, subject: UUID, customer: UUID, version: int, at: datetime, data: str
    ) -> None:
        """Writes an event into the service's outbox, past its commands."""
        await self.rows(service, _INSERT_EVENT, new_id(), tenant, type, subject, version, customer, at, data)


_INSERT_EVENT = """
    INSERT INTO outbox (id, tenant_id, type, subject, aggregate_version, customer_id, time, recorded_at, data)
    VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp(), convert_to($8, 'UTF8'))
"""


async def at_revision(postgres: EmbeddedPostgres, service: Service, revision: str) -> str:
    """Returns the URL of a new database at that revision of its migrations."""
    url = await new_database(postgres, service.package)
    await upgrade(url, service, revision)
    return url


async def upgrade(url: str, service: Service, revision: str) -> None:
    """Migrates a database to that revision."""

    def run(connection: Connection) -> None:
        for statement in create_roles():
            connection.execute(text(statement))
        connection.commit()
        config = migrations.configuration(service.package)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    engine = create_async_engine(sqlalchemy_url(url))
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


async def new_database(postgres: EmbeddedPostgres, prefix: str) -> str:
    name = f"{prefix}_{uuid4().hex}"
    await asyncio.to_thread(postgres.create_databases, name)
    return postgres.url(name)


def database_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


@asynccontextmanager
async def serving_all(urls: Mapping[str, str], issuer: Issuer) -> AsyncIterator[House]:
    """Serves the four APIs; no worker runs."""
    async with AsyncExitStack() as stack:
        apis = {each.name: await stack.enter_async_context(serving(each, urls[each.name], issuer)) for each in SERVICES}
        yield House(issuer, urls, apis)


@asynccontextmanager
async def workers_running(house: House) -> AsyncIterator[None]:
    """Runs all workers: relays, consumers and background tasks."""
    stop, tasks = asyncio.Event(), []
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(open_bus(None, house.urls[BUS], session=2.0))
        for service in SERVICES:
            url = house.urls[service.name]
            for relays in (True, False) if service.subscriptions else (True,):
                await stack.enter_async_context(working(service, url, bus, relays=relays))
            engine = create_engine(url, role=WORKER_ROLE, pool_size=4, application=f"{service.name} tasks")
            stack.push_async_callback(engine.dispose)
            # To reconcile takes addresses of the services, which nobody has set.
            mine = [each for each in service.tasks if each.name != "reconciliation"]
            tasks += [asyncio.create_task(attend(each, engine, stop=stop)) for each in mine]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks)


async def settle(house: House) -> datetime:
    """Waits until the workers have processed all that was written so far. Returns when that was."""
    async with asyncio.timeout(PATIENCE):
        quiet = 0
        while quiet < 3:  # what one worker writes, another may have to do with
            quiet = quiet + 1 if await _is_quiet(house) else 0
            await asyncio.sleep(0.3)
    return datetime.now(UTC)


_LATEST = """
    SELECT t.name, p.partition, max(b.last_offset) AS last FROM bus.batches b
    JOIN bus.topics t ON t.id = b.topic_id JOIN bus.partitions p ON p.topic_id = t.id AND p.partition = b.partition
    WHERE b.appended_at < clock_timestamp() - interval '2 seconds' GROUP BY 1, 2
"""
_OPEN = """
    SELECT count(*) FROM (
        SELECT FROM health_queue
        UNION ALL SELECT FROM health_rescorings WHERE finished_at IS NULL
        UNION ALL SELECT FROM health_jobs WHERE finished_at IS NULL
        UNION ALL SELECT FROM activity_rules WHERE ready_at IS NULL
        UNION ALL SELECT FROM playbook_runs WHERE settled_at IS NULL AND settles_at < now()
        UNION ALL SELECT FROM health_scores WHERE due_at < now()
    ) AS open
"""


async def _is_quiet(house: House) -> bool:
    for service in SERVICES:
        if (await house.rows(service.name, "SELECT count(*) FROM outbox WHERE published_at IS NULL"))[0][0]:
            return False
    ends = {(row["name"], row["partition"]): row["last"] for row in await house.rows(BUS, _LATEST)}
    for service in SERVICES:
        for subscription in service.subscriptions:
            reached = {
                (row["topic"], row["partition"]): row["next_offset"]
                for row in await house.rows(
                    service.name, "SELECT * FROM consumer_offsets WHERE group_name = $1", subscription.group
                )
            }
            mine = {partition: last for partition, last in ends.items() if partition[0] in subscription.topics}
            if any(reached.get(partition, 0) <= last for partition, last in mine.items()):
                return False
    return not (await house.rows(ANALYTICS.name, _OPEN))[0][0]
