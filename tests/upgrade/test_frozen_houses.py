"""Databases that an earlier version wrote are migrated, answer every question as that version did, and work goes on."""

from datetime import UTC, datetime

import pytest
from tests.kith.consumer.world import eventually
from tests.upgrade.frozen_house import FrozenHouse, frozen_houses
from tests.upgrade.house import House, serving_all, workers_running
from tests.upgrade.questions import Answered, ask, differences, read_answers

from analytics.projections.rebuild import rebuild
from kith.testing import Issuer
from kith_local.postgres import EmbeddedPostgres

UNPUBLISHED = "SELECT id FROM outbox WHERE published_at IS NULL"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("frozen", frozen_houses(), ids=lambda frozen: frozen.folder.name)
async def test_a_house_of_an_earlier_version_answers_the_same_and_goes_on(
    frozen: FrozenHouse, postgres: EmbeddedPostgres, issuer: Issuer
) -> None:
    async with serving_all(await frozen.load(postgres), issuer) as house:
        await answers_the_same(house, frozen)
        await rebuilds_the_same(house)
        await goes_on(house, frozen.about.tenants[0])
        await rebuilds_the_same(house)


async def answers_the_same(house: House, frozen: FrozenHouse) -> None:
    wrong = list[str]()
    for old in read_answers(frozen.answers):
        new = await ask(house, old.question)
        wrong += [f"{old.question}: {each}" for each in differences(said(old), said(new))]
    assert not wrong, f"{len(wrong)} of what was said is not said any more:\n" + "\n".join(wrong[:20])


def said(answered: Answered) -> object:
    return {"status": answered.status, "answer": answered.answer}


async def rebuilds_the_same(house: House) -> None:
    """The read models hold what the ledger says, as the code of today reads it."""
    found = await rebuild(house.urls["analytics"], compare_only=True)
    assert (found.events > 0, found.differences) == (True, [])


async def goes_on(house: House, tenant: str) -> None:
    """What no relay had seen is published and folded, so is what is new, and its customers are scored again."""
    began = datetime.now(UTC)
    waiting = [
        row["id"] for service in ("contacts", "sales", "service-desk") for row in await house.rows(service, UNPUBLISHED)
    ]
    assert waiting
    customers = (await house.tenant("contacts", tenant).get("/v1/customers", first=2)).json()["items"]
    new = await house.tenant("sales", tenant).made(
        "/v1/orders", customer_id=customers[0]["id"], value="44.40", currency="EUR"
    )

    async def are_counted() -> bool:
        found = await house.rows(
            "analytics", "SELECT FROM ledger WHERE id = ANY($1::uuid[]) OR subject = $2", waiting, new["id"]
        )
        return len(found) == len(waiting) + 1

    async def is_scored() -> bool:
        when = "SELECT scored_at FROM health_scores WHERE tenant_id = $1 AND customer_id = $2"
        ((scored_at,),) = await house.rows("analytics", when, tenant, customers[0]["id"])
        return bool(scored_at > began)

    async with workers_running(house):
        await eventually(are_counted)
        await eventually(is_scored)
