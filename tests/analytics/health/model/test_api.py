"""Health models over both APIs: from the gallery or written, published, revised, and read by their own tenant alone."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import Fold, at, happened

from analytics.health.model.definition import DEFAULT, HealthModel
from analytics.health.model.documents import fields_of, json_schema
from analytics.health.model.gallery import GALLERY
from kith.events.contacts import CustomerCreated
from kith.events.custom_fields import FieldDefinitionCreated
from kith.ids import new_id
from kith.testing import Issuer, Tenant

PATH = "/v1/health-models"
DOCUMENT: dict[str, Any] = {
    "title": "Shops",
    "measures": [
        {"id": "recency", "title": "Recency", "input": "purchase_recency", "weight": 2, "curve": [[0, 100], [90, 0]]}
    ],
}
DRAFT = """mutation ($input: DraftHealthModelInput!) { draftHealthModel(input: $input) {
    ... on HealthModel { id title state number draftDocument publishedDocument }
    ... on Problem { status errors { field rule } } } }"""
PUBLISH = """mutation ($id: UUID!) { publishHealthModel(id: $id) {
    ... on HealthModel { version state number publishedAt publishedDocument }
    ... on Problem { type } } }"""


@pytest.fixture
def acme(analytics: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(analytics, issuer, tenant)


@pytest.fixture
def other(analytics: httpx.AsyncClient, issuer: Issuer, other_tenant: str) -> Tenant:
    return Tenant(analytics, issuer, other_tenant)


def revised(**measure: Any) -> dict[str, Any]:
    return {**DOCUMENT, "measures": [{**DOCUMENT["measures"][0], **measure}]}


async def published(engine: AsyncEngine, tenant: str) -> list[Any]:
    """What the outbox holds of the tenant, oldest first."""
    async with engine.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT type, convert_from(data, 'utf8')::jsonb AS data FROM outbox WHERE tenant_id = :t ORDER BY seq"
            ),
            {"t": tenant},
        )
        return [(row.type, row.data) for row in rows]


async def test_a_model_goes_from_draft_to_published_to_retired(acme: Tenant, worker: AsyncEngine) -> None:
    drafted = await acme.made(PATH, document=DOCUMENT)
    it = f"{PATH}/{drafted['id']}"
    assert drafted["draft_document"]["hysteresis"] == 2
    assert drafted.items() >= {"state": "draft", "title": "Shops", "number": 0, "published_document": None}.items()
    in_force = (await acme.post(f"{it}:publish", {})).json()
    assert in_force["published_document"] == drafted["draft_document"]
    assert in_force.items() >= {"state": "published", "number": 1, "draft_document": None}.items()
    newer = (await acme.post(f"{it}:revise", {"document": revised(weight=3)})).json()
    assert (newer["state"], newer["published_document"]) == ("revised", in_force["published_document"])
    assert (await acme.post(f"{it}:publish", {})).json()["number"] == 2
    assert (await acme.post(f"{it}:retire", {})).json()["state"] == "retired"
    gone = await acme.post(f"{it}:publish", {})
    assert (gone.status_code, gone.json()["type"]) == (409, "urn:kith:problem:health-model-retired")
    events = await published(worker, acme.name)
    assert [type.split(".")[2] for type, _ in events] == ["drafted", "published", "revised", "published", "retired"]
    assert events[1][1] == {"number": 1, "document": in_force["published_document"]}
    assert events[3][1]["document"]["measures"][0]["weight"] == 3


async def test_a_change_that_a_check_refuses_leaves_no_trace(acme: Tenant, worker: AsyncEngine) -> None:
    refused, accepted = [await acme.made(PATH, document=DOCUMENT, external_id=name) for name in ("a", "b")]
    unknown = revised(input="signal", signal=str(new_id()))
    rows = [
        {"command": "revise", "external_id": name, "occurred_at": accepted["updated_at"], "document": document}
        for name, document in (("a", unknown), ("b", revised(weight=3)))
    ]
    answer = (await acme.post(f"{PATH}:bulk", {"rows": rows})).json()
    assert [each["status"] for each in answer["results"]] == ["rejected", "accepted"], answer
    assert "signal" in answer["results"][0]["problem"]["errors"][0]["field"]
    assert (await acme.get(f"{PATH}/{refused['id']}")).json() == refused
    assert (await acme.get(f"{PATH}/{accepted['id']}")).json()["version"] == 2
    assert [type.split(".")[2] for type, _ in await published(worker, acme.name)] == ["drafted", "drafted", "revised"]


async def test_it_starts_from_the_gallery(acme: Tenant) -> None:
    shown = (await acme.get(f"{PATH}:gallery")).json()["items"]
    assert [each["name"] for each in shown] == list(GALLERY)
    assert next(each for each in shown if each["name"] == "beauty-salon")["not_published"] == ["csat"]
    graph = await acme.ask("{ healthModelGallery { name title description document notPublished } }")
    assert [each["document"] for each in graph["healthModelGallery"]] == [each["document"] for each in shown]
    for name in GALLERY:
        made = await acme.made(PATH, gallery=name)
        assert [each["id"] for each in made["draft_document"]["measures"]] == [
            each["id"] for each in GALLERY[name].document["measures"]
        ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"gallery": "retail", "document": DOCUMENT}, "body"),
        ({"gallery": "casino"}, "gallery"),
        ({"document": revised(curve=[[9, 0], [0, 100]])}, "document.measures.recency.curve"),
        (
            {"document": revised(id="open_cases", input="signal", signal=str(new_id()))},
            "document.measures.open_cases.signal",
        ),
    ],
)
async def test_what_is_wrong_is_named_alike_over_both_apis(acme: Tenant, body: dict[str, Any], field: str) -> None:
    answer = await acme.post(PATH, body)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    problem = (await acme.ask(DRAFT, input=body))["draftHealthModel"]
    assert problem == {"status": 422, "errors": [error]}


async def test_a_signal_must_be_ones_own(acme: Tenant, other: Tenant) -> None:
    signal = await acme.made("/v1/signals", code="seats", title="Seats in use")
    document = revised(input="signal", signal=signal["id"], aggregate="mean", window_days=30)
    assert (await acme.post(PATH, {"document": document})).status_code == 201
    refused = await other.post(PATH, {"document": document})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["rule"].startswith("There is no signal")


async def test_the_custom_fields_of_an_audience_must_be_ones_own(
    acme: Tenant, other: Tenant, fold: Fold, tenant: str
) -> None:
    defined = FieldDefinitionCreated(of_noun="customer", code="region", value_type="choice", choices=["emea"])
    texts = FieldDefinitionCreated(of_noun="customer", code="nick", value_type="text", personal=True)
    await fold(*(happened(each, tenant, at("2026-01-01")) for each in (defined, texts)))

    async def sent(custom: dict[str, list[str]], by: Tenant = acme) -> Any:
        return (await by.post(PATH, {"document": DOCUMENT | {"audience": {"custom": custom}}})).json()

    made = await sent({"region": ["emea"]})
    assert made["draft_document"]["audience"]["custom"] == {"region": ["emea"]}
    for custom, by, rule in (
        ({"region": ["emea"]}, other, "There is no field custom.region of a customer."),
        ({"region": ["north"]}, acme, "It is one of emea."),
        ({"nick": ["Bo"]}, acme, "custom.nick shows people"),
    ):
        (error,) = (await sent(custom, by))["errors"]
        assert error["field"] == f"document.audience.custom.{next(iter(custom))}"
        assert error["rule"].startswith(rule)


async def test_the_customers_of_an_audience_must_be_ones_own(
    acme: Tenant, other: Tenant, fold: Fold, tenant: str
) -> None:
    customer = new_id()
    await fold(happened(CustomerCreated(kind="organisation"), tenant, at("2026-01-01"), customer))
    document = DOCUMENT | {"audience": {"within": [str(customer)]}}
    made = await acme.made(PATH, document=document)
    assert made["draft_document"]["audience"]["within"] == [str(customer)]
    (error,) = (await other.post(PATH, {"document": document})).json()["errors"]
    assert (error["field"], error["rule"][:20]) == ("document.audience.within", "There is no customer")


async def test_over_graphql_it_is_the_same_model(acme: Tenant) -> None:
    made = (await acme.ask(DRAFT, input={"document": DOCUMENT}))["draftHealthModel"]
    shown = (await acme.get(f"{PATH}/{made['id']}")).json()
    assert (made["state"], made["draftDocument"]) == ("DRAFT", shown["draft_document"])
    done = (await acme.ask(PUBLISH, id=made["id"]))["publishHealthModel"]
    assert (done["version"], done["state"], done["publishedDocument"]) == (2, "PUBLISHED", shown["draft_document"])
    listed = await acme.ask("{ healthModels(where: { state: { eq: PUBLISHED } }) { nodes { id title } } }")
    assert listed["healthModels"]["nodes"] == [{"id": made["id"], "title": "Shops"}]


async def test_the_schema_is_served(acme: Tenant) -> None:
    answer = await acme.get(f"{PATH}:schema")
    assert answer.headers["content-type"] == "application/schema+json"
    assert answer.json() == json_schema()


async def test_the_default_is_shown_as_a_document_that_means_the_same(acme: Tenant) -> None:
    shown = (await acme.get(f"{PATH}:default")).json()
    assert HealthModel.from_document(shown["id"], shown["version"], shown["document"]) == DEFAULT
    assert (await acme.ask("{ defaultHealthModel { id version title document } }"))["defaultHealthModel"] == shown
    drafted = await acme.made(PATH, document=shown["document"])
    assert drafted["draft_document"] == shown["document"]
    assert (await acme.without("analytics:read").get(f"{PATH}:default")).status_code == 403


async def test_another_tenant_neither_sees_nor_changes_it(acme: Tenant, other: Tenant) -> None:
    it = f"{PATH}/{(await acme.made(PATH, gallery='retail'))['id']}"
    assert (await other.get(it)).status_code == 404
    assert (await other.get(PATH)).json()["items"] == []
    assert (await other.post(f"{it}:publish", {})).status_code == 404
    assert (await acme.get(it)).json()["state"] == "draft"


async def test_to_write_one_takes_the_scope(acme: Tenant) -> None:
    reader = acme.without("analytics:write")
    assert (await reader.post(PATH, {"gallery": "retail"})).status_code == 403
    assert (await reader.get(f"{PATH}:gallery")).status_code == 200
    assert (await acme.without("analytics:read").get(f"{PATH}:schema")).status_code == 403


async def test_many_models_are_sent_at_once(acme: Tenant) -> None:
    at = "2026-03-01T09:00:00Z"
    rows = [
        {"external_id": "a", "occurred_at": at, "gallery": "retail"},
        {"external_id": "b", "occurred_at": at, "document": revised(weight=0)},
        {"external_id": "a", "occurred_at": at, "command": "publish"},
    ]
    answer = (await acme.post(f"{PATH}:bulk", {"rows": rows})).json()
    assert [each["status"] for each in answer["results"]] == ["accepted", "rejected", "accepted"]
    assert answer["results"][1]["problem"]["errors"][0]["field"] == "document.measures.recency.weight"
    again = (await acme.post(f"{PATH}:bulk", {"rows": [rows[0], rows[2]]})).json()
    assert [each["status"] for each in again["results"]] == ["unchanged", "unchanged"]


async def test_a_model_that_no_event_could_tell_is_not_published(acme: Tenant, worker: AsyncEngine) -> None:
    many = [f"{number:0100}" for number in range(49)]
    where = dict.fromkeys(sorted(fields_of("engagement"))[:5], many)
    measure = {**DOCUMENT["measures"][0], "input": "engagement", "curve": [[0, 0], [9, 100]], "where": where}
    measures = [{**measure, "id": f"m{number}"} for number in range(40)]
    draft = await acme.made(PATH, document={**DOCUMENT, "measures": measures})
    refused = await acme.post(f"{PATH}/{draft['id']}:publish", {})
    assert refused.status_code == 422
    assert "has at most 1000000" in refused.json()["detail"]
    assert (await acme.get(f"{PATH}/{draft['id']}")).json()["state"] == "draft"
    assert [type for type, _ in await published(worker, acme.name)] == ["analytics.health-model.drafted.v1"]
