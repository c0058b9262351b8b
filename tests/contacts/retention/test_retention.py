"""What a tenant does not want to keep is erased when its time has come, and not before the rule has stood for a day."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import ColumnElement, func, literal_column, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from contacts.contacts.form import CONTACTS, contacts
from contacts.customers.form import customers
from contacts.erasure.forgetting import forgetting
from contacts.notes.form import notes
from contacts.retention import applying
from contacts.retention.applying import apply
from contacts.tables import retention_passes as passes
from contacts.tenant_settings.form import settings
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.testing import Answer, Tenant
from kith_local.postgres import EmbeddedPostgres

LONG_AGO, SINCE = "2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z"
UNUSED = {"code": "quiet", "of": "contact", "since": "unused", "days": 365}
ARCHIVED = {"code": "gone", "of": "contact", "since": "archived", "days": 365}


@pytest.fixture
async def worker(postgres: EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(postgres.url("kith_contacts"), role=WORKER_ROLE, pool_size=1, application="worker")
    yield engine
    await engine.dispose()


async def applied(worker: AsyncEngine, tenant: Tenant, *, recorded_now: bool = False) -> None:
    """Goes through all records once. They were recorded when it happened, but for what is `recorded_now`."""
    for table in (customers, contacts, notes) if not recorded_now else ():
        async with worker.begin() as connection:
            await connection.execute(
                update(table).where(table.c.tenant_id == tenant.name).values(recorded_at=table.c.updated_at)
            )
    waits = select(passes.c.next_at > func.now()).where(passes.c.tenant_id == tenant.name)
    for _ in range(50):
        async with worker.begin() as connection:
            await apply(connection, tenant.name)
            if await connection.scalar(waits):
                return
    raise AssertionError("it does not come to an end")


async def recorded_then(worker: AsyncEngine, tenant: Tenant) -> None:
    async with worker.begin() as connection:
        for table in (customers, contacts, notes):
            then = update(table).where(table.c.tenant_id == tenant.name).values(recorded_at=table.c.updated_at)
            await connection.execute(then)


async def days_pass(worker: AsyncEngine, tenant: Tenant) -> None:
    by: ColumnElement[Any] = literal_column("interval '2 days'")
    async with worker.begin() as connection:
        for table, column in ((settings, settings.c.recorded_at), (passes, passes.c.next_at)):
            await connection.execute(
                update(table).where(table.c.tenant_id == tenant.name).values({column: column - by})
            )


async def rules_are(tenant: Tenant, *rules: dict[str, Any]) -> None:
    answer = await tenant.post("/v1/settings:amend", {"retention": [*rules]})
    assert answer.status_code == 200, answer.text


async def results(tenant: Tenant) -> dict[str, Answer]:
    answer = await tenant.get("/v1/retention")
    assert answer.status_code == 200, answer.text
    return {each["code"]: each for each in answer.json()["rules"]}


async def customer(tenant: Tenant, **fields: Any) -> str:
    made = await tenant.made(
        "/v1/customers", **{"kind": "organisation", "name": "Tee", "occurred_at": LONG_AGO, **fields}
    )
    return str(made["id"])


async def contact(tenant: Tenant, of: str, **fields: Any) -> str:
    made = await tenant.made("/v1/contacts", **{"customer_id": of, "name": "Ada", "occurred_at": LONG_AGO, **fields})
    return str(made["id"])


async def is_erased(tenant: Tenant, id: str, path: str = "/v1/contacts") -> bool:
    return (await tenant.get(f"{path}/{id}")).json()["erased_at"] is not None


async def does(tenant: Tenant, path: str, **body: Any) -> None:
    answer = await tenant.post(path, body)
    assert answer.status_code == 200, answer.text


async def test_what_is_not_used_is_counted_first_and_erased_a_day_later(acme: Tenant, worker: AsyncEngine) -> None:
    tea = await customer(acme)
    quiet, talked, visited, allowed, noted, changed, new = [await contact(acme, tea) for _ in range(6)] + [
        await contact(acme, tea, occurred_at=None)
    ]
    await acme.made("/v1/touchpoints", contact_id=talked, channel="email", direction="inbound")
    await acme.made("/v1/web-visits", contact_id=visited, site="x.example", pages=1)
    await acme.made("/v1/consents", contact_id=allowed, state="given", purpose="news")
    await acme.made("/v1/notes", contact_id=noted, body="Likes tea.")
    await does(acme, f"/v1/contacts/{changed}:amend", title="Dr")
    await acme.made("/v1/touchpoints", contact_id=quiet, channel="email", direction="inbound", occurred_at=SINCE)
    await rules_are(acme, UNUSED)
    await applied(worker, acme)
    assert (await results(acme))["quiet"].items() >= {"due": 1, "erased": 0, "failed": 0, "days": 365}.items()
    assert not await is_erased(acme, quiet)
    await days_pass(worker, acme)
    await applied(worker, acme)
    erased = {each: await is_erased(acme, each) for each in (quiet, talked, visited, allowed, noted, changed, new)}
    assert erased == dict.fromkeys(erased, False) | {quiet: True}
    assert (await results(acme))["quiet"].items() >= {"due": 1, "erased": 1, "failed": 0}.items()
    (last, *_) = (await acme.get(f"/v1/contacts/{quiet}/history")).json()["items"]
    assert (last["command"], last["actor"]) == ("erase", "service:contacts")
    await days_pass(worker, acme)
    await applied(worker, acme)
    assert (await results(acme))["quiet"].items() >= {"due": 0, "erased": 1}.items()


async def test_what_was_archived_is_erased_with_what_is_of_it(acme: Tenant, worker: AsyncEngine) -> None:
    tea, oil, lead = await customer(acme), await customer(acme), await customer(acme, stage="lead")
    of_tea, of_oil, put_away, of_lead = [await contact(acme, each) for each in (tea, oil, oil, lead)]
    busy = await contact(acme, tea, roles=[{"customer_id": oil, "role": "adviser"}])
    note = (await acme.made("/v1/notes", customer_id=oil, body="Old.", occurred_at=LONG_AGO))["id"]
    for path in (f"customers/{tea}", f"customers/{lead}", f"contacts/{put_away}", f"notes/{note}"):
        await does(acme, f"/v1/{path}:archive", occurred_at=SINCE)
    await rules_are(
        acme,
        ARCHIVED | {"stages": []},
        {"code": "leads", "of": "customer", "since": "archived", "days": 30, "stages": ["lead"]},
        {"code": "notes", "of": "note", "since": "archived", "days": 30},
    )
    await applied(worker, acme)
    assert {code: each["due"] for code, each in (await results(acme)).items()} == {"gone": 3, "leads": 1, "notes": 1}
    await days_pass(worker, acme)
    await applied(worker, acme)
    erased = [each for each in (of_tea, of_oil, put_away, of_lead, busy) if await is_erased(acme, each)]
    assert erased == [of_tea, put_away, of_lead]
    assert [await is_erased(acme, each, "/v1/customers") for each in (tea, oil, lead)] == [False, False, True]
    assert await is_erased(acme, note, "/v1/notes")


async def test_one_that_was_merged_goes_with_the_one_that_remains(acme: Tenant, worker: AsyncEngine) -> None:
    tea = await customer(acme)
    one, busy, other, quiet = [await contact(acme, tea) for _ in range(4)]
    await acme.made("/v1/touchpoints", contact_id=one, channel="email", direction="inbound")
    await does(acme, f"/v1/contacts/{one}:merge", into=busy, occurred_at=SINCE)
    await does(acme, f"/v1/contacts/{other}:merge", into=quiet, occurred_at=SINCE)
    await rules_are(acme, UNUSED)
    await applied(worker, acme)
    await days_pass(worker, acme)
    await applied(worker, acme)
    assert [await is_erased(acme, each) for each in (one, busy, other, quiet)] == [False, False, False, True]
    while await forgetting(CONTACTS).step(worker):
        pass
    assert [await is_erased(acme, each) for each in (one, busy, other, quiet)] == [False, False, True, True]


async def test_what_was_recorded_only_now_is_not_erased_whatever_time_it_tells(
    acme: Tenant, worker: AsyncEngine
) -> None:
    tea = await customer(acme)
    await contact(acme, tea)
    await does(acme, f"/v1/customers/{tea}:archive", occurred_at=SINCE)
    await rules_are(acme, UNUSED, ARCHIVED)
    await applied(worker, acme, recorded_now=True)
    assert {each["due"] for each in (await results(acme)).values()} == {0}


async def test_rules_that_are_changed_again_are_tried_to_the_end(
    acme: Tenant, worker: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "AT_A_TIME", 2)
    tea = await customer(acme)
    for _ in range(5):
        await contact(acme, tea)
    await rules_are(acme, UNUSED | {"days": 730})
    await applied(worker, acme)
    await rules_are(acme, UNUSED)
    step = applying.applying().step
    while await step(worker):
        pass
    found = (await results(acme))["quiet"]
    assert (found["due"], found["days"]) == (5, 365)


async def test_a_rule_that_is_changed_or_taken_back_erases_nothing(acme: Tenant, worker: AsyncEngine) -> None:
    quiet = await contact(acme, await customer(acme))
    await rules_are(acme, UNUSED)
    await applied(worker, acme)
    await days_pass(worker, acme)
    await rules_are(acme, UNUSED | {"days": 30})
    await applied(worker, acme)
    assert (await results(acme))["quiet"].items() >= {"due": 1, "erased": 0, "days": 30}.items()
    await days_pass(worker, acme)
    await rules_are(acme)
    assert (await acme.get("/v1/retention")).json() == {"erases_from": None, "rules": []}
    async with worker.begin() as connection:
        await apply(connection, acme.name)
    assert not await is_erased(acme, quiet)


async def test_a_rule_that_is_changed_on_the_way_begins_anew_and_erases_nothing(
    acme: Tenant, worker: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "AT_A_TIME", 1)
    tea = await customer(acme)
    ids = [await contact(acme, tea) for _ in range(3)]
    await rules_are(acme, UNUSED)
    await applied(worker, acme)
    await days_pass(worker, acme)
    async with worker.begin() as connection:
        await apply(connection, acme.name)
    await rules_are(acme, UNUSED | {"days": 30})
    await applied(worker, acme)
    assert [await is_erased(acme, each) for each in ids] == [True, False, False]
    assert (await results(acme))["quiet"].items() >= {"due": 2, "erased": 1}.items()


async def test_what_cannot_be_erased_keeps_no_other_from_it(
    acme: Tenant, worker: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "AT_A_TIME", 2)
    monkeypatch.setattr(applying, "MOST_ERASED", 2)
    tea = await customer(acme)
    ids = [await contact(acme, tea) for _ in range(5)]
    async with worker.begin() as connection:
        broken = 'UPDATE contacts SET taken = \'{"of": "tomorrow"}\' WHERE tenant_id = :tenant AND id = :id'
        await connection.execute(text(broken), {"tenant": acme.name, "id": ids[2]})
    before = REGISTRY.get_sample_value("kith_jobs_failed_total", {"kind": "retention"}) or 0
    await rules_are(acme, UNUSED, ARCHIVED)
    await applied(worker, acme)
    assert (await results(acme))["quiet"]["due"] == 5
    await days_pass(worker, acme)
    await applied(worker, acme)
    assert (await results(acme))["quiet"].items() >= {"due": 5, "erased": 4, "failed": 1}.items()
    assert (await results(acme))["gone"]["applied_at"] is not None
    assert REGISTRY.get_sample_value("kith_jobs_failed_total", {"kind": "retention"}) == before + 1


async def test_tenants_take_turns_and_have_their_own(acme: Tenant, other: Tenant, worker: AsyncEngine) -> None:
    mine, theirs = [await contact(each, await customer(each)) for each in (acme, other)]
    await recorded_then(worker, acme)
    await rules_are(acme, UNUSED)
    step = applying.applying().step
    while await step(worker):
        pass
    assert (await results(acme))["quiet"]["due"] == 1
    await days_pass(worker, acme)
    while await step(worker):
        pass
    assert (await is_erased(acme, mine), await is_erased(other, theirs)) == (True, False)
    assert await results(other) == {}


async def test_a_worker_waits_where_another_is_at_it(
    acme: Tenant, worker: AsyncEngine, postgres: EmbeddedPostgres
) -> None:
    await rules_are(acme, UNUSED)
    await applied(worker, acme)
    await days_pass(worker, acme)
    other = create_engine(postgres.url("kith_contacts"), role=WORKER_ROLE, pool_size=1, application="worker")
    try:
        async with other.begin() as holds:
            await holds.execute(select(passes).where(passes.c.tenant_id == acme.name).with_for_update())
            async with worker.begin() as connection:
                assert await apply(connection, acme.name) is False, "it would be asked again at once, and again"
    finally:
        await other.dispose()


@pytest.mark.parametrize(
    ("rules", "field", "hint"),
    [
        ([UNUSED, UNUSED], "retention.1.code", "another rule"),
        ([UNUSED | {"of": "customer"}], "retention.0.since", "archived"),
        ([UNUSED | {"days": 29}], "retention.0.days", "30"),
        ([UNUSED | {"of": "order"}], "retention.0.of", "contact"),
        ([UNUSED | {"stages": ["loose"]}], "retention.0.stages.0", "lead"),
        ([UNUSED | {"code": f"c{n}"} for n in range(21)], "retention", "20"),
    ],
)
async def test_what_is_no_rule_is_refused_by_name(
    acme: Tenant, rules: list[dict[str, Any]], field: str, hint: str
) -> None:
    answer = await acme.post("/v1/settings:amend", {"retention": rules})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, field)
    assert hint in error["rule"]


async def test_both_apis_tell_the_same_and_only_who_may_read_settings(acme: Tenant) -> None:
    await rules_are(acme, UNUSED)
    rest = (await acme.get("/v1/retention")).json()
    document = "{ retention { erasesFrom rules { code of since days stages due erased failed appliedAt } } }"
    shown = (await acme.ask(document))["retention"]
    assert datetime.fromisoformat(shown["erasesFrom"]) == datetime.fromisoformat(rest["erases_from"])
    assert shown["rules"][0].items() >= {"of": "CONTACT", "due": 0, "appliedAt": None}.items()
    assert (await acme.without("contacts:read").get("/v1/retention")).status_code == 403
