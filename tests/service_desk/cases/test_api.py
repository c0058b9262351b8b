"""Cases over REST."""

import pytest

from kith.ids import new_id
from kith.testing import Answer, Tenant

PATH = "/v1/cases"
EVE = str(new_id())


async def test_a_case_is_opened_and_found_again(acme: Tenant) -> None:
    body = {
        "customer_id": str(new_id()),
        "contact_id": str(new_id()),
        "subject": "No light",
        "priority": "high",
        "channel": "phone",
        "category": "lighting",
        "queue": "tier-1",
        "assignee_id": EVE,
        "external_id": "INC1",
    }
    created = await acme.post(PATH, body)
    shown = created.json()
    assert created.status_code == 201
    assert shown | body | {"state": "new", "version": 1, "reopened_count": 0} == shown
    found = await acme.get(created.headers["Location"])
    assert (found.json(), found.headers["ETag"]) == (shown, '"1"')


async def test_a_case_goes_through_its_whole_life(acme: Tenant, case: Answer) -> None:
    moves = [
        ("assign", {"queue": "tier-1"}, {"state": "new", "queue": "tier-1"}),
        ("start", {"assignee_id": EVE}, {"state": "open", "assignee_id": EVE}),
        ("escalate", {"priority": "critical"}, {"state": "open", "priority": "critical"}),
        ("wait", {"reason": "parts"}, {"state": "pending", "pending_reason": "parts"}),
        ("resolve", {"sla_met": True, "resolution_code": "replaced"}, {"state": "resolved", "sla_met": True}),
        ("close", {}, {"state": "closed", "resolution_code": "replaced"}),
        ("reopen", {"reason": "dark again"}, {"state": "open", "reopened_count": 1, "sla_met": None}),
    ]
    for version, (verb, body, expected) in enumerate(moves, start=2):
        answer = await acme.post(f"{PATH}/{case['id']}:{verb}", body)
        shown = answer.json()
        assert answer.status_code == 200, answer.text
        assert shown | expected | {"version": version} == shown
        assert (await acme.get(f"{PATH}/{case['id']}")).json() == shown


@pytest.mark.parametrize(
    ("verb", "body", "code"),
    [
        ("close", {}, "case-not-resolved"),
        ("reopen", {}, "case-not-resolved"),
        ("escalate", {"priority": "low"}, "priority-not-higher"),
    ],
)
async def test_a_move_the_rules_forbid_is_a_conflict(
    acme: Tenant, case: Answer, verb: str, body: Answer, code: str
) -> None:
    refused = await acme.post(f"{PATH}/{case['id']}:{verb}", body)
    assert (refused.status_code, refused.json()["type"]) == (409, f"urn:kith:problem:{code}")
    assert (await acme.get(f"{PATH}/{case['id']}")).json() == case


async def test_a_field_nobody_knows_is_refused(acme: Tenant, case: Answer) -> None:
    refused = await acme.post(PATH, {"subject": "No light", "channel": "phone", "mood": "cross"})
    assert (refused.status_code, [each["field"] for each in refused.json()["errors"]]) == (422, ["mood"])
    assert (await acme.post(f"{PATH}/{case['id']}:close", {"mood": "cross"})).status_code == 422


async def test_a_bulk_request_sent_twice_is_done_once(acme: Tenant) -> None:
    def row(command: str, hour: int, **fields: object) -> Answer:
        return {"command": command, "external_id": "INC1", "occurred_at": f"2026-03-02T{hour:02}:00:00Z", **fields}

    rows = [
        row("open", 9, subject="No light", channel="phone"),
        row("start", 10),
        row("resolve", 11, sla_met=True),
        row("close", 10),
        row("reopen", 12),
        row("resolve", 13),
        row("close", 14),
    ]
    first = (await acme.post(f"{PATH}:bulk", {"rows": rows})).json()
    again = (await acme.post(f"{PATH}:bulk", {"rows": rows})).json()
    done = ["accepted"] * 3 + ["rejected"] + ["accepted"] * 3
    assert [each["status"] for each in first["results"]] == done
    assert first["results"][3]["problem"]["errors"][0]["field"] == "occurred_at"
    assert (first["events"], again["accepted"], again["unchanged"], again["events"]) == (6, 0, 6, 0)
    (only,) = (await acme.get(PATH)).json()["items"]
    assert (only["state"], only["reopened_count"], only["version"]) == ("closed", 1, 6)
