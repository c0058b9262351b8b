"""What sales does because of an event: once, by the rules, and seen where they refuse it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Select, func, literal_column, select, update
from tests.playbooks import Hearing, hearing, of_customer

from kith.customers.stating import ContactStated
from kith.events.contacts import ContactCreated, ContactErased, ContactMerged, ContactUnmerged
from kith.events.envelope import Envelope
from kith.events.event import Event
from kith.events.sales import OpportunityLost
from kith.ids import new_id
from kith.reactions import pending, reacting
from kith.reactions.declared import On
from kith.reactions.reacting import Reacting
from kith.testing import Answer, Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres
from sales.consumers import REACTING
from sales.opportunities.form import opportunities
from sales.quotes.form import QUOTES, quotes
from sales.service import SERVICE
from sales.tables import idempotency, outbox

FOLLOWING = {"noun": "opportunity", "command": "follow_contacts"}
FOLLOWED = "sales.opportunity.contacts-followed.v1"
LINES = [{"quantity": 1, "unit_price": "5"}]


@pytest.fixture
async def worker(sales: httpx.AsyncClient, postgres: EmbeddedPostgres) -> AsyncIterator[Hearing]:
    async with hearing(SERVICE, postgres) as worker:
        yield worker


@pytest.fixture
def ours(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


@pytest.fixture
def other(sales: httpx.AsyncClient, issuer: Issuer, other_tenant: str) -> Tenant:
    return Tenant(sales, issuer, other_tenant)


def said(tenant: Tenant, subject: UUID | str, event: Event) -> Envelope:
    return of_customer(tenant.name, UUID(str(subject)), event)


async def shown(tenant: Tenant, path: str) -> Answer:
    answer: Answer = (await tenant.get(path)).json()
    return answer


async def lost_with_quote(tenant: Tenant, **more: Any) -> tuple[Answer, Answer]:
    deal = await tenant.made("/v1/opportunities", name="Lease", currency="EUR")
    quote = await tenant.made("/v1/quotes", opportunity_id=deal["id"], lines=LINES, **more)
    assert (await tenant.post(f"/v1/opportunities/{deal['id']}:lose", {})).is_success
    return deal, quote


def lost(tenant: Tenant, deal: Answer) -> Envelope:
    return said(tenant, deal["id"], OpportunityLost(from_stage="prospecting"))


async def state_of(tenant: Tenant, quote: Answer) -> str:
    return str((await shown(tenant, f"/v1/quotes/{quote['id']}"))["state"])


async def test_the_open_quotes_of_a_lost_opportunity_are_withdrawn_once(
    worker: Hearing, ours: Tenant, other: Tenant
) -> None:
    (deal, quote), (_, theirs) = await lost_with_quote(ours), await lost_with_quote(other)
    free = await ours.made("/v1/quotes", currency="EUR", lines=LINES)
    event = lost(ours, deal)
    await worker.hears(event, event)
    assert [await state_of(ours, each) for each in (quote, free)] == ["withdrawn", "draft"]
    assert await state_of(other, theirs) == "draft"
    (entry, _) = (await shown(ours, f"/v1/quotes/{quote['id']}/history"))["items"]
    assert (entry["command"], entry["actor"]) == ("withdraw", f"event:{event.id}")
    assert [row.actor for row in await worker.outbox_of(ours.name)][-1] == f"event:{event.id}"
    assert (await ours.post(f"/v1/quotes/{quote['id']}:revise", {})).is_success
    await worker.hears(event)
    assert await state_of(ours, quote) == "draft", "the same event again is none"
    assert await worker.reasons() == []


async def test_those_of_one_that_was_reopened_meanwhile_stay(worker: Hearing, ours: Tenant) -> None:
    deal, quote = await lost_with_quote(ours)
    assert (await ours.post(f"/v1/opportunities/{deal['id']}:reopen", {"stage": "prospecting"})).is_success
    await worker.hears(lost(ours, deal))
    assert await state_of(ours, quote) == "draft"


async def test_what_the_rules_refuse_is_listed_and_holds_up_nothing(
    worker: Hearing, ours: Tenant, other: Tenant
) -> None:
    async def of_any_state(*_: Any) -> Select[UUID]:
        return select(quotes.c.id).where(quotes.c.id == UUID(quote["id"]))

    (deal, quote), (next_deal, _) = await lost_with_quote(ours), await lost_with_quote(other)
    assert (await ours.post(f"/v1/quotes/{quote['id']}:withdraw", {})).is_success
    reaction = On(OpportunityLost).do(QUOTES, "withdraw", to=of_any_state)
    handler = Reacting([reaction], source="sales", outbox=outbox, idempotency=idempotency).handler
    worker.subscription = replace(worker.subscription, handle=handler)
    event = lost(ours, deal)
    await worker.hears(event, lost(other, next_deal))
    assert await worker.reasons() == []
    (refused,) = (await shown(ours, "/v1/refused-reactions"))["items"]
    assert (
        refused.items()
        >= {
            "event_id": str(event.id),
            "event_type": "sales.opportunity.lost.v1",
            "noun": "quote",
            "record_id": quote["id"],
            "command": "withdraw",
            "code": "quote-not-out",
        }.items()
    )


class People:
    """Contacts of one customer, as sales hears of them."""

    def __init__(self, worker: Hearing, tenant: Tenant) -> None:
        self.worker, self.tenant = worker, tenant
        self.ann, self.bob, self.eve = (new_id() for _ in range(3))

    async def hear(self, contact: UUID, event: Event) -> None:
        await self.worker.hears(said(self.tenant, contact, event))
        assert await self.worker.reasons() == []

    async def merge(self, contact: UUID, into: UUID) -> None:
        await self.hear(contact, ContactMerged(into=into))

    async def separate(self, contact: UUID, out_of: UUID) -> None:
        await self.hear(contact, ContactUnmerged(out_of=out_of))


@pytest.fixture
async def people(worker: Hearing, ours: Tenant) -> People:
    them = People(worker, ours)
    await worker.hears(*(said(ours, each, ContactCreated()) for each in (them.ann, them.bob, them.eve)))
    return them


async def deal_with(tenant: Tenant, *contacts: UUID) -> str:
    named = [{"contact_id": str(each), "role": f"role_{number}"} for number, each in enumerate(contacts)]
    made = await tenant.made("/v1/opportunities", name="Lease", currency="EUR", contacts=named)
    return f"/v1/opportunities/{made['id']}"


async def named(tenant: Tenant, path: str) -> list[UUID]:
    return [UUID(each["contact_id"]) for each in (await shown(tenant, path))["contacts"]]


async def test_opportunities_follow_contacts_that_are_merged_and_separated(people: People, ours: Tenant) -> None:
    ann, bob, eve = people.ann, people.bob, people.eve
    deal, untouched = await deal_with(ours, ann, bob), await deal_with(ours, eve)
    await people.merge(ann, bob)
    assert await named(ours, deal) == [bob, bob], "each has a role"
    await people.merge(bob, eve)
    assert await named(ours, deal) == [eve, eve]
    assert (await ours.post(f"{deal}:amend", {"next_step": "Call"})).is_success, "it may be amended still"
    await people.separate(bob, eve)
    assert await named(ours, deal) == [bob, bob]
    await people.separate(ann, bob)
    assert await named(ours, deal) == [ann, bob]
    assert (await shown(ours, untouched))["version"] == 1


async def test_whoever_names_a_merged_contact_names_the_one_that_remains(people: People, ours: Tenant) -> None:
    await people.merge(people.ann, people.bob)
    deal = await deal_with(ours, people.ann)
    (contact,) = (await shown(ours, deal))["contacts"]
    assert (contact["contact_id"], contact["told_contact_id"]) == (str(people.bob), str(people.ann))


async def test_a_chain_of_before_is_known_by_its_statements(people: People, ours: Tenant) -> None:
    first, then, last, gone = (new_id() for _ in range(4))
    of_first = ContactStated(merged_into=last, told_merged_into=then)
    of_gone = ContactStated(erased_at=datetime.now(UTC))
    stated = {last: ContactStated(), then: ContactStated(merged_into=last), first: of_first, gone: of_gone}
    new = said(ours, new_id(), ContactCreated())
    await people.worker.hears(new, *(said(ours, id, each) for id, each in stated.items()))  # type: ignore[arg-type]
    deal = await deal_with(ours, first)
    assert await named(ours, deal) == [last]
    await people.separate(then, last)
    assert await named(ours, deal) == [then]
    answer = await ours.post("/v1/activities", {"kind": "visit", "contact_id": str(gone)})
    assert answer.json()["code"] == "already-erased"


async def test_only_a_merge_says_who_was_named(people: People, ours: Tenant) -> None:
    ann, bob, eve = people.ann, people.bob, people.eve
    deal = await deal_with(ours, ann, bob)
    for each in (ann, bob):
        await people.merge(each, eve)
    both = [{"contact_id": str(eve), "role": "champion"}, {"contact_id": str(eve), "role": "role_0"}]
    for step in ("Call", "Write"):
        answer = await ours.post(f"{deal}:amend", {"contacts": both, "next_step": step})
        assert answer.is_success, answer.text
        assert [(each["role"], each["told_contact_id"]) for each in answer.json()["contacts"]] == [
            ("champion", str(bob)),
            ("role_0", str(ann)),
        ]
        both = answer.json()["contacts"]
    assert {row.type for row in (await people.worker.outbox_of(ours.name))[1:3]} == {FOLLOWED}
    told = [{"contact_id": str(eve), "told_contact_id": str(new_id())}]
    for path, body in ((f"{deal}:amend", {}), ("/v1/opportunities", {"name": "Lease", "currency": "EUR"})):
        answer = await ours.post(path, body | {"contacts": told})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "contacts.0.told_contact_id"


async def test_activities_follow_them(people: People, ours: Tenant) -> None:
    made = await ours.made("/v1/activities", kind="visit", contact_id=str(people.ann))
    await people.merge(people.ann, people.bob)
    assert (await shown(ours, f"/v1/activities?contact_id={people.bob}"))["items"][0]["id"] == made["id"]
    later = await ours.made("/v1/activities", kind="visit", contact_id=str(people.ann))
    assert later["contact_id"] == str(people.bob)
    await people.separate(people.ann, people.bob)
    assert len((await shown(ours, f"/v1/activities?contact_id={people.ann}"))["items"]) == 2


async def test_a_contact_that_is_erased_is_named_no_more(people: People, ours: Tenant) -> None:
    deal = await deal_with(ours, people.ann, people.eve)
    assert (await ours.post(f"{deal}:lose", {})).is_success
    assert (await ours.post(f"{deal}:archive", {})).is_success
    await people.hear(people.ann, ContactErased())
    assert await named(ours, deal) == [people.eve]
    assert (await people.worker.outbox_of(ours.name))[-1].type == FOLLOWED
    of_ann = {"contact_id": str(people.ann)}
    deal_of_ann = {"name": "Lease", "currency": "EUR", "contacts": [of_ann]}
    for noun, body in {"opportunities": deal_of_ann, "activities": {"kind": "visit"} | of_ann}.items():
        answer = await ours.post(f"/v1/{noun}", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "already-erased"), answer.text
        assert answer.json()["errors"][0]["field"].endswith("contact_id")


async def test_contacts_and_users_that_are_not_known_are_noted(people: People, ours: Tenant) -> None:
    body = {
        "name": "Lease",
        "currency": "EUR",
        "contacts": [{"contact_id": str(people.ann)}, {"contact_id": str(nobody := new_id())}],
        "splits": [{"user_id": str(no_user := new_id()), "percent": 100}],
    }
    await ours.made("/v1/opportunities", **body)
    async with people.worker.engine.begin() as connection:
        old = "UPDATE unconfirmed_references SET noted_at = noted_at - interval '2 min'"
        await connection.exec_driver_sql(old)
    listed = (await shown(ours, "/v1/unconfirmed-references"))["items"]
    assert {(each["noun"], each["id"]) for each in listed} == {("contact", str(nobody)), ("user", str(no_user))}


async def carry_on(worker: Hearing) -> None:
    task, _ = REACTING.tasks()
    while await task.step(worker.engine):
        pass


async def test_of_many_records_some_are_given_it_at_a_time(
    people: People, ours: Tenant, other: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reacting, "AT_A_TIME", 2)
    deals = [await deal_with(ours, people.ann) for _ in range(5)]
    _, theirs = await lost_with_quote(other)
    lost_one = said(other, theirs["opportunity_id"], OpportunityLost(from_stage="prospecting"))
    await people.worker.hears(said(ours, people.ann, ContactMerged(into=people.bob)), lost_one)
    assert await state_of(other, theirs) == "withdrawn", "another tenant waits for none of it"
    assert [await named(ours, each) for each in deals] == [[people.ann]] * 5
    step, report = REACTING.tasks()
    await report.step(people.worker.engine)
    assert (REGISTRY.get_sample_value("kith_reactions_pending", FOLLOWING) or 0) >= 1
    while not (followed := [(await named(ours, each))[0] for each in deals].count(people.bob)):
        assert await step.step(people.worker.engine)
    assert followed == 2
    await carry_on(people.worker)
    assert [await named(ours, each) for each in deals] == [[people.bob]] * 5
    assert {(await shown(ours, each))["version"] for each in deals} == {2}
    assert (await shown(ours, "/v1/refused-reactions"))["items"] == []


@pytest.mark.parametrize("at_a_time", [0, 300])
async def test_a_deal_of_a_transaction_that_began_before_the_merge_follows_later(
    people: People, ours: Tenant, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reacting, "AT_A_TIME", at_a_time)
    deal = await deal_with(ours, people.eve)
    await people.merge(people.ann, people.bob)
    monkeypatch.setattr(reacting, "AT_A_TIME", 300)
    await carry_on(people.worker)
    contacts = f'[{{"contact_id": "{people.ann}"}}]'
    async with people.worker.engine.begin() as connection:
        written = update(opportunities).where(opportunities.c.id == UUID(deal.rpartition("/")[2]))
        await connection.execute(written.values(contacts=literal_column(f"'{contacts}'::jsonb")))
    await carry_on(people.worker)
    assert await named(ours, deal) == [people.ann]
    async with people.worker.engine.begin() as connection:
        of_ours = update(pending.TABLE).where(pending.TABLE.c.tenant_id == ours.name)
        await connection.execute(of_ours.values(next_at=func.now()))
    await carry_on(people.worker)
    assert await named(ours, deal) == [people.bob]
    async with people.worker.engine.connect() as connection:
        rows = select(pending.TABLE).where(pending.TABLE.c.tenant_id == ours.name)
        assert (await connection.execute(rows)).all() == []
