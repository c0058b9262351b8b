"""A person who was recorded as two contacts is merged, and separated again."""

from typing import Any

from contacts.contacts.form import CONTACTS, contacts
from contacts.contacts.merging import MOVED
from contacts.contacts.rules import Contact, MergedContactField
from contacts.erasure.forgetting import forgetting
from contacts.merging.effect import REPOINTING
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.testing import Answer, Tenant
from kith_local.postgres import EmbeddedPostgres

PATH = "/v1/contacts"


async def customer(acme: Tenant, **fields: Any) -> str:
    return str((await acme.made("/v1/customers", **{"kind": "organisation", "name": "Tee", **fields}))["id"])


async def made(acme: Tenant, customer_id: str, **fields: Any) -> str:
    return str((await acme.made(PATH, **{"name": "Ada", "customer_id": customer_id, **fields}))["id"])


async def shown(acme: Tenant, id: str) -> Answer:
    found: Answer = (await acme.get(f"{PATH}/{id}")).json()
    return found


async def does(acme: Tenant, id: str, command: str, **body: Any) -> Answer:
    answer = await acme.post(f"{PATH}/{id}:{command}", body)
    assert answer.status_code == 200, answer.text
    found: Answer = answer.json()
    return found


async def refused(acme: Tenant, id: str, command: str, **body: Any) -> tuple[int, str]:
    answer = await acme.post(f"{PATH}/{id}:{command}", body)
    return answer.status_code, answer.json()["code"]


async def listed(acme: Tenant, path: str, **query: str) -> list[str]:
    return [each["id"] for each in (await acme.get(path, **query)).json()["items"]]


def of(values: list[Answer], name: str) -> list[Any]:
    return [each[name] for each in values]


async def test_the_one_that_remains_unites_what_both_have_and_gives_it_back(acme: Tenant) -> None:
    tea, oil = await customer(acme), await customer(acme)
    one = await made(
        acme, tea, name="Ada L.", role="buyer", title="Dr", language="fr",
        emails=[{"address": "a@tea.example"}, {"address": "Both@tea.example"}],
        phones=[{"number": "+43 1 58058"}], addresses=[{"city": "Wien"}],
    )  # fmt: skip
    other = await made(acme, oil, name="Ada Lovelace", language="en", email="both@tea.example")
    before = {id: await shown(acme, id) for id in (one, other)}
    assert (await does(acme, one, "merge", into=other, take=["language"]))["merged_into"] == other
    remains = await shown(acme, other)
    assert remains.items() >= {"name": "Ada Lovelace", "title": "Dr", "language": "fr", "role": None}.items()
    assert of(remains["emails"], "address") == ["both@tea.example", "a@tea.example"]
    assert of(remains["emails"], "primary") == [True, False]
    assert (remains["email"], remains["phone"]) == ("both@tea.example", "+43 1 58058")
    assert of(remains["addresses"], "city") == ["Wien"]
    assert [(each["customer_id"], each["role"]) for each in remains["roles"]] == [(oil, None), (tea, "buyer")]
    assert await listed(acme, PATH) == await listed(acme, PATH, q="ada") == [other]
    assert await listed(acme, PATH, merged_into=other) == [one]
    await does(acme, one, "unmerge")
    assert await listed(acme, PATH) == [other, one]
    for id, was in before.items():
        now = await shown(acme, id)
        assert {**now, "version": 0, "updated_at": 0} == {**was, "version": 0, "updated_at": 0}


async def test_a_role_that_says_something_takes_the_place_of_one_that_says_nothing(acme: Tenant) -> None:
    tea = await customer(acme)
    one, other = await made(acme, tea, role="buyer"), await made(acme, tea)
    await does(acme, one, "merge", into=other)
    remains = await shown(acme, other)
    assert (remains["role"], of(remains["roles"], "role"), of(remains["roles"], "primary")) == (
        "buyer", ["buyer"], [True],
    )  # fmt: skip
    await does(acme, one, "unmerge")
    apart = await shown(acme, other)
    assert (apart["role"], of(apart["roles"], "role"), of(apart["roles"], "primary")) == (None, [None], [True])


async def test_what_was_changed_since_stays_and_what_two_gave_stays_with_the_second(acme: Tenant) -> None:
    tea = await customer(acme)
    first = await made(acme, tea, email="a@x.example", title="Dr")
    second = await made(acme, tea, email="a@x.example")
    other = await made(acme, tea)
    await does(acme, first, "merge", into=other)
    await does(acme, second, "merge", into=other)
    await does(acme, other, "amend", title="Prof")
    await does(acme, other, "verify", email="a@x.example")
    await does(acme, first, "unmerge")
    assert (await shown(acme, other)).items() >= {"title": "Prof", "email": "a@x.example"}.items()
    await does(acme, second, "unmerge")
    assert (await shown(acme, other)).items() >= {"title": "Prof", "email": None, "emails": []}.items()
    assert (await shown(acme, first))["email"] == "a@x.example"


async def test_records_name_the_one_that_remains_also_those_that_are_told_later(acme: Tenant, other: Tenant) -> None:
    tea, oil = await customer(acme), await customer(acme)
    one, two, three = await made(acme, tea), await made(acme, oil), await made(acme, oil)
    call = {"channel": "phone", "direction": "inbound"}
    before = (await acme.made("/v1/touchpoints", contact_id=one, **call))["id"]
    note = (await acme.made("/v1/notes", contact_id=one, body="Likes tea."))["id"]
    await does(acme, one, "merge", into=two)
    await does(acme, two, "merge", into=three)
    late = await acme.made("/v1/touchpoints", contact_id=one, **call)
    assert (late["contact_id"], late["customer_id"]) == (three, tea), "what happened stays with its customer"
    assert set(await listed(acme, "/v1/touchpoints", contact_id=three)) == {before, late["id"]}
    assert await listed(acme, "/v1/notes", contact_id=three) == [note]
    assert [(await shown(acme, each))["merged_into"] for each in (one, two, three)] == [three, three, None]
    await does(acme, two, "unmerge")
    assert set(await listed(acme, "/v1/touchpoints", contact_id=two)) == {before, late["id"]}
    await does(acme, one, "unmerge")
    assert set(await listed(acme, "/v1/touchpoints", contact_id=one)) == {before, late["id"]}
    assert await listed(acme, "/v1/notes", contact_id=one) == [note]
    assert (await other.post(f"{PATH}/{one}:merge", {"into": two})).status_code == 404


async def test_of_consents_the_last_word_of_both_holds_and_each_has_its_own_again(acme: Tenant) -> None:
    tea = await customer(acme)
    one, other = await made(acme, tea), await made(acme, tea)
    asked = {"purpose": "news", "channel": "email"}
    given = await acme.made("/v1/consents", contact_id=one, state="given", **asked)
    no = await acme.made("/v1/consents", contact_id=other, state="refused", proof="He said no.", **asked)

    async def may(contact: str) -> str:
        answer = await acme.post("/v1/consents:check", {"contact_id": contact, **asked})
        return str(answer.json()["because"])

    assert (await may(one), await may(other)) == ("consent-given", "consent-refused")
    await does(acme, one, "merge", into=other)
    assert (await may(one), await may(other)) == ("consent-refused", "consent-refused")
    of_both = (await acme.get(f"{PATH}/{one}/consents")).json()["items"]
    assert {each["id"] for each in of_both} == {given["id"], no["id"]}
    again = await acme.post("/v1/consents", {"contact_id": one, "state": "given", **asked})
    assert (again.status_code, again.json()["code"]) == (409, "consent-already-recorded")
    await does(acme, other, "erase")
    assert await may(one) == "contact-erased"
    proven = await acme.post("/v1/consents", {"contact_id": one, "state": "given", "purpose": "sms"})
    assert (proven.status_code, proven.json()["code"]) == (409, "already-erased")


async def test_of_two_that_are_one_both_are_erased_or_neither(acme: Tenant, postgres: EmbeddedPostgres) -> None:
    tea = await customer(acme)
    one = await made(acme, tea, name="Zebulon", title="Dr", email="zebulon@x.example")
    other = await made(acme, tea, title="Mag")
    consent = await acme.made("/v1/consents", contact_id=one, proof="By Zebulon.", state="given", purpose="news")
    await does(acme, one, "merge", into=other, take=["name", "title"])
    assert await refused(acme, one, "erase") == (409, "contact-merged")
    await does(acme, other, "erase")
    assert await refused(acme, one, "unmerge") == (409, "already-erased")
    engine = create_engine(postgres.url("kith_contacts"), role=WORKER_ROLE, pool_size=1, application="worker")
    try:
        while await forgetting(CONTACTS).step(engine):
            pass
    finally:
        await engine.dispose()
    await does(acme, one, "unmerge")
    for each in (one, other):
        found = await shown(acme, each)
        assert found.items() >= {"name": None, "title": None, "email": None, "emails": []}.items()
        assert "ebulon" not in (await acme.get(f"{PATH}/{each}/history")).text
    assert (await acme.get(f"/v1/consents/{consent['id']}")).json()["proof"] is None


async def test_what_cannot_be_one_is_refused(acme: Tenant) -> None:
    tea = await customer(acme)
    one, other, erased, archived = [await made(acme, tea, email=f"{n}@x.example") for n in range(4)]
    await does(acme, erased, "erase")
    await does(acme, archived, "archive")
    assert await refused(acme, one, "merge", into=one) == (422, "invalid")
    assert await refused(acme, one, "merge", into=tea) == (422, "invalid")
    assert await refused(acme, one, "merge", into=archived) == (422, "invalid")
    assert await refused(acme, one, "merge", into=erased) == (409, "already-erased")
    assert await refused(acme, one, "merge", into=other, take=["email"]) == (422, "invalid")
    assert await refused(acme, one, "unmerge") == (409, "conflict")
    many = await made(acme, tea, emails=[{"address": f"m{n}@x.example"} for n in range(20)])
    answer = await acme.post(f"{PATH}/{one}:merge", {"into": many})
    assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (422, "It would have 21 emails: at most 20.")
    await does(acme, one, "merge", into=other)
    for command, body in (("amend", {"title": "x"}), ("verify", {"email": "0@x.example"}), ("merge", {"into": many})):
        answer = await acme.post(f"{PATH}/{one}:{command}", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "contact-merged")
        assert other in answer.json()["detail"]
    assert await refused(acme, many, "merge", into=one) == (409, "contact-merged")


async def test_a_dry_run_says_who_wins_and_what_is_moved_and_changes_nothing(acme: Tenant) -> None:
    tea = await customer(acme)
    one = await made(acme, tea, name="Ada L.", title="Dr", email="a@x.example")
    other = await made(acme, tea, name="Ada", email="b@x.example")
    await acme.made("/v1/notes", contact_id=one, body="Likes tea.")
    answer = (await acme.post(f"{PATH}/{one}:merge_dry_run", {"into": other, "take": ["name"]})).json()
    fields = {each["field"]: each for each in answer["fields"]}
    assert {name: each["wins"] for name, each in fields.items()} == {
        "name": "chosen", "salutation": "kept", "title": "filled", "country": "kept", "preferred_channel": "kept",
        "preferred_times": "kept", "language": "kept", "time_zone": "kept",
        "emails": "united", "phones": "kept", "addresses": "kept", "roles": "kept",
    }  # fmt: skip
    assert (fields["name"]["before"], fields["name"]["after"]) == ("Ada", "Ada L.")
    assert of(fields["emails"]["after"], "address") == ["b@x.example", "a@x.example"]
    assert {name: each["count"] for name, each in answer["moved"].items()} == {
        "touchpoints": 0, "usages": 0, "web_visits": 0, "consents": 0, "notes": 1, "attachments": 0, "merged": 0,
    }  # fmt: skip
    document = """query ($id: UUID!, $into: UUID!) { contactMergeDryRun(id: $id, into: $into, take: [NAME]) {
        fields { field wins before after } moved { records total { count isExact } } elsewhere } }"""
    told = (await acme.ask(document, id=one, into=other))["contactMergeDryRun"]
    assert [each | {"wins": each["wins"].lower()} for each in told["fields"]] == answer["fields"]
    assert {each["records"]: each["total"]["count"] for each in told["moved"]} == {
        name: each["count"] for name, each in answer["moved"].items()
    }
    assert (await shown(acme, one))["merged_into"] is None
    blind = (await acme.without("contacts:personal").post(f"{PATH}/{one}:merge_dry_run", {"into": other})).json()
    assert {each["field"] for each in blind["fields"]} == {
        *("country", "preferred_channel", "language", "time_zone", "roles"),
    }, "what is united says what both have"
    unseen = await acme.without("contacts:personal").post(f"{PATH}/{one}:merge", {"into": other})
    assert unseen.status_code == 403
    assert await refused(acme, one, "merge_dry_run", into=one) == (422, "invalid")
    remains = await does(acme, one, "merge", into=other, take=["name"]) and await shown(acme, other)
    assert {name: remains[name] for name in fields} == {name: each["after"] for name, each in fields.items()}


def test_a_dry_run_counts_all_that_a_merge_moves() -> None:
    counted = {(column.table.name, column.name) for name, column in MOVED.items() if name != "merged"}
    assert counted == {(each.table.name, each.column) for each in REPOINTING.named if each.of is contacts}


def test_all_that_can_be_taken_is_a_field_of_a_contact() -> None:
    fields = set(Contact.__dataclass_fields__)
    assert fields >= {*MergedContactField, *Contact.UNITED}


async def test_one_that_is_merged_is_no_duplicate_of_anybody(acme: Tenant) -> None:
    tea = await customer(acme)
    ada = {"customer_id": tea, "name": "Ada Lovelace", "email": "ada@x.example"}
    one, other = [await made(acme, **ada) for _ in range(2)]
    await does(acme, one, "merge", into=other)
    answer = await acme.post(PATH, ada | {"on_duplicate": "refuse"})
    assert (answer.status_code, answer.json()["code"]) == (409, "possible-duplicate")
    assert other in answer.text
    assert one not in answer.text


async def test_the_primary_role_stays_at_a_customer_that_was_merged(acme: Tenant) -> None:
    tea, oil = await customer(acme), await customer(acme)
    ann = await made(acme, tea, role="buyer")
    assert (await acme.post(f"/v1/customers/{tea}:merge", {"into": oil})).status_code == 200
    was = await shown(acme, ann)
    assert (was["customer_id"], of(was["roles"], "customer_id")) == (oil, [tea])
    now = await does(acme, ann, "amend", roles=[*was["roles"], {"customer_id": oil, "role": "adviser"}])
    assert of(now["roles"], "primary") == [True, False]
