"""Customers are merged at random, on top of each other, and separated again, while events come before, between, after
and late: at any moment what is kept live is what a rebuild would make, what was known then is still answered, and after
all is undone every answer is that of a tenant that has never merged anybody.

`make prove` does a thousand pairs; `make test` some dozens.
"""

import os
import random
from collections.abc import Sequence
from datetime import datetime

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold
from tests.analytics.merging.answers import Answers, answers, different, known
from tests.analytics.merging.courses import Twins, course, delivered

from analytics.health.scores.rescoring import process_score_queue
from analytics.metrics.rollups import settle_days
from analytics.projections.rebuild import rebuild
from kith.events.envelope import Envelope
from kith.testing import Issuer, Tenant

pytestmark = pytest.mark.own_database
PAIRS = int(os.environ.get("KITH_MERGED_PAIRS", "25"))
EVENTS = 600 + 6 * PAIRS
MOMENTS = 2
"""At which all is compared in between."""
ASKED = max(4, PAIRS // 50)
"""Customers who are asked about one by one."""


@pytest.fixture
def chance() -> random.Random:
    """Other draws in each run; a failure names the seed."""
    seed = int(os.environ.get("KITH_MERGES_SEED", random.randrange(2**32)))
    print(f"KITH_MERGES_SEED={seed}")  # noqa: T201 - shown if it fails
    return random.Random(seed)


async def test_after_all_is_undone_every_answer_is_that_of_a_tenant_that_never_merged(
    analytics: httpx.AsyncClient,
    issuer: Issuer,
    worker: AsyncEngine,
    database_url: str,
    fold: Fold,
    tenant: str,
    other_tenant: str,
    chance: random.Random,
) -> None:
    merging, never = Tenant(analytics, issuer, tenant), Tenant(analytics, issuer, other_tenant)
    twins = Twins(tenant, other_tenant, chance)
    published = list(course(twins, EVENTS, PAIRS))
    assert twins.merges == PAIRS
    some = chance.sample(twins.customers, ASKED)
    ends_at = published[0][0].recorded_at  # before all that was known at any of the moments
    then: list[tuple[datetime, Answers]] = []
    for part in parts(published, MOMENTS + 1):
        await deliver(fold, [event for events in part for event in events], chance)
        await work(worker)
        assert (await rebuild(database_url, compare_only=True)).differences == []
        then.append((part[-1][0].recorded_at, await known(merging, some, ends_at, None)))
    for at, answer in then:
        again = await known(merging, some, ends_at, at)
        assert different({name: again[name] for name in answer}, answer) == []
    assert different(await answers(merging, some, ends_at, 1), await answers(never, some, ends_at, 1)) == []


def parts(published: Sequence[tuple[Envelope, ...]], number: int) -> list[Sequence[tuple[Envelope, ...]]]:
    size = -(-len(published) // number)
    return [published[start : start + size] for start in range(0, len(published), size)]


async def deliver(fold: Fold, published: Sequence[Envelope], chance: random.Random) -> None:
    rest = delivered(published, chance)
    while rest:
        size = chance.randrange(1, 1 + max(20, len(published) // 8))
        batch, rest = rest[:size], rest[size:]
        await fold(*batch)


async def work(worker: AsyncEngine) -> None:
    """What the worker does beside the fold."""
    while await settle_days(worker):
        pass
    while await process_score_queue(worker):
        pass
