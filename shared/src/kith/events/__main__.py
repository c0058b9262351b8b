"""`python -m kith.events --to shared/schemas`: writes what consumers outside this repository read of the events: a JSON
Schema per type, and an AsyncAPI 3 document of the topics."""

import argparse
import inspect
import json
from pathlib import Path
from typing import Any

import msgspec
import yaml

from kith.events.catalogue import EVENTS, PRODUCERS, events_of
from kith.events.event import Event, EventType

HEADERS = {
    "type": "object",
    "description": "CloudEvents 1.0, binary mode",
    "required": [
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_subject",
        "ce_time",
        "ce_tenantid",
        "ce_aggregateversion",
        "ce_recordedat",
    ],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {"type": "string", "format": "uuid"},
        "ce_source": {"type": "string", "description": "the service that published it"},
        "ce_type": {"type": "string"},
        "ce_subject": {"type": "string", "format": "uuid", "description": "the aggregate it happened to"},
        "ce_time": {"type": "string", "format": "date-time", "description": "when it happened"},
        "ce_tenantid": {"type": "string"},
        "ce_customerid": {"type": "string", "format": "uuid", "description": "whose relationship it belongs to"},
        "ce_aggregateversion": {"type": "string", "pattern": "^[0-9]+$"},
        "ce_recordedat": {"type": "string", "format": "date-time", "description": "when we learned of it"},
        "ce_actor": {
            "type": "string",
            "description": "who caused it: user:ID, client:ID, run:ID, or service:NAME",
        },
        "ce_traceparent": {"type": "string", "description": "W3C trace context of the command"},
        "content-type": {"const": "application/json"},
    },
}


def schema_of(kind: type[Event]) -> dict[str, Any]:
    """The JSON Schema of an event's body."""
    (schema,), components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    assert schema["$ref"] == f"#/$defs/{kind.__name__}"
    body = components.pop(kind.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:kith:event:{kind.type}",
        **body,
        **({"$defs": components} if components else {}),
    }


def asyncapi() -> dict[str, Any]:
    """The topics and what stands on them, as AsyncAPI 3."""
    channels, operations = {}, {}
    for service, modules in PRODUCERS.items():
        kinds = [kind for module in modules for kind in events_of(module)]
        channels[service] = {
            "address": f"kith.{service}",
            "description": f"What {service} publishes, in order per customer (the key is the customer's id).",
            "messages": {_message_of(kind): {"$ref": f"#/components/messages/{_message_of(kind)}"} for kind in kinds},
        }
        operations[f"publish-{service}"] = {"action": "send", "channel": {"$ref": f"#/channels/{service}"}}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Kith events", "version": "1.0.0"},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {
                _message_of(kind): {
                    "name": kind.type,
                    "title": kind.__name__,
                    "headers": HEADERS,
                    "payload": schema_of(kind),
                    **({"description": inspect.cleandoc(kind.__doc__)} if kind.__doc__ else {}),
                }
                for kind in EVENTS.values()
            }
        },
    }


def _message_of(kind: type[Event]) -> str:
    """Returns the event's name in the document: its class's, with the service where several have one of that name."""
    alike = [each for each in EVENTS.values() if each.__name__ == kind.__name__]
    service = EventType.of(kind.type).service.replace("-", " ").title().replace(" ", "")
    return kind.__name__ if len(alike) == 1 else f"{service}{kind.__name__}"


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, _: object) -> bool:
        return True


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind in EVENTS.values():
        (folder / f"{kind.type}.json").write_text(json.dumps(schema_of(kind), indent=2) + "\n")
    (folder / "asyncapi.yaml").write_text(yaml.dump(asyncapi(), Dumper=_Plain, sort_keys=False, width=120))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, required=True)
    write(parser.parse_args().to)
