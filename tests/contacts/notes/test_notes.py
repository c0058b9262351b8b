"""Notes of customers, contacts, and what is theirs."""

from typing import Any

import asyncpg
import pytest

from contacts.erasure.forgetting import forgetting
from contacts.notes.form import NOTES
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.ids import new_id
from kith.testing import Answer, Tenant
from kith_local.postgres import EmbeddedPostgres

PATH = "/v1/notes"


@pytest.fixture
async def contact(acme: Tenant, customer: Answer) -> Answer:
    return await acme.made("/v1/contacts", customer_id=customer["id"], name="Ann Berg")


async def forgotten(postgres: EmbeddedPostgres) -> None:
    engine = create_engine(postgres.url("kith_contacts"), role=WORKER_ROLE, pool_size=1, application="worker")
    step = forgetting(NOTES).step
    try:
        while await step(engine):
            pass
    finally:
        await engine.dispose()


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["field"]


async def test_a_note_is_of_its_contacts_customer_and_of_who_writes_it(
    acme: Tenant, customer: Answer, contact: Answer
) -> None:
    note = await acme.made(PATH, contact_id=contact["id"], body="Likes it strong.\nNo sugar.", pinned=True)
    assert (note["customer_id"], note["author"]) == (customer["id"], "client:test")
    query = """query($id: UUID!) { customer(id: $id) { notes { nodes { body author pinned contact { name } } } }
        contacts { nodes { notes { nodes { body } } } } }"""
    found = await acme.ask(query, id=customer["id"])
    (of_customer,), ((of_contact,),) = (
        found["customer"]["notes"]["nodes"],
        [each["notes"]["nodes"] for each in found["contacts"]["nodes"]],
    )
    assert of_customer == {
        "body": note["body"],
        "author": "client:test",
        "pinned": True,
        "contact": {"name": "Ann Berg"},
    }
    assert of_contact == {"body": note["body"]}


async def test_what_is_theirs_in_another_service_has_notes_too(acme: Tenant, customer: Answer) -> None:
    deal = str(new_id())
    about = {"about": "sales.opportunity", "about_id": deal}
    await acme.made(PATH, customer_id=customer["id"], body="Waits for the board.", **about)
    query = """query($r: [_Any!]!) { _entities(representations: $r) {
        ... on Opportunity { notes { nodes { body about aboutId } } } ... on Case { notes { nodes { body } } } } }"""
    named = [{"__typename": kind, "id": id} for kind, id in (("Opportunity", deal), ("Case", str(new_id())))]
    of_deal, of_case = (await acme.ask(query, r=named))["_entities"]
    assert of_deal["notes"]["nodes"] == [
        {"body": "Waits for the board.", "about": "sales.opportunity", "aboutId": deal}
    ]
    assert of_case["notes"]["nodes"] == []


async def test_what_cannot_be_is_named(acme: Tenant, customer: Answer) -> None:
    note = {"customer_id": customer["id"], "body": "x"}
    wrong: dict[str, dict[str, Any]] = {
        "mentions": {"mentions": [str(new_id())]},
        "about": {"about_id": str(new_id())},
        "about_id": {"about": "sales.order"},
        "body": {"body": "x" * 10_001},
        "customer_id": {"customer_id": str(new_id())},
    }
    for field, sent in wrong.items():
        assert refusal(await acme.post(PATH, note | sent)) == (422, field)
    assert refusal(await acme.post(PATH, {"body": "x"})) == (422, "customer_id")


async def test_users_are_mentioned(acme: Tenant, customer: Answer) -> None:
    user = await acme.made("/v1/users", name="Bea Roth", email=f"{new_id().hex}@acme.example")
    note = await acme.made(PATH, customer_id=customer["id"], body="See this.", mentions=[user["id"]])
    assert note["mentions"] == [user["id"]]


async def test_notes_are_searched_by_their_words_by_those_who_may_see_them(acme: Tenant, customer: Answer) -> None:
    note = await acme.made(PATH, customer_id=customer["id"], body="Prefers 乌龙茶 from the Wuyi mountains")
    await acme.made(PATH, customer_id=customer["id"], body="Something else")
    blind = acme.without("contacts:personal")
    for words in ("wuyi", "乌龙茶"):
        assert [each["id"] for each in (await acme.get(PATH, q=words)).json()["items"]] == [note["id"]]
        assert (await blind.get(PATH, q=words)).json()["items"] == []
    assert "body" not in (await blind.get(f"{PATH}/{note['id']}")).json()


async def test_who_is_erased_is_erased_from_notes(
    acme: Tenant, other: Tenant, customer: Answer, contact: Answer, postgres: EmbeddedPostgres
) -> None:
    of_contact = await acme.made(PATH, contact_id=contact["id"], body="Ann likes it strong")
    of_customer = await acme.made(PATH, customer_id=customer["id"], body="Nobody in particular")
    await acme.post(f"/v1/contacts/{contact['id']}:erase", {})
    await forgotten(postgres)
    shown = [(await acme.get(f"{PATH}/{each['id']}")).json() for each in (of_contact, of_customer)]
    assert [each["body"] for each in shown] == [None, "Nobody in particular"]
    assert (await acme.get(PATH, q="strong")).json()["items"] == []
    assert "strong" not in (await acme.get(f"{PATH}/{of_contact['id']}/history")).text
    await acme.post(f"/v1/customers/{customer['id']}:erase", {})
    await forgotten(postgres)
    assert (await acme.get(f"{PATH}/{of_customer['id']}")).json()["body"] is None


async def test_another_tenant_does_not_see_them(acme: Tenant, other: Tenant, customer: Answer) -> None:
    note = await acme.made(PATH, customer_id=customer["id"], body="x")
    assert (await other.get(f"{PATH}/{note['id']}")).status_code == 404
    assert refusal(await other.post(PATH, {"customer_id": customer["id"], "body": "x"})) == (422, "customer_id")


async def test_nothing_new_is_written_of_or_attached_to_whoever_was_erased(
    acme: Tenant, customer: Answer, contact: Answer
) -> None:
    await acme.post(f"/v1/contacts/{contact['id']}:erase", {})
    for path, sent in (
        (PATH, {"contact_id": contact["id"], "body": "x"}),
        ("/v1/attachments", {"contact_id": contact["id"], "content_id": str(new_id()), "file_name": "a.pdf"}),
        ("/v1/consents", {"contact_id": contact["id"], "purpose": "news", "state": "given"}),
    ):
        answer = await acme.post(path, sent)
        assert (answer.status_code, answer.json()["code"]) == (409, "already-erased"), path
    # What has happened is recorded all the same.
    await acme.made("/v1/touchpoints", contact_id=contact["id"], channel="email", direction="inbound")
    await acme.post(f"/v1/customers/{customer['id']}:erase", {})
    answer = await acme.post("/v1/contacts", {"customer_id": customer["id"], "name": "Bo"})
    assert (answer.status_code, answer.json()["code"]) == (409, "already-erased")


async def test_a_note_that_cannot_be_erased_keeps_no_other_from_it(
    acme: Tenant, contact: Answer, postgres: EmbeddedPostgres
) -> None:
    notes = [(await acme.made(PATH, contact_id=contact["id"], body="x"))["id"] for _ in range(3)]
    owner = await asyncpg.connect(postgres.url("kith_contacts"))
    try:
        poison = f"CHECK (id <> '{notes[1]}' OR erased_at IS NULL) NOT VALID"
        await owner.execute(f"ALTER TABLE notes ADD CONSTRAINT poison {poison}")
        await acme.post(f"/v1/contacts/{contact['id']}:erase", {})
        with pytest.raises(asyncpg.CheckViolationError, match="poison"):
            await forgotten(postgres)
    finally:
        await owner.execute("ALTER TABLE notes DROP CONSTRAINT IF EXISTS poison")
        await owner.close()
    left = [each for each in notes if (await acme.get(f"{PATH}/{each}")).json()["body"] is not None]
    assert left == [notes[1]]
    await forgotten(postgres)
    assert (await acme.get(f"{PATH}/{notes[1]}")).json()["body"] is None
