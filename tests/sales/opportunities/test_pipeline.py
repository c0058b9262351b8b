"""What operators see of the pipeline, of all tenants together."""

import httpx
from prometheus_client import REGISTRY
from tests.conftest import FreshDatabase, Headers

from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.testing import Issuer, serving
from sales.opportunities.pipeline import report_pipeline
from sales.service import SERVICE


def in_category(category: str) -> float | None:
    return REGISTRY.get_sample_value("kith_pipeline_opportunities", {"forecast_category": category})


async def opened(sales: httpx.AsyncClient, whose: Headers) -> str:
    body = {"name": "Lease", "value": "1000.00", "currency": "EUR"}
    answer = await sales.post("/v1/opportunities", json=body, headers=whose)
    assert answer.status_code == 201, answer.text
    return f"/v1/opportunities/{answer.json()['id']}"


async def test_open_opportunities_are_counted_by_forecast_category_and_closed_ones_are_not(
    fresh_database: FreshDatabase, issuer: Issuer, mine: Headers, theirs: Headers
) -> None:
    url = await fresh_database(SERVICE)
    engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="test worker")
    async with serving(SERVICE, url, issuer) as sales:
        await opened(sales, mine)
        won = await opened(sales, mine)
        advanced = await opened(sales, theirs)
        for path, body in ((f"{won}:win", {}), (f"{advanced}:advance", {"stage": "proposing"})):
            assert (await sales.post(path, json=body, headers=theirs if path.startswith(advanced) else mine)).is_success
    await report_pipeline(engine)
    await engine.dispose()
    assert [in_category(each) for each in ("pipeline", "best_case", "commit", "omitted")] == [1, 1, 0, 0]
