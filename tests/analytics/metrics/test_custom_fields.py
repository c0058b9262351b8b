"""Figures by the custom fields of customers, over both APIs."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from tests.analytics.conftest import Fold, at, happened

from analytics.metrics import reads
from analytics.metrics.catalogue import METRICS
from analytics.metrics.definition import TAG
from kith.events.contacts import CustomerAmended, CustomerCreated
from kith.events.custom_fields import FieldDefinitionCreated, FieldDefinitionRemoved
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced
from kith.ids import new_id

Headers = dict[str, str]
Ask = Callable[..., Awaitable[Any]]
BOUGHT = OrderPlaced(value=Decimal(10), currency="EUR")
YEAR = {"from": "2020-01-01T00:00:00Z", "to": "2021-01-01T00:00:00Z"}
FIELDS: dict[str, dict[str, Any]] = {
    "region": {"value_type": "choice", "choices": ["emea", "apac"]},
    "lines": {"value_type": "multi_choice", "choices": ["beans", "machines"]},
    "vip": {"value_type": "boolean"},
    "site": {"value_type": "text"},
    "agent": {"value_type": "link", "links_to": "user"},
    "cups": {"value_type": "number"},
    "nick": {"value_type": "text", "personal": True},
}


def field(tenant: str, code: str, *, of_noun: str = "customer", **given: Any) -> Envelope:
    defined = FieldDefinitionCreated(of_noun=of_noun, code=code, **(FIELDS[code] | given))
    return happened(defined, tenant, at("2019-01-01"))


def customer(tenant: str, custom: dict[str, Any], *bought: str, id: UUID | None = None) -> list[Envelope]:
    id = id or new_id()
    created = happened(CustomerCreated(kind="person", custom=custom), tenant, at("2019-06-01"), id)
    return [created, *(happened(BOUGHT, tenant, at(day), id) for day in bought)]


@pytest.fixture
def ask(analytics: httpx.AsyncClient, mine: Headers) -> Ask:
    async def of(id: str = "orders", status: int = 200, headers: Headers = mine, **params: Any) -> Any:
        answer = await analytics.get(f"/v1/metrics/{id}", params=YEAR | params, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    return of


def by_group(figure: Any) -> dict[Any, float]:
    groups = [tuple(each["value"] for each in part["group"]) for part in figure["breakdown"]]
    assert len(set(groups)) == len(groups)
    values = [part["value"] for part in figure["breakdown"]]
    return {key if len(key) > 1 else key[0]: value for key, value in zip(groups, values, strict=True)}


@pytest.fixture
async def shop(fold: Fold, tenant: str) -> None:
    await fold(
        *(field(tenant, code) for code in FIELDS),
        *customer(
            tenant,
            {"region": "emea", "lines": ["beans", "machines"], "vip": True, "site": "Graz", "agent": str(new_id())},
            "2020-02-01",
            "2020-03-01",
        ),
        *customer(tenant, {"region": "apac", "lines": ["beans"], "vip": False, "site": "Perth"}, "2020-04-01"),
        *customer(tenant, {}, "2020-05-01"),
        # As before there were custom fields, and of nobody.
        happened(BOUGHT, tenant, at("2020-06-01")),
    )


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("code", "groups"),
    [
        ("region", {"emea": 2, "apac": 1, None: 2}),
        ("lines", {"beans": 3, "machines": 2, None: 2}),
        ("vip", {"true": 2, "false": 1, None: 2}),
        ("site", {"Graz": 2, "Perth": 1, None: 2}),
    ],
)
async def test_a_figure_is_grouped_by_a_custom_field(ask: Ask, code: str, groups: dict[str | None, float]) -> None:
    figure = await ask(groupBy=f"custom.{code}")
    assert by_group(figure) == groups
    assert figure["value"] == 5, "one of two choices counts once in the whole"
    for value, number in groups.items():
        assert (await ask(filter=f"custom.{code}:{value or ''}"))["value"] == number
        assert (await ask(filter=f"custom.{code}:!{value or ''}"))["value"] == 5 - number
    assert by_group(await ask(groupBy=f"custom.{code}", knownAt=datetime.now(UTC).isoformat())) == groups


@pytest.mark.usefixtures("shop")
async def test_every_metric_is_sliced_by_it_and_its_members_add_up(ask: Ask, analytics: Any, mine: Headers) -> None:
    for id, metric in METRICS.items():
        # There are too few to fit, and adjusted forecasts are of no customer.
        if id in ("clv.predicted", "customers.alive") or TAG not in metric.dimensions:
            continue
        await ask(id, groupBy=["custom.region", "custom.lines", "tag"], filter="custom.vip:true", grain="quarter")
    assert by_group(await ask("rfm", groupBy="custom.region")) == {"emea": 1, "apac": 1, None: 1}
    members = await ask("orders/members", filter="custom.region:emea")
    assert sum(each["value"] for each in members["items"]) == 2
    cohorts = await analytics.get("/v1/cohorts", params=YEAR | {"filter": "custom.region:emea"}, headers=mine)
    assert sum(row["size"] for row in cohorts.json()["rows"]) == 1
    query = """query($from: DateTime!, $to: DateTime!) { metric(id: "orders", from: $from, to: $to,
      groupBy: ["custom.region"], filter: ["custom.vip:true"]) { breakdown { group { value } value } } }"""
    answer = await analytics.post("/graphql", json={"query": query, "variables": YEAR}, headers=mine)
    assert answer.json()["data"]["metric"]["breakdown"] == [{"group": [{"value": "emea"}], "value": 2}]


async def test_a_value_is_as_of_the_end(ask: Ask, fold: Fold, tenant: str) -> None:
    id = new_id()
    moved = CustomerAmended(changed=["custom"], custom={"region": "apac"})
    cleared = CustomerAmended(changed=["custom"])
    other = CustomerAmended(changed=["segment"], segment="gold")
    await fold(
        field(tenant, "region"),
        *customer(tenant, {"region": "emea"}, "2020-02-01", id=id),
        happened(moved, tenant, at("2020-07-01"), id, aggregate_version=2),
        happened(other, tenant, at("2020-08-01"), id, aggregate_version=3),
        happened(cleared, tenant, at("2020-11-01"), id, aggregate_version=4),
    )
    for to, group in (("2020-07-01", "emea"), ("2020-07-02", "apac"), ("2020-09-01", "apac"), ("2020-12-01", None)):
        assert by_group(await ask(groupBy="custom.region", to=f"{to}T00:00:00Z")) == {group: 1}


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("params", "rule"),
    [
        ({"groupBy": "custom.regio"}, "There is no field custom.regio of a customer. There are: custom.agent, "),
        ({"filter": "custom.regio:emea"}, "There is no field custom.regio of a customer."),
        ({"filter": "custom.region:emae"}, "It is one of emea, apac."),
        ({"filter": "custom.vip:perhaps"}, ""),
        ({"filter": "custom.agent:me"}, ""),
        ({"groupBy": "custom.cups"}, "custom.cups is a number, and customers are divided by fields of type choice"),
        ({"groupBy": "custom.nick"}, "custom.nick shows people: its values are known to contacts alone."),
    ],
)
async def test_what_divides_no_customers_is_refused_by_its_name(ask: Ask, params: dict[str, str], rule: str) -> None:
    (error,) = (await ask(status=422, **params))["errors"]
    assert error["rule"].startswith(rule)
    ((parameter, text),) = params.items()
    assert error["field"] in (parameter, text.partition(":")[0])


@pytest.mark.usefixtures("shop")
async def test_another_tenant_has_none_of_these_fields(theirs: Headers, ask: Ask) -> None:
    (error,) = (await ask(status=422, headers=theirs, groupBy="custom.region"))["errors"]
    assert "There are: none." in error["rule"]


async def test_a_removed_field_is_refused_and_its_code_begins_anew(ask: Ask, fold: Fold, tenant: str) -> None:
    defined = field(tenant, "region")
    removed = FieldDefinitionRemoved(of_noun="customer", code="region", **FIELDS["region"], removed_at=at("2020-08-01"))
    await fold(defined, *customer(tenant, {"region": "emea"}, "2020-02-01"))
    await fold(happened(removed, tenant, at("2020-08-01"), subject=defined.subject, aggregate_version=2))
    (error,) = (await ask(status=422, groupBy="custom.region"))["errors"]
    assert error["rule"] == "custom.region was removed, and its values with it."
    await fold(
        field(tenant, "region", choices=["north"]), *customer(tenant, {"region": "north"}, "2020-03-01"),
        field(tenant, "region", of_noun="contact", choices=["south"]),
    )  # fmt: skip
    assert by_group(await ask(groupBy="custom.region")) == {"north": 1, None: 1}


async def test_what_no_service_would_publish_harms_no_figure(ask: Ask, fold: Fold, tenant: str) -> None:
    """Values of other types, of a hundred thousand characters, and definitions that cannot be read."""
    strange: list[Any] = [{"x": 1}, ["beans"], "emea", 7, None, True, "y" * 100_000]
    people = [new_id() for _ in strange]
    await fold(*(field(tenant, code) for code in FIELDS))
    for id, value in zip(people, strange, strict=True):
        data = msgspec.json.encode({"kind": "person", "custom": dict.fromkeys(FIELDS, value)})
        created = happened(CustomerCreated(kind="person"), tenant, at("2019-06-01"), id, data=data)
        await fold(created, happened(BOUGHT, tenant, at("2020-02-01"), id))
    for data in (b"{}", b'{"of_noun": "customer"}', b'{"of_noun": "customer", "code": "a", "value_type": "colour"}'):
        await fold(happened(FieldDefinitionCreated("customer", "a", "text"), tenant, at("2019-01-01"), data=data))
    data = b'{"kind": "person", "custom": "all of it", "tags": "one"}'
    people.append(new_id())
    await fold(happened(CustomerCreated(kind="person"), tenant, at("2019-06-01"), people[-1], data=data))
    await fold(happened(BOUGHT, tenant, at("2020-02-01"), people[-1]))
    assert by_group(await ask(groupBy="custom.region")) == {"emea": 1, None: 7}
    assert by_group(await ask(groupBy=["custom.lines", "tag"])) == {("beans", None): 1, (None, None): 7}
    assert by_group(await ask(groupBy="custom.vip")) == {"true": 1, None: 7}
    long = [each for each in by_group(await ask(groupBy="custom.site")) if each and each.startswith("y")]
    assert [len(each) for each in long] == [500]
    assert (await ask(filter="custom.lines:beans"))["value"] == 1


async def test_more_groups_than_are_shown_are_refused(
    ask: Ask, fold: Fold, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fold(
        field(tenant, "site"), *(e for n in range(40) for e in customer(tenant, {"site": f"s{n}"}, "2020-02-01"))
    )
    assert len(by_group(await ask(groupBy="custom.site"))) == 40
    monkeypatch.setattr(reads, "MAX_SLICES", 39)
    (error,) = (await ask(status=422, groupBy="custom.site"))["errors"]
    assert error["field"] == "groupBy"
    assert error["rule"].startswith("40 groups in 1 periods are more than 39 at once")
    assert (await ask(groupBy="custom.site", filter="custom.site:s1,s2"))["value"] == 2
