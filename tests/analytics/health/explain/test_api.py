"""Why a relationship stands as it does: over both APIs, of any instant, by any model in force, in two languages."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.analytics.conftest import at, happened
from tests.analytics.health_of_a_shop import DOCUMENT

from analytics.health.model.documents import as_kept
from analytics.health.model.form import ready_made
from kith.events.analytics import HealthModelPublished, PulseSet
from kith.events.contacts import CustomerCreated
from kith.events.sales import OrderPlaced
from kith.events.service_desk import CaseOpened
from kith.ids import new_id
from kith.testing import Issuer, Tenant

ORDER = OrderPlaced(value=Decimal(30), currency="EUR")
WHY = """query ($r: [_Any!]!, $at: DateTime, $from: DateTime!, $language: String) {
    _entities(representations: $r) { ... on Customer { id health(at: $at, language: $language) {
        score band coverage model modelVersion words
        contributions { measure title group unit present published input score weight contribution events words }
        difference(from: $from) { change words groups { group change } changes {
            measure course change byInput byShare cameIn fellOut words before { input } after { input } } }
        path { caveat up { band border points reachable best words
            steps { measure act times value to leadsTo band crosses words } } down { band silentAt } }
        history(from: $from) { band points { at score } changes { at fromBand band silent words } } } } } }"""


@pytest.fixture
def acme(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(analytics, issuer, tenant)


@pytest.fixture
def other(analytics: httpx.AsyncClient, issuer: Issuer, other_tenant: str) -> Tenant:
    return Tenant(analytics, issuer, other_tenant)


@pytest.fixture
async def buyer(fold: Any, tenant: str) -> UUID:
    """Bought three times, and then no more; of a tenant that has a model of its own."""
    customer = new_id()
    await fold(
        happened(HealthModelPublished(1, DOCUMENT), tenant, at("2011-01-01")),
        *(happened(ORDER, tenant, at(day), customer) for day in ("2011-03-01", "2011-05-01", "2011-08-10")),
    )
    return customer


async def explained(tenant: Tenant, customer: UUID, what: str = "", **query: str) -> Any:
    answer = await tenant.get(f"/v1/customers/{customer}/health{what}", **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_score_comes_with_reasons_that_add_up_to_it(acme: Tenant, buyer: UUID) -> None:
    found = await explained(acme, buyer, at="2011-12-09T00:00:00Z")
    assert sum(each["contribution"] for each in found["contributions"]) == pytest.approx(found["score"], abs=1e-9)
    recency, frequency, cases = found["contributions"]
    assert len(frequency["events"]) == 3
    assert recency["events"] == frequency["events"][-1:]
    assert (cases["present"], cases["published"], cases["input"]) == (False, True, None)
    assert found["words"].startswith(
        "On 9 December 2011: 48.1 of 100, steady. By the model \u201cShop\u201d, number 1; 80%"
    )
    assert recency["words"] == (
        "Recency of purchase: last purchase 121 days ago (10 August 2011); worth 36.2 of 100, brings 20.4 of the 48.1 "
        "points."
    )
    assert "3 orders in the 365 days before, the last on 10 August 2011" in frequency["words"]


async def test_a_case_that_a_playbook_had_opened_tells_nothing_of_the_customer(
    acme: Tenant, buyer: UUID, fold: Any, tenant: str
) -> None:
    of_case: Any = {"state": "new", "priority": "high", "channel": "email"}
    instant = {"at": "2011-12-09T00:00:00Z"}
    before = await explained(acme, buyer, **instant)
    await fold(happened(CaseOpened(**of_case, playbook_id=new_id()), tenant, at("2011-12-01"), buyer))
    assert await explained(acme, buyer, **instant) == before
    await fold(happened(CaseOpened(**of_case), tenant, at("2011-12-01"), buyer))
    assert (await explained(acme, buyer, **instant))["contributions"][-1]["input"] == 1


async def test_words_come_in_the_language_that_is_named_or_liked(
    acme: Tenant, analytics: httpx.AsyncClient, mine: dict[str, str], buyer: UUID
) -> None:
    named = await explained(acme, buyer, at="2011-12-09T00:00:00Z", language="zh")
    assert named["words"].startswith("2011年12月9日")
    path = f"/v1/customers/{buyer}/health"
    liked = await analytics.get(
        path, params={"at": "2011-12-09T00:00:00Z"}, headers={**mine, "Accept-Language": "zh-CN"}
    )
    assert liked.json() == named
    assert liked.headers["content-language"] == "zh"
    refused = await acme.get(path, language="fr")
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"field": "language", "rule": "There is no language 'fr'. There are: en, zh."}]


async def test_what_changed_adds_up_and_names_the_events(acme: Tenant, buyer: UUID) -> None:
    interval = {"from": "2011-08-01T00:00:00Z", "to": "2012-03-15T00:00:00Z"}
    found = await explained(acme, buyer, "/difference", **interval)
    before, after = [await explained(acme, buyer, at=interval[each]) for each in ("from", "to")]
    assert found["change"] == pytest.approx(after["score"] - before["score"], abs=1e-9)
    assert sum(each["change"] for each in found["changes"]) == pytest.approx(found["change"], abs=1e-9)
    assert [each["change"] for each in found["groups"]] == [pytest.approx(found["change"], abs=1e-9)]
    frequency = next(each for each in found["changes"] if each["measure"] == "frequency")
    assert (len(frequency["came_in"]), len(frequency["fell_out"])) == (1, 1)
    assert frequency["fell_out"] == before["contributions"][1]["events"][:1]
    backward = await acme.get(
        f"/v1/customers/{buyer}/health/difference", **{"from": interval["to"], "to": interval["from"]}
    )
    assert backward.json()["errors"] == [{"field": "from", "rule": "It must be before `to`."}]


async def test_the_path_says_what_silence_does_and_when(acme: Tenant, buyer: UUID) -> None:
    found = await explained(acme, buyer, "/path", at="2011-12-09T00:00:00Z")
    assert (found["band"], found["up"]["band"], found["down"]["band"]) == ("steady", "healthy", "at_risk")
    sinks = datetime.fromisoformat(found["down"]["silent_at"])
    just_before, sunk = [
        await explained(acme, buyer, at=each.isoformat()) for each in (sinks - timedelta(microseconds=1), sinks)
    ]
    assert (just_before["band"], sunk["band"]) == ("steady", "at_risk")
    assert found["up"]["silent_at"] is None
    assert "not a promise" in found["caveat"]
    recency = next(each for each in found["down"]["steps"] if each["measure"] == "recency")
    assert (recency["act"], recency["to"], recency["crosses"]) == (None, None, False)


async def test_history_tells_when_silence_changed_the_band(acme: Tenant, buyer: UUID) -> None:
    found = await explained(acme, buyer, "/history", **{"from": "2011-02-01T00:00:00Z", "to": "2012-02-01T00:00:00Z"})
    assert found["band"] is None
    assert [(each["band"], each["silent"]) for each in found["changes"]] == [
        ("healthy", False), ("steady", True), ("healthy", False), ("steady", True), ("healthy", False),
        ("steady", True), ("at_risk", True),
    ]  # fmt: skip
    for each in found["changes"][1:]:
        assert (await explained(acme, buyer, at=each["at"]))["band"] == each["band"]
        just_before = datetime.fromisoformat(each["at"]) - timedelta(microseconds=1)
        assert (await explained(acme, buyer, at=just_before.isoformat()))["band"] == each["from_band"]
    assert found["changes"][-1]["words"].endswith("from steady to at risk, by silence alone.")
    points = {each["at"]: each["score"] for each in found["points"]}
    for instant in list(points)[:: max(1, len(points) // 6)]:
        assert (await explained(acme, buyer, at=instant))["score"] == (
            pytest.approx(points[instant], abs=1e-9) if points[instant] is not None else None
        )


async def test_over_graphql_it_is_the_same(acme: Tenant, buyer: UUID) -> None:
    instant, since = "2011-12-09T00:00:00Z", "2011-08-01T00:00:00Z"
    variables = {"r": [{"__typename": "Customer", "id": str(buyer)}], "at": instant, "from": since, "language": "zh"}
    (shown,) = (await acme.ask(WHY, **variables))["_entities"]
    graph = shown["health"]
    rest = await explained(acme, buyer, at=instant, language="zh")
    assert (graph["score"], graph["words"], graph["modelVersion"]) == (rest["score"], rest["words"], 1)
    assert graph["contributions"] == rest["contributions"]
    interval = {"from": since, "to": instant, "language": "zh"}
    difference, history = (
        await explained(acme, buyer, "/difference", **interval),
        await explained(acme, buyer, "/history", **interval),
    )
    assert [each["words"] for each in graph["difference"]["changes"]] == [
        each["words"] for each in difference["changes"]
    ]
    assert [each["cameIn"] for each in graph["difference"]["changes"]] == [
        each["came_in"] for each in difference["changes"]
    ]
    assert [each["score"] for each in graph["history"]["points"]] == [each["score"] for each in history["points"]]
    path = await explained(acme, buyer, "/path", at=instant, language="zh")
    assert graph["path"]["up"]["words"] == path["up"]["words"]
    assert [each["to"] for each in graph["path"]["up"]["steps"]] == [each["to"] for each in path["up"]["steps"]]


async def test_the_model_in_force_explains_it_and_another_can_be_chosen(
    acme: Tenant, buyer: UUID, tenant: str, fold: Any
) -> None:
    salon, model = new_id(), as_kept(ready_made("beauty-salon"))
    model["audience"]["segments"] = ["salon"]
    await fold(happened(HealthModelPublished(2, model), tenant, at("2011-01-01"), subject=salon))
    usual = await explained(acme, buyer, at="2011-12-09T00:00:00Z")
    usual_model = usual["model"]
    assert usual_model not in ("default", str(salon)), "the tenant's own, that is for everybody"
    named = await explained(acme, buyer, at="2011-12-09T00:00:00Z", model=str(salon))
    assert (named["model"], named["model_version"], len(named["contributions"])) == (str(salon), 2, 6)
    csat = next(each for each in named["contributions"] if each["measure"] == "csat")
    assert csat["published"] is False
    assert "no service tells of it yet" in csat["words"]
    refused = await acme.get(f"/v1/customers/{buyer}/health", model=str(new_id()))
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["rule"].endswith(f"There are: {salon}, {usual_model}, default.")
    guest = new_id()
    await fold(
        happened(CustomerCreated(kind="person", segment="salon"), tenant, at("2011-01-02"), guest),
        happened(ORDER, tenant, at("2011-11-01"), guest),
    )
    assert (await explained(acme, guest, at="2011-12-09T00:00:00Z"))["model"] == str(salon)


async def test_what_was_known_is_kept_apart_from_what_was_true(
    acme: Tenant, buyer: UUID, tenant: str, fold: Any
) -> None:
    now = datetime.now(UTC)
    await fold(happened(ORDER, tenant, at("2011-12-01"), buyer, recorded_at=now + timedelta(minutes=2)))
    then = (now + timedelta(minutes=1)).isoformat()
    true = await explained(acme, buyer, at="2011-12-09T00:00:00Z")
    known = await explained(acme, buyer, at="2011-12-09T00:00:00Z", knownAt=then)
    assert (true["contributions"][0]["input"], known["contributions"][0]["input"]) == (8, 121)
    assert known["score"] < true["score"]
    path = await explained(acme, buyer, "/path", at="2011-12-09T00:00:00Z", knownAt=then)
    assert path["score"] == known["score"]


async def test_a_pulse_counts_until_it_expires(acme: Tenant, tenant: str, fold: Any) -> None:
    customer, salon = new_id(), new_id()
    pulse = PulseSet(score=90, expires_at=at("2011-04-01"))
    await fold(
        happened(HealthModelPublished(1, as_kept(ready_made("beauty-salon"))), tenant, at("2011-01-01"), subject=salon),
        happened(pulse, tenant, at("2011-03-01"), customer),
    )
    fresh = await explained(acme, customer, at="2011-03-31T00:00:00Z", language="zh")
    assert next(each for each in fresh["contributions"] if each["measure"] == "pulse")["words"].startswith(
        "Pulse of whoever looks after them：人工评价90分，满分100分（2011年3月1日）；"  # noqa: RUF001 - Chinese
    )
    stale = await explained(acme, customer, at="2011-04-02T00:00:00Z")
    assert stale["score"] is None
    assert stale["words"] == (
        "On 2 April 2011: nothing is known of what the model \u201cBeauty salon\u201d, number 1 looks at."
    )


async def test_of_another_tenants_customer_nothing_is_known(acme: Tenant, other: Tenant, buyer: UUID) -> None:
    assert (await explained(acme, buyer, at="2011-12-09T00:00:00Z"))["score"] is not None
    since = {"from": "2011-08-01T00:00:00Z"}
    for what, query in (("", {}), ("/path", {}), ("/difference", since), ("/history", since)):
        for known in ({}, {"knownAt": datetime.now(UTC).isoformat()}):
            refused = await other.get(f"/v1/customers/{buyer}/health{what}", **query, **known)
            assert (refused.status_code, refused.json()["detail"]) == (404, f"There is no customer {buyer}."), what


OF_CUSTOMER = '_entities(representations: [{ __typename: "Customer", id: "%s" }]) { ... on Customer { %s } }'
OVER_GRAPHQL = [
    ("at", OF_CUSTOMER % (new_id(), "health(at: $at) { score }")),
    ("knownAt", OF_CUSTOMER % (new_id(), "health(knownAt: $at) { score }")),
    ("from", OF_CUSTOMER % ("BUYER", "health { difference(from: $at) { change } }")),
    ("from", OF_CUSTOMER % ("BUYER", "health { history(from: $at) { band } }")),
    ("until", "upcomingHealthChanges(until: $at) { nodes { dueAt } }"),
    ("at", "healthDistribution(at: $at) { whole { mean } }"),
]
RULE = "An instant lies between the years 1900 and 2200."


async def graphql(acme: Tenant, query: str, instant: str, *, spelt_out: bool = False) -> Any:
    """With the instant as a variable, or in the query itself."""
    body = {"query": f"query ($at: DateTime!) {{ {query} }}", "variables": {"at": instant}}
    if spelt_out:
        body = {"query": f"{{ {query} }}".replace("$at", f'"{instant}"')}
    return (await acme.post("/graphql", body)).json()


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1899-12-31T23:00:00Z"])
async def test_an_instant_out_of_all_calendars_is_refused_by_the_name_of_its_field(
    acme: Tenant, buyer: UUID, instant: str
) -> None:
    of_one = f"/v1/customers/{new_id()}/health"
    since = {"from": "2011-08-01T00:00:00Z"}
    params: list[tuple[str, str, dict[str, str]]] = [
        (of_one, "at", {}), (of_one, "knownAt", {}), (f"{of_one}/path", "at", {}),
        (f"{of_one}/difference", "from", {}), (f"{of_one}/difference", "to", since),
        (f"{of_one}/history", "from", {}), (f"{of_one}/history", "to", since),
        ("/v1/health/distribution", "at", {}), ("/v1/health/upcoming", "until", {}),
    ]  # fmt: skip
    for path, field, others in params:
        answer = await acme.get(path, **others, **{field: instant})
        assert (answer.status_code, answer.json()["errors"]) == (422, [{"field": field, "rule": RULE}]), (path, field)
    for job in ("what_if", "distribution"):
        body = {"at": instant} if job == "distribution" else {"at": instant, "document": DOCUMENT}
        answer = await acme.post(f"/v1/health:{job}", body)
        assert answer.json()["errors"] == [{"field": "at", "rule": RULE}]
    for field, query in OVER_GRAPHQL:
        (error,) = (await graphql(acme, query.replace("BUYER", str(buyer)), instant))["errors"]
        assert error["extensions"]["problem"]["errors"] == [{"field": field, "rule": RULE}], query


@pytest.mark.parametrize("spelt_out", [True, False])
async def test_over_graphql_an_instant_without_a_zone_is_refused(acme: Tenant, buyer: UUID, spelt_out: bool) -> None:
    others = (
        OF_CUSTOMER % (new_id(), what)
        for what in ("value(at: $at) { __typename }", "timeline(from: $at) { nodes { id } }")
    )
    for query in (*(query for _, query in OVER_GRAPHQL), *others):
        answer = await graphql(acme, query.replace("BUYER", str(buyer)), "2011-12-09T00:00:00", spelt_out=spelt_out)
        (error,) = answer["errors"]
        assert "It is an instant of ISO 8601 with its zone, as in 2026-01-31T12:00:00Z" in error["message"], query
        assert error["extensions"]["code"] == "invalid", query


async def test_a_misspelt_parameter_is_refused(acme: Tenant, buyer: UUID) -> None:
    answer = await acme.get(f"/v1/customers/{buyer}/health/path", known_at="2011-12-09T00:00:00Z")
    assert answer.json()["errors"] == [
        {"field": "known_at", "rule": "There is no parameter 'known_at'. There are: at, knownAt, language, model."}
    ]


async def test_it_takes_the_scope_to_read(acme: Tenant, buyer: UUID) -> None:
    blind = acme.without("analytics:read")
    for what in ("", "/path", "/difference?from=2011-01-01T00:00:00Z", "/history?from=2011-01-01T00:00:00Z"):
        assert (await blind.get(f"/v1/customers/{buyer}/health{what}")).status_code == 403
