"""Every noun is exported by a job as it is by its stream."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from tests.contracts.nouns import NOUNS, World

from kith.api import api_of
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.exports.run import Exporter
from kith.exports.tables import EXPORTS
from kith.jobs.runner import Jobs
from kith.runtime.service import Service
from kith.testing import Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres

COLLECTIONS = [
    each for each in NOUNS if not each.resource.singleton and EXPORTS.name in each.resource.table.metadata.tables
]
EXPORTING = list({each.service.name: each.service for each in COLLECTIONS}.values())
Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]


@pytest.mark.parametrize("service", EXPORTING, ids=lambda each: each.name)
async def test_a_job_exports_what_the_stream_does(
    serve: Serve, issuer: Issuer, tenant: str, postgres: EmbeddedPostgres, service: Service
) -> None:
    ours = World(Tenant(await serve(service), issuer, tenant))
    exporter = Exporter(service.name, api_of(service).resources)
    url = postgres.url(f"kith_{service.package}")
    worker = create_engine(url, role=WORKER_ROLE, pool_size=2, application="test worker")
    try:
        for noun in (each for each in COLLECTIONS if each.service is service):
            await ours.made(noun)
            asked = {"noun": noun.resource.name, "format": "ndjson"}
            job = (await ours.tenant.post("/v1/exports", asked)).json()
            while await Jobs(EXPORTS, {each.resource.name: exporter.run for each in COLLECTIONS}).step(worker):
                pass
            content = await ours.tenant.get(f"/v1/exports/{job['id']}/content")
            assert content.status_code == 200, content.text
            assert content.text == (await ours.tenant.get(f"{noun.path}:export")).text
    finally:
        await worker.dispose()
