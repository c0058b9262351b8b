"""Consents over both APIs: whether somebody may be contacted, at any instant."""

import asyncio
from typing import Any

import pytest

from kith.ids import new_id
from kith.testing import Answer, Tenant

PATH = "/v1/consents"
NOON = "2026-03-02T12:00:00Z"


@pytest.fixture
async def ada(acme: Tenant, customer: Answer) -> str:
    made = await acme.made("/v1/contacts", customer_id=customer["id"], name="Ada", occurred_at="2026-01-01T00:00:00Z")
    return str(made["id"])


async def said(acme: Tenant, contact: str, **more: Any) -> Answer:
    return await acme.made(
        PATH, **{"contact_id": contact, "purpose": "newsletter", "channel": "email", "state": "given"} | more
    )


async def may(acme: Tenant, contact: str, **more: str) -> tuple[bool, str]:
    asked = {"contact_id": contact, "purpose": "newsletter", "channel": "email", **more}
    answer = await acme.post(f"{PATH}:check", asked)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["reason"].endswith(".")
    query = """query($id: UUID!, $purpose: String!, $channel: ConsentChannel!, $at: DateTime) {
        mayContact(contactId: $id, purpose: $purpose, channel: $channel, at: $at) { allowed because reason consentId }
    }"""
    named = {"id": contact, "purpose": asked["purpose"], "channel": asked["channel"].upper(), "at": asked.get("at")}
    seen = (await acme.ask(query, **named))["mayContact"]
    assert [seen[name] for name in ("allowed", "reason", "consentId")] == [
        found[name] for name in ("allowed", "reason", "consent_id")
    ]
    return found["allowed"], found["because"]


async def test_nobody_may_be_contacted_without_a_consent_and_the_reason_is_told(acme: Tenant, ada: str) -> None:
    assert await may(acme, ada) == (False, "no-consent")
    it = await said(acme, ada, state="requested", token="by-chance-0123456789")
    assert "token" not in str(it)
    assert await may(acme, ada) == (False, "consent-requested")
    refused = await acme.post(f"{PATH}/{it['id']}:confirm", {"token": "by-chance-9876543210"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "token")
    confirmed = await acme.post(f"{PATH}/{it['id']}:confirm", {"token": "by-chance-0123456789"})
    assert confirmed.json()["state"] == "given"
    assert await may(acme, ada) == (True, "consent-given")
    assert await may(acme, ada, channel="sms") == (False, "no-consent")
    assert await may(acme, ada, purpose="survey") == (False, "no-consent")


async def test_what_is_withdrawn_of_any_channel_is_withdrawn_of_each(acme: Tenant, ada: str) -> None:
    await said(acme, ada, occurred_at="2026-01-02T00:00:00Z")
    everywhere = await said(acme, ada, channel="any", occurred_at="2026-01-03T00:00:00Z")
    assert await may(acme, ada, channel="post") == (True, "consent-given")
    await acme.post(f"{PATH}/{everywhere['id']}:withdraw", {})
    assert await may(acme, ada) == (False, "consent-withdrawn")


async def test_a_no_holds_while_it_is_asked_for_again(acme: Tenant, ada: str) -> None:
    await said(acme, ada, channel="any", occurred_at="2026-01-02T00:00:00Z")
    it = await said(acme, ada, occurred_at="2026-01-03T00:00:00Z")
    for verb, day, because in (
        ("withdraw", "04", "consent-withdrawn"),
        ("request", "05", "consent-withdrawn"),
        ("refuse", "06", "consent-refused"),
        ("request", "07", "consent-refused"),
        ("confirm", "08", "consent-given"),
    ):
        answer = await acme.post(f"{PATH}/{it['id']}:{verb}", {"occurred_at": f"2026-01-{day}T00:00:00Z"})
        assert answer.status_code == 200, answer.text
        assert await may(acme, ada) == (because == "consent-given", because)
    assert await may(acme, ada, at="2026-01-05T12:00:00Z") == (False, "consent-withdrawn")
    assert await may(acme, ada, channel="post") == (True, "consent-given")


async def test_it_is_known_what_was_allowed_at_any_instant(acme: Tenant, ada: str) -> None:
    it = await said(acme, ada, text_version="1", occurred_at="2026-02-01T00:00:00Z", expires_at="2026-06-01T00:00:00Z")
    await acme.post(f"{PATH}/{it['id']}:withdraw", {"occurred_at": "2026-03-01T00:00:00Z"})
    again = {"occurred_at": "2026-04-01T00:00:00Z", "text_version": "2", "expires_at": "2026-05-01T00:00:00Z"}
    assert (await acme.post(f"{PATH}/{it['id']}:give", again)).status_code == 200
    course = {
        "2026-01-15": (None, None, "no-consent"),
        "2026-02-15": ("given", "1", "consent-given"),
        "2026-03-15": ("withdrawn", "1", "consent-withdrawn"),
        "2026-04-15": ("given", "2", "consent-given"),
        "2026-05-15": ("expired", "2", "consent-expired"),
    }
    query = "query($id: UUID!, $at: DateTime!) { contact(id: $id) { consentsAsOf(at: $at) { state textVersion } } }"
    for day, (state, version, because) in course.items():
        at = f"{day}T00:00:00Z"
        shown = (await acme.get(f"/v1/contacts/{ada}/consents", as_of=at)).json()
        assert [(each["state"], each["text_version"]) for each in shown["items"]] == ([(state, version)] * bool(state))
        seen = (await acme.ask(query, id=ada, at=at))["contact"]["consentsAsOf"]
        assert [(each["state"].lower(), each["textVersion"]) for each in seen] == ([(state, version)] * bool(state))
        assert (await may(acme, ada, at=at))[1] == because


async def test_a_contact_has_one_consent_for_a_purpose_and_a_channel(acme: Tenant, ada: str) -> None:
    body = {"contact_id": ada, "purpose": "newsletter", "channel": "email", "state": "given"}
    answers = await asyncio.gather(*(acme.post(PATH, body) for _ in range(4)))
    assert sorted(each.status_code for each in answers) == [201, 409, 409, 409]
    (made,) = [each.json() for each in answers if each.status_code == 201]
    for each in answers:
        if each.status_code == 409:
            assert (each.json()["code"], made["id"] in each.text) == ("consent-already-recorded", True)
    rows = {"rows": [{**body, "purpose": "survey", "external_id": id, "occurred_at": NOON} for id in ("a", "b")]}
    done = (await acme.post(f"{PATH}:bulk", rows)).json()
    assert [each["status"] for each in done["results"]] == ["accepted", "rejected"]


async def test_it_is_the_contact_of_the_tenant(acme: Tenant, other: Tenant, ada: str) -> None:
    await said(acme, ada)
    body = {"contact_id": ada, "purpose": "newsletter", "channel": "email"}
    refused = await other.post(f"{PATH}:check", body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (404, "contact_id")
    assert (await other.get(f"/v1/contacts/{ada}/consents")).status_code == 404
    assert (await other.post(PATH, {**body, "state": "given"})).status_code == 422
    assert (await acme.post(f"{PATH}:check", {**body, "contact_id": str(new_id())})).status_code == 404


async def test_the_proof_goes_with_the_contact_and_what_was_said_stays(acme: Tenant, ada: str) -> None:
    key = {"Idempotency-Key": "the-first"}
    body = {"contact_id": ada, "purpose": "newsletter", "channel": "email", "state": "given", "proof": "Ada signed it"}
    it = (await acme.post(PATH, body, **key)).json()
    again = {"proof": "Ada said so on the phone"}
    assert (await acme.post(f"{PATH}/{it['id']}:give", again)).status_code == 200
    assert (await acme.post(f"/v1/contacts/{ada}:erase", {})).status_code == 200
    history = (await acme.get(f"{PATH}/{it['id']}/history")).text
    shown = (await acme.get(f"{PATH}/{it['id']}")).json()
    repeated = await acme.post(PATH, body, **key)
    assert (shown["state"], shown["proof"], repeated.json()["proof"]) == ("given", None, None)
    assert "Ada" not in history
    assert await may(acme, ada) == (False, "contact-erased")
    refused = await acme.post(f"{PATH}/{it['id']}:give", {"proof": "Ada again"})
    assert (refused.status_code, refused.json()["code"]) == (409, "already-erased")
    assert (await acme.post(f"{PATH}/{it['id']}:withdraw", {})).status_code == 200


async def test_who_is_archived_is_not_contacted(acme: Tenant, ada: str) -> None:
    await said(acme, ada)
    await acme.post(f"/v1/contacts/{ada}:archive", {})
    assert await may(acme, ada) == (False, "contact-archived")
