"""The cohort matrix against a straight count, cell by cell; and who is in a cell, and by which event."""

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, at, happened

from analytics.projections.compute_rules import compute_rules
from kith.events.contacts import ActivityPolicy, ActivityRule, CustomerCreated, CustomerMerged, SettingsChanged
from kith.events.envelope import Envelope
from kith.events.exchanges import TouchpointRecorded
from kith.events.sales import OrderPlaced
from kith.ids import new_id

Headers = dict[str, str]
BOUGHT = OrderPlaced(value=Decimal(1), currency="EUR")
TOUCHED = TouchpointRecorded(channel="email", direction="inbound")
Did = tuple[UUID, str, datetime]
HALF = {"from": "2011-01-01T00:00:00Z", "to": "2011-07-01T00:00:00Z"}


def months(day: date) -> int:
    return day.year * 12 + day.month


def quarters(day: date) -> int:
    return (months(day) - 1) // 3


def weeks(day: date) -> int:
    return (day - date(1900, 1, 1)).days // 7  # which was a Monday


PERIODS: dict[str, Callable[[date], int]] = {"month": months, "quarter": quarters, "week": weeks}


def expected(
    did: Iterable[Did], grain: str, starts_at: datetime, ends_at: datetime, zone: str, types: Sequence[str]
) -> list[list[int]]:
    """Per row the customers of each period, from its own to the last."""

    def index(time: datetime) -> int:
        number = PERIODS[grain]
        return number(time.astimezone(ZoneInfo(zone)).date()) - number(starts_at.astimezone(ZoneInfo(zone)).date())

    times: dict[UUID, list[datetime]] = {}
    for customer, type, time in did:
        if type in types and time < ends_at:
            times.setdefault(customer, []).append(time)
    count = index(ends_at - timedelta(microseconds=1)) + 1
    found = [[0] * (count - row) for row in range(count)]
    for of_one in times.values():
        if (first := min(of_one)) >= starts_at:
            for period in {index(time) for time in of_one}:
                found[index(first)][period - index(first)] += 1
    return found


def history(tenant: str, customers: int, events: int, seed: int) -> tuple[list[Did], list[Envelope]]:
    """Over the changes of the clocks and the day that Samoa left out, 30 December 2011; many near midnight."""
    chance = random.Random(seed)
    ids = [new_id() for _ in range(customers)]
    did: list[Did] = []
    envelopes = []
    for _ in range(events):
        midnight = at("2010-10-01") + timedelta(days=chance.randrange(465))
        time = midnight + timedelta(minutes=chance.choice([chance.randrange(-180, 180), chance.randrange(1440)]))
        customer, event = chance.choice(ids), chance.choice([BOUGHT, BOUGHT, TOUCHED])
        did.append((customer, event.type, time))
        envelopes.append(happened(event, tenant, time, customer))
    return did, envelopes


async def ask(analytics: httpx.AsyncClient, headers: Headers, path: str = "", **params: Any) -> Any:
    answer = await analytics.get(f"/v1/cohorts{path}", params=HALF | params, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def counted(matrix: Any) -> list[list[int]]:
    for row in matrix["rows"]:
        assert [cell["period"] for cell in row["cells"]] == list(range(len(row["cells"])))
        assert row["cells"][0]["customers"] == row["size"]
        for cell in row["cells"]:
            share = round(100 * cell["customers"] / row["size"], 4) if row["size"] else None
            assert cell["share"] == share
    return [[cell["customers"] for cell in row["cells"]] for row in matrix["rows"]]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia"])
@pytest.mark.parametrize("grain", ["month", "quarter", "week"])
async def test_every_cell_is_a_straight_count(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, zone: str, grain: str
) -> None:
    did, envelopes = history(tenant, customers=500, events=1200, seed=3)
    await fold(*envelopes)
    starts_at = datetime(2011, 1, 10, 5, 30, tzinfo=UTC)
    ends_at = datetime(2012, 1, 5, 12, tzinfo=UTC)
    interval = {"from": starts_at.isoformat(), "to": ends_at.isoformat()}
    for types in ([], [TOUCHED.type], [BOUGHT.type, TOUCHED.type]):
        found = await ask(analytics, mine, **interval, grain=grain, zone=zone, event=types)
        wanted = expected(did, grain, starts_at, ends_at, zone, types or [BOUGHT.type])
        assert counted(found) == wanted
        assert sum(map(sum, wanted)) > 200
        assert (found["rows"][0]["starts_at"], found["rows"][-1]["ends_at"]) == (
            f"{starts_at:%Y-%m-%dT%H:%M:%SZ}",
            f"{ends_at:%Y-%m-%dT%H:%M:%SZ}",
        )


async def test_a_first_event_that_comes_late_moves_its_customer_to_another_row(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    customer = new_id()
    await fold(*(happened(BOUGHT, tenant, at(day), customer) for day in ("2011-03-10", "2011-05-10")))
    sizes = [row["size"] for row in (await ask(analytics, mine))["rows"]]
    assert sizes == [0, 0, 1, 0, 0, 0]
    await fold(happened(BOUGHT, tenant, at("2011-02-10"), customer))
    assert counted(await ask(analytics, mine))[1] == [1, 1, 0, 1, 0]
    assert counted(await ask(analytics, mine))[2] == [0, 0, 0, 0]
    await fold(happened(BOUGHT, tenant, at("2010-12-31"), customer))
    assert sum(row["size"] for row in (await ask(analytics, mine))["rows"]) == 0


async def test_merged_customers_are_one_from_the_first_event_of_either(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    kept, gone = new_id(), new_id()
    await fold(
        happened(BOUGHT, tenant, at("2011-03-10"), kept),
        happened(BOUGHT, tenant, at("2011-01-10"), gone),
    )
    await fold(happened(CustomerMerged(into=kept), tenant, at("2011-06-01"), gone, aggregate_version=2))
    assert counted(await ask(analytics, mine))[0] == [1, 0, 1, 0, 0, 0]


async def test_customers_of_a_segment_with_a_rule_of_its_own_come_by_its_events(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold, worker: AsyncEngine
) -> None:
    salon, office = new_id(), new_id()
    policy = ActivityPolicy(
        default=ActivityRule([BOUGHT.type], 90), segments={"salon": ActivityRule([TOUCHED.type], 30)}
    )
    await fold(
        happened(SettingsChanged(time_zone="Asia/Tokyo", activity=policy), tenant, at("2011-01-01"), subject=new_id()),
        *(
            happened(CustomerCreated(kind="person", segment=segment, tags=[segment]), tenant, at("2010-01-01"), id)
            for id, segment in ((salon, "salon"), (office, "office"))
        ),
        *(
            happened(event, tenant, at(day), id)
            for id in (salon, office)
            for event, day in ((BOUGHT, "2011-01-31T20:00"), (TOUCHED, "2011-03-05"))
        ),
    )
    while await compute_rules(worker):
        pass
    matrix = await ask(analytics, mine, to="2011-04-01T00:00:00Z")
    assert (matrix["zone"], matrix["activity_version"], matrix["event_types"]) == ("Asia/Tokyo", 1, [])
    assert [row["size"] for row in matrix["rows"]] == [0, 1, 1, 0], "it was February in Tokyo already"
    before = await ask(analytics, mine, to="2011-04-01T00:00:00Z", activity="0")
    assert [row["size"] for row in before["rows"]] == [0, 2, 0, 0]
    for kept in ("segment:salon", "tag:salon", "segment:!office"):
        only = await ask(analytics, mine, to="2011-04-01T00:00:00Z", filter=kept)
        assert [row["size"] for row in only["rows"]] == [0, 0, 1, 0], kept


async def test_the_members_of_each_cell_are_the_ones_it_counts_by_their_first_event_in_it(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    did, envelopes = history(tenant, customers=15, events=80, seed=5)
    await fold(*envelopes)
    ids = {(each.customer_id, each.time): each.id for each in envelopes}
    matrix = await ask(analytics, mine, event=[BOUGHT.type, TOUCHED.type])
    for row in matrix["rows"]:
        for cell in row["cells"]:
            found: list[Any] = []
            after: dict[str, str] = {}
            while True:
                where = {
                    "row": row["row"],
                    "period": cell["period"],
                    "first": 2,
                    "event": [BOUGHT.type, TOUCHED.type],
                }
                page = await ask(analytics, mine, "/members", **where, **after)
                found += page["items"]
                if page["next"] is None:
                    break
                after = {"after": page["next"]}
            assert len({each["customer_id"] for each in found}) == len(found) == cell["customers"]
            index = matrix["rows"][row["row"] + cell["period"]]
            for each in found:
                assert index["starts_at"] <= each["time"] < index["ends_at"]
                mine_then = [
                    time
                    for customer, _, time in did
                    if str(customer) == each["customer_id"] and time >= datetime.fromisoformat(index["starts_at"])
                ]
                time = datetime.fromisoformat(each["time"])
                assert time == min(mine_then)
                assert each["event_id"] == str(ids[UUID(each["customer_id"]), time])


async def test_cohorts_are_the_tenants_own(
    analytics: httpx.AsyncClient, mine: Headers, theirs: Headers, tenant: str, other_tenant: str, fold: Fold
) -> None:
    customer = new_id()
    await fold(
        happened(BOUGHT, tenant, at("2011-03-10"), customer), happened(BOUGHT, other_tenant, at("2011-01-10"), customer)
    )
    assert [row["size"] for row in (await ask(analytics, mine))["rows"]] == [0, 0, 1, 0, 0, 0]
    assert [row["size"] for row in (await ask(analytics, theirs))["rows"]] == [1, 0, 0, 0, 0, 0]
    assert (await ask(analytics, theirs, "/members", row=2))["items"] == []


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"grain": "day"}, ["grain", "181 periods", "60", "week"]),
        ({"grain": "fortnight"}, ["grain", "month"]),
        ({"event": "sales.order.plced.v1"}, ["event", "sales.order.placed.v1"]),
        ({"filter": "colour:red"}, ["filter", "segment"]),
        ({"zone": "Europe/Berln"}, ["zone", "IANA"]),
        ({"to": "2010-01-01T00:00:00Z"}, ["to", "later"]),
        ({"activity": "9"}, ["activity", "0"]),
    ],
)
async def test_what_cannot_be_queried_is_refused_by_name(
    analytics: httpx.AsyncClient, mine: Headers, params: dict[str, str], words: list[str]
) -> None:
    for path, more in (("", {}), ("/members", {"row": "0"})):
        answer = await analytics.get(f"/v1/cohorts{path}", params=HALF | more | params, headers=mine)
        assert answer.status_code in (404, 422), answer.text
        assert all(each in answer.text for each in words), answer.text


@pytest.mark.parametrize(
    ("params", "words"), [({"row": 6}, "rows 0 to 5"), ({"row": 4, "period": 2}, "periods 0 to 1")]
)
async def test_a_cell_that_the_matrix_has_not_is_refused(
    analytics: httpx.AsyncClient, mine: Headers, params: dict[str, int], words: str
) -> None:
    answer = await analytics.get("/v1/cohorts/members", params={**HALF, **params}, headers=mine)
    assert answer.status_code == 422
    assert words in answer.text


async def test_sixty_periods_are_the_most_and_all_of_them_count(
    analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold
) -> None:
    customer = new_id()
    times = [at("2006-07-01"), at("2011-06-30")]
    await fold(*(happened(BOUGHT, tenant, time, customer) for time in times))
    matrix = await ask(analytics, mine, **{"from": "2006-07-01T00:00:00Z"})
    assert counted(matrix)[0] == [1, *[0] * 58, 1]
    found = await ask(analytics, mine, "/members", row=0, period=59, **{"from": "2006-07-01T00:00:00Z"})
    assert [each["customer_id"] for each in found["items"]] == [str(customer)]


async def test_cohorts_over_graphql(analytics: httpx.AsyncClient, mine: Headers, tenant: str, fold: Fold) -> None:
    customer = new_id()
    await fold(*(happened(BOUGHT, tenant, at(day), customer) for day in ("2011-03-10", "2011-05-10")))
    query = """query($from: DateTime!, $to: DateTime!) {
      cohorts(from: $from, to: $to) { id grain rows { row size cells { period customers share } } freshness { source } }
      cohortMembers(from: $from, to: $to, row: 2, period: 2) { nodes { customerId time } pageInfo { hasNextPage } }
    }"""
    answer = (await analytics.post("/graphql", json={"query": query, "variables": HALF}, headers=mine)).json()
    assert "errors" not in answer, answer
    matrix = answer["data"]["cohorts"]
    assert (matrix["id"], matrix["grain"], len(matrix["rows"])) == ("retention.matrix", "MONTH", 6)
    assert matrix["rows"][2]["cells"][2] == {"period": 2, "customers": 1, "share": 100}
    assert answer["data"]["cohortMembers"]["nodes"] == [
        {"customerId": str(customer), "time": "2011-05-10T00:00:00+00:00"}
    ]
