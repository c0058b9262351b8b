"""Whoever is erased is found nowhere any more: in no database, no topic, no log and no file. What happened stays
counted."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.e2e.house import SERVICES, House, Tenant, until
from tests.e2e.said import FIELD, OF_PERSONS, Said

from kith.ids import new_id

pytestmark = [pytest.mark.timeout(360), pytest.mark.parametrize("house", ["embedded"], indirect=True)]
_TABLES = """
    SELECT quote_ident(nspname) || '.' || quote_ident(relname) AS name FROM pg_class t
    JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'm') AND nspname !~ '^(pg_|information_schema)' ORDER BY 1
"""
JSON = {"Content-Type": "application/json"}
JUNE = "2026-06-15T12:00:00Z"
FIGURES = ("revenue", "orders", "marketing.touchpoints", "service.cases_opened")


def found_in_databases(house: House, word: str) -> set[str]:
    """The tables of all databases, the bus's among them, with a row that has the word as text or in bytes."""

    async def look() -> set[str]:
        found = set[str]()
        for name in (*SERVICES, "bus"):
            connection = await asyncpg.connect(house.database_url(name))
            try:
                for (table,) in await connection.fetch(_TABLES):
                    has = "SELECT EXISTS (SELECT FROM %s t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0)"
                    if await connection.fetchval(has % table, word, word.encode().hex()):
                        found.add(f"{name}.{table.removeprefix('public.')}")
            finally:
                await connection.close()
        return found

    return asyncio.run(look())


def found_in_files(house: House, word: str) -> list[Path]:
    """All files of the house but the database's own, which are looked at row by row."""
    home = house.layout.home
    files = [each for folder in (home, house.layout.logs.resolve()) for each in folder.rglob("*") if each.is_file()]
    own = (house.layout.data / "postgres", house.layout.downloads)
    looked_at = [each for each in files if not any(each.is_relative_to(folder) for folder in own)]
    assert looked_at
    return [each for each in looked_at if word.encode() in each.read_bytes()]


class Person:
    """Somebody whose name is a word that nobody else has, known to every service."""

    def __init__(self, ours: Tenant) -> None:
        self.ours, self.word = ours, f"kanari{new_id().hex}"
        for noun in OF_PERSONS:
            if noun.resource.is_customisable:
                ours.post("contacts", "/v1/field-definitions", FIELD | {"of_noun": noun.resource.name})
        address = {"street": f"{self.word} 1", "city": self.word, "postal_code": "1010"}
        key = {"Idempotency-Key": f"{self.word}@made-once.example"}
        whole = {"kind": "person", "name": f"Ann {self.word}", "addresses": [address]}
        whole |= {"website": f"https://{self.word}.example/", "external_id": f"{self.word}@customers"}
        self.whole, self.key = whole, key
        self.customer = str(ours.post("contacts", "/v1/customers", whole, **key)["id"])
        self.body: dict[str, Any] = {
            "customer_id": self.customer,
            "name": f"Ann {self.word}",
            "title": f"Head of {self.word}",
            "email": f"ann@{self.word}.example",
            "addresses": [address],
            "external_id": f"ann@{self.word}.example",
            "custom_personal": {"nick": self.word},
        }
        self.contact = str(ours.post("contacts", "/v1/contacts", self.body, **{"Idempotency-Key": "her-too"})["id"])
        ids = {"contacts-customer": self.customer, "contacts-contact": self.contact}
        self.said = Said(ours, self.word, ids | {"customer_id": self.customer, "contact_id": self.contact})
        asyncio.run(self.said.all())
        self.is_known_everywhere()

    def is_known_everywhere(self) -> None:
        ours, word, of = self.ours, self.word, {"customer_id": self.customer}
        then = of | {"occurred_at": JUNE}
        ours.post("contacts", f"/v1/contacts/{self.contact}:amend", {"email": f"new@{word}.example"})
        consent = {"contact_id": self.contact, "purpose": "news", "channel": "email", "state": "given"}
        ours.post("contacts", "/v1/consents", consent | {"proof": f"{word} signed"}, **{"Idempotency-Key": "once"})
        self.sends_a_file()
        self.is_imported()
        self.is_imported(dry_run=True)
        self.is_exported()
        ours.post("contacts", "/v1/touchpoints", {"channel": "email", "direction": "outbound", **then})
        self.opportunity = ours.post("sales", "/v1/opportunities", {"name": word, "currency": "EUR", **of})["id"]
        ours.post("sales", f"/v1/opportunities/{self.opportunity}:amend", {"name": f"{word} again"})
        ours.post("sales", "/v1/tasks", {"title": f"Call {word}", **of}, **{"Idempotency-Key": "a-task"})
        ours.post("sales", "/v1/orders", {"value": "10", "currency": "EUR", **then})
        case = {"subject": f"{word} is stuck", "channel": "email", "contact_id": self.contact, **then}
        position = {"Kith-Wait-For": f"contacts@{ours.positions['contacts'].isoformat()}"}
        self.case = ours.post("service-desk", "/v1/cases", case | {"custom_personal": {"nick": word}}, **position)["id"]
        ours.post("analytics", "/v1/pulses", {"score": 50, "note": f"{word} is cross", **of})

    def is_imported(self, **more: object) -> None:
        """By a row that is accepted and one that is refused."""
        http, headers = self.ours.house.http, self.ours.headers
        imports = f"{self.ours.house.url('contacts')}/v1/imports"
        asked = {"noun": "contact", "match_by": "id", "mode": "update", **more}
        url = f"{imports}/{http.post(imports, json=asked, headers=headers).json()['id']}"
        file = f"id,name,title,language\n{self.contact},Ann {self.word},{self.word},\n"
        file += f"{self.contact},{self.word} Ann,,{self.word}\n{self.word},,,de\n"
        sent = http.put(f"{url}/content", content=file, headers=headers | {"Content-Type": "text/csv"})
        assert sent.status_code == 202, sent.text
        until(lambda: http.get(url, headers=headers).json()["state"] == "done")
        assert http.get(url, headers=headers).json()["report"]["failed"] == 2

    def is_exported(self) -> None:
        """All customers, and those contacts that have the name."""
        http, headers, self.contents = self.ours.house.http, self.ours.headers, list[str]()
        exports = f"{self.ours.house.url('contacts')}/v1/exports"
        for asked in ({"noun": "customer"}, {"noun": "contact", "where": {"name": {"eq": f"Ann {self.word}"}}}):
            url = f"{exports}/{http.post(exports, json=asked, headers=headers).json()['id']}/content"
            until(lambda url=url: http.get(url, headers=headers).status_code == 200)  # type: ignore[misc]  # of this turn
            assert self.word in http.get(url, headers=headers).text
            self.contents.append(url)

    def sends_a_file(self) -> None:
        url = f"{self.ours.house.url('contacts')}/v1/attachments:upload?contact_id={self.contact}"
        named = {"Content-Type": "text/plain", "Kith-File-Name": f"{self.word}.txt", "Idempotency-Key": "a-file"}
        answer = self.ours.house.http.post(url, content=f"From {self.word}", headers=self.ours.headers | named)
        assert answer.status_code == 201, answer.text

    def is_sent_again(self) -> None:
        """What was sent before makes nobody anew."""
        for path, body, id in (("customers", self.whole, self.customer), ("contacts", self.body, self.contact)):
            again = self.ours.post("contacts", f"/v1/{path}", body)
            assert (again["id"], again["name"], self.word in str(again)) == (id, None, False)
        assert self.ours.post("contacts", "/v1/customers", self.whole, **self.key)["id"] == self.customer
        asyncio.run(self.said.again())

    def fails(self) -> None:
        """Requests that are refused, and one whose answer is streamed."""
        http, headers = self.ours.house.http, self.ours.headers
        url = f"{self.ours.house.url('contacts')}/v1/contacts"
        assert http.post(url, json=self.body | {"email": self.word}, headers=headers).status_code == 422
        assert http.post(url, content=f'{{"name": "{self.word}', headers=headers | JSON).status_code == 422
        assert self.word in http.get(url, params={"q": self.word}, headers=headers).text
        assert self.word in http.get(f"{url}:export", headers=headers).text


def figures(ours: Tenant) -> list[Any]:
    ours.until_counted()
    query = '{ metric(id: "%s", from: "2026-06-01T00:00:00Z", to: "2026-07-01T00:00:00Z") { value } }'
    return [ours.ask(query % each)["metric"]["value"] for each in FIGURES]


def test_whoever_is_erased_is_found_nowhere_and_what_happened_stays(house: House, ours: Tenant) -> None:
    person = Person(ours)
    person.fails()
    counted = figures(ours)
    assert all(float(each) for each in counted), "there is something to keep"
    held = found_in_databases(house, person.word)
    assert held >= {
        *(f"contacts.{each}" for each in ("contacts", "customers", "consents", "history", "idempotency")),
        *("contacts.search_entries", "contacts.custom_entries", "contacts.attachments"),
        *("sales.opportunities", "sales.tasks", "sales.history", "sales.search_entries", "sales.idempotency"),
        *("service_desk.cases".replace("_", "-"), "service-desk.search_entries", "analytics.pulses"),
        *("service-desk.custom_entries", "contacts.import_faults"),
        *(f"{noun.service.name}.{noun.resource.table.name}" for noun in OF_PERSONS),
    }
    assert not [each for each in held if each.startswith("bus.")], "nothing personal travels"
    (attached,) = found_in_files(house, person.word)
    assert attached.is_relative_to(house.layout.attachments)
    erased = {person.contact: "contact", person.customer: "customer", **person.said.people}
    for id, noun in erased.items():
        ours.post("contacts", f"/v1/{noun}s/{id}:erase", {})
    until(lambda: all(is_complete(ours, each) for each in erased))
    assert found_in_databases(house, person.word) == set()
    assert not found_in_files(house, person.word)
    assert {house.http.get(each, headers=ours.headers).status_code for each in person.contents} == {410}
    for id, noun in erased.items():
        receipt = ours.get("analytics", f"/v1/erasures/{id}")
        assert (receipt["noun"], [each["service"] for each in receipt["parts"]]) == (noun, [*SERVICES])
        shown = ours.ask(RECEIPT, id=id)["erasure"]
        assert (shown["complete"], [each["records"] for each in shown["parts"]]) == (
            receipt["complete"],
            [each["records"] for each in receipt["parts"]],
        )
    person.is_sent_again()
    assert found_in_databases(house, person.word) == set()
    assert not found_in_files(house, person.word)
    assert figures(ours) == counted
    shown = ours.get("sales", f"/v1/opportunities/{person.opportunity}")
    assert (shown["name"], shown["stage"], shown["customer_id"]) == (None, "prospecting", person.customer)


RECEIPT = "query ($id: UUID!) { erasure(id: $id) { complete parts { service records { noun count } } } }"


def is_complete(ours: Tenant, id: str) -> bool:
    house = ours.house
    answer = house.http.get(f"{house.url('analytics')}/v1/erasures/{id}", headers=ours.headers)
    return answer.status_code == 200 and bool(answer.json()["complete"])
