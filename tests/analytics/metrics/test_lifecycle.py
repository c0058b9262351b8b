"""The figures of lifecycle, usage and web visits, over REST, of what was folded."""

from typing import Any

import httpx
import pytest
from tests.analytics.conftest import Fold, at, happened

from kith.events.contacts import CustomerLifecycleMoved
from kith.events.event import Event
from kith.events.exchanges import AdoptionMeasured, UsageRecorded, WebVisitRecorded
from kith.ids import new_id

Headers = dict[str, str]
ONE, OTHER = new_id(), new_id()
HAPPENED: list[tuple[str, Any, Event]] = [
    ("2026-02-28", ONE, UsageRecorded(uses=500)),  # before
    ("2026-03-02", ONE, CustomerLifecycleMoved(stage="prospect", from_stage="lead")),
    ("2026-03-09", ONE, CustomerLifecycleMoved(stage="customer", from_stage="prospect")),
    ("2026-03-09", OTHER, CustomerLifecycleMoved(stage="lost", from_stage="customer", reason="price")),
    ("2026-03-03", ONE, UsageRecorded(uses=3, product="till")),
    ("2026-03-04", ONE, UsageRecorded(uses=40, product="stock")),
    ("2026-03-05", OTHER, UsageRecorded(uses=7, product="till")),
    ("2026-03-06", ONE, AdoptionMeasured(bought=10, used=3, share=0.3, product="till")),
    ("2026-03-06", OTHER, AdoptionMeasured(bought=6, used=5, share=5 / 6, product="till")),
    ("2026-03-07", ONE, WebVisitRecorded(pages=3, source="newsletter")),
    ("2026-03-08", ONE, WebVisitRecorded(pages=1)),
    ("2026-04-01", ONE, WebVisitRecorded(pages=100)),  # after
]


@pytest.fixture
async def figures(fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str) -> Any:
    for version, (day, customer, event) in enumerate(HAPPENED, start=1):
        await fold(happened(event, tenant, at(day), customer, aggregate_version=version))

    async def value(id: str, **more: str) -> Any:
        params = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z", **more}
        answer = await analytics.get(f"/v1/metrics/{id}", params=params, headers=mine)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]

    return value


async def test_they_are_of_the_interval(figures: Any) -> None:
    assert await figures("lifecycle.moves") == 3
    assert await figures("usage.uses") == 3 + 40 + 7
    assert await figures("usage.customers") == 2
    assert await figures("usage.adoption") == 100 * 8 / 16
    assert await figures("marketing.page_views") == 4


@pytest.mark.parametrize(
    ("id", "filters", "value"),
    [
        ("lifecycle.moves", {"lifecycle_stage": "lost"}, 1),
        ("lifecycle.moves", {"from_stage": "prospect"}, 1),
        ("lifecycle.moves", {"reason": "price"}, 1),
        ("usage.uses", {"used_product": "till"}, 10),
        ("usage.adoption", {"used_product": "stock"}, None),
        ("marketing.page_views", {"visit_source": "newsletter"}, 3),
    ],
)
async def test_they_are_filtered_by_what_the_events_say(
    figures: Any, id: str, filters: dict[str, str], value: float | None
) -> None:
    (name, wanted), *_ = filters.items()
    assert await figures(id, filter=f"{name}:{wanted}") == value
