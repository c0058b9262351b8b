"""The demo's commands, carried out by the services' own rules in memory."""

import copy
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from analytics import resources as analytics
from contacts import resources as contacts
from kith.nouns.parameters import row_model
from kith.nouns.resource import Resource
from kith_local.demo.mapping import map_demo
from kith_local.demo.marker import Marker
from kith_local.layout import Layout
from kith_local.replay.commands import Command, Reference
from kith_local.topology import plan_for
from sales import resources as sales
from service_desk import resources as service_desk

TODAY = date(2026, 3, 1)
RESOURCES: dict[str, Resource] = {
    each.path: each for service in (contacts, sales, service_desk, analytics) for each in service.RESOURCES
}

NOT_IN_THE_DEMO = {
    *("teams", "roles", "settings", "field-definitions"),  # the tenant's own to make
    "consents",  # it sends nothing that needs one
    *("tasks", "playbooks"),  # playbooks would ask for the others
    "activities",  # its calls are touchpoints
    *("leads", "lead-queues", "lead-scoring", "lead-forms"),  # whoever is in it is a customer already
    "pipelines",  # it has the one that everybody has
    "reasons",  # it has no list of them
    *("quotas", "forecast-adjustments"),  # nobody there sells for one
    *("quotes", "quote-settings"),  # it sells over the counter
    *("usages", "adoptions", "web-visits"),  # it sells groceries
    "subscriptions",  # as they are ordered
    "exchange-rates",  # it takes one currency
    *("goals", "milestones"),  # it has agreed on none
    "deliveries",  # they are carried home
    *("price-books", "prices"),  # prices are those of the products
    "invoices",  # its books are kept elsewhere
    "notes",  # nobody has written one
    "attachments",  # nor has sent a file
}


def every_command() -> Iterator[Command]:
    for commands in map_demo(TODAY).commands.values():
        yield from commands


def test_the_services_own_rules_accept_every_command() -> None:
    ids: dict[Reference, UUID] = {}
    aggregates: dict[Reference, Any] = {}
    for command in every_command():
        it = Reference(command.noun, command.external_id)
        aggregates[it] = carried_out(command, aggregates.get(it), ids)
        ids[it] = aggregates[it].id
    assert {reference.noun.plural for reference in aggregates} == RESOURCES.keys() - NOT_IN_THE_DEMO


def carried_out(command: Command, aggregate: Any, ids: dict[Reference, UUID]) -> Any:
    """As kith.nouns.commands does it, without a database."""
    resource = RESOURCES[command.noun.plural]
    rule = next(each for each in resource.commands if each.name == (command.verb or resource.create.name))
    given = row_model(rule).model_validate_json(msgspec.json.encode(command.body(ids)))
    if rule.creates:
        assert aggregate is None
        aggregate, _ = rule.rule(id=uuid4(), at=command.at, **rule.arguments(given, "t", "client:test"))
        aggregate.created_at = command.at
    else:
        aggregate = copy.copy(aggregate)
        rule.rule(aggregate, at=command.at, **given.fields())
    aggregate.updated_at = command.at
    return aggregate


def test_the_same_day_gives_the_same_commands() -> None:
    assert [command.body(_any_id) for command in every_command()] == [c.body(_any_id) for c in every_command()]


def test_all_of_it_lies_in_the_year_before() -> None:
    first, last = datetime(2025, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    assert all(first <= command.at < last for command in every_command())


def test_a_demo_cut_short_counts_from_the_same_day_when_sent_again(layout: Layout) -> None:
    Marker(today=TODAY).keep(layout)
    assert Marker.of(layout) == Marker(today=TODAY, is_loaded=False)


def test_it_is_sent_until_it_is_loaded_and_then_no_more(layout: Layout) -> None:
    assert [part.name for part in plan_for(layout, {}).after] == ["demo"]
    Marker(today=TODAY, is_loaded=True).keep(layout)
    assert plan_for(layout, {}).after == []
    assert plan_for(Layout(layout.home / "other", "embedded"), {"DEMO": "no"}).after == []


class _AnyId(dict[Reference, UUID]):
    def __missing__(self, _: Reference) -> UUID:
        return UUID(int=0)


_any_id = _AnyId()
