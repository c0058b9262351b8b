"""What cannot be scored stops nobody else: neither a customer, nor a model, nor a tenant of many."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, happened

from analytics.health.engine.reads import unread_of
from analytics.health.scores import piece
from analytics.health.scores import rescoring as scoring
from analytics.health.scores.rescoring import note_due, process_score_queue, score_due, score_everybody
from analytics.health.scores.tables import health_changes, health_queue, health_rescorings, health_scores
from kith.events.analytics import HealthModelPublished, HealthModelRetired
from kith.events.contacts import CustomerCreated
from kith.events.sales import OrderPlaced
from kith.ids import new_id
from kith.runtime.offload import offload

BOUGHT = OrderPlaced(value=Decimal(100), currency="EUR")
DAY = timedelta(days=1)
Score = Callable[[], Awaitable[None]]


@pytest.fixture
def score(worker: AsyncEngine) -> Score:
    async def until_idle() -> None:
        for step in (process_score_queue, score_due, score_everybody, process_score_queue):
            while await step(worker):
                pass

    return until_idle


def now() -> datetime:
    return datetime.now(UTC)


def model(
    *, input: str = "purchase_recency", tags: tuple[str, ...] = (), steady: float = 40, number: int = 1
) -> HealthModelPublished:
    measure = {"id": "r", "input": input, "weight": 1, "curve": [[0, 100], [100, 0]]}
    document = {"title": "m", "measures": [measure], "bands": {"steady": steady, "healthy": 90}, "hysteresis": 0}
    return HealthModelPublished(number=number, document=document | {"audience": {"tags": list(tags)}})


async def bands(worker: AsyncEngine, tenant: str) -> dict[UUID, str | None]:
    async with worker.connect() as connection:
        c = health_scores.c
        rows = await connection.execute(select(c.customer_id, c.band).where(c.tenant_id == tenant))
        return {row.customer_id: row.band for row in rows}


async def noted(worker: AsyncEngine, tenant: str) -> int:
    async with worker.connect() as connection:
        number = select(func.count()).select_from(health_queue).where(health_queue.c.tenant_id == tenant)
        return (await connection.execute(number)).scalar_one()


async def rescoring(analytics: httpx.AsyncClient, headers: dict[str, str]) -> Any:
    answer = await analytics.get("/v1/health/rescoring", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> set[UUID]:
    """Customers whose facts cannot be read."""
    found = set[UUID]()

    async def reads(connection: Any, tenant: str, models: Any, customers: Any, whose: Any) -> Any:
        if found.intersection(customers):
            raise ValueError("a fact that nobody can read")
        return await unread_of(connection, tenant, models, customers, whose)

    monkeypatch.setattr(piece, "unread_of", reads)
    return found


async def test_a_customer_that_cannot_be_scored_is_set_aside_with_the_reason_and_all_others_are_scored(
    fold: Fold, score: Score, worker: AsyncEngine, analytics: httpx.AsyncClient, mine: dict[str, str], tenant: str,
    unreadable: set[UUID],
) -> None:  # fmt: skip
    customers = [new_id() for _ in range(9)]
    bad = customers[4]
    unreadable.add(bad)
    await fold(*[happened(BOUGHT, tenant, now() - DAY, customer) for customer in customers])
    await score()
    assert await bands(worker, tenant) == dict.fromkeys(set(customers) - {bad}, "healthy")
    assert await noted(worker, tenant) == 0, "it is not tried for ever"
    rescored = await rescoring(analytics, mine)
    assert rescored["set_aside"] == 1
    (why,) = rescored["set_aside_last"]
    assert (why["customer_id"], why["model"]) == (str(bad), None)
    assert why["reason"] == "ValueError: a fact that nobody can read"
    query = "{ healthRescoring { setAside setAsideLast { customerId reason } } }"
    answer = await analytics.post("/graphql", json={"query": query}, headers=mine)
    assert answer.json()["data"]["healthRescoring"]["setAsideLast"] == [
        {"customerId": str(bad), "reason": why["reason"]}
    ]


async def test_it_is_tried_again_when_something_happens_to_it(
    fold: Fold, score: Score, worker: AsyncEngine, analytics: httpx.AsyncClient, mine: dict[str, str], tenant: str,
    unreadable: set[UUID],
) -> None:  # fmt: skip
    bad = new_id()
    unreadable.add(bad)
    await fold(happened(BOUGHT, tenant, now() - DAY, bad))
    await score()
    unreadable.clear()
    await score()
    assert await bands(worker, tenant) == {}
    await fold(happened(BOUGHT, tenant, now() - DAY, bad))
    await score()
    assert await bands(worker, tenant) == {bad: "healthy"}
    assert (await rescoring(analytics, mine))["set_aside"] == 0


async def test_and_when_the_models_change(
    fold: Fold, score: Score, worker: AsyncEngine, analytics: httpx.AsyncClient, mine: dict[str, str], tenant: str,
    unreadable: set[UUID],
) -> None:  # fmt: skip
    bad = new_id()
    unreadable.add(bad)
    await fold(happened(BOUGHT, tenant, now() - DAY, bad))
    await score()
    unreadable.clear()
    await fold(happened(model(), tenant, now()))
    await score()
    assert await bands(worker, tenant) == {bad: "healthy"}
    rescored = await rescoring(analytics, mine)
    assert (rescored["done"], rescored["total"], rescored["set_aside"]) == (1, 1, 0)
    assert rescored["finished_at"] is not None


async def test_a_model_that_cannot_be_computed_sets_aside_its_customers_and_nobody_else(
    fold: Fold, score: Score, worker: AsyncEngine, analytics: httpx.AsyncClient, mine: dict[str, str], tenant: str
) -> None:
    plain, tagged, broken = new_id(), new_id(), new_id()
    await fold(
        happened(model(input="of another world", tags=("vip",)), tenant, now() - DAY, subject=broken),
        happened(CustomerCreated(kind="person", tags=["vip"]), tenant, now() - 2 * DAY, tagged),
        *[happened(BOUGHT, tenant, now() - DAY, customer) for customer in (plain, tagged)],
    )
    await score()
    assert await bands(worker, tenant) == {plain: "healthy"}
    (why,) = (await rescoring(analytics, mine))["set_aside_last"]
    assert (why["customer_id"], why["model"], why["model_version"]) == (str(tagged), str(broken), 1)
    assert "of another world" in why["reason"]
    for path in ("", "/path", f"/history?from={(now() - 9 * DAY).isoformat()[:19]}Z"):
        answer = await analytics.get(f"/v1/customers/{tagged}/health{path}", headers=mine)
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == str(broken)
    health = (await analytics.get(f"/v1/customers/{tagged}/health", headers=mine)).json()
    assert (health["score"], health["band"], health["fault"]) == (None, None, why["reason"])
    await fold(happened(HealthModelRetired(), tenant, now(), subject=broken, aggregate_version=2))
    await score()
    assert await bands(worker, tenant) == {plain: "healthy", tagged: "healthy"}


async def test_a_document_that_cannot_be_read_is_a_model_that_cannot_be_computed(
    fold: Fold, score: Score, worker: AsyncEngine, analytics: httpx.AsyncClient, mine: dict[str, str], tenant: str
) -> None:
    customer, broken = new_id(), new_id()
    unreadable = HealthModelPublished(number=1, document={"measures": [{"id": "r"}]})
    await fold(
        happened(unreadable, tenant, now() - DAY, subject=broken), happened(BOUGHT, tenant, now() - DAY, customer)
    )
    await score()
    (why,) = (await rescoring(analytics, mine))["set_aside_last"]
    assert (why["customer_id"], why["model"]) == (str(customer), str(broken))


async def test_who_has_few_noted_does_not_wait_for_who_has_many(
    fold: Fold, worker: AsyncEngine, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "AT_ONCE", 150)
    other, customer = f"{tenant}-other", new_id()
    await fold(*[happened(BOUGHT, tenant, now() - DAY, new_id()) for _ in range(400)])
    await fold(happened(BOUGHT, other, now() - DAY, customer))
    await process_score_queue(worker)
    assert await bands(worker, other) == {customer: "healthy"}
    assert await noted(worker, tenant) >= 250


async def test_no_transaction_is_open_while_it_is_computed(
    fold: Fold, score: Score, worker: AsyncEngine, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[int]()

    async def watching(*arguments: Any, **options: Any) -> Any:
        async with worker.connect() as connection:
            seen.append(
                (
                    await connection.execute(
                        text(
                            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'test worker' "
                            "AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
                        )
                    )
                ).scalar_one()
            )
        return await offload(*arguments, **options)

    monkeypatch.setattr(piece, "offload", watching)
    await fold(happened(BOUGHT, tenant, now() - DAY, new_id()), happened(model(), tenant, now()))
    await score()
    assert set(seen) == {0}


async def test_who_was_scored_by_somebody_else_meanwhile_is_scored_again_and_not_written_over(
    fold: Fold, score: Score, worker: AsyncEngine, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer, times = new_id(), 0

    async def slowly(*arguments: Any, **options: Any) -> Any:
        nonlocal times
        times += 1
        found = await offload(*arguments, **options)
        if times == 1:
            async with worker.begin() as connection:
                await connection.execute(
                    health_scores.insert().values(
                        tenant_id=tenant, customer_id=customer, version=1, coverage=1, band="at_risk", score=1,
                        model="default", model_version=2, scored_at=now() - DAY, band_since=now(),
                    )
                )  # fmt: skip
        return found

    monkeypatch.setattr(piece, "offload", slowly)
    await fold(happened(BOUGHT, tenant, now() - timedelta(hours=1), customer))
    await process_score_queue(worker)
    assert await bands(worker, tenant) == {customer: "at_risk"}
    assert await noted(worker, tenant) == 1
    await score()
    assert await bands(worker, tenant) == {customer: "healthy"}
    async with worker.connect() as connection:
        left = await connection.execute(select(health_changes.c.from_band).where(health_changes.c.tenant_id == tenant))
        assert left.scalars().all() == ["at_risk"]


async def test_a_rescoring_that_is_interrupted_goes_on_where_it_was(
    fold: Fold, score: Score, worker: AsyncEngine, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "CUSTOMERS", 4)
    await fold(*[happened(BOUGHT, tenant, now() - 30 * DAY, new_id()) for _ in range(10)])
    while await process_score_queue(worker):
        pass
    await fold(happened(model(steady=80), tenant, now()))
    looked_at = list[int]()

    async def dying(*arguments: Any, **options: Any) -> Any:
        looked_at.append(len(arguments[1].found.customers))
        if len(looked_at) == 2:
            raise ConnectionError
        return await offload(*arguments, **options)

    monkeypatch.setattr(piece, "offload", dying)
    with pytest.raises(ConnectionError):
        await score()
    await score()
    assert looked_at == [4, 4, 4, 2]
    assert set((await bands(worker, tenant)).values()) == {"at_risk"}
    async with worker.connect() as connection:
        row = (await connection.execute(select(health_rescorings).where(health_rescorings.c.tenant_id == tenant))).one()
        assert (row.done, row.total, row.finished_at is not None) == (10, 10, True)


async def test_a_model_published_while_everybody_is_scored_begins_it_again(
    fold: Fold, score: Score, worker: AsyncEngine, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fold(*[happened(BOUGHT, tenant, now() - 30 * DAY, new_id()) for _ in range(3)])
    while await process_score_queue(worker):
        pass
    subject = new_id()
    await fold(happened(model(steady=40), tenant, now(), subject=subject))

    async def meanwhile(*arguments: Any, **options: Any) -> Any:
        found = await offload(*arguments, **options)
        monkeypatch.setattr(piece, "offload", offload)
        await fold(happened(model(steady=80, number=2), tenant, now(), subject=subject, aggregate_version=2))
        return found

    monkeypatch.setattr(piece, "offload", meanwhile)
    assert await score_everybody(worker)
    assert set((await bands(worker, tenant)).values()) != {"at_risk"}, "by neither model yet"
    await score()
    assert set((await bands(worker, tenant)).values()) == {"at_risk"}


async def test_whom_silence_changes_is_noted_once(fold: Fold, score: Score, worker: AsyncEngine, tenant: str) -> None:
    customer = new_id()
    await fold(happened(BOUGHT, tenant, now() - DAY, customer))
    await score()
    async with worker.begin() as connection:
        c = health_scores.c
        await connection.execute(update(health_scores).where(c.tenant_id == tenant).values(due_at=now() - DAY))
    await asyncio.gather(note_due(worker), note_due(worker))
    assert await noted(worker, tenant) == 1
    await score()
    async with worker.connect() as connection:
        due = select(health_scores.c.due_at).where(health_scores.c.tenant_id == tenant)
        assert (await connection.execute(due)).scalar_one() > now()
