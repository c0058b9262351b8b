"""What was sent before is known again, however it is spelt; and what says something else is not taken for it."""

import json
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from analytics.health.model.form import HEALTH_MODELS
from analytics.playbooks.form import PLAYBOOKS
from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.db.login import sqlalchemy_url
from kith.ids import new_id
from kith.nouns.calls import Call
from kith.nouns.parameters import row_model
from kith.nouns.resource import Resource
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
Row = Mapping[str, Any]
NOON, NOON_IN_VIENNA = "2026-01-05T12:00:00Z", "2026-01-05T13:00:00+01:00"
COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Café Größe") for form in ("NFC", "NFD"))
ADA = {"kind": "person", "name": "Ada", "occurred_at": NOON}
BEANS = {"name": "Beans", "currency": "EUR", "value": "10", "occurred_at": NOON}
ORDER = {"value": "10", "currency": "EUR", "occurred_at": NOON}
TASK = {"title": "Call", "due_at": "2026-02-01T12:00:00Z", "occurred_at": NOON}
CASE = {"subject": "Broken", "channel": "email", "occurred_at": NOON}


def playbook(**document: Any) -> Row:
    webhook = {"kind": "webhook", "title": "Look"}
    changed = {"kind": "band_changed", "to": ["steady", "at_risk"]}
    return {"title": "Look", "occurred_at": NOON, "document": {"when": changed, "actions": [webhook], **document}}


def health_model(audience: Row, **measure: Any) -> Row:
    tier = {"id": "tier", "title": "Tier", "input": "loyalty_tier", "weight": 1, "curve": [[0, 0], [2, 100]]}
    document = {
        "title": "Ours",
        "audience": audience,
        "measures": [tier | {"values": {"gold": 2, "silver": 1}} | measure],
    }
    return {"document": document, "occurred_at": NOON}


SPELLINGS: list[tuple[Service, str, Row, Row]] = [
    (CONTACTS, "customers", ADA, ADA | {"occurred_at": NOON_IN_VIENNA}),
    (CONTACTS, "customers", ADA, ADA | {"occurred_at": "2026-01-05T12:00:00.000+00:00"}),
    (CONTACTS, "customers", ADA | {"tags": ["b", "a"]}, ADA | {"tags": ["a", "b", "a"]}),
    (CONTACTS, "customers", ADA | {"tags": []}, ADA),
    (CONTACTS, "customers", ADA | {"country": None}, ADA),
    (CONTACTS, "customers", ADA | {"name": DECOMPOSED}, ADA | {"name": f" {COMPOSED} "}),
    (SALES, "opportunities", BEANS | {"value": "10.00"}, BEANS | {"value": 10, "stage": "prospecting"}),
    (SALES, "orders", ORDER | {"value": 10.5}, ORDER | {"value": "10.5000", "occurred_at": NOON_IN_VIENNA}),
    (SALES, "tasks", TASK, TASK | {"due_at": "2026-02-01T13:00:00+01:00"}),
    (SERVICE_DESK, "cases", CASE, CASE | {"priority": "moderate", "assignee_id": None}),
    (ANALYTICS, "playbooks", playbook(), playbook(when={"to": ["at_risk", "steady"], "kind": "band_changed"})),
    (ANALYTICS, "playbooks", playbook(audience={"tags": ["b", "a"]}), playbook(audience={"tags": ["a", "b", "a"]})),
    (ANALYTICS, "health-models", health_model({"tiers": ["b", "a"]}), health_model({"tiers": ["a", "b"], "tags": []})),
    (ANALYTICS, "health-models", health_model({}), health_model({}, values={"silver": 1.0, "gold": 2.0})),
]
OTHERS: list[tuple[Service, str, Row, Row]] = [
    (CONTACTS, "customers", ADA, ADA | {"occurred_at": "2026-01-05T12:00:00+01:00"}),
    (CONTACTS, "customers", ADA, ADA | {"occurred_at": "2026-01-05T13:00:00Z"}),
    (CONTACTS, "customers", ADA | {"tags": ["a"]}, ADA | {"tags": ["a", "b"]}),
    (CONTACTS, "customers", ADA, ADA | {"name": "ada"}),
    (SALES, "orders", ORDER, ORDER | {"value": "10.0100"}),
    (SALES, "tasks", TASK, TASK | {"due_at": None}),
    (SERVICE_DESK, "cases", CASE, CASE | {"priority": "low"}),
    (ANALYTICS, "playbooks", playbook(), playbook(when={"kind": "band_changed", "to": ["at_risk"]})),
    (ANALYTICS, "health-models", health_model({}), health_model({}, values={"gold": 1, "silver": 2})),
]


@pytest.fixture
def at(serve: Serve, issuer: Issuer, tenant: str) -> Callable[[Service], Awaitable[Tenant]]:
    async def at(service: Service) -> Tenant:
        return Tenant(await serve(service), issuer, tenant)

    return at


At = Callable[[Service], Awaitable[Tenant]]


async def bulk(mine: Tenant, noun: str, row: Row) -> Answer:
    """What became of the one row."""
    answer = await mine.post(f"/v1/{noun}:bulk", {"rows": [row]})
    assert answer.status_code == 200, answer.text
    (result,) = answer.json()["results"]
    found: Answer = result
    return found


@pytest.mark.parametrize(("service", "noun", "first", "again"), SPELLINGS)
async def test_the_same_row_in_another_spelling_is_unchanged(
    at: At, service: Service, noun: str, first: Row, again: Row
) -> None:
    mine = await at(service)
    made = await bulk(mine, noun, {"external_id": "x", **first})
    assert made["status"] == "accepted"
    for row in (again, first, again):
        assert await bulk(mine, noun, {"external_id": "x", **row}) == made | {"status": "unchanged"}
    single = await mine.post(f"/v1/{noun}", {"external_id": "x", **again})
    assert (single.status_code, single.json()["id"]) == (201, made["id"])


@pytest.mark.parametrize(("service", "noun", "first", "other"), OTHERS)
async def test_a_row_that_says_something_else_is_another(
    at: At, service: Service, noun: str, first: Row, other: Row
) -> None:
    mine = await at(service)
    await bulk(mine, noun, {"external_id": "x", **first})
    refused = await bulk(mine, noun, {"external_id": "x", **other})
    assert (refused["status"], refused["problem"]["status"]) == ("rejected", 409)


async def test_a_change_in_another_spelling_is_unchanged_and_one_that_says_something_else_is_refused(at: At) -> None:
    mine = await at(CONTACTS)
    await bulk(mine, "customers", {"external_id": "x", **ADA})
    change = {"external_id": "x", "command": "amend", "tags": ["b", "a"], "occurred_at": "2026-01-06T12:00:00Z"}
    assert (await bulk(mine, "customers", change))["status"] == "accepted"
    again = change | {"tags": ["a", "b"], "occurred_at": "2026-01-06T13:00:00+01:00"}
    assert (await bulk(mine, "customers", again))["status"] == "unchanged"
    assert (await bulk(mine, "customers", change | {"tags": ["c"]}))["status"] == "rejected"


async def test_a_document_that_is_revised_twice_in_two_spellings_is_revised_once(at: At) -> None:
    mine = await at(ANALYTICS)
    for noun, made, first, again in (
        ("playbooks", playbook(), {"segments": ["b", "a"]}, {"segments": ["a", "b"]}),
        ("health-models", health_model({}), {"segments": ["b", "a"]}, {"segments": ["a", "b"]}),
    ):
        await bulk(mine, noun, {"external_id": "x", **made})
        command = {"external_id": "x", "command": "revise", "occurred_at": "2026-01-06T12:00:00Z"}
        change = command | {"document": made["document"] | {"audience": first}}
        assert (await bulk(mine, noun, change))["status"] == "accepted"
        other = command | {"document": made["document"] | {"audience": again}}
        assert (await bulk(mine, noun, other))["status"] == "unchanged"


async def test_a_request_under_its_key_is_known_in_another_spelling(at: At) -> None:
    mine = await at(CONTACTS)
    key = {"Idempotency-Key": str(new_id())}
    first = await mine.post("/v1/customers", ADA | {"tags": ["b", "a"]}, **key)
    again = await mine.post("/v1/customers", ADA | {"tags": ["a", "b"], "occurred_at": NOON_IN_VIENNA}, **key)
    assert again.json() == first.json()
    other = await mine.post("/v1/customers", ADA | {"tags": ["a"]}, **key)
    assert other.status_code == 422


async def test_settings_under_their_key_are_known_whatever_order_their_segments_have(at: At) -> None:
    mine = await at(CONTACTS)
    rules = [{"segment": each, "event_types": ["sales.order.placed.v1"], "window_days": 30} for each in "ba"]
    key = {"Idempotency-Key": str(new_id())}
    first = await mine.post("/v1/settings:amend", {"segment_activity": rules}, **key)
    assert first.status_code == 200
    again = await mine.post("/v1/settings:amend", {"segment_activity": rules[::-1]}, **key)
    assert again.json() == first.json()


async def test_a_pulse_is_known_in_another_spelling(at: At) -> None:
    mine = await at(ANALYTICS)
    pulse = {"external_id": "x", "customer_id": str(new_id()), "score": 7, "occurred_at": NOON}
    made = await bulk(mine, "pulses", pulse)
    again = pulse | {"customer_id": pulse["customer_id"].upper(), "occurred_at": NOON_IN_VIENNA}  # type: ignore[attr-defined]
    assert await bulk(mine, "pulses", again) == made | {"status": "unchanged"}


# What a version before took for their fingerprints: it looked at how they were spelt.
BEFORE: list[tuple[Row, int]] = [
    (ADA | {"occurred_at": NOON_IN_VIENNA}, -5826799479010782351),
    (ADA | {"tags": ["b", "a"]}, 5860831048704358540),
    (ADA | {"name": DECOMPOSED}, -6296337623886883775),
    (
        ADA | {"occurred_at": "2026-01-05T12:00:00.500-05:30", "tags": ["b", "a"], "name": DECOMPOSED},
        -1242049567138133002,
    ),
]


@pytest.mark.parametrize(
    ("resource", "row", "then"),
    [
        (PLAYBOOKS, playbook(audience={"tags": ["b", "a", "b"]}), -7122109468708564),
        (
            HEALTH_MODELS,
            health_model({"tiers": ["b", "a"]}, values={"silver": 1, "gold": 2}, where={"tier": ["silver", "gold"]}),
            -6726863248025206656,
        ),
    ],
)
def test_a_document_that_was_stored_before_has_its_fingerprint_of_then(resource: Resource, row: Row, then: int) -> None:
    sent = json.dumps({"external_id": "x", **row}).encode()
    given = row_model(resource.create).model_validate_json(sent)
    call = Call(resource.create, given, external_id="x", remembered=True, sent=sent)
    assert call.as_spelt().fingerprint(resource) == then


async def run(postgres: EmbeddedPostgres, statement: str, database: str = "kith_contacts", **values: object) -> None:
    engine = create_async_engine(sqlalchemy_url(postgres.url(database)))
    async with engine.begin() as connection:
        await connection.execute(text(statement), values)
    await engine.dispose()


@pytest.mark.parametrize("amended", [False, True])
@pytest.mark.parametrize(("row", "then"), BEFORE)
async def test_a_row_that_was_stored_before_is_known_when_it_is_sent_as_it_was(
    at: At, tenant: str, postgres: EmbeddedPostgres, row: Row, then: int, amended: bool
) -> None:
    mine = await at(CONTACTS)
    made = await bulk(mine, "customers", {"external_id": "x", **row})
    store = "UPDATE customers SET external_hash = :hash, name = :name WHERE tenant_id = :tenant"
    await run(postgres, store, hash=then, name=row["name"], tenant=tenant)
    if amended:
        await mine.post(f"/v1/customers/{made['id']}:amend", {"name": "Grace", "tags": ["c"]})
    again = await bulk(mine, "customers", {"external_id": "x", **row})
    assert (again["status"], again["id"]) == ("unchanged", made["id"])
    refused = await bulk(mine, "customers", {"external_id": "x", **row, "tier": "gold"})
    assert refused["status"] == "rejected"


@pytest.mark.parametrize(("row", "then"), BEFORE)
async def test_and_as_long_as_nobody_has_changed_it_in_any_spelling(
    at: At, tenant: str, postgres: EmbeddedPostgres, row: Row, then: int
) -> None:
    mine = await at(CONTACTS)
    await bulk(mine, "customers", {"external_id": "x", **row})
    store = "UPDATE customers SET external_hash = :hash, name = :name WHERE tenant_id = :tenant"
    await run(postgres, store, hash=then, name=row["name"], tenant=tenant)
    instant = datetime.fromisoformat(row["occurred_at"]).astimezone(UTC).isoformat()
    other = {**row, "occurred_at": instant, "name": unicodedata.normalize("NFC", row["name"])}
    assert (await bulk(mine, "customers", {"external_id": "x", **other}))["status"] == "unchanged"


async def test_a_change_that_was_sent_before_is_known_when_it_is_sent_as_it_was(
    at: At, tenant: str, postgres: EmbeddedPostgres
) -> None:
    mine = await at(CONTACTS)
    await bulk(mine, "customers", {"external_id": "x", **ADA})
    change = {"external_id": "x", "command": "amend", "tags": ["b", "a"], "occurred_at": "2026-01-06T13:00:00+01:00"}
    assert (await bulk(mine, "customers", change))["status"] == "accepted"
    await run(
        postgres,
        "UPDATE idempotency SET key = :key, fingerprint = :hash WHERE tenant_id = :tenant",
        key="customers/x/amend/2026-01-06 13:00:00+01:00",
        hash=-7626262840145368749,
        tenant=tenant,
    )
    assert (await bulk(mine, "customers", change))["status"] == "unchanged"
    refused = await bulk(mine, "customers", change | {"tags": ["c"]})
    assert (refused["status"], refused["problem"]["code"]) == ("rejected", "idempotency-key-reused")


@pytest.mark.parametrize("moved", [False, True])
async def test_an_opportunity_of_before_is_known_with_the_stage_that_was_the_default(
    at: At, tenant: str, postgres: EmbeddedPostgres, moved: bool
) -> None:
    mine = await at(SALES)
    row = {"external_id": "x", **BEANS}
    made = await bulk(mine, "opportunities", row)
    of_before = (
        "UPDATE opportunities SET external_hash = :hash, visits = '[]', probability_percent = NULL, "
        "forecast_category = NULL WHERE tenant_id = :tenant"
    )
    await run(postgres, of_before, "kith_sales", hash=2795490180328907527, tenant=tenant)
    if moved:
        await mine.post(f"/v1/opportunities/{made['id']}:advance", {"stage": "engaging"})
    for again in ({"stage": "prospecting"}, {"stage": "prospecting", "occurred_at": NOON_IN_VIENNA}, {}):
        found = await bulk(mine, "opportunities", row | again)
        assert (found["status"], found["id"]) == ("unchanged", made["id"])
    assert (await bulk(mine, "opportunities", row | {"stage": "engaging"}))["status"] == "rejected"
