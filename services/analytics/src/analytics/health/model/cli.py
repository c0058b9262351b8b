"""`python -m analytics health-models`: the JSON Schema of a health model's document, and the ready-made models."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analytics.health.model.documents import json_schema
from analytics.health.model.gallery_reads import gallery
from kith.runtime.service import Service


def run(service: Service, words: Sequence[str]) -> None:
    ready_made = {each.name: each for each in gallery()}
    parser = argparse.ArgumentParser(
        prog=f"python -m {service.package} health-models",
        description="The JSON Schema of a health model's document, or a ready-made one",
    )
    parser.add_argument("name", nargs="?", choices=ready_made, help="of a ready-made model; the schema, if none")
    parser.add_argument("--document", type=Path, metavar="FILE", help="write the schema there")
    given = parser.parse_args(words)
    if given.document:
        given.document.write_text(as_text(json_schema()), encoding="utf-8")
        return
    document = ready_made[given.name].document if given.name else json_schema()
    print(as_text(document), end="")  # noqa: T201 - that is what the command is for


def as_text(document: Any) -> str:
    return json.dumps(document, indent=2) + "\n"
