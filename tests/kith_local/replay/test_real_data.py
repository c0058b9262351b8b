"""The mappings over the recorded data itself, every command carried out by the services' own rules in memory."""

import copy
import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from tests.recorded import DATA, needs_recorded_data

from contacts import resources as contacts
from kith.nouns.parameters import row_model
from kith.nouns.resource import Resource
from kith_local.replay.commands import CASES, CUSTOMERS, ORDERS, RETURNS, Command, DataSet, Mapped, Reference
from kith_local.replay.files import locate, read
from kith_local.replay.retail import UNIDENTIFIED
from kith_local.replay.session import DATA_SETS
from sales import resources as sales
from service_desk import resources as service_desk

WINDOW = timedelta(days=90)
FROM, TO = datetime(2011, 6, 1, tzinfo=UTC), datetime(2011, 9, 1, tzinfo=UTC)
RESOURCES: dict[str, Resource] = {
    each.plural.replace("_", "-"): each for service in (contacts, sales, service_desk) for each in service.RESOURCES
}

pytestmark = needs_recorded_data

# What was counted over the files by other means, in the order of each set's decisions.
DECISIONS = {
    "retail": [25943, 14818, 4373, 8, 3722, 0, 22106, 2102, 1336, 2, 3, 43, 3837],
    "b2b": [8800, 85, 13, 0, 0, 85, 15, 0, 7, 1480, 8800, 1425, 500, 4238, 4238, 4238, 2473, 35, 35, 0],
    "desk": [
        5998,
        81,
        639,
        9,
        4,
        8,
        122,
        0,
        890,
        258,
        64,
        2785,
        1109,
        6,
        24,
        19,
        2310,
        0,
        365,
        11,
        0,
        2,
        7,
        890,
        395,
        11,
        28,
        4,
    ],
    "bank": [5000, 5000, 5000, 5000, 5000, 5000, 550, 4450, 5000, 707],
    "saas": [500, 97, 500, 110, 24998, 21, 2, 13196, 16, 2543, 5000, 2461, 778, 486, 7, 724],
}
COMMANDS = {
    "retail": {"customers": 4373, "orders": 22106, "returns": 3839},
    "b2b": {
        "teams": 9,
        "users": 41,
        "field-definitions": 3,
        "customers": 85,
        "products": 7,
        "opportunities": 15511,
        "orders": 4238,
    },
    "desk": {"users": 122, "customers": 81, "contacts": 639, "cases": 4808},
    "bank": {"field-definitions": 6, "customers": 5000, "contacts": 5000, "consents": 5000, "touchpoints": 5000},
    "saas": {"field-definitions": 1, "customers": 500, "subscriptions": 5486, "usages": 24998},
}


@cache
def mapped(name: str) -> Mapped:
    data_set: DataSet = DATA_SETS[name]
    paths = locate(data_set.sources, DATA, {})
    return data_set.map({source.name: read(source, paths[source.name]) for source in data_set.sources})


@pytest.mark.parametrize("name", DATA_SETS)
def test_every_decision_is_met_as_often_as_it_should_be(name: str) -> None:
    decisions = mapped(name).decisions
    assert {each.name: decisions[each] for each in DATA_SETS[name].decisions} == dict(
        zip(DATA_SETS[name].decisions.__members__, DECISIONS[name], strict=True)
    )


@pytest.mark.parametrize("name", DATA_SETS)
def test_no_row_is_lost(name: str) -> None:
    it = mapped(name)
    assert {noun.plural: len(commands) for noun, commands in it.commands.items()} == COMMANDS[name]
    assert not it.rejected


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_services_own_rules_accept_every_command(name: str) -> None:
    ids: dict[Reference, UUID] = {}
    for noun, commands in mapped(name).commands.items():
        resource = RESOURCES[noun.plural]
        rows = {command.name: row_model(command) for command in resource.commands}
        aggregates: dict[str, Any] = {}
        said: set[tuple[str, str | None, datetime]] = set()
        for command in commands:
            key = (command.external_id, command.verb, command.at)
            assert key not in said, f"{key} would pass for sent before"
            said.add(key)
            aggregate = carried_out(command, resource, rows, aggregates.get(command.external_id), ids)
            aggregates[command.external_id] = aggregate
            ids[Reference(noun, command.external_id)] = aggregate.id


def carried_out(
    command: Command, resource: Resource, rows: dict[str, Any], aggregate: Any, ids: dict[Reference, UUID]
) -> Any:
    """As kith.nouns.commands does it, without a database."""
    rule = next(each for each in resource.commands if each.name == (command.verb or resource.create.name))
    given = rows[rule.name].model_validate_json(msgspec.json.encode(command.body(ids)))
    if rule.creates:
        assert aggregate is None
        aggregate, _ = rule.rule(id=uuid4(), at=command.at, **rule.arguments(given, "t", "client:test"))
        aggregate.created_at = command.at
    else:
        aggregate = copy.copy(aggregate)
        rule.rule(aggregate, at=command.at, **given.fields())
    aggregate.updated_at = command.at
    return aggregate


def test_retention_over_the_orders_is_retention_over_the_file() -> None:
    """METRICS' worked figures, straight from the file; they count "(blank)" as a customer."""
    with (DATA / "online_retail_invoices.csv").open(newline="") as file:
        straight = [
            (row["CustomerID"], datetime.strptime(row["InvoiceDate"], "%m/%d/%Y %H:%M").replace(tzinfo=UTC))
            for row in csv.DictReader(file)
            if not row["InvoiceNo"].startswith("C")
        ]
    orders = [(order.fields["customer_id"].external_id, order.at) for order in mapped("retail").commands[ORDERS]]
    assert Counter(orders) == Counter(straight)
    assert retention(orders) == (1960, 1924, 587, 68.2143, 56.4286)
    identified = [purchase for purchase in orders if purchase[0] != UNIDENTIFIED]
    assert retention(identified) == (1959, 1923, 587, 68.1981, 56.4063)


def retention(purchases: Sequence[tuple[str, datetime]]) -> tuple[int, int, int, float, float]:
    start, end, new = active(purchases, FROM), active(purchases, TO), newcomers(purchases) & active(purchases, TO)
    crr = round((len(end) - len(new)) / len(start) * 100, 4)
    return len(start), len(end), len(new), crr, round(len(end & start) / len(start) * 100, 4)


def active(purchases: Iterable[tuple[str, datetime]], at: datetime) -> set[str]:
    return {customer for customer, when in purchases if at - WINDOW <= when < at}


def newcomers(purchases: Iterable[tuple[str, datetime]]) -> set[str]:
    """Whose first purchase of all was not before the interval."""
    first: dict[str, datetime] = {}
    for customer, when in purchases:
        first[customer] = min(when, first.get(customer, when))
    return {customer for customer, when in first.items() if when >= FROM}


def test_what_orders_and_returns_come_to_is_what_the_file_comes_to() -> None:
    with (DATA / "online_retail_invoices.csv").open(newline="") as file:
        exact = [Decimal(row["Quantity"]) * Decimal(row["UnitPrice"]) for row in csv.DictReader(file)]
    straight = sum(each.quantize(Decimal("0.01"), ROUND_HALF_UP) for each in exact)
    commands = mapped("retail").commands
    assert (
        sum(order.fields["value"] for order in commands[ORDERS])
        - sum(back.fields["value"] for back in commands[RETURNS])
        == straight
    )


def test_all_cases_end_closed_as_in_the_log() -> None:
    last = {command.external_id: command.verb for command in mapped("desk").commands[CASES]}
    assert Counter(last.values()) == {"close": 890}


def test_sets_can_share_a_tenant_without_mixing_customers_up() -> None:
    names = [{each.external_id for each in mapped(name).commands[CUSTOMERS]} for name in DATA_SETS]
    assert len(set().union(*names)) == sum(map(len, names))
