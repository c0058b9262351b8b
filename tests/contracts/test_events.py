"""The published language: what was ever published can still be read, and says of people no more than ids."""

import json
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from kith.events.__main__ import asyncapi, schema_of, write
from kith.events.catalogue import EVENTS, NOUNS, PRODUCERS, Noun, current, decode
from kith.events.envelope import Envelope, UnknownVersion
from kith.events.event import Amended, Event, EventType
from kith.events.named_users import naming_by_id

SCHEMAS = Path(__file__).parents[2] / "shared" / "schemas"
CORPUS = sorted((SCHEMAS / "corpus").glob("*.json"))
"""Events as they were published. A file here is never changed: that is what makes it a proof."""


def frozen(path: Path) -> tuple[Envelope, dict[str, Any]]:
    recorded = json.loads(path.read_text())
    headers = tuple((name, value.encode()) for name, value in recorded["headers"].items())
    return Envelope.from_message(headers, json.dumps(recorded["body"]).encode()), recorded


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_an_event_of_the_past_is_read_as_it_was_meant(path: Path) -> None:
    envelope, recorded = frozen(path)
    event = decode(envelope, EVENTS[envelope.type])
    assert json.loads(msgspec.json.encode(event)) == naming_by_id(envelope.tenant_id, recorded["body"])
    assert {name: value.decode() for name, value in envelope.headers()} == recorded["headers"]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_an_event_of_the_past_fits_todays_schema(path: Path) -> None:
    envelope, recorded = frozen(path)
    schema = json.loads((SCHEMAS / f"{envelope.type}.json").read_text())
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
        naming_by_id(envelope.tenant_id, recorded["body"])
    )


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_an_event_of_the_past_is_read_as_its_newest_version(path: Path) -> None:
    envelope, _ = frozen(path)
    newest = EVENTS[current(envelope.type)]
    assert isinstance(decode(envelope, newest), newest)


@pytest.mark.parametrize("kind", EVENTS.values(), ids=lambda kind: kind.type)
def test_every_event_is_in_the_corpus(kind: type[Event]) -> None:
    assert {path.name for path in CORPUS} >= {f"{kind.type}.full.json", f"{kind.type}.least.json"}


@pytest.mark.parametrize("kind", EVENTS.values(), ids=lambda kind: kind.type)
def test_a_type_names_its_service_its_noun_what_happened_and_its_version(kind: type[Event]) -> None:
    service, noun, happened, version = EventType.of(kind.type)
    assert service in PRODUCERS
    assert kind.__module__ in [each.__name__ for each in PRODUCERS[service]]
    name = f"{noun}{happened}" if version == 1 else f"{noun}{happened}v{version}"
    assert kind.__name__.lower() == name.replace("-", "")


RESOURCES = {
    f"{service}.{each.name.replace('_', '-')}": each
    for service in PRODUCERS
    for each in import_module(f"{service.replace('-', '_')}.resources").RESOURCES
}


@pytest.mark.parametrize("noun", NOUNS.values(), ids=lambda noun: noun.name)
def test_what_creates_a_noun_says_all_that_can_be_amended_of_it(noun: Noun) -> None:
    created = {name for each in noun.events if each.creates for name in each.__struct_encode_fields__}
    assert noun.attributes <= created
    assert not any(each.creates for each in noun.events if issubclass(each, Amended))


@pytest.mark.parametrize("kind", EVENTS.values(), ids=lambda kind: kind.type)
def test_an_event_says_of_people_no_more_than_ids(kind: type[Event]) -> None:
    """Nothing that is personal in its noun or, if it is of none that the service keeps, in any noun of the service."""
    of_service = [each for noun, each in RESOURCES.items() if noun.startswith(f"{EventType.of(kind.type).service}.")]
    own = [RESOURCES[kind.noun]] if kind.noun in RESOURCES else of_service
    assert any(each.personal_fields for each in of_service)
    hints = get_type_hints(kind)
    assert not {name for each in own for name in each.personal_fields} & set(hints)
    for name, parts in {name: parts for each in own for name, parts in each.partly_personal.items()}.items():
        carried = {part for each in get_args(hints.get(name)) for part in each.__struct_fields__}
        assert carried <= set(parts)


def test_a_field_of_tomorrow_is_passed_over() -> None:
    kind = EVENTS["sales.order.placed.v1"]
    event = msgspec.json.decode(b'{"value": "1", "currency": "EUR", "colour": "red"}', type=kind)
    assert event == kind(value=Decimal(1), currency="EUR")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ce_specversion", "0.3"),
        ("ce_id", "7"),
        ("ce_time", "yesterday"),
        ("ce_aggregateversion", "one"),
        ("ce_tenantid", None),
    ],
)
def test_what_is_no_event_is_recognised_by_its_header(header: str, value: str | None) -> None:
    envelope, _ = frozen(CORPUS[0])
    headers = {name: text for name, text in envelope.headers() if name != header}
    if value is not None:
        headers[header] = value.encode()
    with pytest.raises(UnknownVersion):
        Envelope.from_message(tuple(headers.items()), b"{}")


def test_the_topics_document_names_every_event_and_every_reference_leads_somewhere() -> None:
    document = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text())
    assert {message["name"] for message in document["components"]["messages"].values()} == set(EVENTS)

    def follow(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node and not node["$ref"].startswith("#/$defs"):
                found = document
                for part in node["$ref"].removeprefix("#/").split("/"):
                    found = found[part]
            for each in node.values():
                follow(each)
        elif isinstance(node, list):
            for each in node:
                follow(each)

    follow(document)


def test_what_is_written_is_what_is_committed(tmp_path: Path) -> None:
    write(tmp_path)
    for written in tmp_path.iterdir():
        assert written.read_text() == (SCHEMAS / written.name).read_text(), written.name
    assert asyncapi()["asyncapi"] == "3.0.0"
    for kind in EVENTS.values():
        Draft202012Validator.check_schema(schema_of(kind))
