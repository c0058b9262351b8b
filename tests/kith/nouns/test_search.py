"""What a search finds, and in which order: exact words before beginnings, the name before other texts, then the most
recent; of a word that very many have, no more than so many."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from tests.statements import statements

from contacts.service import SERVICE
from kith.nouns.lists.pages import encoded
from kith.nouns.search import finding
from kith.runtime.service import Service
from kith.testing import Issuer, Tenant

_TOO_LARGE = encoded(["best", [2**31, "2026-01-01T00:00:00Z", "019ca000-0000-7000-8000-000000000002"]])


@pytest.fixture
async def acme(serve: Callable[[Service], Awaitable[httpx.AsyncClient]], issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(await serve(SERVICE), issuer, tenant)


async def add(tenant: Tenant, *names: str) -> None:
    """Customers of these names, the last one the most recent."""
    rows = [
        {
            "command": "create",
            "external_id": f"{name}/{number}",
            "occurred_at": f"2026-01-01T00:00:{number:02}Z",
            "kind": "person",
            "name": name,
        }
        for number, name in enumerate(names)
    ]
    done = await tenant.post("/v1/customers:bulk", {"rows": rows})
    assert done.json()["accepted"] == len(names), done.text


async def names(tenant: Tenant, q: str, noun: str = "customers", **asked: str | int) -> list[str]:
    answer = await tenant.get(f"/v1/{noun}", q=q, **asked)
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["items"]]


async def test_the_best_come_first(acme: Tenant) -> None:
    await add(acme, "Ann", "Ann Smith", "Annabel", "Smith Ann", "Bann", "Anna Smith", "Susann")
    assert await names(acme, "ann") == ["Ann", "Smith Ann", "Ann Smith", "Anna Smith", "Annabel"]
    assert await names(acme, "smith ann") == ["Smith Ann", "Ann Smith", "Anna Smith"]
    assert await names(acme, "ann smith") == ["Ann Smith", "Smith Ann", "Anna Smith"]
    assert await names(acme, "smi ann") == ["Smith Ann", "Ann Smith", "Anna Smith"]


@pytest.mark.parametrize(
    ("name", "found_by", "not_by"),
    [
        ("Jürgen Müller-Lüdenscheidt", ["jurgen", "MULLER", "müller lüd", "ludensch"], ["uller", "mueller"]),
        ("Łukasz O\u2019Brien", ["lukasz", "obrien", "o'brien", "brien"], ["rien"]),
        ("Strauß & Söhne GmbH", ["strauss", "gmbh sohne", "strauß, söhne"], ["sohne strauss kg"]),
        ("上海王伟有限公司", ["王伟", "上海王", "王", "公司", "海王伟有", "上海 公司"], ["上海公司", "王公", "北京"]),
        ("株式会社東京コーヒー", ["東京", "コーヒー", "ｺｰﾋｰ", "東京コーヒー"], ["京都", "コヒー"]),
        ("김민준 커피", ["김민", "민준", "커피 김"], ["김준"]),
        ("Кофейня Ёлка", ["кофе", "елка", "ЁЛКА"], ["лка"]),
        ("مقهى الياسمين", ["الياسمين", "\u202bالياسمين\u202c"], ["ياسمين"]),  # noqa: RUF001 - Arabic
        ("Café 50% _off_ \\ 😀", ["cafe", "50%", "off", "_off_", "50% \\ 😀"], ["%", "_", "😀", "5%0"]),
        ("Zoe\u0308 a\u0328\u0301", ["zoë", "zoe", "a"], ["oë"]),
    ],
)
async def test_a_name_is_found_in_any_script(acme: Tenant, name: str, found_by: list[str], not_by: list[str]) -> None:
    await add(acme, name, "Somebody Else")
    for q in found_by:
        assert len(await names(acme, q)) == 1, q
    for q in not_by:
        assert await names(acme, q) == [], q


async def test_contacts_are_found_by_addresses_and_numbers(acme: Tenant) -> None:
    customer = await acme.made("/v1/customers", kind="organisation", name="Acme")
    for name, address, number in (
        ("Ada", "ada.king@mail.example", "+43 512 5125 10"),
        ("Bo", "bo@mail.example", "+43 512 5125 11"),
        ("Mail", "m@other.example", "+1 415 555 2671"),
    ):
        emails, phones = [{"address": address}, {"address": f"{name}@home.example"}], [{"number": number}]
        await acme.made("/v1/contacts", customer_id=customer["id"], name=name, emails=emails, phones=phones)
    for q, found in {
        "ada.king@mail.example": ["Ada"],
        "ADA.KING@MAIL": ["Ada"],
        "king@mail.example": [],
        "@mail.example": ["Mail", "Bo", "Ada"],
        "mail": ["Mail", "Bo", "Ada"],
        "bo@home.example": ["Bo"],
        "+43 512 5125 10": ["Ada"],
        "0043 512 5125": ["Bo", "Ada"],
        "0512 5125 11": ["Bo"],
        "512511": ["Bo"],
        "(415) 555-2671": ["Mail"],
        "2671": ["Mail"],
        "mail 2671": ["Mail"],
        "267": [],
    }.items():
        assert await names(acme, q, "contacts") == found, q


async def test_pages_go_on_by_a_cursor(acme: Tenant) -> None:
    all_of = [f"{first} {last}" for first in ("Ann", "Anna") for last in "abcdefghij"]
    await add(acme, *all_of)
    wanted = [f"Ann {last}" for last in "jihgfedcba"] + [f"Anna {last}" for last in "jihgfedcba"]
    found, after = list[str](), dict[str, str]()
    while True:
        page = (await acme.get("/v1/customers", q="ann", first=3, **after)).json()
        found += [each["name"] for each in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert found == wanted
    query = '{ customers(q: "ann", first: 8) { edges { cursor node { name } } } }'
    edges = (await acme.ask(query))["customers"]["edges"]
    for number in (0, 7):
        assert (await names(acme, "ann", after=edges[number]["cursor"], first=2)) == wanted[number + 1 : number + 3]


async def test_of_a_word_that_very_many_have_only_so_many_are_looked_at(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(acme, *(f"Common {number:02}" for number in range(30)), "Commoner")
    whole = (await acme.get("/v1/customers", q="common", count="true", first=1)).json()
    assert whole["total"] == {"count": 31, "is_exact": True}
    monkeypatch.setattr(finding, "LOOKED_AT", 10)
    # A statement is made once, and this one is made anew.
    query = {"q": "commo", "where": {"not": {"name": {"eq": "nobody"}}}, "count": True, "first": 5}
    some = (await acme.post("/v1/customers:search", query)).json()
    assert [each["name"] for each in some["items"]] == [f"Common {number}" for number in range(29, 24, -1)]
    assert some["total"] == {"count": 10, "is_exact": False}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"q": ""}, "q"),
        ({"q": "  "}, "q"),
        ({"q": "a" * 10_000}, "q"),
        ({"q": "a\0b"}, "q"),
        ({"q": "a\x1bb"}, "q"),
        ({"q": "\u200b\u200d"}, "q"),
        ({"q": " ".join(map(str, range(11)))}, "q"),
        ({"q": "a", "order_by": "name"}, "order_by"),
        ({"q": "a", "after": "WzEsMl0"}, "after"),
        ({"q": "a", "after": _TOO_LARGE}, "after"),
    ],
)
async def test_what_cannot_be_searched_for_is_refused_by_name(acme: Tenant, asked: dict[str, str], field: str) -> None:
    for answer in (await acme.get("/v1/customers", **asked), await acme.post("/v1/customers:search", _in_body(asked))):
        assert answer.status_code == 422
        problem = answer.json()
        assert field in {problem.get("field"), *(each["field"] for each in problem.get("errors", ()))}, problem


def _in_body(asked: dict[str, str]) -> dict[str, object]:
    return asked | ({"order_by": [asked["order_by"]]} if "order_by" in asked else {})


async def test_a_cursor_of_a_list_is_none_of_a_search(acme: Tenant) -> None:
    await add(acme, "Ann", "Anna")
    listed = (await acme.get("/v1/customers", first=1)).json()["next"]
    searched = (await acme.get("/v1/customers", q="ann", first=1)).json()["next"]
    assert (await acme.get("/v1/customers", q="ann", after=listed)).status_code == 422
    assert (await acme.get("/v1/customers", after=searched)).status_code == 422


async def test_an_export_is_no_search(acme: Tenant) -> None:
    answer = await acme.get("/v1/customers:export", q="ann")
    assert answer.status_code == 422
    assert "There is no parameter 'q'" in answer.text


async def test_two_tenants_do_not_find_each_other(acme: Tenant, other_tenant: str) -> None:
    await add(acme, "Ann")
    theirs = Tenant(acme.client, acme.issuer, other_tenant)
    await add(theirs, "Ann")
    for tenant in (acme, theirs):
        assert len(await names(tenant, "ann")) == len(await names(tenant, "Ann/0")) == 1


async def test_who_is_erased_is_not_found(acme: Tenant) -> None:
    ada = await acme.made("/v1/customers", kind="person", name="Ada Lovelace")
    assert await names(acme, "lovelace") == ["Ada Lovelace"]
    assert (await acme.post(f"/v1/customers/{ada['id']}:erase", {})).status_code == 200
    assert await names(acme, "lovelace") == []


async def test_a_search_is_a_few_statements_whatever_it_finds(acme: Tenant) -> None:
    await add(acme, *(f"Ann {number}" for number in range(40)))
    for q, number in (("ann", 1), ("ann 1", 2), ("ann 1 2 3", 2)):
        with statements() as sent:
            await names(acme, q)
        assert len([each for each in sent if "search_entries" in each]) == number
