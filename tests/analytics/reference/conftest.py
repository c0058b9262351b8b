"""The five sets, replayed into the services and folded, each for a tenant of its own; once for all tests here."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.reference import facts
from tests.analytics.reference.facts import Company
from tests.recorded import DATA

from analytics.consumers import handle
from analytics.metrics.rollups import settle_days
from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.envelope import Envelope
from kith.ids import new_id
from kith.runtime.service import Service
from kith.testing import Issuer
from kith_local.postgres import EmbeddedPostgres
from kith_local.replay.api import Api
from kith_local.replay.commands import CUSTOMERS, PRODUCTS, USAGES, USERS, Noun
from kith_local.replay.files import locate, read
from kith_local.replay.sender import Sender
from kith_local.replay.session import DATA_SETS
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

BATCH = 2000
PATIENCE = 240.0
"""Seconds until a request that is refused for want of a slot is given up: less than the first test may take."""
SOURCES = (CONTACTS, SALES, SERVICE_DESK)

Params = dict[str, str | list[str]]


@dataclass(frozen=True)
class Replayed:
    """A set as the files have it, and the tenant that the services have it under."""

    company: Company
    tenant: str
    client: httpx.AsyncClient
    issuer: Issuer

    async def get(self, path: str, params: Params) -> Any:
        """The answer, its numbers with all the digits they were written with."""
        answer = await self.client.get(path, params=params, headers=self._authorized())
        assert answer.status_code == 200, answer.text
        return answer.json(parse_float=Decimal)

    async def post(self, path: str, body: Any) -> Any:
        answer = await self.client.post(path, json=body, headers=self._authorized())
        assert answer.status_code == 200, answer.text
        return answer.json(parse_float=Decimal)

    def _authorized(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.token(self.tenant)}"}


@pytest.fixture(scope="session")
async def replayed(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]],
    postgres: EmbeddedPostgres,
    issuer: Issuer,
) -> dict[str, Replayed]:
    clients = {service.name: await serve(service) for service in (*SOURCES, ANALYTICS)}
    urls = {name: f"http://{name}" for name in clients}
    to_each = {f"all://{name}": client._transport for name, client in clients.items()}
    sets = {}
    async with httpx.AsyncClient(mounts=to_each) as http:
        for name in facts.NAMES:
            tenant = f"t-{new_id().hex}"
            ids = await sent(name, Api(http, urls, issuer.token(tenant), patience=PATIENCE))
            company = facts.company(name).known_as(ids.get(CUSTOMERS, {}), ids.get(PRODUCTS, {}), ids.get(USERS, {}))
            sets[tenant] = Replayed(company, tenant, clients[ANALYTICS.name], issuer)
    batches = [batch for service in SOURCES async for batch in published(postgres, service, list(sets))]
    worker = create_engine(postgres.url("kith_analytics"), role=WORKER_ROLE, pool_size=5, application="test worker")
    # Every fifth batch comes when days have been added up already: some of them are stale again, others are not.
    await fold([batch for place, batch in enumerate(batches) if place % 5], worker)
    while await settle_days(worker):
        pass
    await fold(batches[::5], worker)
    await worker.dispose()
    return {each.company.name: each for each in sets.values()}


async def sent(name: str, api: Api) -> dict[Noun, dict[str, str]]:
    """Replays a set. Returns the ids that the services gave, by noun and name."""
    data_set = DATA_SETS[name]
    paths = locate(data_set.sources, DATA, {})
    mapped = data_set.map({source.name: read(source, paths[source.name]) for source in data_set.sources})
    sender = Sender(api, Unwatched())
    mapped.commands.pop(USAGES, None)  # which no figure here is of
    done = await sender.send(mapped.commands)
    assert not mapped.rejected
    assert not done.rejected
    ids: dict[Noun, dict[str, str]] = {}
    for reference, id in sender._ids.items():
        ids.setdefault(reference.noun, {})[reference.external_id] = str(id)
    return ids


async def fold(batches: Iterable[Sequence[Envelope]], worker: AsyncEngine) -> None:
    for batch in batches:
        async with worker.begin() as connection:
            await handle(connection, batch)


class Unwatched:
    """A progress that nobody looks at."""

    def begin(self, what: str, total: int) -> None: ...
    def advance(self, done: int) -> None: ...


async def published(postgres: EmbeddedPostgres, service: Service, tenants: list[str]) -> AsyncIterator[list[Envelope]]:
    """The service's events, in the order and the size of batches that the worker gets them in."""
    engine = create_engine(postgres.url(f"kith_{service.package}"), role=WORKER_ROLE, pool_size=1, application="test")
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT * FROM outbox WHERE tenant_id = ANY(:tenants) ORDER BY seq"), {"tenants": tenants}
        )
        events = [
            Envelope(
                **{name: row[name] for name in Envelope.__struct_fields__ if name != "source"}, source=service.name
            )
            for row in rows.mappings()
        ]
    await engine.dispose()
    for start in range(0, len(events), BATCH):
        yield events[start : start + BATCH]
