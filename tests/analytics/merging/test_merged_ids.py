"""The id of a merged customer resolves for ever: what is asked of it is answered for its survivor, and says so."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.analytics.conftest import Fold, happened

from kith.events.contacts import CustomerCreated, CustomerMerged, CustomerUnmerged
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith.testing import Issuer, Tenant

NOW = datetime.now(UTC).replace(microsecond=0)
START = NOW - timedelta(days=60)
BETWEEN = NOW - timedelta(hours=2)
"""Before the merges were recorded, and after all else."""
OVER = {"from": START.isoformat(), "to": NOW.isoformat()}
PATHS: tuple[tuple[str, dict[str, str]], ...] = (
    ("timeline", {}),
    ("value", {"at": NOW.isoformat()}),
    ("health", {"at": NOW.isoformat()}),
    ("health/path", {"at": NOW.isoformat()}),
    ("health/difference", OVER),
    ("health/history", OVER),
)
GRAPHQL = """query ($r: [_Any!]!, $at: DateTime!, $from: DateTime!) { _entities(representations: $r) { ... on Customer {
    health(at: $at) { score mergedInto words path { score mergedInto } history(from: $from) { band mergedInto }
        difference(from: $from) { change mergedInto } }
    value(at: $at) { orders mergedInto } timeline { nodes { id } } } } }"""


@pytest.fixture
def acme(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(analytics, issuer, tenant)


@pytest.fixture
async def chain(fold: Fold, tenant: str) -> list[UUID]:
    """The first was merged into the second, and that one into the third; each has bought."""
    ids = [new_id() for _ in range(3)]
    for days, each in enumerate(ids):
        known = {"recorded_at": BETWEEN - timedelta(hours=1)}
        await fold(
            happened(CustomerCreated(kind="person"), tenant, START, each, **known),
            happened(
                OrderPlaced(value=Decimal(10), currency="EUR"), tenant, START + timedelta(days=days), each, **known
            ),
        )
    first, second, third = ids
    await fold(happened(CustomerMerged(into=second), tenant, NOW, first, aggregate_version=2))
    await fold(happened(CustomerMerged(into=third), tenant, NOW, second, aggregate_version=2))
    return ids


async def got(tenant: Tenant, customer: UUID, path: str, **query: str) -> Any:
    answer = await tenant.get(f"/v1/customers/{customer}/{path}", **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(("path", "query"), PATHS)
async def test_what_is_asked_of_a_merged_customer_is_answered_for_its_survivor(
    acme: Tenant, chain: list[UUID], path: str, query: dict[str, str]
) -> None:
    *merged, survivor = chain
    found = await got(acme, survivor, path, **query)
    assert found["merged_into"] is None
    for each in merged:
        assert await got(acme, each, path, **query) == {**found, "merged_into": str(survivor)}


async def test_over_graphql_too_beside_its_survivor(acme: Tenant, chain: list[UUID]) -> None:
    asked = {"r": [{"__typename": "Customer", "id": str(each)} for each in chain], "at": OVER["to"], **OVER}
    del asked["to"]
    *merged, survivor = (await acme.ask(GRAPHQL, **asked))["_entities"]
    assert survivor["health"]["mergedInto"] is None
    into = {"mergedInto": str(chain[-1])}
    health = survivor["health"]
    for each in merged:
        assert each["value"] == {**survivor["value"], **into}
        assert each["timeline"] == survivor["timeline"]
        assert each["health"] == {
            **health,
            **into,
            **{name: {**health[name], **into} for name in ("path", "history", "difference")},
        }


async def test_as_it_was_known_before_the_merge_it_stands_for_itself(acme: Tenant, chain: list[UUID]) -> None:
    first, survivor = chain[0], chain[-1]
    at, known_at = NOW.isoformat(), BETWEEN.isoformat()
    before = await got(acme, first, "health", at=at, knownAt=known_at)
    assert before["merged_into"] is None
    (events,) = (each["events"] for each in before["contributions"] if each["measure"] == "frequency")
    assert len(events) == 1
    later = datetime.now(UTC).isoformat()
    after = await got(acme, first, "health", at=at, knownAt=later)
    assert after == {**await got(acme, survivor, "health", at=at, knownAt=later), "merged_into": str(survivor)}
    (events,) = (each["events"] for each in after["contributions"] if each["measure"] == "frequency")
    assert len(events) == 3


async def test_once_separated_it_is_answered_for_itself_again(
    acme: Tenant, chain: list[UUID], fold: Fold, tenant: str
) -> None:
    first, second, third = chain
    await fold(happened(CustomerUnmerged(out_of=third), tenant, NOW, second, aggregate_version=3))
    assert (await got(acme, second, "value"))["merged_into"] is None
    value = await got(acme, first, "value")
    assert (value["merged_into"], value["orders"]) == (str(second), 2)
