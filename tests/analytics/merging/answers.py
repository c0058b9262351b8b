"""All that analytics answers of a tenant, over REST, by what was asked."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from analytics.projections.merging import MERGES
from kith.testing import Tenant

Answers = dict[str, Any]
_OF_THE_CLOCK = {"known_at", "freshness"}
"""Fields that say as of when it was answered."""


async def answers(tenant: Tenant, customers: Sequence[UUID], ends_at: datetime, seed: int) -> Answers:
    """The same questions for the same seed."""
    return {name: answer async for name, answer in _asked(tenant, customers, ends_at, random.Random(seed))}


async def known(tenant: Tenant, customers: Sequence[UUID], ends_at: datetime, at: datetime | None) -> Answers:
    """What can be asked as it was known at an instant; or as it is now."""
    then = {} if at is None else {"knownAt": at.isoformat()}
    found: Answers = {}
    for metric in ("retention.crr", "revenue", "arpu", "customers.active", "sales.new_customers"):
        found[metric] = await _get(tenant, f"/v1/metrics/{metric}", **_over(ends_at), **then)
    for customer in customers:
        path = f"/v1/customers/{customer}/health"
        answer = await _get(tenant, path, at=ends_at.isoformat(), **then)
        if "score" in answer:  # it has been heard of
            found[path] = answer
    return found


def different(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two answers differ, and how."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = one.keys() | other.keys()
        return [each for name in names for each in different(one.get(name), other.get(name), f"{where}.{name}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [each for place, pair in pairs for each in different(*pair, f"{where}[{place}]")]
    return [] if one == other else [f"{where}: {one} is not {other}"]


async def _asked(
    tenant: Tenant, customers: Sequence[UUID], ends_at: datetime, chance: random.Random
) -> AsyncIterator[tuple[str, Any]]:
    over = _over(ends_at)
    for metric in (await tenant.get("/v1/metrics")).json()["metrics"]:
        path, dimensions = f"/v1/metrics/{metric['id']}", [each["name"] for each in metric["dimensions"]]
        yield f"{path} by quarter", await _get(tenant, path, **over, grain="quarter")
        for dimension in chance.sample(dimensions, min(1, len(dimensions))):
            yield f"{path} by {dimension}", await _get(tenant, path, **over, groupBy=dimension)
        yield f"{path} members", await _get(tenant, f"{path}/members", **over, first=100)
    for grain in ("month", "quarter"):
        yield f"cohorts by {grain}", await _get(tenant, "/v1/cohorts", **over, grain=grain)
    yield "cohort members", await _get(tenant, "/v1/cohorts/members", **over, grain="quarter", row=0, period=1)
    middle = (ends_at - timedelta(days=200)).isoformat()
    for at in (middle, over["to"]):
        yield f"distribution {at}", await _get(tenant, "/v1/health/distribution", at=at, groupBy="segment")
    for band in ("healthy", "steady", "at_risk"):
        scores = [each async for each in _items(tenant, "/v1/health-scores", band=band)]
        # The score, and since when it is in its band, are as of when it was scored last.
        yield f"scores {band}", sorted((each["customer_id"], each["model"], each["coverage"]) for each in scores)
    ledger = await _get(tenant, "/v1/ledger")
    yield "ledger", {type: count for type, count in ledger["by_type"].items() if type not in MERGES}
    for customer in customers:
        of = f"/v1/customers/{customer}"
        yield f"{of} timeline", [each async for each in _items(tenant, f"{of}/timeline") if each["type"] not in MERGES]
        for at in (middle, over["to"]):
            yield f"{of} health {at}", await _get(tenant, f"{of}/health", at=at)
            yield f"{of} value {at}", await _get(tenant, f"{of}/value", at=at)
        yield f"{of} path", await _get(tenant, f"{of}/health/path", at=over["to"])
        between = {"from": middle, "to": over["to"]}
        yield f"{of} difference", await _get(tenant, f"{of}/health/difference", **between)
        yield f"{of} history", await _get(tenant, f"{of}/health/history", **between)


async def _items(tenant: Tenant, path: str, **query: str) -> AsyncIterator[Any]:
    after: dict[str, str] = {}
    while True:
        page = await _get(tenant, path, first=100, **query, **after)
        for each in page["items"]:
            yield each
        if page["next"] is None:
            return
        after = {"after": page["next"]}


def _over(ends_at: datetime) -> dict[str, str]:
    return {"from": (ends_at - timedelta(days=700)).isoformat(), "to": ends_at.isoformat()}


async def _get(tenant: Tenant, path: str, **query: str | int) -> Any:
    answer = await tenant.get(path, **query)
    assert answer.status_code < 500, answer.text
    return _without_clock(answer.json())


def _without_clock(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_without_clock(each) for each in answer]
    if isinstance(answer, dict):
        return {name: _without_clock(value) for name, value in answer.items() if name not in _OF_THE_CLOCK}
    return answer
