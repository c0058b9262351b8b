"""Fields that a tenant defines in contacts, in the records of the other services."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from sqlalchemy import select
from tests.contacts.field_definitions.test_values import KINDS, refusal
from tests.kith.tenants.filled import tables_with
from tests.playbooks import Hearing, action_requested, hearing, of_customer

from contacts.field_definitions.form import FIELD_DEFINITIONS, field_definitions
from contacts.field_definitions.rules import FieldDefinition
from contacts.resources import RESOURCES as OF_CONTACTS
from contacts.service import SERVICE as CONTACTS
from contacts.tables import outbox
from kith.custom import known
from kith.custom.filling import Filling
from kith.custom.known import forget
from kith.custom.stating import FIELD_STATED, stating_fields
from kith.custom.sweep import Sweep
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.contacts import CustomerErased
from kith.events.envelope import Envelope
from kith.http import positions
from kith.ids import new_id
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres
from sales.erasing import ERASING as IN_SALES
from sales.resources import RESOURCES as OF_SALES
from sales.service import SERVICE as SALES
from service_desk.erasing import ERASING as IN_SERVICE_DESK
from service_desk.resources import RESOURCES as OF_SERVICE_DESK
from service_desk.service import SERVICE as SERVICE_DESK

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
ERASING = {"sales": IN_SALES, "service-desk": IN_SERVICE_DESK}
RESOURCES = {"contacts": OF_CONTACTS, "sales": OF_SALES, "service-desk": OF_SERVICE_DESK}
NEW: dict[str, dict[str, Any]] = {
    "opportunity": {"name": "Deal", "currency": "EUR"},
    "order": {"value": "10", "currency": "EUR"},
    "task": {"title": "Call"},
    "case": {"subject": "No light", "channel": "phone"},
}
PLURALS = {"opportunity": "opportunities", "order": "orders", "task": "tasks", "case": "cases"}


@dataclass
class House:
    """Contacts, where fields are defined, and a service with a noun that has them."""

    service: Service
    noun: str
    contacts: Tenant
    there: Tenant
    worker: Hearing
    owners: dict[str, asyncpg.Connection]
    """Of the databases of the two, by service."""
    urls: dict[str, str]
    heard: int = 0

    @property
    def path(self) -> str:
        return f"/v1/{PLURALS[self.noun]}"

    async def defined(self, code: str = "region", value_type: str = "choice", **more: Any) -> str:
        fields = {"of_noun": self.noun, "code": code, "value_type": value_type, "label": code} | KINDS[value_type]
        return str((await self.contacts.made("/v1/field-definitions", **fields | more))["id"])

    async def published(self) -> Sequence[Envelope]:
        """What contacts has published since it was heard last."""
        rows = await self.owners["contacts"].fetch(
            "SELECT * FROM outbox WHERE tenant_id = $1 ORDER BY seq", self.contacts.name
        )
        names = set(Envelope.__struct_fields__)
        new, self.heard = rows[self.heard :], len(rows)
        return [Envelope(source="contacts", **{name: each[name] for name in names if name in each}) for each in new]

    async def hears(self, *more: Envelope) -> None:
        await self.worker.hears(*await self.published(), *more)
        forget(self.there.name)

    async def created(self, custom: Any = None, personal: Any = None, **more: Any) -> httpx.Response:
        held = {"custom": custom or {}, "custom_personal": personal or {}}
        return await self.there.post(self.path, NEW[self.noun] | held | more)

    async def made(self, custom: Any = None, personal: Any = None, **more: Any) -> Answer:
        answer = await self.created(custom, personal, **more)
        assert answer.status_code == 201, answer.text
        found: Answer = answer.json()
        return found

    async def last_event(self, id: str) -> Any:
        query = "SELECT data FROM outbox WHERE subject = $1 ORDER BY seq DESC LIMIT 1"
        return json.loads(await self.owners[self.service.name].fetchval(query, id))


@pytest.fixture
async def house(
    request: pytest.FixtureRequest, serve: Serve, issuer: Issuer, tenant: str, postgres: EmbeddedPostgres
) -> AsyncIterator[House]:
    service, noun = request.param
    contacts, there = [Tenant(await serve(each), issuer, tenant) for each in (CONTACTS, service)]
    urls = {each.name: postgres.url(f"kith_{each.package}") for each in (CONTACTS, service)}
    owners = {name: await asyncpg.connect(url) for name, url in urls.items()}
    async with hearing(service, postgres) as worker:
        yield House(service, noun, contacts, there, worker, owners, urls)
    for each in owners.values():
        await each.close()


def in_house(*nouns: str) -> pytest.MarkDecorator:
    params = [(SERVICE_DESK if noun == "case" else SALES, noun) for noun in nouns]
    return pytest.mark.parametrize("house", params, ids=nouns, indirect=True)


@in_house(*NEW)
async def test_a_field_is_one_of_the_noun_once_its_event_has_come(house: House, other_tenant: str) -> None:
    await house.defined(filterable=True)
    early = await house.created({"region": "north"})
    assert refusal(early) == (422, "custom.region")
    assert "may not have arrived" in early.text
    await house.hears()
    assert await house.worker.reasons() == []
    made = await house.made({"region": "north"})
    await house.made({"region": "south"})
    assert refusal(await house.created({"region": "west"})) == (422, "custom.region")
    assert made["custom"] == {"region": "north"}
    assert (await house.last_event(made["id"]))["custom"] == {"region": "north"}
    asked = {"custom.region": "north"}
    assert [each["id"] for each in (await house.there.get(house.path, **asked)).json()["items"]] == [made["id"]]
    lines = (await house.there.get(f"{house.path}:export", **asked)).text.splitlines()
    assert [json.loads(each).get("custom") for each in lines] == [{"region": "north"}, None]
    plural = PLURALS[house.noun]
    found = await house.there.ask(
        f'{{ {plural}(where: {{custom: [{{code: "region", eq: "north"}}]}}) {{ nodes {{ id custom }} }} }}'
    )
    assert found[plural]["nodes"] == [{"id": made["id"], "custom": {"region": "north"}}]
    verb = "open" if house.noun in ("opportunity", "case") else "place" if house.noun == "order" else "create"
    row = NEW[house.noun] | {"command": verb, "occurred_at": "2026-03-01T09:00:00Z"}
    rows = [row | {"external_id": each, "custom": {"region": each}} for each in ("south", "west")]
    bulk = (await house.there.post(f"{house.path}:bulk", {"rows": rows})).json()
    assert (bulk["accepted"], bulk["rejected"]) == (1, 1), bulk
    stranger = replace(house, there=replace(house.there, name=other_tenant))
    assert refusal(await stranger.created({"region": "north"})) == (422, "custom.region")
    assert refusal(await stranger.there.get(house.path, **asked)) == (422, "custom.region")


@in_house("opportunity", "task", "case")
async def test_values_are_amended_and_told_like_other_fields(house: House) -> None:
    await house.defined("one", "number")
    await house.defined("nick", "text", personal=True)
    await house.hears()
    made = await house.made({"one": 1}, {"nick": "Ann"})
    amended = await house.there.post(f"{house.path}/{made['id']}:amend", {"custom": {"one": 2}})
    assert (amended.json()["custom"], amended.json()["custom_personal"]) == ({"one": 2}, {"nick": "Ann"})
    event = await house.last_event(made["id"])
    assert (event["changed"], event["custom"]) == (["custom"], {"one": 2})
    history = (await house.there.get(f"{house.path}/{made['id']}/history")).json()["items"]
    assert history[0]["changes"] == [{"field": "custom", "old": {"one": 1}, "new": {"one": 2}}]


@in_house(*NEW)
async def test_what_shows_people_is_hidden_unpublished_and_erased(house: House) -> None:
    word, customer = f"canary{new_id().hex}", new_id()
    await house.defined("nick", "text", personal=True, filterable=True)
    await house.defined("tall", "boolean", filterable=True)
    await house.hears()
    made = await house.made({"tall": True}, {"nick": word}, customer_id=str(customer), external_id="one")
    stranger = house.there.without(f"{house.service.name}:personal")
    assert word not in (await stranger.get(house.path)).text
    assert (await stranger.get(house.path, **{"custom.nick": word})).status_code == 403
    assert [each["id"] for each in (await house.there.get(house.path, **{"custom.nick": word})).json()["items"]] == [
        made["id"]
    ]
    header, _ = csv.reader(io.StringIO((await exported(stranger, house.path)).text))
    assert "custom.tall" in header
    assert "custom_personal.nick" not in header
    held = (await house.there.get(f"/v1/personal-data/customer/{customer}")).text
    assert word in held
    owner = house.owners[house.service.name]
    assert await tables_with(owner, word) == {f"public.{PLURALS[house.noun]}", "public.custom_entries"}
    await house.worker.hears(of_customer(house.there.name, customer, CustomerErased()))
    while await ERASING[house.service.name].task().step(house.worker.engine):
        pass
    assert await tables_with(owner, word) == set()
    shown = (await house.there.get(f"{house.path}/{made['id']}")).json()
    assert (shown["custom"], shown["custom_personal"]) == ({"tall": True}, {})
    assert len((await house.there.get(house.path, order_by="custom.tall")).json()["items"]) == 1


async def exported(tenant: Tenant, path: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {tenant.issuer.token(tenant.name, tenant.scopes)}", "Accept": "text/csv"}
    return await tenant.client.get(f"{path}:export", headers=headers)


@in_house("order")
async def test_an_order_has_the_defaults_and_what_is_required_though_one_statement_makes_it(house: House) -> None:
    assert (await house.made())["custom"] == {}
    await house.defined(default="south")
    await house.defined("number", "text", personal=False, unique=True, required=True)
    await house.hears()
    assert refusal(await house.created()) == (422, "custom.number")
    made = await house.made({"number": "K-1"}, external_id="one")
    assert made["custom"] == {"region": "south", "number": "K-1"}
    again = await house.created({"number": "K-1"}, external_id="one")
    assert again.json()["id"] == made["id"]
    assert (await house.created({"number": "K-1"})).json()["code"] == "not-unique"


@in_house("task")
async def test_what_a_playbook_asks_for_is_made_without_what_is_required(house: House) -> None:
    await house.defined(default="south")
    await house.defined("reason", "text", personal=False, required=True)
    await house.hears(action_requested(house.there.name, "task"))
    assert await house.worker.reasons() == []
    (task,) = (await house.there.get(house.path)).json()["items"]
    assert task["custom"] == {"region": "south"}
    assert refusal(await house.created()) == (422, "custom.reason")


@in_house("opportunity", "case")
async def test_an_archived_field_is_read_and_a_removed_one_goes_with_its_values(house: House) -> None:
    field = await house.defined(filterable=True)
    await house.hears()
    made = await house.made({"region": "north"})
    await house.contacts.post(f"/v1/field-definitions/{field}:archive", {})
    await house.hears()
    assert refusal(await house.created({"region": "north"})) == (422, "custom.region")
    assert (await house.there.get(f"{house.path}/{made['id']}")).json()["custom"] == {"region": "north"}
    await house.contacts.post(f"/v1/field-definitions/{field}:restore", {})
    await house.contacts.post(f"/v1/field-definitions/{field}:amend", {"choices": ["north", "south", "west"]})
    await house.hears()
    await house.made({"region": "west"})
    await house.contacts.post(f"/v1/field-definitions/{field}:remove", {})
    await house.defined("region", "number")
    await house.hears()
    contested = await house.created({"region": 5})
    assert (refusal(contested), "are being removed" in contested.text) == ((422, "custom.region"), True)
    for service in (house.service, CONTACTS):
        await swept(house, service)
    assert (await house.there.get(f"{house.path}/{made['id']}")).json()["custom"] == {}
    assert (await house.made({"region": 5}))["custom"] == {"region": 5}
    assert refusal(await house.there.get(house.path, **{"custom.region": "5"})) == (422, "custom.region")
    for owner in house.owners.values():
        left = "SELECT count(*) FROM field_definitions WHERE tenant_id = $1 AND removed_at < now() AND swept_at IS NULL"
        assert await owner.fetchval(left, house.there.name) == 0


async def swept(house: House, service: Service) -> None:
    engine = create_engine(house.urls[service.name], role=WORKER_ROLE, pool_size=1, application="sweep")
    try:
        while await Sweep(RESOURCES[service.name], wait=0).step(engine):
            pass
    finally:
        await engine.dispose()
    forget(house.there.name)


@in_house("opportunity")
async def test_a_definition_that_cannot_be_read_is_a_dead_letter_and_others_go_on(house: House) -> None:
    for code in ("one", "two", "three"):
        await house.defined(code, "number")
    first, second, third = await house.published()
    nonsense = {"of_noun": "opportunity", "code": "two", "value_type": "colour"}
    await house.worker.hears(
        first,
        msgspec.structs.replace(second, data=json.dumps(nonsense).encode()),
        msgspec.structs.replace(second, id=new_id(), data=b'{"of_noun": 5}'),
        third,
    )
    assert ["colour" in each for each in await house.worker.reasons()] == [True, False]
    assert (await house.made({"one": 1, "three": 3}))["custom"] == {"one": 1, "three": 3}
    assert refusal(await house.created({"two": 2})) == (422, "custom.two")


@in_house("case")
async def test_an_older_event_of_a_definition_takes_no_later_ones_place(house: House) -> None:
    field = await house.defined()
    await house.contacts.post(f"/v1/field-definitions/{field}:amend", {"choices": ["north", "south", "west"]})
    created, amended = await house.published()
    await house.worker.hears(created, amended, created)
    await house.worker.hears(created)
    forget(house.there.name)
    assert (await house.made({"region": "west"}))["custom"] == {"region": "west"}


@in_house("opportunity")
async def test_fields_of_other_nouns_are_not_kept(house: House) -> None:
    for noun in ("customer", "case", "task"):
        await house.defined(noun, "number", of_noun=noun)
    await house.hears()
    kept = await house.owners["sales"].fetch(
        "SELECT code FROM field_definitions WHERE tenant_id = $1", house.there.name
    )
    assert [each["code"] for each in kept] == ["task"]


@in_house("opportunity")
async def test_a_service_that_has_heard_of_none_is_told_the_fields_that_there_are(house: House) -> None:
    await house.defined()
    gone = await house.defined("gone", "number")
    await house.contacts.post(f"/v1/field-definitions/{gone}:remove", {})
    await house.defined("tall", "boolean", of_noun="customer")
    await house.published()
    engine = create_engine(house.urls["contacts"], role=WORKER_ROLE, pool_size=1, application="stating")
    fill = stating_fields(FIELD_DEFINITIONS, outbox, source="contacts")
    columns = [field_definitions.c[name] for name in FIELD_DEFINITIONS.attributes]
    async with engine.begin() as connection:
        rows = select(*columns).where(field_definitions.c.tenant_id == house.contacts.name)
        records = [FieldDefinition(**row._asdict()) for row in await connection.execute(rows)]
        await fill.write(connection, house.contacts.name, records)
    await engine.dispose()
    told = await house.published()
    assert {each.type for each in told} == {FIELD_STATED}
    assert len(told) == 2
    await house.worker.hears(*told)
    assert await house.worker.reasons() == []
    assert (await house.made({"region": "north"}))["custom"] == {"region": "north"}
    assert refusal(await house.created({"gone": 1})) == (422, "custom.gone")


@in_house("order")
async def test_a_field_is_made_filterable_when_orders_have_values_already(house: House) -> None:
    field = await house.defined("rank", "number")
    await house.hears()
    for rank in (2, None, 1):
        await house.made({"rank": rank})
    await house.contacts.post(f"/v1/field-definitions/{field}:amend", {"filterable": True})
    await house.hears()
    assert (await house.there.get(house.path, order_by="custom.rank")).json()["code"] == "field-not-ready"
    while await Filling(OF_SALES, wait=0).step(house.worker.engine):
        pass
    forget(house.there.name)
    rows = (await house.there.get(house.path, order_by="custom.rank.desc")).json()["items"]
    assert [each["custom"].get("rank") for each in rows] == [2, 1, None]


@in_house("case")
async def test_who_waits_for_a_change_of_a_field_finds_it_though_what_was_before_is_trusted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "TRUSTED_SECONDS", 1000)
    monkeypatch.setattr(positions, "SECONDS", 0.1)
    field = await house.defined()
    await house.hears()
    path = f"/v1/field-definitions/{field}:amend"
    amended = await house.contacts.post(path, {"choices": ["north", "south", "west"]})
    await house.made({"region": "north"})  # so that what holds now is trusted
    await house.worker.hears(*await house.published())
    assert refusal(await house.created({"region": "west"})) == (422, "custom.region")
    # What the position says is not looked at here: the watermarks are a relay's, and there is none.
    position = {"Kith-Wait-For": amended.headers["kith-position"]}
    answer = await house.there.post(house.path, NEW["case"] | {"custom": {"region": "west"}}, **position)
    assert answer.status_code == 201, answer.text


@in_house("opportunity")
async def test_many_fields_come_at_once_and_one_changes_while_records_are_written(house: House) -> None:
    for noun in ("opportunity", "task"):
        row = {"command": "create", "occurred_at": "2026-01-01T00:00:00Z", "of_noun": noun, "value_type": "number"}
        rows = [row | {"external_id": f"{noun}{n}", "code": f"f{n}", "label": "F"} for n in range(100)]
        assert (await house.contacts.post("/v1/field-definitions:bulk", {"rows": rows})).json()["accepted"] == 100
    await house.hears()
    everything = {f"f{n}": float(n) for n in range(100)}
    assert (await house.made(everything))["custom"] == everything
    (field,) = (await house.contacts.get("/v1/field-definitions", of_noun="opportunity", code="f7")).json()["items"]

    async def archived() -> None:
        await house.contacts.post(f"/v1/field-definitions/{field['id']}:archive", {})
        await house.hears()

    answers, _ = await asyncio.gather(asyncio.gather(*(house.created({"f7": n}) for n in range(100))), archived())
    assert {refusal(each) for each in answers if each.status_code != 201} <= {(422, "custom.f7")}
    assert refusal(await house.created({"f7": 1})) == (422, "custom.f7")
    assert (await house.made({"f8": 1}))["custom"] == {"f8": 1}


@in_house("case")
async def test_a_case_is_amended_until_it_is_closed(house: House) -> None:
    made = await house.made()
    path = f"{house.path}/{made['id']}"
    amended = await house.there.post(f"{path}:amend", {"subject": "Dark", "category": "lighting"})
    shown = amended.json()
    assert (shown["subject"], shown["category"], shown["state"]) == ("Dark", "lighting", "new")
    assert await house.last_event(made["id"]) == {"changed": ["category", "subject"], "category": "lighting"}
    for verb in ("resolve", "close"):
        await house.there.post(f"{path}:{verb}", {})
    closed = await house.there.post(f"{path}:amend", {"category": "heating"})
    assert (closed.status_code, closed.json()["code"]) == (409, "case-already-closed")
