"""`python -m <service> settings`: each setting with its rule, its default, its value now and where that comes from."""

import argparse
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic_core import PydanticUndefined

from kith.runtime.service import Service
from kith.runtime.setting_types import rule_of
from kith.runtime.settings import Settings, SettingsInvalid, from_environment, variable_of

HIDDEN = "***"
_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^/\s]*(?=@)")
_PASSWORD_PARAMETER = re.compile(r"(?<=[?&]password=)[^&\s]*")


@dataclass(frozen=True)
class Entry:
    """A setting, as it is declared."""

    name: str
    rule: str
    default: str
    """Empty if there is none: then it is optional, or, if it is `required`, the process does not start without."""
    description: str
    required: bool = False


@dataclass(frozen=True)
class InForce(Entry):
    """A setting, as it is in this process."""

    value: str = ""
    source: str = ""


def entries(kind: type[Settings]) -> list[Entry]:
    """Returns the settings of a service as declared, its own after those of every service."""
    return [
        Entry(
            variable_of(kind, name),
            rule_of(field.annotation, field.metadata),
            _text(field.default),
            field.description or "",
            field.is_required(),
        )
        for name, field in kind.model_fields.items()
    ]


def in_force(kind: type[Settings], environment: Mapping[str, str]) -> Iterator[InForce]:
    """Yields the settings with their values; passwords in URLs are hidden."""
    for entry in entries(kind):
        given = environment.get(entry.name)
        source = "environment" if given is not None else "unset" if entry.default == "" else "default"
        yield InForce(**asdict(entry), value=hidden(entry.default if given is None else given), source=source)


def hidden(value: str) -> str:
    """Returns the value without the password of a URL."""
    return _PASSWORD_PARAMETER.sub(HIDDEN, _PASSWORD.sub(rf"\1:{HIDDEN}", value))


def _text(default: Any) -> str:
    if default is PydanticUndefined or default is None or default == ():
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def run(service: Service, words: Sequence[str]) -> None:
    """Ends with code 1 and the rules if a setting is invalid, after the list."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {service.package} settings", description="Settings, their rules, and their values now"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(words)
    found = list(in_force(service.settings, os.environ))
    print(json.dumps([asdict(each) for each in found], indent=2) if given.json else "\n".join(_lines(found)))  # noqa: T201 - that is what the command is for
    try:
        from_environment(service.settings)
    except SettingsInvalid as wrong:
        raise SystemExit(f"These settings are invalid:\n{wrong}") from None


def _lines(found: Sequence[InForce]) -> Iterator[str]:
    for each in found:
        default = f"default {each.default}" if each.default else "required" if each.required else "optional"
        yield f"{each.name} = {each.value}  ({each.source})" if each.value else f"{each.name}  ({each.source})"
        yield f"    {each.description}; {each.rule}; {default}"
