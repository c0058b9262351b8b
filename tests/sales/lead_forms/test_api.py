"""Web forms: what anybody sends from the pages of a form becomes a lead, and nothing else is said or kept."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from kith.ids import new_id
from kith.runtime.fairness import Rates
from kith.testing import Answer, Issuer, Tenant
from sales.lead_forms.submitting import Door

PAGE = "https://roastery.example"


@pytest.fixture
def ours(sales: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(sales, issuer, tenant)


@pytest.fixture
async def door(sales: httpx.AsyncClient) -> AsyncIterator[Door]:
    """Open wide: all tests come from one address."""
    state = sales._transport.app.state  # type: ignore[attr-defined]
    state.lead_forms = Door(addresses=Rates(1e6, 10**6))
    yield state.lead_forms
    del state.lead_forms


@pytest.fixture
async def form(ours: Tenant, door: Door) -> Answer:
    return await ours.made(
        "/v1/lead-forms",
        name="Newsletter",
        origins=[PAGE],
        takes=["name", "email", "company"],
        source="web",
        campaign="spring",
        honeypot="website",
    )


def at(tenant: Tenant, form: Answer) -> str:
    return f"/public/lead-forms/{tenant.name}/{form['id']}"


async def sent(tenant: Tenant, form: Answer, origin: str | None = PAGE, **fields: Any) -> httpx.Response:
    headers = {} if origin is None else {"Origin": origin}
    return await tenant.client.post(at(tenant, form), json=fields, headers=headers)


async def leads(tenant: Tenant) -> list[Answer]:
    found: list[Answer] = (await tenant.get("/v1/leads")).json()["items"]
    return found


def counted(result: str) -> float:
    return REGISTRY.get_sample_value("kith_lead_form_submissions_total", {"result": result}) or 0.0


async def test_what_is_filled_in_becomes_a_lead(ours: Tenant, form: Answer) -> None:
    first, *_ = [await sent(ours, form, name="Ida", email="ida@huber.example") for _ in range(2)]
    assert (first.status_code, first.json()) == (202, {"status": "accepted"})
    assert first.headers["access-control-allow-origin"] == PAGE
    again, lead = await leads(ours)
    assert (lead["name"], lead["source"], lead["campaign"]) == ("Ida", "web", "spring")
    assert again["duplicate_of_id"] == lead["id"]
    (entry,) = (await ours.get(f"/v1/leads/{lead['id']}/history")).json()["items"]
    assert entry["actor"] == f"form:{form['id']}"


async def test_a_form_of_html_is_taken_as_well(ours: Tenant, form: Answer) -> None:
    answer = await ours.client.post(at(ours, form), data={"name": "Zoë", "email": "", "website": ""})
    assert answer.status_code == 202
    assert [(each["name"], each["email"]) for each in await leads(ours)] == [("Zoë", None)]


async def test_what_a_robot_fills_in_is_accepted_in_words_and_not_kept(ours: Tenant, form: Answer) -> None:
    before = counted("honeypot")
    answer = await sent(ours, form, name="Robot", website="https://spam.example")
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    assert (await leads(ours), counted("honeypot")) == ([], before + 1)


async def test_other_pages_may_send_nothing(ours: Tenant, form: Answer) -> None:
    for origin in ("https://other.example", "null"):
        answer = await sent(ours, form, origin=origin, name="Ida")
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    assert await leads(ours) == []


async def test_a_browser_is_told_from_which_pages_it_may_send(ours: Tenant, form: Answer) -> None:
    def asked(origin: str) -> dict[str, str]:
        return {"Origin": origin, "Access-Control-Request-Method": "POST"}

    mine = await ours.client.options(at(ours, form), headers=asked(PAGE))
    other = await ours.client.options(at(ours, form), headers=asked("https://other.example"))
    assert (mine.status_code, mine.headers["access-control-allow-origin"]) == (204, PAGE)
    assert mine.headers["access-control-allow-methods"] == "POST"
    assert not [name for name in other.headers if name.startswith("access-control")]


async def test_of_a_form_that_is_not_there_the_same_is_said_whatever_is_missing(
    ours: Tenant, form: Answer, other_tenant: str
) -> None:
    away = await ours.made("/v1/lead-forms", name="Old", takes=["name"])
    assert (await ours.post(f"/v1/lead-forms/{away['id']}:archive", {})).is_success
    paths = [
        at(ours, away),
        at(ours, {"id": new_id()}),
        at(ours, {"id": "x"}),
        f"/public/lead-forms/{other_tenant}/{form['id']}",
        f"/public/lead-forms/nobody-here/{form['id']}",
        f"/public/lead-forms/no%20tenant/{form['id']}",
    ]
    answers = [await ours.client.post(path, json={"name": "Ida"}, headers={"Origin": PAGE}) for path in paths]
    assert {each.status_code for each in answers} == {404}
    assert len({each.text for each in answers}) == 1
    assert not [each for each in answers if "access-control-allow-origin" in each.headers]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"email": "ida@huber.example"}, "name"),
        ({"name": "Ida", "email": "nobody"}, "email"),
        ({"name": "Ida", "owner_id": "01a2195a-0000-7000-8000-000000000000"}, "owner_id"),
        ({"name": {"$ne": ""}}, "name"),
    ],
)
async def test_what_is_wrong_is_said_by_its_field(ours: Tenant, form: Answer, fields: Answer, field: str) -> None:
    answer = await sent(ours, form, **fields)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert answer.headers["access-control-allow-origin"] == PAGE, "the page can show it"


async def test_what_is_no_form_is_refused(ours: Tenant, form: Answer) -> None:
    async def posted(content: bytes, kind: str = "application/json") -> int:
        answer = await ours.client.post(at(ours, form), content=content, headers={"Content-Type": kind})
        return answer.status_code

    assert await posted(b"name=Ida", "text/plain") == 415
    assert await posted(b"[]") == 422
    assert await posted(b"\xff=1", "application/x-www-form-urlencoded") == 422
    assert await posted(b"{" + b" " * 20_000 + b"}") == 413
    assert await leads(ours) == []


async def test_a_flood_of_one_form_leaves_others_alone(ours: Tenant, form: Answer, door: Door) -> None:
    door = Door(addresses=door.addresses, forms=Rates(0.001, 3))
    ours.client._transport.app.state.lead_forms = door  # type: ignore[attr-defined]
    before = counted("limited")
    other = await ours.made("/v1/lead-forms", name="Fair", takes=["name"])
    flood = [await sent(ours, form, name=f"Ida {each}") for each in range(5)]
    assert [each.status_code for each in flood] == [202, 202, 202, 429, 429]
    assert int(flood[-1].headers["retry-after"]) > 0
    assert (await sent(ours, other, origin=None, name="Ada")).status_code == 202
    assert counted("limited") == before + 2


async def test_one_address_may_send_so_much(ours: Tenant, form: Answer) -> None:
    ours.client._transport.app.state.lead_forms = Door(addresses=Rates(0.001, 2))  # type: ignore[attr-defined]
    other = await ours.made("/v1/lead-forms", name="Fair", takes=["name"])
    answers = [await sent(ours, each, origin=None, name="Ida") for each in (form, other, form)]
    assert [each.status_code for each in answers] == [202, 202, 429]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"takes": ["email"]}, "takes"),
        ({"takes": ["name", "owner_id"]}, "takes.1"),
        ({"takes": ["name"], "origins": ["https://roastery.example/contact"]}, "origins.0"),
        ({"takes": ["name"], "origins": ["*"]}, "origins.0"),
        ({"takes": ["name"], "honeypot": "name"}, "honeypot"),
    ],
)
async def test_a_form_that_cannot_be_is_refused_by_its_field(ours: Tenant, body: Answer, field: str) -> None:
    answer = await ours.post("/v1/lead-forms", {"name": "Newsletter", **body})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
