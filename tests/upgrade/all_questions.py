"""The questions for a frozen house: lists, records, figures, health, playbooks, exports.

Each names its instants. None depends on the clock, nor on the code alone: the list of metrics may grow."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.upgrade.graphql_questions import graphql_questions_of
from tests.upgrade.house import House
from tests.upgrade.questions import Question
from tests.upgrade.scenario import BEGIN, END, PLAYBOOKS_START, SERVICE_OF, USERS, Scenario

START, MIDDLE, LATE, LAST = (
    each.isoformat() for each in (BEGIN, BEGIN + timedelta(days=330), END - timedelta(days=15), END)
)
OVER = {"from": START, "to": LAST}
FILTERS = {
    "customers": ({"segment": "smith"}, {"kind": "person", "country": "AT"}, {"owner_id": "ann", "source": "web"}),
    "touchpoints": ({"channel": "visit"}, {"direction": "inbound"}),
    "products": ({"family": "kilns"},),
    "opportunities": ({"stage": "won"}, {"owner_id": "bob"}),
    "orders": ({"country": "DE"},),
    "tasks": ({"state": "done"}, {"owner_id": "ann"}),
    "cases": ({"state": "resolved"}, {"priority": "critical", "queue": "first line"}, {"assignee_id": "joe"}),
    "health-models": ({"state": "published"},),
    "signals": ({"code": "logins"},),
    "playbooks": ({"state": "stopped"},),
}
"""Of the lists by noun."""
PAGE = 6


async def questions_of(house: House, scenario: Scenario, known_at: datetime, stranger: str) -> list[Question]:
    """`known_at`: between the first chapter and the second."""
    questions = [*_records(scenario, stranger), *_figures_of_customers(scenario, known_at), *_health(scenario)]
    questions += await _metrics(scenario, known_at)
    for service in ("contacts", "sales", "service-desk", "analytics"):
        dead_letters = (await house.tenant(service, scenario.name).get("/v1/dead-letters", first=500)).json()["items"]
        questions += [Question(service, scenario.name, "/v1/dead-letters", {"first": 500})]
        questions += [Question(service, scenario.name, f"/v1/dead-letters/{each['id']}") for each in dead_letters]
    analytics = house.tenant("analytics", scenario.name)
    for path in ("health-jobs", "customer-value/fits"):
        found = (await analytics.get(f"/v1/{path}")).json()["items"]
        questions += [Question("analytics", scenario.name, f"/v1/{path}/{each['id']}") for each in found]
    runs = (await analytics.get("/v1/playbook-runs", first=500)).json()["items"]
    questions += [Question("analytics", scenario.name, f"/v1/playbook-runs/{each['id']}") for each in runs[::6]]
    return [
        *questions,
        *await _pages_after(house, scenario),
        *graphql_questions_of(scenario, runs),
        _sent_again(scenario),
    ]


async def _pages_after(house: House, scenario: Scenario) -> list[Question]:
    """By cursors that were given out then."""
    found = list[Question]()
    for service, path, query in (
        ("contacts", "/v1/customers", {}),
        ("sales", "/v1/orders", {"country": "DE"}),
        ("analytics", "/v1/health-scores", {}),
        ("analytics", "/v1/playbook-runs", {}),
        ("analytics", f"/v1/customers/{scenario.ids['customers'][1]}/timeline", {}),
        ("analytics", "/v1/metrics/orders/members", OVER),
    ):
        given: dict[str, Any] = {**query, "first": 3}
        page = (await house.tenant(service, scenario.name).get(path, **given)).json()
        found.append(Question(service, scenario.name, path, {**given, "after": page["next"]}))
    return found


def _sent_again(scenario: Scenario) -> Question:
    """The first request places the order; every one after it gets the outcome that was kept."""
    order = {"customer_id": scenario.ids["customers"][0], "value": "5.00", "currency": "EUR", "occurred_at": LAST}
    return Question(
        "sales", scenario.name, "/v1/orders", body=order, headers={"Idempotency-Key": f"once {scenario.name}"}
    )


def _records(scenario: Scenario, stranger: str) -> Iterator[Question]:
    """Lists by pages and filters, single records, exports; without personal fields; and as another tenant."""
    for noun, service in SERVICE_OF.items():
        if noun == "settings":
            yield Question(service, scenario.name, "/v1/settings")
            yield Question(service, stranger, "/v1/settings")
            continue
        path, ids = f"/v1/{noun}", scenario.ids[noun]
        yield Question(service, scenario.name, path, {"first": 2 if noun == "health-models" else PAGE})
        if len(ids) > PAGE:
            yield Question(service, scenario.name, f"{path}:export", {"after": ids[-PAGE]})
        for filters in FILTERS.get(noun, ()):
            ids_of = {value: scenario.user(value) for value in filters.values() if value in USERS}
            named = {name: ids_of.get(value, value) for name, value in filters.items()}
            yield Question(service, scenario.name, path, {"first": PAGE, **named})
        for id in (ids[0], ids[-1]):
            yield Question(service, scenario.name, f"{path}/{id}")
        yield Question(service, stranger, f"{path}/{ids[0]}")
    of = {"customer_id": scenario.ids["customers"][3], "first": PAGE}
    for noun in (
        "touchpoints",
        "contacts",
        "opportunities",
        "orders",
        "returns",
        "tasks",
        "cases",
        "pulses",
        "readings",
    ):
        yield Question(SERVICE_OF[noun], scenario.name, f"/v1/{noun}", of)
    for noun in ("customers", "contacts"):
        yield Question("contacts", scenario.name, f"/v1/{noun}", {"first": 2}, without="contacts:personal")


def _figures_of_customers(scenario: Scenario, known_at: datetime) -> Iterator[Question]:
    """Timeline, health and value of some: of merged ones, of late events, with and without dealings."""
    mine, known = scenario.ids["customers"], known_at.isoformat()
    for id in (*scenario.merged, mine[4], mine[-1]):
        path = f"/v1/customers/{id}"
        yield Question("analytics", scenario.name, f"{path}/timeline", {"first": PAGE})
        yield Question("analytics", scenario.name, f"{path}/timeline", {"first": 3, "from": MIDDLE, "to": LAST})
        yield Question("analytics", scenario.name, f"{path}/timeline", {"type": "sales.order.placed.v1", "first": 2})
        for more in (
            {"at": MIDDLE}, {"at": LAST}, {"at": LAST, "knownAt": known}, {"at": LAST, "language": "zh"},
            {"at": LAST, "model": "default"},
        ):  # fmt: skip
            yield Question("analytics", scenario.name, f"{path}/health", more)
        yield Question("analytics", scenario.name, f"{path}/health/path", {"at": MIDDLE})
        yield Question("analytics", scenario.name, f"{path}/health/difference", {"from": MIDDLE, "to": LAST})
        yield Question("analytics", scenario.name, f"{path}/health/history", {"from": LATE, "to": LAST})
        yield Question("analytics", scenario.name, f"{path}/value", {"at": LAST, "currency": scenario.currency})


def _health(scenario: Scenario) -> Iterator[Question]:
    """Of everybody: as it is kept, and as it was; playbooks, and what came of them."""
    for query in ({"first": 20}, {"band": "steady"}, {"model": scenario.ids["health-models"][0], "first": PAGE}):
        yield Question("analytics", scenario.name, "/v1/health-scores", query)
    yield Question("analytics", scenario.name, "/v1/health/upcoming", {"until": "2100-01-01T00:00:00Z"})
    yield Question("analytics", scenario.name, "/v1/health/rescoring")
    for query in ({"at": MIDDLE}, {"at": LAST, "groupBy": "segment"}, {"at": LAST, "groupBy": "model"}):
        yield Question("analytics", scenario.name, "/v1/health/distribution", query)
    for query in ({"first": PAGE}, {"state": "left_alone", "first": PAGE}):
        yield Question("analytics", scenario.name, "/v1/playbook-runs", query)
    for id in scenario.ids["playbooks"]:
        to = (PLAYBOOKS_START + timedelta(days=200)).isoformat()
        for period in ({"to": LAST}, {"from": PLAYBOOKS_START.isoformat(), "to": to}):
            yield Question("analytics", scenario.name, f"/v1/playbooks/{id}/outcomes", period)
    for path in ("health-jobs", "customer-value/fits", "activity-definitions", "ledger", "freshness"):
        yield Question("analytics", scenario.name, f"/v1/{path}")


async def _metrics(scenario: Scenario, known_at: datetime) -> list[Question]:
    """Every metric of the catalogue, by periods, by some of its dimensions, as it was known, and its members."""
    found: list[Question] = []

    def add(path: str, **query: Any) -> None:
        found.append(Question("analytics", scenario.name, path, {**OVER, **query}))

    metrics = (await scenario.api("analytics").get("/v1/metrics")).json()["metrics"]
    for index, metric in enumerate(metrics):
        path, dimensions = f"/v1/metrics/{metric['id']}", [each["name"] for each in metric["dimensions"]]
        add(path, grain="year")
        add(path, knownAt=known_at.isoformat())
        for dimension in dimensions[index % 3 :: 10][:1]:
            among = {"filter": "segment:smith,potter", "zone": "America/New_York"} if "segment" in dimensions else {}
            add(path, groupBy=dimension, **among)
        if metric["id"].startswith(("retention", "customers")):
            add(path, activity=0)
        add(f"{path}/members", first=2)
    for more in (
        {"grain": "quarter"},
        {"grain": "quarter", "filter": "segment:smith"},
        {"grain": "year", "activity": 0},
    ):
        add("/v1/cohorts", **more)
    add("/v1/cohorts/members", grain="quarter", row=0, period=1)
    body = {**OVER, "metrics": ["revenue", "orders", "arpu"], "groupBy": ["tier"]}
    return [*found, Question("analytics", scenario.name, "/v1/metrics:query", body=body)]
