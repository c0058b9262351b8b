"""What was moved before visits were kept has the visits that its history tells."""

import json

import asyncpg
from tests.conftest import FreshDatabase, Headers

from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.nouns.fills import filling
from kith.testing import Issuer, serving
from sales.opportunities.past_visits import VISITS
from sales.service import SERVICE

LEASE = {"name": "Lease", "currency": "EUR", "occurred_at": "2026-03-01T00:00:00Z"}


async def test_opportunities_of_before_have_the_visits_that_their_history_tells(
    fresh_database: FreshDatabase, issuer: Issuer, mine: Headers
) -> None:
    url = await fresh_database(SERVICE)
    engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="test worker")
    rows = await asyncpg.connect(url)
    async with serving(SERVICE, url, issuer) as sales:
        made = [(await sales.post("/v1/opportunities", json=LEASE, headers=mine)).json()["id"] for _ in range(5)]
        moved, closed, still, unknown, beside = (f"/v1/opportunities/{id}" for id in made)
        for path, body in (
            (f"{moved}:amend", {"value": 5}),
            (f"{moved}:advance", {"stage": "proposing", "occurred_at": "2026-03-02T00:00:00Z"}),
            (f"{moved}:advance", {"stage": "engaging", "occurred_at": "2026-03-03T00:00:00Z"}),
            (f"{closed}:lose", {"occurred_at": "2026-03-04T00:00:00Z"}),
            (f"{unknown}:advance", {"stage": "engaging", "occurred_at": "2026-03-04T00:00:00Z"}),
        ):
            sent = {"occurred_at": LEASE["occurred_at"], **body}
            assert (await sales.post(path, json=sent, headers=mine)).is_success
        advanced = {"stage": "engaging", "occurred_at": "2026-03-05T00:00:00Z"}
        assert (await sales.post(f"{beside}:advance", json=advanced, headers=mine)).is_success
        paths = (moved, closed, still, beside)
        before = [(await sales.get(path, headers=mine)).json()["visits"] for path in paths]
        await rows.execute("UPDATE opportunities SET visits = '[]' WHERE id <> $1", made[0])
        # As code of before leaves it that moves what code of now has opened.
        opened = [{"stage": "prospecting", "entered_at": LEASE["occurred_at"]}]
        await rows.execute(
            "UPDATE opportunities SET visits = $2::text::jsonb WHERE id = $1", made[4], json.dumps(opened)
        )
        await rows.execute("UPDATE opportunities SET visits = visits - 0 WHERE id = $1", made[0])
        await rows.execute("DELETE FROM history WHERE subject = $1 AND version = 1", made[3])
        task = filling((), VISITS)
        await task.step(engine)
        assert [(await sales.get(path, headers=mine)).json()["visits"] for path in paths] == before
        assert (await sales.get(unknown, headers=mine)).json()["visits"] == []
    await engine.dispose()
    await rows.close()
