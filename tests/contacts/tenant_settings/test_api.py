"""A tenant's settings over REST and GraphQL."""

import asyncio
from typing import Any

import asyncpg
import msgspec
import pytest

from kith.events.catalogue import EVENTS, QUALIFYING
from kith.events.contacts import ActivityPolicy, ActivityRule, SettingsChanged
from kith.testing import Answer, Tenant
from kith_local.postgres import EmbeddedPostgres

PATH = "/v1/settings"
AMEND = f"{PATH}:amend"
ORDERS, TOUCHPOINTS = "sales.order.placed.v1", "contacts.touchpoint.recorded.v1"
RULE = {"event_types": [ORDERS], "window_days": 30}


async def published(tenant: Tenant, postgres: EmbeddedPostgres) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(postgres.url("kith_contacts"))
    rows = await connection.fetch("SELECT * FROM outbox WHERE tenant_id = $1 ORDER BY seq", tenant.name)
    await connection.close()
    return rows


async def test_before_anybody_has_changed_them_the_defaults_hold(acme: Tenant) -> None:
    answer = await acme.get(PATH)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"0"')
    assert (
        answer.json()
        | {
            "version": 0,
            "updated_at": None,
            "time_zone": "UTC",
            "currency": None,
            "activity": {"event_types": [ORDERS], "window_days": 90, "contractual": False},
            "segment_activity": [],
        }
        == answer.json()
    )


async def test_what_is_sent_changes_and_the_rest_stays(acme: Tenant) -> None:
    first = await acme.post(AMEND, {"time_zone": "Europe/Vienna", "currency": "EUR"})
    assert (first.status_code, first.headers["ETag"]) == (200, '"1"'), first.text
    assert "Kith-Position" in first.headers
    rules = [{"segment": "key", "event_types": [TOUCHPOINTS, ORDERS, ORDERS], "window_days": 365, "contractual": True}]
    second = (await acme.post(AMEND, {"currency": None, "activity": RULE, "segment_activity": rules})).json()
    assert second == (await acme.get(PATH)).json()
    assert second == first.json() | {
        "version": 2,
        "updated_at": second["updated_at"],
        "currency": None,
        "activity": RULE | {"contractual": False},
        "segment_activity": [
            {"segment": "key", "event_types": [TOUCHPOINTS, ORDERS], "window_days": 365, "contractual": True}
        ],
    }


async def test_each_change_is_published_whole_with_no_customer(acme: Tenant, postgres: EmbeddedPostgres) -> None:
    await acme.post(AMEND, {"time_zone": "Asia/Tokyo"})
    shown = (await acme.post(AMEND, {"segment_activity": [{"segment": "smb", **RULE}]})).json()
    rows = await published(acme, postgres)
    assert [(row["type"], row["aggregate_version"]) for row in rows] == [(SettingsChanged.type, n) for n in (1, 2)]
    assert {(str(row["subject"]), row["customer_id"]) for row in rows} == {(shown["id"], None)}
    assert msgspec.json.decode(rows[-1]["data"], type=SettingsChanged) == SettingsChanged(
        time_zone="Asia/Tokyo",
        activity=ActivityPolicy(default=ActivityRule([ORDERS], 90), segments={"smb": ActivityRule([ORDERS], 30)}),
    )


async def test_who_saw_an_older_version_changes_nothing(acme: Tenant) -> None:
    first = await acme.post(AMEND, {"currency": "EUR"}, **{"If-Match": '"0"'})
    refused = await acme.post(AMEND, {"currency": "USD"}, **{"If-Match": '"0"'})
    assert (first.status_code, refused.status_code) == (200, 412)
    assert (await acme.get(PATH)).json() == first.json()


async def test_of_many_first_changes_at_once_none_is_lost(acme: Tenant, postgres: EmbeddedPostgres) -> None:
    days = range(1, 5)
    sent = [acme.post(AMEND, {"activity": {"event_types": [ORDERS], "window_days": n}}) for n in days]
    answers = await asyncio.gather(*sent)
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["version"] for answer in answers) == [1, 2, 3, 4]
    assert [row["aggregate_version"] for row in await published(acme, postgres)] == [1, 2, 3, 4]


async def test_a_repeated_request_is_done_once(acme: Tenant) -> None:
    sent = [await acme.post(AMEND, {"activity": RULE}, **{"Idempotency-Key": "once"}) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [200, 200]
    assert sent[0].json() == sent[1].json()


@pytest.mark.parametrize(
    ("field", "body", "hint"),
    [
        ("time_zone", {"time_zone": "Vienna"}, "Europe/Vienna"),
        ("time_zone", {"time_zone": "europe/vienna"}, "Europe/Vienna"),
        ("time_zone", {"time_zone": "localtime"}, "IANA"),
        ("time_zone", {"time_zone": None}, "string"),
        ("currency", {"currency": "EUX"}, "EUR"),
        ("currency", {"currency": "eur"}, "EUR"),
        ("activity.window_days", {"activity": RULE | {"window_days": 0}}, "1"),
        ("activity.window_days", {"activity": RULE | {"window_days": 3651}}, "3650"),
        ("activity.event_types", {"activity": RULE | {"event_types": []}}, "1"),
        ("activity.event_types.0", {"activity": RULE | {"event_types": ["order"]}}, ORDERS),
        ("activity.event_types.0", {"activity": RULE | {"event_types": ["sales.product.created.v1"]}}, ORDERS),
        ("segment_activity.0.segment", {"segment_activity": [{"segment": " ", **RULE}]}, "1"),
        ("segment_activity", {"segment_activity": [{"segment": f"s{n}", **RULE} for n in range(21)]}, "20"),
        ("segment_activity", {"segment_activity": [{"segment": "s", **RULE}] * 2}, "one rule"),
    ],
)
async def test_what_cannot_be_is_refused_by_name_with_what_could(
    acme: Tenant, field: str, body: dict[str, Any], hint: str
) -> None:
    refused = await acme.post(AMEND, body)
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["field"] == field
    assert hint in error["rule"]


NO_DEALINGS = (
    *("task", "lead", "lead-queue", "quota", "forecast-adjustment", "invoice", "delivery", "milestone"),
    *("price-book", "price", "quote-settings", "lead-scoring", "lead-form"),
)


def test_what_tells_of_no_dealing_with_a_customer_is_no_activity() -> None:
    """Nor what we think of a relationship, and what we mean to do about it."""
    people = (
        *("contacts.user.", "contacts.team.", "contacts.role.", "contacts.field-definition."),
        *("contacts.note.", "contacts.attachment."),
    )
    ours = {
        type for type in EVENTS if type.startswith(("analytics.", *people, *(f"sales.{noun}." for noun in NO_DEALINGS)))
    }
    put_away = {type for type in EVENTS if type.split(".")[2] in ("archived", "restored")}
    confirmed = {type for type in EVENTS if type.endswith(".erasure.confirmed.v1")}
    assert (ours | put_away | confirmed).isdisjoint(QUALIFYING)
    assert set(EVENTS) - QUALIFYING - ours - put_away - confirmed == {
        "sales.product.created.v1",
        *(f"sales.exchange-rate.{verb}.v1" for verb in ("created", "amended")),
        *(f"sales.activity.{verb}.v1" for verb in ("planned", "amended", "reminded", "missed", "cancelled")),
        "sales.activity.rescheduled.v1",
        *(f"sales.{noun}.{verb}.v1" for noun in ("pipeline", "reason") for verb in ("created", "amended")),
        *(f"sales.opportunity.{verb}.v1" for verb in ("switched", "rotted", "contacts-followed")),
        *(f"sales.goal.{verb}.v1" for verb in ("set", "amended", "achieved", "dropped", "reopened")),
        *(f"sales.quote.{verb}.v1" for verb in ("created", "amended", "expired", "withdrawn", "revised")),
        *(f"sales.quote.{verb}.v1" for verb in ("approved", "rejected")),
        *(f"sales.subscription.{verb}.v1" for verb in ("amended", "cancelled", "renewal-due", "ended")),
        "service-desk.case.amended.v1",
        "contacts.settings.changed.v1",
        "contacts.consent.changed.v1",
        "contacts.adoption.measured.v1",
        "contacts.customer.merged.v1",
        "contacts.contact.merged.v1",
        "contacts.contact.unmerged.v1",
        "contacts.customer.unmerged.v1",
        "contacts.customer.erased.v1",
        "contacts.contact.erased.v1",
        "contacts.contact.email-bounced.v1",
        "contacts.customer.lifecycle-moved.v1",
    }


async def test_each_tenant_has_its_own(acme: Tenant, other: Tenant) -> None:
    await acme.post(AMEND, {"currency": "EUR"})
    assert (await other.get(PATH)).json()["version"] == 0
    await other.post(AMEND, {"currency": "USD"})
    assert (await acme.get(PATH)).json()["currency"] == "EUR"


FIELDS = "version timeZone currency activity { eventTypes windowDays } segmentActivity { segment windowDays }"


async def test_graphql_has_the_same_settings(acme: Tenant) -> None:
    async def amend(given: Answer, **more: object) -> Answer:
        query = f"""mutation ($input: AmendSettingsInput, $ifVersion: Int) {{
          amendSettings(input: $input, ifVersion: $ifVersion) {{
            ... on Settings {{ {FIELDS} }} ... on Problem {{ status errors {{ field }} }} }} }}"""
        changed: Answer = (await acme.ask(query, input=given, **more))["amendSettings"]
        return changed

    before = (await acme.ask(f"{{ settings {{ {FIELDS} }} }}"))["settings"]
    assert before == {
        "version": 0,
        "timeZone": "UTC",
        "currency": None,
        "activity": {"eventTypes": [ORDERS], "windowDays": 90},
        "segmentActivity": [],
    }
    rules = [{"segment": "key", "eventTypes": [ORDERS], "windowDays": 365}]
    after = await amend({"currency": "CHF", "segmentActivity": rules}, ifVersion=0)
    amended = {"version": 1, "currency": "CHF", "segmentActivity": [{"segment": "key", "windowDays": 365}]}
    assert after == before | amended
    assert (await acme.ask(f"{{ settings {{ {FIELDS} }} }}"))["settings"] == after
    wrong = await amend({"activity": {"eventTypes": [ORDERS], "windowDays": 0}})
    assert wrong == {"status": 422, "errors": [{"field": "activity.windowDays"}]}
    assert (await amend({"currency": "EUR"}, ifVersion=0))["status"] == 412
