"""Opportunities go through the stages of the version of a pipeline that they began in."""

from typing import Any

import asyncpg
import httpx
import pytest
from tests.statements import statements
from tests.turns import sent_during

from kith.ids import new_id
from kith.testing import Answer, Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres


@pytest.fixture
def acme(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


def stage(key: str, percent: int = 50, **more: Any) -> dict[str, Any]:
    return {"key": key, "name": key.capitalize(), "probability_percent": percent, **more}


async def pipeline(acme: Tenant, *stages: dict[str, Any], **more: Any) -> Answer:
    return await acme.made("/v1/pipelines", name="Partners", stages=[*stages], **more)


async def opened(acme: Tenant, **fields: Any) -> Answer:
    return await acme.made("/v1/opportunities", name="Lease", currency="EUR", **fields)


async def moved(acme: Tenant, it: Answer, verb: str, status: int = 200, **fields: Any) -> Answer:
    answer = await acme.post(f"/v1/opportunities/{it['id']}:{verb}", fields)
    assert answer.status_code == status, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_a_tenant_without_a_pipeline_has_the_four_stages(acme: Tenant) -> None:
    it = await opened(acme)
    assert (it["stage"], it["pipeline_id"], it["pipeline_version"]) == ("prospecting", None, None)
    assert (it["probability_percent"], it["forecast_category"]) == ("10.0000", "pipeline")
    it = await moved(acme, it, "advance", stage="negotiating")
    assert (it["probability_percent"], it["forecast_category"]) == ("80.0000", "commit")


async def test_the_default_is_for_those_that_name_none(acme: Tenant) -> None:
    other = await pipeline(acme, stage("meet"))
    default = await pipeline(acme, stage("call"), stage("offer"), is_default=True)
    assert [(await opened(acme, **more))["stage"] for more in ({}, {"pipeline_id": other["id"]})] == ["call", "meet"]
    second = await acme.post("/v1/pipelines", {"name": "B", "stages": [stage("a")], "is_default": True})
    assert (second.status_code, second.json()["errors"][0]["field"]) == (409, "is_default")
    await acme.post(f"/v1/pipelines/{default['id']}:archive", {})
    assert (await opened(acme))["stage"] == "prospecting"
    await pipeline(acme, stage("a"), is_default=True)
    refused = await acme.post(f"/v1/pipelines/{default['id']}:restore", {})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, "is_default")


async def test_what_is_amended_is_for_those_that_begin_later(acme: Tenant) -> None:
    made = await pipeline(acme, stage("call"), stage("offer", 40), is_default=True)
    before = await opened(acme)
    amended = await acme.post(f"/v1/pipelines/{made['id']}:amend", {"stages": [stage("meet"), stage("offer", 60)]})
    assert amended.json()["number"] == 2
    after = await opened(acme)
    assert [(each["pipeline_version"], each["stage"]) for each in (before, after)] == [(1, "call"), (2, "meet")]
    shown = [(await moved(acme, each, "advance", stage="offer"))["probability_percent"] for each in (before, after)]
    assert shown == ["40.0000", "60.0000"]
    refused = await moved(acme, before, "advance", 422, stage="meet")
    assert refused["errors"][0]["field"] == "stage"
    switched = await moved(acme, before, "switch", stage="meet")
    assert (switched["pipeline_version"], switched["stage"]) == (2, "meet")
    assert (await moved(acme, before, "switch", 409, stage="offer"))["errors"][0]["field"] == "pipeline_id"


async def test_rows_of_a_request_count_on_each_other_and_are_given_all_stages_at_once(acme: Tenant) -> None:
    made = [await pipeline(acme, stage("call"), stage("offer"), stage(f"own{n}")) for n in range(3)]
    rows = [
        {"occurred_at": "2026-03-01T00:00:00Z", "external_id": str(n), **row}
        for n in range(30)
        for row in (
            {"name": "Lease", "currency": "EUR", "pipeline_id": made[n % 3]["id"]},
            {"command": "advance", "stage": f"own{n % 3}"},
            {"command": "switch", "pipeline_id": made[(n + 1) % 3]["id"], "stage": "call"},
        )
    ]
    with statements() as sent:
        answer = (await acme.post("/v1/opportunities:bulk", {"rows": rows})).json()
    assert answer["accepted"] == 90, answer
    assert len([each for each in sent if "pipeline_versions" in each]) == 1


async def test_another_tenants_pipeline_is_none(acme: Tenant, theirs: dict[str, str], sales: httpx.AsyncClient) -> None:
    made = await pipeline(acme, stage("call"), is_default=True)
    body = {"name": "Lease", "currency": "EUR"}
    refused = await sales.post("/v1/opportunities", json={**body, "pipeline_id": made["id"]}, headers=theirs)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "pipeline_id")
    assert (await sales.post("/v1/opportunities", json=body, headers=theirs)).json()["stage"] == "prospecting"
    assert (await acme.post("/v1/opportunities", {**body, "pipeline_id": str(new_id())})).status_code == 422


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ([], "stages"),
        ([stage("Call")], "stages.0.key"),
        ([stage("call", 101)], "stages.0.probability_percent"),
        ([stage("call"), stage("call")], "stages.1.key"),
        ([stage("call", forecast_category="sure")], "stages.0.forecast_category"),
        ([stage("call", rotting_days=0)], "stages.0.rotting_days"),
        ([stage(f"s{n}") for n in range(51)], "stages"),
    ],
)
async def test_a_refusal_names_the_field(acme: Tenant, wrong: list[Any], field: str) -> None:
    refused = await acme.post("/v1/pipelines", {"name": "X", "stages": wrong})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)


async def test_rows_of_a_request_may_go_by_their_ids(acme: Tenant) -> None:
    made, at = [await opened(acme, occurred_at="2026-03-01T00:00:00Z") for _ in range(3)], "2026-03-02T00:00:00Z"
    eve = str(new_id())
    rows = [{"command": "amend", "id": each["id"], "owner_id": eve, "occurred_at": at} for each in made]
    answers = [(await acme.post("/v1/opportunities:bulk", {"rows": rows})).json() for _ in range(2)]
    assert [(each["accepted"], each["unchanged"]) for each in answers] == [(3, 0), (0, 3)]
    found = (await acme.get("/v1/opportunities", owner_id=eve)).json()["items"]
    assert {each["id"] for each in found} == {each["id"] for each in made}
    for wrong in ({}, {"id": made[0]["id"], "external_id": "x"}):
        row = {"command": "amend", "owner_id": None, "occurred_at": at, **wrong}
        refused = (await acme.post("/v1/opportunities:bulk", {"rows": [row]})).json()["results"][0]
        assert (refused["status"], refused["problem"]["errors"][0]["field"]) == ("rejected", "external_id")


async def test_of_several_defaults_at_once_there_is_one(acme: Tenant, postgres: EmbeddedPostgres) -> None:
    first, second = [await pipeline(acme, stage("call")) for _ in range(2)]
    change = "UPDATE pipelines SET is_default = true WHERE id = $1"
    for request in (
        acme.post(f"/v1/pipelines/{second['id']}:amend", {"is_default": True}),
        acme.post("/v1/pipelines", {"name": "Partners", "stages": [stage("call")], "is_default": True}),
    ):
        sales, turn = postgres.url("kith_sales"), f"{acme.name}/pipelines"
        refused = await sent_during(sales, turn, change, first["id"], request=request)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, "is_default")
        await acme.post(f"/v1/pipelines/{first['id']}:amend", {"is_default": False})


async def test_a_stage_requires_fields_that_are_defined(acme: Tenant, postgres: EmbeddedPostgres) -> None:
    sent = {"name": "Partners", "stages": [stage("call"), stage("meet", required_fields=["value", "custom.budget"])]}
    refused = await acme.post("/v1/pipelines", sent)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "stages.1.required_fields.1")
    sales = await asyncpg.connect(postgres.url("kith_sales"))
    await sales.execute(
        """INSERT INTO field_definitions (tenant_id, id, of_noun, code, value_type, required, "unique", personal,
            filterable, choices, version) VALUES ($1, $2, 'opportunity', 'budget', 'text', false, false, false, false,
            '{}', 1)""",
        acme.name,
        new_id(),
    )
    made = await acme.made("/v1/pipelines", **sent)
    await sales.execute("UPDATE field_definitions SET archived_at = now() WHERE tenant_id = $1", acme.name)
    await sales.close()
    assert (await acme.post("/v1/pipelines", sent)).status_code == 422, "nobody can set it"
    assert (await acme.post(f"/v1/pipelines/{made['id']}:amend", {"name": "Resellers"})).status_code == 200
