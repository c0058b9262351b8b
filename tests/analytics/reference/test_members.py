"""Whom a figure counts: read page by page, they come to the figure, and each with an event that is in the ledger."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.reference.conftest import Replayed
from tests.analytics.reference.figures import FIGURES, Query, as_of_customers, cells
from tests.analytics.reference.questions import Question, ask, without
from tests.recorded import needs_recorded_data

from kith.nouns.lists.pages import MAX_PAGE

pytestmark = [
    needs_recorded_data,
    pytest.mark.timeout(900),
]

QUESTIONS = (
    ask("retail", "2011-06-01", "2011-09-01"),
    ask("b2b", "2017-05-05T05:05", "2017-07-07T07:07", zone="Asia/Kolkata"),
    ask("desk", "2016-03-01T12:00", "2016-03-04", cut=without("priority", "low"), zone="America/New_York"),
    ask("bank", "2010-05-01", "2010-07-01", cut=without("segment", "student")),
    ask("saas", "2024-01-01", "2024-06-30T12:00", cut=without("tier", "Pro")),
)


def parts_of(id: str) -> Iterator[str]:
    figure = FIGURES[id]
    if any(part.how == "median" for part in figure.parts.values()):
        return
    yield "numerator"
    if figure.below is not None:
        yield "denominator"
    yield from figure.parts


async def members(it: Replayed, id: str, question: Question, part: str, first: int = MAX_PAGE) -> list[Any]:
    """All pages."""
    found: list[Any] = []
    params = {**question.params, "part": part, "first": str(first)}
    del params["groupBy"]
    while True:
        page = await it.get(f"/v1/metrics/{id}/members", params)
        assert len(page["items"]) <= first
        found += page["items"]
        if page["next"] is None:
            return found
        assert len(page["items"]) == first
        params = {**params, "after": page["next"]}


def per_customer(id: str, part: str, question: Question, it: Replayed) -> dict[str | None, Decimal]:
    """What each adds to the part, by the straight computation."""
    query = Query(it.company, question.start, question.end, ZoneInfo(question.zone))
    figure = FIGURES[id]
    of = {"numerator": figure.above, "denominator": figure.below}.get(part) or (lambda counts: counts[part])
    found = cells(as_of_customers(figure), query, [question.start, question.end], ["customer"], question.filters)
    adds = {cell.group[0]: of(counts) for cell, counts in found.items()}
    return {it.company.ids[name] if name else None: number for name, number in adds.items() if number}


@pytest.mark.parametrize(
    ("question", "id", "part"),
    [
        pytest.param(question, id, part, id=f"{id} {part} {question.of}")
        for question in QUESTIONS
        for id in question.metrics
        for part in parts_of(id)
    ],
)
async def test_they_add_up_to_the_part_and_each_has_its_event(
    replayed: dict[str, Replayed], ledger: dict[str, Any], question: Question, id: str, part: str
) -> None:
    it = replayed[question.of]
    found = await members(it, id, question, part)

    adds: dict[str | None, Decimal] = defaultdict(Decimal)
    for each in found:
        adds[each["customer_id"]] += each["value"]
    shown = {customer: round(number, 4) for customer, number in adds.items() if number}
    straight = {customer: round(number, 4) for customer, number in per_customer(id, part, question, it).items()}
    if id == "clv.simple":  # of floats
        assert shown.keys() == straight.keys()
        assert all(abs(number - straight[customer]) <= Decimal("0.0001") for customer, number in shown.items())
    else:
        assert shown == straight

    keys = [(each["customer_id"], each["subject"], each["event_id"]) for each in found]
    assert len(set(keys)) == len(keys)
    for each in found:
        event = ledger[each["event_id"]]
        assert event["tenant_id"] == it.tenant
        assert {name: each[name] for name in ("subject", "customer_id", "type")} == {
            name: event[name] for name in ("subject", "customer_id", "type")
        }
        assert datetime.fromisoformat(each["time"]) == event["time"] < question.end


async def test_small_pages_say_the_same_as_large_ones(replayed: dict[str, Replayed]) -> None:
    for question, id in zip(
        QUESTIONS,
        ("retention.winbacks", "sales.won_value", "service.backlog", "marketing.response_rate", "mrr.new"),
        strict=True,
    ):
        it = replayed[question.of]
        large = await members(it, id, question, "numerator")
        assert await members(it, id, question, "numerator", first=len(large) // 7) == large


@pytest.fixture(scope="module")
async def ledger(replayed: dict[str, Replayed], worker: AsyncEngine) -> dict[str, Any]:
    """All events of all sets, by id."""
    async with worker.connect() as connection:
        rows = await connection.execute(
            text("""
                SELECT id::text, tenant_id, subject::text, customer_id::text, type, time FROM ledger
                WHERE tenant_id = ANY(:tenants)
            """),
            {"tenants": [each.tenant for each in replayed.values()]},
        )
        return {row["id"]: row for row in rows.mappings()}
