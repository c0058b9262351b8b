"""Playbooks as a client sees them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, at, happened
from tests.analytics.playbooks.scenarios import document, sank, started, triggered

from analytics.jobs.kinds import JOBS
from analytics.playbooks.firing import is_control
from analytics.playbooks.tables import playbook_runs
from kith.events.sales import OrderPlaced, TaskCompleted, TaskCreated
from kith.events.service_desk import CaseOpened, CaseResolved
from kith.ids import new_id
from kith.testing import Answer, Issuer, Tenant

SPRING = at("2026-03-01")
NOON = SPRING + timedelta(hours=12)


@pytest.fixture
def us(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(analytics, issuer, tenant)


@pytest.fixture
def them(analytics: httpx.AsyncClient, issuer: Issuer, other_tenant: str) -> Tenant:
    return Tenant(analytics, issuer, other_tenant)


async def refused(us: Tenant, **fields: object) -> list[dict[str, str]]:
    answer = await us.post("/v1/playbooks", {"title": "A playbook", "document": document(**fields)})
    assert answer.status_code == 422, answer.text
    errors: list[dict[str, str]] = answer.json()["errors"]
    return errors


async def test_a_playbook_goes_its_way_over_rest(us: Tenant, them: Tenant) -> None:
    made = await us.made("/v1/playbooks", title="Sinking", document=document())
    assert (made["state"], made["fires"], made["fires_not"]) == ("draft", True, None)
    assert made["document"]["audience"]["without_tags"] == ["unidentified"]
    where = f"/v1/playbooks/{made['id']}"
    assert (await us.post(f"{where}:start", {})).json()["state"] == "started"
    revised = await us.post(f"{where}:revise", {"title": "Sunk"})
    assert (revised.status_code, revised.json()["type"]) == (409, "urn:kith:problem:playbook-started")
    assert (await us.post(f"{where}:stop", {})).json()["state"] == "stopped"
    assert (await us.post(f"{where}:revise", {"title": "Sunk"})).json()["title"] == "Sunk"
    assert (await them.get(where)).status_code == 404
    assert (await them.post(f"{where}:start", {})).status_code == 404


async def test_and_over_graphql(us: Tenant) -> None:
    made = await us.ask(
        'mutation($document: JSON!) { draftPlaybook(input: {title: "Sinking", document: $document}) '
        "{ __typename ... on Playbook { id state document } ... on Problem { detail } } }",
        document=document(control_share=0.25),
    )
    playbook = made["draftPlaybook"]
    assert (playbook["__typename"], playbook["state"]) == ("Playbook", "DRAFT")
    assert playbook["document"]["control_share"] == 0.25
    answer = await us.ask(
        "mutation($id: UUID!) { startPlaybook(id: $id) { ... on Playbook { state startedAt } } }", id=playbook["id"]
    )
    assert answer["startPlaybook"]["state"] == "STARTED"


async def test_what_a_document_may_not_say_is_refused_by_its_field(us: Tenant) -> None:
    (unknown,) = await refused(us, when={"kind": "weather"})
    assert unknown["field"] == "document.when"
    assert "'band_changed', 'score_dropped'" in unknown["rule"]
    (missing,) = await refused(us, when={"kind": "band_changed"})
    assert missing["field"] == "document.when.band_changed.to"
    (both,) = await refused(us, when={"kind": "signal_crossed", "signal": str(new_id()), "above": 1, "below": 2})
    assert both["rule"] == "It has either above or below."
    (signal,) = await refused(us, when={"kind": "signal_crossed", "signal": str(new_id()), "above": 1})
    assert signal["field"] == "document.when.signal"
    (cool_down,) = await refused(us, when={"kind": "score_dropped", "points": 10, "days": 60}, cool_down_days=30)
    assert cool_down["field"] == "document.cool_down_days"
    (share,) = await refused(us, control_share=0.95)
    assert share["field"] == "document.control_share"
    (priority,) = await refused(us, actions=[{"kind": "case", "title": "Look", "priority": "urgent"}])
    assert priority["field"] == "document.actions.0.case.priority"
    (many,) = await refused(us, actions=[{"kind": "webhook", "title": "Tell"}] * 6)
    assert many["field"] == "document.actions"


async def test_priorities_are_the_same_as_in_service_desk() -> None:
    from typing import get_args

    from analytics.playbooks.documents import CaseActionDocument
    from service_desk.cases.rules import Priority

    assert set(get_args(CaseActionDocument.model_fields["priority"].annotation)) == {str(each) for each in Priority}


async def test_a_trigger_that_nobody_publishes_yet_is_accepted_and_says_so(us: Tenant) -> None:
    made = await us.made("/v1/playbooks", title="Detractors", document=document(when={"kind": "detractor"}))
    assert (made["fires"], made["fires_not"]) == (False, "No service publishes answers to surveys yet.")


async def test_a_run_says_what_set_it_off_and_what_became_of_each_action(
    us: Tenant, them: Tenant, worker: AsyncEngine, fold: Fold
) -> None:
    customer = new_id()
    playbook = await started(us, SPRING, cool_down_days=1)
    await triggered(worker, us.name, sank(customer, NOON), sank(customer, NOON + timedelta(days=2)))
    page = (await us.get("/v1/playbook-runs", playbook_id=str(playbook), first=1)).json()
    second = page["items"][0]
    assert (second["at"], second["trigger"]["band"]) == ("2026-03-03T12:00:00Z", "at_risk")
    (first,) = (await us.get("/v1/playbook-runs", playbook_id=str(playbook), after=page["next"])).json()["items"]
    assert first["at"] == "2026-03-01T12:00:00Z"
    task, case = new_id(), new_id()
    run = first["id"]
    of_case: dict[str, Any] = {"priority": "moderate", "channel": "playbook"}
    hour = timedelta(hours=1)
    await fold(
        happened(TaskCreated(state="open", run_id=run), us.name, NOON, customer, subject=task),
        happened(
            TaskCompleted(state="done", outcome="reached"),
            us.name,
            NOON + 5 * hour,
            customer,
            subject=task,
            aggregate_version=2,
        ),
        happened(
            CaseOpened(state="new", run_id=run, **of_case), us.name, NOON + timedelta(hours=1), customer, subject=case
        ),
        happened(
            CaseResolved(state="resolved", from_state="new", seconds_to_resolve=9, **of_case),
            us.name,
            NOON + 2 * hour,
            customer,
            subject=case,
            aggregate_version=2,
        ),
        happened(TaskCreated(state="open", run_id=second["id"]), us.name, NOON + timedelta(days=2), customer),
    )
    found = (await us.get(f"/v1/playbook-runs/{run}")).json()
    assert [each["kind"] for each in found["actions"]] == ["task", "case"]
    assert found["results"] == [
        {
            "kind": "task",
            "id": str(task),
            "state": "done",
            "created_at": "2026-03-01T12:00:00Z",
            "changed_at": "2026-03-01T17:00:00Z",
            "outcome": "reached",
        },
        {
            "kind": "case",
            "id": str(case),
            "state": "resolved",
            "created_at": "2026-03-01T13:00:00Z",
            "changed_at": "2026-03-01T14:00:00Z",
            "outcome": None,
        },
    ]
    answer = await us.ask(
        "query($id: UUID!, $customer: UUID!) {"
        " playbook(id: $id) { runs(first: 1) { nodes { state trigger actions { kind } } } }"
        " playbookRuns(customerId: $customer) { nodes { results { kind state } } } }",
        id=str(playbook),
        customer=str(customer),
    )
    assert answer["playbook"]["runs"]["nodes"][0]["state"] == "REQUESTED"
    assert answer["playbookRuns"]["nodes"][1]["results"] == [
        {"kind": "task", "state": "done"},
        {"kind": "case", "state": "resolved"},
    ]
    assert (await them.get(f"/v1/playbook-runs/{run}")).status_code == 404
    assert (await them.get("/v1/playbook-runs")).json()["items"] == []


async def test_outcomes_compare_each_customer_once_and_say_how_sure_they_are(
    us: Tenant, them: Tenant, worker: AsyncEngine
) -> None:
    outcome = {"kind": "purchase", "days": 10}
    playbook = await started(us, SPRING, control_share=0.5, outcome=outcome, cool_down_days=1)
    customers = [new_id() for _ in range(120)]
    alone = [each for each in customers if is_control(playbook, each, 0.5)]
    treated = [each for each in customers if each not in alone]
    for day in (0, 5):
        await triggered(worker, us.name, *(sank(each, NOON + timedelta(days=day)) for each in customers))
    assert (await outcomes(us, playbook))["evidence"] == "too_few"
    async with worker.begin() as connection:
        r = playbook_runs.c
        mine = update(playbook_runs).where(r.tenant_id == us.name)
        await connection.execute(mine.values(settled_at=NOON, succeeded=False))
        # The second run of all of them is a success, and does not count.
        await connection.execute(mine.where(r.at > NOON).values(succeeded=True))
        first = mine.where(r.at == NOON)
        won = [*treated[: len(treated) * 3 // 4], *alone[: len(alone) // 3]]
        await connection.execute(first.where(r.customer_id.in_(won)).values(succeeded=True))
        # One of each is still open.
        await connection.execute(
            first.where(r.customer_id.in_([treated[-1], alone[-1]])).values(settled_at=None, succeeded=None)
        )
    found = await outcomes(us, playbook)
    assert found["evidence"] == "randomised"
    assert (found["treated"]["customers"], found["treated"]["pending"]) == (len(treated) - 1, 1)
    assert found["treated"]["successes"] == len(treated) * 3 // 4
    assert found["left_alone"]["successes"] == len(alone) // 3
    assert found["interval"]["low"] < found["difference"] < found["interval"]["high"]
    assert found["p_value"] < 0.001
    assert found["words"].startswith("It helped")
    later = (await us.get(f"/v1/playbooks/{playbook}/outcomes", **{"from": "2026-03-02T00:00:00Z"})).json()
    assert later["treated"]["rate"] == 1
    graph = await us.ask(
        "query($id: UUID!) { playbook(id: $id) { outcomes { evidence pValue treated { rate interval { low } } } } }",
        id=str(playbook),
    )
    assert graph["playbook"]["outcomes"]["pValue"] == found["p_value"]
    assert (await them.get(f"/v1/playbooks/{playbook}/outcomes")).status_code == 404


async def outcomes(us: Tenant, playbook: object) -> Answer:
    found: Answer = (await us.get(f"/v1/playbooks/{playbook}/outcomes")).json()
    return found


async def test_without_a_control_share_or_an_outcome_it_says_what_that_means(us: Tenant) -> None:
    observed = await started(us, SPRING, outcome={"kind": "active", "days": 10})
    assert (await outcomes(us, observed))["words"].startswith("Observational: no control share.")
    unmeasured = await started(us, SPRING)
    assert (await outcomes(us, unmeasured))["evidence"] == "not_measured"


async def test_a_dry_run_is_a_job_that_says_how_often_it_would_have_fired_and_for_whom(
    us: Tenant, worker: AsyncEngine, fold: Fold
) -> None:
    customer = new_id()
    now = datetime.now(UTC)
    order = OrderPlaced(value=Decimal(9), currency="EUR")
    bought = [happened(order, us.name, now - timedelta(days=days), customer) for days in (300, 299)]
    await fold(*bought)
    answer = await us.post("/v1/playbooks:dry_run", {"document": document()})
    assert answer.status_code == 202, answer.text
    found = await done(us, worker, answer)
    report = found["report"]
    assert report["runs"] == 1
    assert report["words"].startswith("It would have fired 1 times, for 1 customers: 1 with actions, 0 left alone.")
    assert report["sample"][0]["customer_id"] == str(customer)
    assert report["sample"][0]["band"] == "at_risk"
    assert sum(month["runs"] for month in report["months"]) == 1
    draft = await us.made("/v1/playbooks", title="Sinking", document=document())
    again = await done(us, worker, await us.post(f"/v1/playbooks/{draft['id']}:dry_run", {}))
    assert again["report"]["runs"] == 1
    early = {"from": (now - timedelta(days=299)).isoformat(), "to": (now - timedelta(days=290)).isoformat()}
    none = await done(us, worker, await us.post(f"/v1/playbooks/{draft['id']}:dry_run", early))
    assert none["report"]["runs"] == 0
    assert (await us.get("/v1/playbook-runs")).json()["items"] == [], "it did nothing"


async def done(us: Tenant, worker: AsyncEngine, answer: httpx.Response) -> Answer:
    where = answer.headers["Location"]
    while (found := (await us.get(where)).json())["state"] in ("requested", "running"):
        await JOBS.step(worker)
    assert found["state"] == "done", found["reason"]
    return dict(found)


async def test_a_dry_run_is_of_the_past(us: Tenant) -> None:
    draft = await us.made("/v1/playbooks", title="Sinking", document=document())
    answer = await us.post(f"/v1/playbooks/{draft['id']}:dry_run", {"to": "2199-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "to")
    answer = await us.post("/v1/playbooks:dry_run", {"document": document(control_share=1)})
    assert answer.json()["errors"][0]["field"] == "document.control_share"
