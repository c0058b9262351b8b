"""What the door lets in, and what older events hold, everything behind it carries: no figure fails, and nobody else's
changes."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, happened

from analytics.health.scores.rescoring import process_score_queue, score_everybody
from analytics.jobs.kinds import TASKS
from analytics.metrics.catalogue import METRICS
from analytics.metrics.rollups import settle_days
from kith.events.analytics import HealthModelPublished, PulseSet, ReadingRecorded
from kith.events.contacts import CustomerCreated
from kith.events.envelope import Envelope
from kith.events.exchanges import TouchpointRecorded
from kith.events.sales import OpportunityLost, OpportunityOpened, OpportunityWon, OrderPlaced, OrderReturned
from kith.events.service_desk import CaseOpened, CaseResolved
from kith.ids import new_id

pytestmark = pytest.mark.own_database

Headers = dict[str, str]
DAY = timedelta(days=1)
LARGEST = Decimal("9999999999999999.9999")
AMOUNTS = (Decimal("0.0001"), Decimal(9_223_372_036_855), Decimal("9223372036854.7758"), LARGEST)
READINGS = (1e308, -1e308, 1.7976931348623157e308, 5e-324, 0.0, -0.0, 1e22)
SIGNAL = new_id()


def now() -> datetime:
    return datetime.now(UTC)


def orders(*values: Decimal) -> Iterator[OrderPlaced | OrderReturned]:
    for value in values:
        yield OrderPlaced(value=value, currency="EUR")
        yield OrderReturned(value=value, currency="EUR")


def course(tenant: str, customer: UUID, *events: Any) -> list[Envelope]:
    subject, start = new_id(), now() - 20 * DAY
    return [
        happened(each, tenant, start + number * DAY, customer, subject=subject, aggregate_version=number + 1)
        for number, each in enumerate(events)
    ]


def extremes(tenant: str) -> dict[UUID, list[Envelope]]:
    """By customer: each has one extreme, many times over."""
    found: dict[UUID, list[Envelope]] = {}

    def of(*events: Any) -> None:
        customer = new_id()
        created = happened(CustomerCreated(kind="person", segment="far"), tenant, now() - 50 * DAY, customer)
        found[customer] = [created]
        found[customer] += [
            happened(each, tenant, now() - (number + 2) * DAY / 7, customer) for number, each in enumerate(events)
        ]

    for amount in AMOUNTS:
        of(*[OrderPlaced(value=amount, currency="EUR")] * 40)
        of(*orders(*[amount] * 20))
    for reading in READINGS:
        of(*[ReadingRecorded(signal_id=SIGNAL, value=reading)] * 10)
    of(*[ReadingRecorded(signal_id=SIGNAL, value=sign * 1e308) for sign in (1, -1, 1, 1)])
    of(PulseSet(score=0, expires_at=datetime(2199, 12, 31, tzinfo=UTC)))
    of(PulseSet(score=100, expires_at=now()))
    of(*[TouchpointRecorded(channel="email", direction="inbound", duration_seconds=2**31 - 1, attempts=2**31 - 1)] * 9)
    customer = next(iter(found))
    for value in AMOUNTS:
        opened = OpportunityOpened(stage="prospecting", currency="EUR", value=value)
        found[customer] += course(
            tenant, customer, opened, OpportunityWon(from_stage="engaging", value=value, currency="EUR")
        )
        found[customer] += course(tenant, customer, opened, OpportunityLost(from_stage="engaging"))
        found[customer] += course(tenant, customer, opened)
    case: dict[str, Any] = {"priority": "low", "channel": "email"}
    resolved = CaseResolved(state="resolved", from_state="new", seconds_to_resolve=2**62, sla_met=False, **case)
    found[customer] += course(tenant, customer, CaseOpened(state="new", **case), resolved)
    return found


def of_old(tenant: str) -> dict[UUID, list[Envelope]]:
    """As events may say that were published before anybody looked."""
    found = {}
    for type, data in (
        (OrderPlaced.type, '{"value": "NaN", "currency": "EUR"}'),
        (OrderPlaced.type, '{"value": "1E+400", "currency": "EUR"}'),
        (OrderPlaced.type, '{"value": "much", "currency": "EUR"}'),
        (ReadingRecorded.type, f'{{"signal_id": "{SIGNAL}", "value": null}}'),
        (ReadingRecorded.type, f'{{"signal_id": "{SIGNAL}", "value": "a word"}}'),
        (ReadingRecorded.type, f'{{"signal_id": "{SIGNAL}", "value": "-Infinity"}}'),
        (PulseSet.type, '{"score": 50, "expires_at": "infinity"}'),
        (PulseSet.type, '{"score": 50, "expires_at": "whenever"}'),
    ):
        customer = new_id()
        event = happened(OrderPlaced(value=Decimal(1), currency="EUR"), tenant, now() - 3 * DAY, customer)
        subject = customer if type == CustomerCreated.type else event.subject
        found[customer] = [
            happened(
                OrderPlaced(value=Decimal(1), currency="EUR"), tenant, now() - 3 * DAY, customer,
                type=type, source=type.partition(".")[0], subject=subject, data=data.encode(),
            )
        ]  # fmt: skip
    return found


def model() -> HealthModelPublished:
    def measure(id: str, **fields: Any) -> dict[str, Any]:
        return {"id": id, "weight": 1, "curve": [[0, 0], [1000, 50], [1e300, 100]], "absence": "neutral", **fields}

    readings = [
        measure(f"r_{way}", input="signal", signal=str(SIGNAL), aggregate=way) for way in ("latest", "sum", "mean")
    ]
    fading = [
        measure(f"f_{way}", input="signal", signal=str(SIGNAL), aggregate=way, half_life_days=9)
        for way in ("sum", "mean")
    ]
    inputs = [
        "purchase_recency",
        "orders",
        "revenue",
        "revenue_trend",
        "returns",
        "engagement",
        "engagement_recency",
        "breadth",
        "open_cases",
        "complaints",
        "sla_breaches",
        "support",
        "pulse",
        "tenure",
        "referrals",
        "open_opportunities",
    ]
    measures = [*readings, *fading, measure("fading", input="revenue", half_life_days=30)]
    measures += [measure(each, input=each) for each in inputs]
    measures.append(measure("spanning", input="revenue") | {"curve": [[-1.5e308, 0], [1.5e308, 100]]})
    return HealthModelPublished(number=1, document={"title": "m", "measures": measures, "hysteresis": 2})


def finite(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(map(finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


@pytest.fixture
async def plain(fold: Fold, tenant: str) -> UUID:
    """Somebody who bought for 100, as everybody does."""
    customer = new_id()
    await fold(happened(CustomerCreated(kind="person", segment="near"), tenant, now() - 50 * DAY, customer))
    await fold(happened(OrderPlaced(value=Decimal(100), currency="EUR"), tenant, now() - 2 * DAY, customer))
    return customer


async def health(analytics: httpx.AsyncClient, headers: Headers, customer: UUID, at: datetime) -> Any:
    params = {"at": at.isoformat()}
    answer = await analytics.get(f"/v1/customers/{customer}/health", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    assert finite(answer.json())
    return answer.json()


async def everything(
    fold: Fold, worker: AsyncEngine, analytics: httpx.AsyncClient, headers: Headers, tenant: str,
    customers: dict[UUID, list[Envelope]], plain: UUID,
) -> None:  # fmt: skip
    """Asks for every figure with these customers in the tenant, and holds that of another against what it was."""
    await fold(happened(model(), tenant, now() - 60 * DAY))
    while await process_score_queue(worker) or await score_everybody(worker):
        pass
    at = now() - timedelta(seconds=1)
    before = await health(analytics, headers, plain, at)
    for events in customers.values():
        await fold(*events)
    while await process_score_queue(worker) or await score_everybody(worker) or await settle_days(worker):
        pass
    assert await health(analytics, headers, plain, at) == before

    rescoring = (await analytics.get("/v1/health/rescoring", headers=headers)).json()
    assert (rescoring["set_aside"], rescoring["set_aside_last"]) == (0, [])
    params = {"first": "500"}
    scores = (await analytics.get("/v1/health-scores", params=params, headers=headers)).json()["items"]
    assert {UUID(each["customer_id"]) for each in scores} >= {*customers, plain}
    assert finite(scores)
    for customer in customers:
        await health(analytics, headers, customer, now())
        for path in ("difference", "history", "path"):
            between = {"from": (now() - 40 * DAY).isoformat(), "to": now().isoformat()} if path != "path" else {}
            answer = await analytics.get(f"/v1/customers/{customer}/health/{path}", params=between, headers=headers)
            assert answer.status_code == 200, (path, answer.text)
            assert finite(answer.json())
        value = await analytics.get(f"/v1/customers/{customer}/value", headers=headers)
        assert value.status_code == 200, value.text
        assert finite(value.json())
    for params in ({}, {"groupBy": "segment"}):
        distribution = await analytics.get("/v1/health/distribution", params=params, headers=headers)
        assert distribution.status_code == 200, distribution.text
        assert distribution.json()["whole"]["customers"] == len(customers) + 1
    query = "{ healthDistribution(groupBy: SEGMENT) { whole { mean } groups { group mean } } }"
    over_graphql = (await analytics.post("/graphql", json={"query": query}, headers=headers)).json()
    assert "errors" not in over_graphql, over_graphql
    interval = {"from": (now() - 60 * DAY).isoformat(), "to": now().isoformat()}
    for metric in METRICS:
        for extra in ({}, {"groupBy": "segment"}, {"grain": "week"}):
            answer = await analytics.get(f"/v1/metrics/{metric}", params={**interval, **extra}, headers=headers)
            assert answer.status_code < 500, (metric, extra, answer.text)
            assert finite(answer.json()), (metric, extra)
    job = await analytics.post("/v1/health:what_if", json={"document": what_if()}, headers=headers)
    assert job.status_code == 202, job.text
    while await TASKS[0].step(worker):
        pass
    done = (await analytics.get(f"/v1/health-jobs/{job.json()['id']}", headers=headers)).json()
    assert (done["state"], done["reason"]) == ("done", None)
    assert finite(done["report"])


def what_if() -> dict[str, Any]:
    curve = [[0.0, 0.0], [1e9, 100.0]]
    measures = [
        {"id": "r", "title": "r", "input": "revenue", "weight": 1.0, "curve": curve, "half_life_days": 40.0},
        {"id": "w", "title": "w", "input": "revenue", "weight": 1.0, "curve": curve},
    ]
    return {"title": "w", "measures": measures}


async def test_the_extremes_of_the_door_reach_every_figure(
    fold: Fold, worker: AsyncEngine, analytics: httpx.AsyncClient, mine: Headers, tenant: str, plain: UUID
) -> None:
    await everything(fold, worker, analytics, mine, tenant, extremes(tenant), plain)


async def test_so_does_what_older_events_say(
    fold: Fold, worker: AsyncEngine, analytics: httpx.AsyncClient, mine: Headers, tenant: str, plain: UUID
) -> None:
    await everything(fold, worker, analytics, mine, tenant, of_old(tenant), plain)


@pytest.mark.parametrize("amount", AMOUNTS)
async def test_a_sum_of_amounts_is_what_it_is(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str, amount: Decimal
) -> None:
    customer = new_id()
    bought = OrderPlaced(value=amount, currency="EUR")
    await fold(*[happened(bought, tenant, now() - (n + 1) * DAY / 50, customer) for n in range(40)])
    measures = [{"id": "r", "input": "revenue", "weight": 1, "curve": [[0, 0], [float(amount) * 80, 100]]}]
    await fold(happened(HealthModelPublished(number=1, document={"measures": measures}), tenant, now() - 9 * DAY))
    found = await health(analytics, mine, customer, now())
    assert found["contributions"][0]["input"] == pytest.approx(float(40 * amount), rel=1e-12)
    assert found["score"] == pytest.approx(50, rel=1e-9)


@pytest.mark.parametrize("reading", READINGS)
async def test_a_reading_is_what_it_is(
    fold: Fold, analytics: httpx.AsyncClient, mine: Headers, tenant: str, reading: float
) -> None:
    customer = new_id()
    await fold(happened(ReadingRecorded(signal_id=SIGNAL, value=reading), tenant, now() - DAY, customer))
    measure = {"id": "r", "input": "signal", "signal": str(SIGNAL), "weight": 1, "curve": [[-1, 20], [1, 80]]}
    await fold(happened(HealthModelPublished(number=1, document={"measures": [measure]}), tenant, now() - 9 * DAY))
    found = await health(analytics, mine, customer, now())
    assert found["contributions"][0]["input"] == reading
    assert found["score"] == (80 if reading > 1 else 20 if reading < -1 else pytest.approx(50))
