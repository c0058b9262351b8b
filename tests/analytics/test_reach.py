"""Who has a narrow scope reads of the customers of its own, or of its team, over every operation that analytics has:
others' are as if they were not there, and no answer goes by them.

What each operation is follows from the contracts. One that is added has to refuse a narrow scope, or to be named here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from graphql import (
    FieldDefinitionNode,
    ListTypeNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    TypeNode,
    parse,
)
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import at, happened
from tests.analytics.playbooks.scenarios import document, sank, started, triggered
from tests.statements import statements

from analytics.consumers import handle
from analytics.health.evaluation import distribution_reads
from analytics.health.scores.rescoring import process_score_queue
from analytics.metrics.catalogue import METRICS
from analytics.metrics.definition import OWNER
from analytics.metrics.measure import Score
from kith.events.actors import user_id
from kith.events.contacts import CustomerAmended, CustomerCreated, CustomerMerged
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced, OrderReturned
from kith.events.service_desk import CaseOpened
from kith.http.scopes import NARROW_SCOPES
from kith.ids import new_id
from kith.testing import Issuer, Tenant

Ids = Mapping[str, str]
SPRING, SUMMER = at("2026-03-01"), at("2026-06-01")
INTERVAL = {"from": "2026-01-01T00:00:00Z", "to": "2026-07-01T00:00:00Z"}
THEN = {"at": "2026-06-15T00:00:00Z"}

OF_ONE: Mapping[str, Mapping[str, str]] = {
    "getHealth": THEN,
    "getHealthDifference": INTERVAL,
    "getHealthHistory": INTERVAL,
    "getHealthPath": THEN,
    "getNextProducts": {},
    "getTimeline": {},
    "getValue": THEN,
}
"""Operations about one customer, with what else they are asked."""
OF_MANY: Mapping[str, Mapping[str, Any]] = {
    "listHealthScores": {},
    "listUpcomingHealthChanges": {},
    "getHealthDistribution": {**THEN, "groupBy": "owner"},
    "listPlaybookRuns": {},
    "getMetric": {**INTERVAL, "id": "orders", "groupBy": "owner", "grain": "month"},
    "queryMetrics": {**INTERVAL, "metrics": ["orders", "customers.active"], "groupBy": ["owner"]},
    "listMembers": {**INTERVAL, "id": "orders"},
    "getCohorts": INTERVAL,
    "listCohortMembers": {**INTERVAL, "row": 2},
}
OF_RUN = {"getPlaybookRun"}
OF_NOUNS = {
    *(f"{verb}{noun}" for noun in ("Readings", "Pulses") for verb in ("list", "search", "export")),
    *("getReading", "getPulse", "getPulseHistory"),
}
"""Of nouns that are the owner's of their customer: tests/contracts/test_access.py goes over them."""
QUERIES_OF_NOUNS = {"reading", "readings", "pulse", "pulses"}
SHARED = {
    *("listMetrics", "getFreshness", "getHealthModelSchema", "getHealthModelGallery", "getDefaultHealthModel"),
    *(f"{verb}{noun}" for noun in ("HealthModels", "Signals") for verb in ("list", "search", "export")),
    *(f"get{noun}{end}" for noun in ("HealthModel", "Signal") for end in ("", "History")),
}
"""Operations that tell of no customer: reference data, and how far each source is counted."""

CUSTOMER_FIELDS = {
    "health": 'health(at: "2026-06-15T00:00:00Z") { score band contributions { events } difference(from: '
    '"2026-02-01T00:00:00Z") { change } path { caveat } history(from: "2026-02-01T00:00:00Z") { band } }',
    "nextProducts": "nextProducts { productId becauseOf }",
    "timeline": "timeline { nodes { id subject data } }",
    "value": 'value(at: "2026-06-15T00:00:00Z") { orders historic rfm { recency } }',
}
_PERIOD = 'from: "2026-01-01T00:00:00Z", to: "2026-07-01T00:00:00Z"'
QUERIES = {
    "healthScores": "healthScores { nodes { customerId band score customer { id timeline { nodes { id } } } } }",
    "upcomingHealthChanges": "upcomingHealthChanges { nodes { customerId dueAt } }",
    "healthDistribution": 'healthDistribution(at: "2026-06-15T00:00:00Z", groupBy: OWNER) '
    "{ whole { customers } groups { group customers } }",
    "playbookRuns": "playbookRuns { nodes { id customerId results { id } } }",
    "metric": f'metric(id: "orders", {_PERIOD}, groupBy: ["owner"]) '
    "{ value breakdown { value group { dimension value } } }",
    "metricValues": f'metricValues(ids: ["orders", "customers.active"], {_PERIOD}) {{ value }}',
    "metricMembers": f'metricMembers(id: "orders", {_PERIOD}) {{ nodes {{ customerId eventId }} }}',
    "cohorts": f"cohorts({_PERIOD}) {{ rows {{ size cells {{ customers }} }} }}",
    "cohortMembers": f"cohortMembers({_PERIOD}, row: 2) {{ nodes {{ customerId eventId }} }}",
}
SHARED_QUERIES = {
    *("metrics", "freshness", "healthModelGallery", "defaultHealthModel"),
    *("healthModel", "healthModels", "signal", "signals"),
    *("search", "_entities", "_service"),
}
"""Queries that tell of no customer, or whose parts look at the reach themselves."""
SUBSCRIPTIONS = {"healthChanged", "timeline", "metricChanged"}
"""Tested in tests/analytics/live/test_subscriptions.py."""
_SDL = Path("services/analytics/schema.graphql")


@dataclass
class House:
    whole: Tenant
    worker: AsyncEngine
    ann: UUID
    bob: UUID
    ids: Ids
    """Customers: Ann's, one merged into it, Bob's, one that was Ann's once, and nobody's; and runs."""

    def acting(self, subject: str, width: str = "own") -> Tenant:
        return replace(self.whole, subject=subject, scopes=f"analytics:read:{width} analytics:personal")

    async def fold(self, *events: Envelope) -> None:
        async with self.worker.begin() as connection:
            await handle(connection, events)
        while await process_score_queue(self.worker):
            pass
        due = {"tenant": self.whole.name, "at": at("2030-01-01")}
        async with self.worker.begin() as connection:  # as if all would come into another band by silence
            await connection.execute(
                text("UPDATE health_scores SET due_at = :at, due_band = 'at_risk' WHERE tenant_id = :tenant"), due
            )

    def bought(self, customer: UUID, owner: UUID | None, *days: str) -> list[Envelope]:
        order, tenant = OrderPlaced(value=Decimal(20), currency="EUR"), self.whole.name
        record = CustomerCreated(kind="person", owner_id=owner)
        return [
            happened(record, tenant, at("2026-02-01"), customer),
            happened(CaseOpened(state="new", priority="high", channel="email"), tenant, SUMMER, customer),
            happened(OrderReturned(value=Decimal(5), currency="EUR"), tenant, SUMMER, customer),
            *(happened(order, tenant, at(day), customer) for day in days),
        ]


@pytest.fixture(scope="module")
async def house(analytics: httpx.AsyncClient, issuer: Issuer, worker: AsyncEngine) -> House:
    whole = Tenant(analytics, issuer, f"reach-{new_id().hex[-12:]}")
    mine, absorbed, other, lost, nobodys = (new_id() for _ in range(5))
    house = House(whole, worker, new_id(), new_id(), {})
    await is_user(house, "ann", house.ann)
    await is_user(house, "bob", house.bob)
    amended = CustomerAmended(changed=["owner"], owner_id=house.bob)
    await house.fold(
        *house.bought(mine, house.ann, "2026-03-01", "2026-04-01"),
        *house.bought(absorbed, house.bob, "2026-05-05"),
        *house.bought(other, house.bob, "2026-03-02", "2026-04-02"),
        *house.bought(lost, house.ann, "2026-03-03"),
        *house.bought(nobodys, None, "2026-03-04"),
        happened(CustomerMerged(into=mine), whole.name, SUMMER, absorbed, aggregate_version=2),
        happened(amended, whole.name, SUMMER, lost, aggregate_version=2),
    )
    await started(whole, SPRING)
    await triggered(worker, whole.name, *(sank(each, SUMMER) for each in (mine, other)))
    runs = (await whole.get("/v1/playbook-runs")).json()["items"]
    assert len(runs) == 2
    of_runs = {("my run" if each["customer_id"] == str(mine) else "other run"): each["id"] for each in runs}
    names = {"mine": mine, "absorbed": absorbed, "other": other, "lost": lost, "nobodys": nobodys}
    return replace(house, ids={name: str(id) for name, id in names.items()} | of_runs)


async def is_user(house: House, subject: str, id: UUID, team: UUID | None = None) -> None:
    row = {"tenant": house.whole.name, "id": id, "actor": user_id(house.whole.name, subject), "team": team}
    async with house.worker.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO known_users (tenant_id, id, actor_id, state, team_id, role_ids) "
                "VALUES (:tenant, :id, :actor, 'active', :team, '{}')"
            ),
            row,
        )


async def operations(house: House) -> Mapping[str, tuple[str, str]]:
    """Returns the method and the path of each operation."""
    paths = (await house.whole.get("/openapi.json")).json()["paths"]
    return {one["operationId"]: (method, path) for path, each in paths.items() for method, one in each.items()}


async def answered(tenant: Tenant, method: str, path: str, asked: Mapping[str, Any], id: str = "") -> httpx.Response:
    where = path.replace("{id}", asked.get("id", id))
    rest = {name: value for name, value in asked.items() if name != "id"}
    return await (tenant.get(where, **rest) if method == "get" else tenant.post(where, rest))


def assert_alike(answer: httpx.Response, other: httpx.Response, id: str, other_id: str) -> None:
    assert (answer.status_code, answer.text.replace(id, other_id)) == (other.status_code, other.text)


@pytest.mark.parametrize("operation", OF_ONE)
async def test_of_a_customer_who_is_out_of_reach_nothing_is_there(house: House, operation: str) -> None:
    method, path = (await operations(house))[operation]
    ann, ids, none, asked = house.acting("ann"), house.ids, str(new_id()), OF_ONE[operation]
    for each in ("mine", "absorbed"):
        shown = await answered(ann, method, path, asked, ids[each])
        assert shown.status_code == 200, shown.text
        assert shown.json() == (await answered(house.whole, method, path, asked, ids[each])).json()
    for each in ("other", "lost", "nobodys"):
        assert (await answered(house.whole, method, path, asked, ids[each])).status_code == 200
        answer = await answered(ann, method, path, asked, ids[each])
        assert answer.status_code == 404, answer.text
        assert_alike(answer, await answered(ann, method, path, asked, none), ids[each], none)


async def test_it_is_so_as_known_at_an_instant_when_it_was_hers(house: House) -> None:
    path, none = "/v1/customers/{}/health", str(new_id())
    ann, then = house.acting("ann"), {"at": "2026-04-01T00:00:00Z", "knownAt": datetime.now(UTC).isoformat()}
    assert (await house.whole.get(path.format(house.ids["lost"]), **then)).status_code == 200
    assert (await ann.get(path.format(house.ids["mine"]), **then)).status_code == 200
    answer = await ann.get(path.format(house.ids["lost"]), **then)
    assert_alike(answer, await ann.get(path.format(none), **then), house.ids["lost"], none)


async def test_a_run_for_a_customer_who_is_out_of_reach_is_not_there(house: House) -> None:
    ann, none, other = house.acting("ann"), str(new_id()), house.ids["other run"]
    shown = await ann.get(f"/v1/playbook-runs/{house.ids['my run']}")
    assert shown.json()["customer_id"] == house.ids["mine"]
    answer = await ann.get(f"/v1/playbook-runs/{other}")
    assert answer.status_code == 404
    assert_alike(answer, await ann.get(f"/v1/playbook-runs/{none}"), other, none)
    run = "query($id: UUID!) { playbookRun(id: $id) { id } }"
    found = [(await ann.ask(run, id=each))["playbookRun"] for each in (house.ids["my run"], other, none)]
    assert found == [{"id": house.ids["my run"]}, None, None]


@pytest.fixture(scope="module")
async def before_and_after(house: House) -> Mapping[str, tuple[str, str, str]]:
    """Of each operation and query over many: what Ann is answered, what whoever reads all is, and what Ann is answered
    when others have come, bought, changed hands and been acted for."""
    ann = house.acting("ann")
    before = [await over_many(house, each) for each in (ann, house.whole)]
    more = [new_id() for _ in range(3)]
    amended = CustomerAmended(changed=["owner"], owner_id=house.bob)
    await house.fold(
        *(event for each in more for event in house.bought(each, house.bob, "2026-03-05", "2026-05-01")),
        happened(amended, house.whole.name, SUMMER, UUID(house.ids["nobodys"]), aggregate_version=2),
    )
    await triggered(house.worker, house.whole.name, *(sank(each, SUMMER + timedelta(days=1)) for each in more))
    after = await over_many(house, ann)
    return {name: (before[0][name], before[1][name], after[name]) for name in after}


async def over_many(house: House, actor: Tenant) -> Mapping[str, str]:
    found, there_are = {}, await operations(house)
    for name, asked in OF_MANY.items():
        answer = await answered(actor, *there_are[name], asked)
        assert answer.status_code == 200, (name, answer.text)
        found[name] = answer.text
    return found | {f"{{ {name} }}": json.dumps(await actor.ask(f"{{ {query} }}")) for name, query in QUERIES.items()}


@pytest.mark.parametrize("name", [*OF_MANY, *(f"{{ {each} }}" for each in QUERIES)])
async def test_an_answer_over_many_goes_by_those_within_reach_alone(
    before_and_after: Mapping[str, tuple[str, str, str]], house: House, name: str
) -> None:
    before, of_all, after = before_and_after[name]
    assert before != of_all, "or it shows nothing"
    assert before == after
    for other in (house.ids["other"], house.ids["nobodys"], str(house.bob)):
        assert other not in before


async def test_her_lists_have_what_is_hers(house: House) -> None:
    ann, mine = house.acting("ann"), house.ids["mine"]
    scores = (await ann.get("/v1/health-scores")).json()["items"]
    runs = (await ann.get("/v1/playbook-runs")).json()["items"]
    assert [each["customer_id"] for each in scores] == [each["customer_id"] for each in runs] == [mine]
    assert scores[0] in (await house.whole.get("/v1/health-scores")).json()["items"]
    other = (await ann.get("/v1/playbook-runs", customer_id=house.ids["other"])).json()
    assert other == {"items": [], "next": None}
    distribution = (await ann.get("/v1/health/distribution", groupBy="owner")).json()
    assert [(each["group"], each["customers"]) for each in distribution["groups"]] == [(str(house.ann), 1)]


async def test_the_distribution_by_stored_scores_is_of_those_within_reach(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distribution_reads, "FEW", 0)
    ann = house.acting("ann")
    found = (await ann.get("/v1/health/distribution", groupBy="owner")).json()
    assert (found["source"], found["whole"]["customers"]) == ("stored", 1)
    assert [(each["group"], each["customers"]) for each in found["groups"]] == [(str(house.ann), 1)]
    refused = await ann.get("/v1/health/distribution", **THEN)
    assert refused.json()["errors"][0]["field"] == "at"


async def test_every_metric_is_that_which_is_filtered_by_owner(house: House) -> None:
    """Those of scores too, whose fit is of all that the tenant sold; not those reached by whose the deals are, which
    test_attainment looks at."""
    reached = [each for each in METRICS.values() if each.reached_by == OWNER]
    assert all(OWNER in each.dimensions for each in reached)
    fitted = {each.id for each in METRICS.values() if any(isinstance(one, Score) for one in each.measures)}
    ids = sorted({each.id for each in reached} - fitted)
    asked = {**INTERVAL, "activity": 0}
    for some in (ids[n : n + 20] for n in range(0, len(ids), 20)):
        query = {**asked, "metrics": some}
        answers = [
            await house.acting("ann").post("/v1/metrics:query", query),
            await house.whole.post("/v1/metrics:query", {**query, "filter": [f"owner:{house.ann}"]}),
        ]
        assert answers[0].status_code == 200, answers[0].text
        assert answers[0].json() == answers[1].json()
    beyond = await house.acting("ann").get("/v1/metrics/orders", **INTERVAL, filter=f"owner:{house.bob}")
    assert beyond.json()["value"] == 0
    known = {**INTERVAL, "knownAt": datetime.now(UTC).isoformat()}
    assert (await house.acting("ann").get("/v1/metrics/orders", **known)).json()["value"] == 3.0
    for by in ({"filter": f"within:{house.ids['mine']}"}, {"groupBy": "ultimate_parent"}):
        refused = await house.acting("ann").get("/v1/metrics/orders", **INTERVAL, **by)
        assert (refused.status_code, "tree" in refused.json()["detail"]) == (403, True)


async def test_a_team_reads_of_all_of_its_own_and_a_stranger_of_nobody(house: House) -> None:
    lea, team = new_id(), new_id()
    await is_user(house, "lea", lea, team)
    async with house.worker.begin() as connection:
        await connection.execute(
            text("UPDATE known_users SET team_id = :team WHERE tenant_id = :tenant AND id = :ann"),
            {"team": team, "tenant": house.whole.name, "ann": house.ann},
        )
    orders = {**INTERVAL, "groupBy": "owner"}
    seen = await house.acting("lea", "team").get("/v1/metrics/orders", **orders)
    assert [each["group"][0]["value"] for each in seen.json()["breakdown"]] == [str(house.ann)]
    assert (await house.acting("lea", "team").get(f"/v1/customers/{house.ids['mine']}/health")).status_code == 200
    for subject in ("lea", "stranger"):
        stranger = house.acting(subject)
        assert (await stranger.get("/v1/metrics/orders", **orders)).json()["breakdown"] == []
        assert (await stranger.get("/v1/health-scores")).json()["items"] == []
        assert (await stranger.get("/v1/health/distribution", **THEN)).json()["whole"]["customers"] == 0
        assert (await stranger.get(f"/v1/customers/{house.ids['mine']}/timeline")).status_code == 404


async def test_all_else_needs_the_whole_scope(house: House) -> None:
    """Every operation of the contract that is not named above; also one that somebody will add."""
    ann, there_are = house.acting("ann", "team"), await operations(house)
    named = {*OF_ONE, *OF_MANY, *OF_RUN, *OF_NOUNS, *SHARED}
    assert named <= there_are.keys()
    of_health = {"document": (await ann.get("/v1/health-models:default")).json()["document"]}
    bodies = {"whatIfHealthDocument": of_health, "backtestHealthDocument": of_health}
    bodies |= {"dryRunDocument": {"document": document()}}
    for name, (method, path) in there_are.items():
        if name in named:
            continue
        where = re.sub(r"\{[^}]+\}", str(new_id()), path)
        answer = await (ann.get(where) if method == "get" else ann.post(where, bodies.get(name, {})))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (name, answer.text)
    for noun in ("readings", "pulses"):
        assert (await ann.get(f"/v1/{noun}")).json()["items"] == []
    # Nothing is written by a narrow scope.
    assert [each for each in NARROW_SCOPES if each.startswith("analytics:")] == [
        "analytics:read:own",
        "analytics:read:team",
    ]


async def test_reference_data_is_everybodys_to_read(house: House) -> None:
    ann, signal = house.acting("ann"), (await house.whole.made("/v1/signals", code=new_id().hex, title="Usage"))["id"]
    for path in ("metrics", "freshness", "health-models", "health-models:gallery", "signals", f"signals/{signal}"):
        answers = [await each.get(f"/v1/{path}") for each in (ann, house.whole)]
        assert answers[0].status_code == 200, path
        assert answers[0].json() == answers[1].json()


def fields_of(type: str) -> Iterator[FieldDefinitionNode]:
    """Yields the fields of a type of the subgraph."""
    for node in parse(_SDL.read_text()).definitions:
        if isinstance(node, ObjectTypeDefinitionNode) and node.name.value == type:
            yield from node.fields or ()


_SAMPLES = {
    "UUID": f'"{UUID(int=7)}"',
    "ID": '"x"',
    "String": '"x"',
    "DateTime": '"2026-01-01T00:00:00Z"',
    "Int": "0",
}
_SCALARS = {"JSON", *_SAMPLES}


def asking(field: FieldDefinitionNode) -> str:
    """Returns the field with the arguments that it must have, and as little as can be selected of it."""
    arguments = [
        f"{each.name.value}: {_sample(each.type.type)}"
        for each in field.arguments or ()
        if isinstance(each.type, NonNullTypeNode) and each.default_value is None
    ]
    inner = "" if _named(field.type) in _SCALARS else " { __typename }"
    given = f"({', '.join(arguments)})" if arguments else ""
    return f"{field.name.value}{given}{inner}"


def _sample(type: TypeNode) -> str:
    return "[]" if isinstance(type, ListTypeNode) else _SAMPLES[_named(type)]


def _named(type: TypeNode) -> str:
    while isinstance(type, NonNullTypeNode | ListTypeNode):
        type = type.type
    return type.name.value  # type: ignore[attr-defined,no-any-return]


async def test_all_other_queries_need_the_whole_scope(house: House) -> None:
    ann = house.acting("ann")
    named = QUERIES.keys() | SHARED_QUERIES | QUERIES_OF_NOUNS | {"playbookRun"}
    others = [each for each in fields_of("Query") if each.name.value not in named]
    assert len(others) > 5
    for each in others:
        said = (await ann.post("/graphql", {"query": f"{{ {asking(each)} }}"})).json()
        assert said["errors"][0]["extensions"]["code"] == "forbidden", (each.name.value, said)
    assert {each.name.value for each in fields_of("Subscription")} == SUBSCRIPTIONS
    found = await ann.post("/graphql", {"query": '{ search(q: "playbook") { playbooks { nodes { id } } } }'})
    assert found.json()["errors"][0]["extensions"]["code"] == "forbidden"


async def test_over_graphql_a_customer_who_is_out_of_reach_is_as_one_who_is_unknown(house: House) -> None:
    """Every field that analytics gives a customer."""
    ann, none = house.acting("ann"), str(new_id())
    query = "query($r: [_Any!]!) { _entities(representations: $r) { ... on Customer { %s } } }"
    for field in fields_of("Customer"):
        name = field.name.value
        if name == "id" or name in QUERIES_OF_NOUNS:
            continue
        asked = query % CUSTOMER_FIELDS[name]
        said = {}
        for each in (house.ids["mine"], house.ids["other"], house.ids["lost"], none):
            r = [{"__typename": "Customer", "id": each}]
            said[each] = await ann.post("/graphql", {"query": asked, "variables": {"r": r}})
        assert "errors" not in said[house.ids["mine"]].json(), said[house.ids["mine"]].text
        assert said[none].json()["errors"][0]["extensions"]["code"] == "not-found"
        for each in ("other", "lost"):
            assert_alike(said[house.ids[each]], said[none], house.ids[each], none)


async def test_entities_of_playbooks_tell_nothing(house: House) -> None:
    (playbook,) = (await house.whole.get("/v1/playbooks")).json()["items"]
    inner = "outcomes { words } runs { nodes { id } }"
    query = f"query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on Playbook {{ title {inner} }} }} }}"
    asked = {"query": query, "variables": {"r": [{"__typename": "Playbook", "id": playbook["id"]}]}}
    said = (await house.acting("ann").post("/graphql", asked)).json()
    assert (said["data"] or {}).get("_entities", [None]) == [None], said
    assert said["errors"][0]["extensions"]["code"] == "forbidden"


async def test_many_customers_are_looked_up_by_as_many_statements_as_one(house: House) -> None:
    ann = house.acting("ann")
    query = "query($r: [_Any!]!) { _entities(representations: $r) { ... on Customer { timeline { nodes { id } } } } }"
    numbers = []
    for number in (1, 50):
        r = [{"__typename": "Customer", "id": house.ids["mine"]}] * number
        r = [*r, *({"__typename": "Customer", "id": str(new_id())} for _ in range(number - 1))]
        with statements() as sent:
            await ann.post("/graphql", {"query": query, "variables": {"r": r}})
        # Not those of the gate, which looks at the actor again after a while.
        numbers.append(len([each for each in sent if re.search("customer_owners|merged_customers|ledger", each)]))
    assert numbers[0] == numbers[1] > 2
