"""The figures of leads: random ones, counted straight, are what the API says of them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import httpx
import pytest
from tests.analytics.conftest import Fold, happened

from kith.events.event import Event
from kith.events.leads import (
    LeadAssigned,
    LeadCaptured,
    LeadConverted,
    LeadDisqualified,
    LeadNurtured,
    LeadQualified,
    LeadRecycled,
    LeadWorked,
)
from kith.ids import new_id

Headers = dict[str, str]
START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
OWNERS = [new_id() for _ in range(3)]


class Happened(NamedTuple):
    at: datetime
    lead: int
    event: Event
    source: str
    owner: str


def moved(to: str, left: str) -> Event:
    match to:
        case "working":
            return LeadWorked(state=to, from_state=left)
        case "qualified":
            return LeadQualified(state=to, from_state=left)
        case "unqualified":
            return LeadDisqualified(state=to, from_state=left, reason="no_budget")
        case "nurturing":
            return LeadNurtured(state=to, from_state=left, nurture_until=END)
        case "converted":
            return LeadConverted(state=to)
    return LeadRecycled(state=to, from_state=left)


NEXT = {
    "new": ["working", "qualified", "unqualified"],
    "working": ["qualified", "unqualified", "nurturing"],
    "nurturing": ["new"],
    "unqualified": ["new"],
    "qualified": ["unqualified", "nurturing", "converted"],
    "converted": [],
}


@pytest.fixture
async def happenings(fold: Fold, tenant: str) -> list[Happened]:
    by_chance, found, folded = Random(84), list[Happened](), list[Any]()
    for number in range(60):
        at = START + timedelta(hours=by_chance.randrange(-300, 900))
        source, owner, state, subject = by_chance.choice(["fair", "web"]), by_chance.choice(OWNERS), "new", new_id()
        course: list[Event] = [LeadCaptured(state="new", source=source, owner_id=owner)]
        for _ in range(by_chance.randrange(5)):
            if not NEXT[state]:
                break
            before, state = state, by_chance.choice(NEXT[state])
            course.append(moved(state, before))
        for version, event in enumerate(course, start=1):
            found.append(Happened(at, number, event, source, str(owner)))
            folded.append(happened(event, tenant, at, subject=subject, aggregate_version=version))
            at += timedelta(hours=by_chance.randrange(100))
        if by_chance.random() < 0.3:  # it is somebody else's from the end on
            event, version = LeadAssigned(owner_id=by_chance.choice(OWNERS)), len(course) + 1
            folded.append(happened(event, tenant, max(at, END), subject=subject, aggregate_version=version))
    await fold(*folded)
    return found


async def figure(analytics: httpx.AsyncClient, headers: Headers, id: str, by: str = "") -> Any:
    """Its value; or by the values of a dimension, the value of each that has one."""
    params = {"from": START.isoformat(), "to": END.isoformat()} | ({"groupBy": by} if by else {})
    answer = await analytics.get(f"/v1/metrics/{id}", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    if not by:
        return answer.json()["value"]
    return {each["group"][0]["value"]: each["value"] for each in answer.json()["breakdown"] if each["value"]}


async def test_leads_are_counted_when_they_are_captured(
    analytics: httpx.AsyncClient, mine: Headers, theirs: Headers, happenings: list[Happened]
) -> None:
    captured = [each for each in happenings if START <= each.at < END and isinstance(each.event, LeadCaptured)]
    assert len(captured) > 20
    assert await figure(analytics, mine, "sales.leads") == len(captured)
    assert await figure(analytics, mine, "sales.leads", "lead_source") == Counter(each.source for each in captured)
    assert await figure(analytics, mine, "sales.leads", "lead_owner") == Counter(each.owner for each in captured)
    assert await figure(analytics, theirs, "sales.leads") == 0


async def test_open_leads_stand_in_the_state_that_they_are_in_at_the_end(
    analytics: httpx.AsyncClient, mine: Headers, happenings: list[Happened]
) -> None:
    states = {each.lead: str(getattr(each.event, "state", "")) for each in happenings if each.at < END}
    is_open = Counter(state for state in states.values() if state not in ("unqualified", "converted"))
    assert len(is_open) == 4
    assert await figure(analytics, mine, "sales.open_leads") == is_open.total()
    assert await figure(analytics, mine, "sales.open_leads", "lead_state") == is_open


async def test_of_those_that_were_decided_so_many_were_qualified(
    analytics: httpx.AsyncClient, mine: Headers, happenings: list[Happened]
) -> None:
    decided = [
        isinstance(each.event, LeadQualified)
        for each in happenings
        if START <= each.at < END and isinstance(each.event, LeadQualified | LeadDisqualified)
    ]
    expected = pytest.approx(100 * sum(decided) / len(decided), abs=1e-4)
    assert await figure(analytics, mine, "sales.lead_qualification_rate") == expected


async def test_of_those_that_came_to_an_end_so_many_were_converted(
    analytics: httpx.AsyncClient, mine: Headers, happenings: list[Happened]
) -> None:
    ended = [
        isinstance(each.event, LeadConverted)
        for each in happenings
        if START <= each.at < END and isinstance(each.event, LeadConverted | LeadDisqualified)
    ]
    assert any(ended)
    expected = pytest.approx(100 * sum(ended) / len(ended), abs=1e-4)
    assert await figure(analytics, mine, "sales.lead_conversion_rate") == expected
