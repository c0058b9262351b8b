"""What operators see of the cases, of all tenants together."""

from prometheus_client import REGISTRY
from tests.conftest import FreshDatabase, Headers

from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.testing import Issuer, serving
from service_desk.cases.open_cases import report_cases
from service_desk.service import SERVICE


def unresolved(state: str, priority: str) -> float | None:
    return REGISTRY.get_sample_value("kith_cases_unresolved", {"state": state, "priority": priority})


async def test_unresolved_cases_are_counted_by_state_and_priority(
    fresh_database: FreshDatabase, issuer: Issuer, mine: Headers, theirs: Headers
) -> None:
    url = await fresh_database(SERVICE)
    engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="test worker")
    async with serving(SERVICE, url, issuer) as desk:
        for whose, priority in ((mine, "high"), (theirs, "high"), (mine, "low")):
            body = {"subject": "Leaks", "priority": priority, "channel": "email"}
            answer = await desk.post("/v1/cases", json=body, headers=whose)
            assert answer.status_code == 201, answer.text
        resolved = f"/v1/cases/{answer.json()['id']}:resolve"
        assert (await desk.post(resolved, json={}, headers=mine)).is_success
    await report_cases(engine)
    await engine.dispose()
    assert [unresolved("new", each) for each in ("critical", "high", "moderate", "low")] == [0, 2, 0, 0]
    assert unresolved("resolved", "low") is None
