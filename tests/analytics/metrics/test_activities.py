"""The figures of activities: random ones, counted straight, are what the API says of them."""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest
from tests.analytics.conftest import Fold, happened

from kith.events.activities import ActivityAmended, ActivityHeld, ActivityMissed, ActivityPlanned, ActivityRecorded
from kith.events.event import Event
from kith.ids import new_id

Headers = dict[str, str]
START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
OWNERS = [new_id() for _ in range(3)]
OPPORTUNITIES = [None, *(new_id() for _ in range(5))]


class TookPlace(NamedTuple):
    at: datetime
    kind: str
    direction: str | None
    owner: UUID
    opportunity: UUID | None


@pytest.fixture
async def happenings(fold: Fold, tenant: str) -> list[TookPlace]:
    """What took place, of a hundred activities of which some were only planned, or missed."""
    by_chance, found, folded = Random(14), list[TookPlace](), list[Any]()
    for _ in range(100):
        at = START + timedelta(hours=by_chance.randrange(-200, 1000))
        kind = by_chance.choice(["call", "call", "visit", "meeting", "inquiry"])
        direction = {"inquiry": "inbound", "call": by_chance.choice(["inbound", "outbound"])}.get(kind)
        owner, opportunity = by_chance.choice(OWNERS), by_chance.choice(OPPORTUNITIES)
        said: dict[str, Any] = {
            "kind": kind,
            "direction": direction,
            "owner_id": owner,
            "opportunity_id": opportunity,
        }
        way = by_chance.choice(["recorded", "recorded", "held", "planned", "missed"])
        course: list[Event] = [ActivityRecorded(state="held", **said)]
        if way != "recorded":
            course = [ActivityPlanned(state="planned", planned_for=at, **said)]
        if way == "held":
            course.append(ActivityHeld(state="held"))
        elif way == "missed":
            course.append(ActivityMissed(state="missed"))
        if by_chance.random() < 0.2:  # what is written about it later counts nothing
            course.append(ActivityAmended(changed=["outcome"], outcome="interested"))
        subject, customer = new_id(), new_id()
        for version, event in enumerate(course, start=1):
            time = at - timedelta(days=3) if isinstance(event, ActivityPlanned) else at
            folded.append(happened(event, tenant, time, customer, subject=subject, aggregate_version=version))
        if way in ("recorded", "held"):
            found.append(TookPlace(at, kind, direction, owner, opportunity))
    await fold(*folded)
    return [each for each in found if START <= each.at < END]


async def figure(analytics: httpx.AsyncClient, headers: Headers, id: str, by: str = "") -> Any:
    """Its value; or by the values of a dimension, the value of each that has one."""
    params = {"from": START.isoformat(), "to": END.isoformat()} | ({"groupBy": by} if by else {})
    answer = await analytics.get(f"/v1/metrics/{id}", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    if not by:
        return answer.json()["value"]
    return {each["group"][0]["value"]: each["value"] for each in answer.json()["breakdown"] if each["value"]}


def counted(them: list[TookPlace], by: Callable[[TookPlace], object]) -> dict[str, int]:
    return dict(Counter(str(by(each)) for each in them))


async def test_calls_and_inquiries_are_counted_when_they_took_place(
    analytics: httpx.AsyncClient, mine: Headers, theirs: Headers, happenings: list[TookPlace]
) -> None:
    calls = [each for each in happenings if each.kind == "call"]
    inquiries = [each for each in happenings if each.kind == "inquiry"]
    assert len(calls) > 10
    assert await figure(analytics, mine, "sales.calls") == len(calls)
    assert await figure(analytics, mine, "sales.calls", "direction") == counted(calls, lambda each: each.direction)
    assert await figure(analytics, mine, "sales.calls", "activity_owner") == counted(calls, lambda each: each.owner)
    assert await figure(analytics, mine, "sales.inquiries") == len(inquiries)
    assert await figure(analytics, theirs, "sales.calls") == 0


async def test_calls_and_visits_are_set_against_the_opportunities_they_were_for(
    analytics: httpx.AsyncClient, mine: Headers, theirs: Headers, happenings: list[TookPlace]
) -> None:
    them = [each for each in happenings if each.kind in ("call", "visit") and each.opportunity]
    last = {each.opportunity: each for each in sorted(them)}
    id = "sales.calls_per_opportunity"
    assert await figure(analytics, mine, id) == pytest.approx(len(them) / len(last), abs=1e-4)
    by_owner: dict[str, set[UUID | None]] = defaultdict(set)
    for opportunity, each in last.items():
        by_owner[str(each.owner)].add(opportunity)
    expected = {
        owner: pytest.approx(number / len(by_owner[owner]), abs=1e-4)
        for owner, number in counted(them, lambda each: each.owner).items()
        if by_owner[owner]
    }
    assert await figure(analytics, mine, id, "activity_owner") == expected
    assert await figure(analytics, theirs, id) is None


async def test_the_opportunities_are_listed_with_their_last_call(
    analytics: httpx.AsyncClient, mine: Headers, happenings: list[TookPlace]
) -> None:
    them = {each.opportunity for each in happenings if each.kind in ("call", "visit") and each.opportunity}
    params = {"from": START.isoformat(), "to": END.isoformat(), "part": "opportunities"}
    path = "/v1/metrics/sales.calls_per_opportunity/members"
    pages = (await analytics.get(path, params=params, headers=mine)).json()
    assert len(pages["items"]) == len(them)
    first = (await analytics.get(path, params={**params, "first": "2"}, headers=mine)).json()
    rest = (await analytics.get(path, params={**params, "after": first["next"]}, headers=mine)).json()
    assert first["items"] + rest["items"] == pages["items"]
