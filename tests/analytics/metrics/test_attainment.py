"""Attainment and adjusted forecasts by user and by team, and what is won more than once: random courses, counted
straight, are what the API says of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.analytics.conftest import Fold, happened

from kith.events.actors import user_id
from kith.events.contacts import ActivityPolicy, ActivityRule, SettingsChanged
from kith.events.envelope import Envelope
from kith.events.event import Event
from kith.events.exchange_rates import ExchangeRateCreated
from kith.events.forecast_adjustments import ForecastAdjustmentAmended, ForecastAdjustmentCreated
from kith.events.people import TeamCreated, UserInvited
from kith.events.quotas import QuotaAmended, QuotaCreated, QuotaCreatedForTeam
from kith.events.sales import OpportunityLost, OpportunityOpened, OpportunityReopened, OpportunityWon, OrderPlaced
from kith.ids import new_id
from kith.testing import Issuer, Tenant

SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
SPRING: Any = {"from": SINCE.isoformat(), "to": UNTIL.isoformat()}


@dataclass
class Deal:
    owner: UUID
    turns: list[tuple[datetime, str, Decimal]] = field(default_factory=list)

    def outcome(self, since: datetime, until: datetime) -> tuple[str, Decimal]:
        within = [(verb, value) for at, verb, value in self.turns if since <= at < until]
        return within[-1] if within else ("", Decimal())


@dataclass
class House:
    """Ann is in the team `north`, and Bob in one within it; Cem is in another one, Dee in none."""

    whole: Tenant
    fold: Fold
    people: Mapping[str, UUID] = field(
        default_factory=lambda: {name: new_id() for name in ("ann", "bob", "cem", "dee")}
    )
    teams: Mapping[str, UUID] = field(default_factory=lambda: {name: new_id() for name in ("north", "coast", "south")})

    async def begin(self) -> None:
        parents = {"north": None, "coast": self.teams["north"], "south": None}
        of = {"ann": "north", "bob": "coast", "cem": "south", "dee": ""}
        await self.fold(
            *(self.event(TeamCreated(parent_id=parents[name]), id) for name, id in self.teams.items()),
            *(
                self.event(
                    UserInvited(
                        state="active", actor_id=user_id(self.whole.name, name), team_id=self.teams.get(of[name])
                    ),
                    id,
                )
                for name, id in self.people.items()
            ),
        )

    def event(self, event: Event, subject: UUID, version: int = 1, at: datetime = SINCE) -> Envelope:
        return happened(event, self.whole.name, at, subject=subject, aggregate_version=version)

    async def sold(self, owner: str, *turns: tuple[datetime, str, int]) -> None:
        """A deal that was won, lost and reopened."""
        opened = OpportunityOpened(stage="talk", currency="EUR", owner_id=self.people[owner])
        course, subject = [self.event(opened, (id := new_id()), at=SINCE - timedelta(days=9))], id
        for version, (at, verb, value) in enumerate(turns, start=2):
            happens: dict[str, Event] = {
                "won": OpportunityWon(from_stage="talk", value=Decimal(value), currency="EUR"),
                "lost": OpportunityLost(from_stage="talk"),
                "reopened": OpportunityReopened(stage="talk", from_stage="won"),
            }
            course.append(self.event(happens[verb], subject, version, at))
        await self.fold(*course)

    async def quota(self, value: int, **whose: Any) -> UUID:
        """Of March; of a team, or an owner."""
        about: Any = {"period": "month", "starts_on": date(2026, 3, 1), "value": Decimal(value), "currency": "EUR"}
        kind = QuotaCreatedForTeam if "team_id" in whose else QuotaCreated
        made: Event = kind(**about, **whose)
        await self.fold(self.event(made, id := new_id()))
        return id

    async def expects(self, owner: str, value: int, category: str = "commit", closes: date = date(2026, 4, 9)) -> None:
        """A deal that is open."""
        opened = OpportunityOpened(
            stage="offer",
            currency="EUR",
            owner_id=self.people[owner],
            value=Decimal(value),
            expected_close=closes,
            forecast_category=category,
        )
        await self.fold(self.event(opened, new_id()))

    async def judged(
        self, direction: str, value: int, category: str = "commit", month: int = 4, at: datetime = SINCE, **whose: Any
    ) -> UUID:
        """An adjustment of a month."""
        made = ForecastAdjustmentCreated(
            period="month",
            starts_on=date(2026, month, 1),
            ends_on=date(2026, month + 1, 1) - timedelta(days=1),
            forecast_category=category,
            direction=direction,
            value=Decimal(value),
            reason="hopeful",
            author="user:x",
            **{"currency": "EUR", **whose},
        )
        await self.fold(self.event(made, id := new_id(), at=at))
        return id

    async def figure(self, id: str, as_: Tenant | None = None, **asked: Any) -> Any:
        answer = await (as_ or self.whole).get(f"/v1/metrics/{id}", **{**SPRING, **asked})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def by_team(self, id: str, as_: Tenant | None = None, **asked: Any) -> dict[str | None, float | None]:
        found = await self.figure(id, as_, **asked, groupBy="opportunity_team")
        names = {str(id): name for name, id in self.teams.items()}
        return {names.get(each["group"][0]["value"]): each["value"] for each in found["breakdown"]}

    def acting(self, name: str, width: str) -> Tenant:
        return replace(self.whole, subject=name, scopes=f"analytics:read:{width}")


@pytest.fixture
async def house(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str, fold: Fold) -> House:
    house = House(Tenant(analytics, issuer, tenant), fold)
    await house.begin()
    return house


async def test_one_that_is_reopened_counts_once_as_the_last_turn_leaves_it(house: House) -> None:
    chance, deals = Random(7), list[Deal]()
    for _ in range(40):
        deal, at, is_open = Deal(house.people[chance.choice(["ann", "bob", "cem", "dee"])]), SINCE, True
        for _ in range(chance.randrange(6)):
            at += timedelta(hours=chance.randrange(1, 24 * 25))
            verb = chance.choice(["won", "won", "lost"]) if is_open else "reopened"
            deal.turns.append((at, verb, Decimal(chance.randrange(1, 100))))
            is_open = not is_open
        deals.append(deal)
        owner = next(name for name, id in house.people.items() if id == deal.owner)
        await house.sold(owner, *((at, verb, int(value)) for at, verb, value in deal.turns))
    assert any(verb == "reopened" for deal in deals for _, verb, _ in deal.turns)
    for _ in range(6):
        since = SINCE + timedelta(hours=chance.randrange(24 * 40))
        until = since + timedelta(hours=chance.randrange(24 * 50))
        asked: Any = {"from": since.isoformat(), "to": until.isoformat()}
        outcomes = [deal.outcome(since, until) for deal in deals]
        won = [value for verb, value in outcomes if verb == "won"]
        lost = sum(verb == "lost" for verb, _ in outcomes)
        assert (await house.figure("sales.won_value", **asked))["value"] == float(sum(won))
        assert (await house.figure("sales.close_rate", **asked))["numerator"] == len(won)
        assert (await house.figure("sales.close_rate", **asked))["denominator"] == len(won) + lost
        assert (await house.figure("sales.cycle_duration", **asked))["denominator"] == len(won) + lost
    months = [SINCE, datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC), UNTIL]
    found = (await house.figure("sales.won_value", grain="month"))["breakdown"]
    for each, since, until in zip(found, months, months[1:], strict=False):
        values = [value for verb, value in (deal.outcome(since, until) for deal in deals) if verb == "won"]
        assert each["value"] == float(sum(values))


async def test_a_teams_quota_is_attained_by_those_in_it_and_in_teams_within_it(house: House) -> None:
    for owner, value in (("ann", 30), ("bob", 50), ("cem", 5), ("dee", 1)):
        await house.sold(owner, (SINCE, "won", value))
    for name, value in (("north", 160), ("coast", 100)):
        await house.quota(value, team_id=house.teams[name])
    for name, value in (("ann", 60), ("bob", 100)):
        await house.quota(value, owner_id=house.people[name])
    teams = await house.by_team("sales.team_quota_attainment")
    assert teams == {"north": 50, "coast": 50, "south": None, None: None}
    assert await house.by_team("sales.quota_attainment") == {"north": 50, "coast": 50, "south": None, None: None}
    whole = await house.figure("sales.quota_attainment")
    assert (whole["numerator"], whole["denominator"]) == (86, 160)  # each of the deals once
    assert (await house.by_team("sales.won_value"))["north"] == 80
    one = await house.figure("sales.team_quota_attainment", filter=f"opportunity_team:{house.teams['north']}")
    assert (one["numerator"], one["denominator"]) == (80, 160)
    rest = await house.figure("sales.team_quota_attainment", filter=f"opportunity_team:!{house.teams['coast']}")
    assert (rest["numerator"], rest["denominator"]) == (36, 0)  # that of the north is of the coast, too
    none = await house.figure("sales.won_value", filter="opportunity_team:")
    assert none["value"] == 1
    rest = await house.figure("sales.won_value", filter=f"opportunity_team:!{house.teams['north']}")
    assert rest["value"] == 6


async def test_who_reads_its_own_or_its_teams_is_shown_what_it_may_see_of_quotas(house: House) -> None:
    for owner, value in (("ann", 30), ("bob", 50), ("cem", 5)):
        await house.sold(owner, (SINCE, "won", value))
    for name, value in (("north", 160), ("south", 7)):
        await house.quota(value, team_id=house.teams[name])
    for name, value in (("ann", 60), ("bob", 200), ("cem", 10)):
        await house.quota(value, owner_id=house.people[name])

    async def seen(name: str, width: str, id: str) -> tuple[float, float]:
        found = await house.figure(id, house.acting(name, width))
        return found["numerator"], found["denominator"]

    assert await seen("ann", "own", "sales.quota_attainment") == (30, 60)
    assert await seen("ann", "team", "sales.quota_attainment") == (80, 260)
    assert await seen("bob", "team", "sales.quota_attainment") == (50, 200)
    assert await seen("ann", "own", "sales.team_quota_attainment") == (30, 0)
    assert await seen("ann", "team", "sales.team_quota_attainment") == (80, 160)
    assert await seen("bob", "team", "sales.team_quota_attainment") == (50, 0)
    assert await seen("cem", "team", "sales.team_quota_attainment") == (5, 7)


async def test_attainment_as_it_was_known_has_the_quotas_and_teams_of_then(house: House) -> None:
    await house.sold("bob", (SINCE, "won", 50))
    id = await house.quota(100, team_id=house.teams["north"])
    then = datetime.now(UTC)
    await house.fold(house.event(QuotaAmended(changed=["value"], value=Decimal(500)), id, 2))
    await house.sold("ann", (SINCE, "won", 30))
    assert (await house.by_team("sales.team_quota_attainment"))["north"] == 16
    assert (await house.by_team("sales.team_quota_attainment", knownAt=then.isoformat()))["north"] == 50


SETTINGS = UUID(int=7)
RATES = {SINCE.date(): "0.5", SINCE.date() + timedelta(days=1): "1"}
APRIL: Any = {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}


def parts(found: Any) -> dict[str, float]:
    return {each["name"]: each["value"] for each in found["components"]}


async def test_adjustments_stand_beside_what_is_computed_and_never_in_it(house: House) -> None:
    for owner, value, category in (("ann", 40, "commit"), ("bob", 30, "commit"), ("ann", 5, "pipeline")):
        await house.expects(owner, value, category)
    await house.expects("bob", 900, closes=date(2026, 5, 1))
    await house.judged("down", 5, owner_id=house.people["ann"])
    await house.judged("up", 2, "pipeline", owner_id=house.people["ann"])
    bobs = await house.judged("override", 10, owner_id=house.people["bob"])
    found = await house.figure("sales.period_forecast", **APRIL)
    assert (found["value"], parts(found)["adjustment"], parts(found)["adjusted"]) == (70, -25, 45)
    assert (await house.figure("sales.adjusted_forecast", **APRIL))["value"] == 52
    by = await house.figure("sales.adjusted_forecast", **APRIL, groupBy="forecast_category")
    assert {each["group"][0]["value"]: each["value"] for each in by["breakdown"]} == {"commit": 45, "pipeline": 7}
    by = await house.figure("sales.period_forecast", **APRIL, groupBy="opportunity_owner")
    adjusted = {each["group"][0]["value"]: parts(each)["adjusted"] for each in by["breakdown"]}
    assert adjusted == {str(house.people["ann"]): 35, str(house.people["bob"]): 10}
    # An override stays what it is, whatever is computed; and is of its period as a whole.
    await house.expects("bob", 7)
    assert parts(await house.figure("sales.period_forecast", **APRIL))["adjusted"] == 45
    weeks: Any = {"from": "2026-04-08T00:00:00Z", "to": "2026-04-15T00:00:00Z"}
    assert parts(await house.figure("sales.period_forecast", **weeks))["adjustment"] == 0
    whole = await house.figure("sales.period_forecast", **SPRING, grain="month")
    assert [parts(each)["adjusted"] for each in whole["breakdown"]] == [0, 45, 900]
    assert parts(whole)["adjusted"] == 945
    await house.fold(house.event(ForecastAdjustmentAmended(changed=["value"], value=Decimal(50)), bobs, 2))
    assert parts(await house.figure("sales.period_forecast", **APRIL))["adjusted"] == 85


async def test_a_teams_forecast_is_adjusted_by_its_head(house: House) -> None:
    for owner, value in (("ann", 40), ("bob", 30), ("cem", 6)):
        await house.expects(owner, value)
    await house.judged("override", 50, team_id=house.teams["north"])
    await house.judged("up", 1, team_id=house.teams["coast"])
    await house.judged("down", 4, owner_id=house.people["ann"])
    teams = await house.by_team("sales.team_adjusted_forecast", **APRIL)
    assert teams == {"north": 50, "coast": 31, "south": 6}
    one = await house.figure("sales.team_adjusted_forecast", **APRIL, filter=f"opportunity_team:{house.teams['north']}")
    assert one["value"] == 50
    mine = await house.figure("sales.period_forecast", house.acting("ann", "own"), **APRIL)
    assert (mine["value"], parts(mine)["adjusted"]) == (40, 36)


def with_overrides(deals: Mapping[Any, int], overrides: Mapping[Any, int], whose: Any, seen: set[str]) -> int:
    """Returns the forecast of those who are seen. An override counts if all in `whose` it is are."""
    counted = {key: value for key, value in overrides.items() if whose[key[0]] <= seen}
    stood_for = {(owner, *key[1:]) for key in counted for owner in whose[key[0]]}
    rest = sum(value for key, value in deals.items() if key[0] in seen and key not in stood_for)
    return rest + sum(counted.values())


async def test_an_override_stands_for_deals_only_where_it_is_counted_itself(house: House) -> None:
    chance, categories, months = Random(11), ("commit", "pipeline"), (3, 4, 5)
    members = {"north": {"ann", "bob"}, "coast": {"bob"}, "south": {"cem"}}
    people = {name: {name} for name in house.people}
    keys = [(name, category, month) for name in house.people for category in categories for month in months]
    deals = {key: chance.randrange(1, 100) for key in keys}
    for (name, category, month), value in deals.items():
        await house.expects(name, value, category, date(2026, month, chance.randrange(1, 29)))
    by_owner = {key: chance.randrange(1, 100) for key in keys if chance.random() < 0.5}
    by_team = {(name, *key[1:]): chance.randrange(1, 100) for name in members for key in keys if chance.random() < 0.1}
    for (name, category, month), value in by_owner.items():
        await house.judged("override", value, category, month, owner_id=house.people[name])
    for (name, category, month), value in by_team.items():
        await house.judged("override", value, category, month, team_id=house.teams[name])
    everybody = set(people)
    team = "sales.team_adjusted_forecast"
    assert (await house.figure(team))["value"] == with_overrides(deals, by_team, members, everybody)
    rest = await house.figure(team, filter=f"opportunity_team:!{house.teams['coast']}")
    assert rest["value"] == with_overrides(deals, by_team, members, everybody - {"bob"})
    by = await house.by_team(team)
    for name, those in members.items():
        own = {key: value for key, value in by_team.items() if key[0] == name}
        wanted = with_overrides({k: v for k, v in deals.items() if k[0] in those}, own, members, everybody)
        assert by[name] == wanted
        assert (await house.figure(team, filter=f"opportunity_team:{house.teams[name]}"))["value"] == wanted
    for name, width, those in (
        ("ann", "own", {"ann"}),
        ("bob", "own", {"bob"}),
        ("ann", "team", {"ann", "bob"}),
        ("bob", "team", {"bob"}),
        ("cem", "team", {"cem"}),
    ):
        reader = house.acting(name, width)
        assert (await house.figure(team, reader))["value"] == with_overrides(deals, by_team, members, those)
        found = await house.figure("sales.adjusted_forecast", reader)
        assert found["value"] == with_overrides(deals, by_owner, people, those)
    one = await house.figure("sales.adjusted_forecast", filter=f"opportunity_owner:{house.people['bob']}")
    assert one["value"] == with_overrides(deals, by_owner, people, {"bob"})
    rest = await house.figure("sales.adjusted_forecast", filter=f"opportunity_owner:!{house.people['bob']}")
    assert rest["value"] == with_overrides(deals, by_owner, people, everybody - {"bob"})


async def test_what_adjustments_add_is_unknown_by_what_they_lack(house: House) -> None:
    await house.expects("ann", 70)
    await house.judged("override", 70, owner_id=house.people["ann"])
    added = ("raised", "lowered", "overrides", "overridden", "adjustment", "adjusted")
    for by in ("segment", "opportunity_source", "custom.region", "tag"):
        refused = await house.whole.get("/v1/metrics/sales.adjusted_forecast", **APRIL, filter=f"{by}:x")
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "filter")
    asked: Any
    for asked in ({"filter": "segment:"}, {"groupBy": "opportunity_source"}, {"filter": "segment:!office"}):
        found = await house.figure("sales.period_forecast", **APRIL, **asked)
        for each in (found, *found["breakdown"]):
            assert each["value"] == 70
            assert [parts(each)[name] for name in added] == [None] * 6
    found = await house.figure("sales.period_forecast", **APRIL, groupBy="currency")
    assert [parts(each)["adjusted"] for each in (found, *found["breakdown"])] == [70, 70]
    refused = await house.whole.get(
        "/v1/metrics/sales.period_forecast/members", **APRIL, part="adjustment", filter="segment:office"
    )
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "filter")


async def test_an_override_that_changes_nothing_changes_nothing_in_the_base_currency(house: House) -> None:
    opened = OpportunityOpened(
        stage="offer",
        currency="USD",
        owner_id=house.people["ann"],
        value=Decimal(1000),
        expected_close=date(2026, 4, 9),
        forecast_category="commit",
    )
    settings = SettingsChanged(
        time_zone="UTC", activity=ActivityPolicy(ActivityRule([OrderPlaced.type], 90)), currency="EUR"
    )
    rates = (ExchangeRateCreated(base="USD", quote="EUR", rate=Decimal(rate), day=day) for day, rate in RATES.items())
    await house.fold(
        house.event(settings, SETTINGS),
        house.event(opened, new_id()),
        *(house.event(each, new_id()) for each in rates),
    )
    await house.judged("override", 1000, at=SINCE + timedelta(days=1), currency="USD", owner_id=house.people["ann"])
    known: Any
    for known in ({}, {"knownAt": datetime.now(UTC).isoformat()}):
        found = await house.figure("sales.period_forecast", **APRIL, **known)
        assert (found["value"], found["currency"]) == (500, "EUR")
        assert [parts(found)[name] for name in ("overridden", "adjustment", "adjusted")] == [None] * 3
        assert [parts(each)["adjusted"] for each in found["by_currency"]] == [None]
        apart = await house.figure("sales.period_forecast", **APRIL, **known, groupBy="currency")
        assert (parts(apart)["adjusted"], apart["currency"]) == (1000, "USD")
        found = await house.figure("sales.adjusted_forecast", **APRIL, **known)
        assert (found["value"], found["currency"]) == (1000, "USD")
    refused = await house.whole.get("/v1/metrics/sales.adjusted_forecast", **APRIL, currency="EUR")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "currency")


async def test_last_tuesdays_forecast_has_the_deals_adjustments_and_quotas_of_then(house: House) -> None:
    await house.expects("ann", 40)
    id = await house.judged("down", 5, owner_id=house.people["ann"])
    quota = await house.quota(100, owner_id=house.people["ann"])
    await house.sold("ann", (SINCE, "won", 50))
    tuesday = datetime.now(UTC).isoformat()
    ids = ("sales.period_forecast", "sales.adjusted_forecast", "sales.forecast", "sales.quota_attainment")
    asked: Any = {each: APRIL if "forecast" in each else {} for each in ids}
    then = {each: await house.figure(each, **asked[each]) for each in ids}
    await house.expects("ann", 11)
    await house.fold(
        house.event(ForecastAdjustmentAmended(changed=["direction"], direction="up"), id, 2),
        house.event(QuotaAmended(changed=["value"], value=Decimal(500)), quota, 2),
    )
    await house.judged("override", 1, "pipeline", owner_id=house.people["ann"])
    await house.sold("ann", (SINCE, "won", 70))
    for each in ids:
        known = await house.figure(each, **asked[each], knownAt=tuesday)
        now = await house.figure(each, **asked[each])
        assert known["components"] == then[each]["components"], each
        assert now["components"] != known["components"], each
    assert parts(then["sales.period_forecast"])["adjusted"] == 35


async def test_groups_name_the_user_the_team_and_the_product_that_other_services_show(house: House) -> None:
    await house.sold("bob", (SINCE, "won", 50))
    query = """query ($by: [String!]!) {
        metric(id: "sales.won_value", from: "2026-03-01T00:00:00Z", to: "2026-06-01T00:00:00Z", groupBy: $by) {
            breakdown { group { dimension value user { id } team { id } product { id } customer { id } } }
        }
    }"""
    found = await house.whole.ask(query, by=["opportunity_owner", "opportunity_team", "product"])
    groups = [each["group"] for each in found["metric"]["breakdown"]]
    assert [group[0]["user"]["id"] for group in groups] == [str(house.people["bob"])] * 2
    assert {group[1]["team"]["id"] for group in groups} == {str(house.teams[name]) for name in ("north", "coast")}
    assert {(group[2]["product"], group[0]["team"], group[1]["user"]) for group in groups} == {(None, None, None)}
