"""What a set is mapped to: commands for the bulk API in the order they are sent, decisions, and rows refused."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from kith_local.replay.cells import BadRow
from kith_local.replay.files import Row, Source, Tables


class Noun(NamedTuple):
    """A collection of the API: POST /v1/<plural>:bulk at that service."""

    service: str
    plural: str


FIELD_DEFINITIONS = Noun("contacts", "field-definitions")
TEAMS = Noun("contacts", "teams")
USERS = Noun("contacts", "users")
CUSTOMERS = Noun("contacts", "customers")
CONTACTS = Noun("contacts", "contacts")
CONSENTS = Noun("contacts", "consents")
USAGES = Noun("contacts", "usages")
TOUCHPOINTS = Noun("contacts", "touchpoints")
PRODUCTS = Noun("sales", "products")
OPPORTUNITIES = Noun("sales", "opportunities")
ORDERS = Noun("sales", "orders")
RETURNS = Noun("sales", "returns")
SUBSCRIPTIONS = Noun("sales", "subscriptions")
CASES = Noun("service-desk", "cases")
SIGNALS = Noun("analytics", "signals")
READINGS = Noun("analytics", "readings")
PULSES = Noun("analytics", "pulses")
HEALTH_MODELS = Noun("analytics", "health-models")


class Reference(NamedTuple):
    """Something else that is sent too. Its id is known once the bulk API has answered it."""

    noun: Noun
    external_id: str


@dataclass(frozen=True, slots=True)
class Command:
    """A row of a bulk request. `verb` is none for the command that creates."""

    noun: Noun
    external_id: str
    at: datetime
    origin: Row
    verb: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def body(self, ids: Mapping[Reference, UUID]) -> dict[str, Any]:
        """As the API takes it. Raises KeyError if it refers to something that got no id."""
        given = {"command": self.verb} if self.verb else {}
        given |= {"external_id": self.external_id, "occurred_at": self.at.isoformat()}
        return given | {name: _sent(value, ids) for name, value in self.fields.items() if value is not None}


def _sent(value: Any, ids: Mapping[Reference, UUID]) -> Any:
    match value:
        case Reference():
            return str(ids[value])
        case dict():
            return {name: _sent(each, ids) for name, each in value.items()}
        case list():
            return [_sent(each, ids) for each in value]
        case Decimal():
            return format(value, "f")  # a string: a JSON number may lose digits on its way
        case _:
            return value


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was not carried out: by `reason` it is grouped, `detail` is its own."""

    origin: Row
    reason: str
    detail: str


@dataclass(slots=True)
class Mapped:
    commands: dict[Noun, list[Command]] = field(default_factory=dict)
    """By noun, in the order of sending: what is referred to goes before what refers to it."""
    decisions: Counter[StrEnum] = field(default_factory=Counter)
    rejected: list[Rejected] = field(default_factory=list)
    _users: set[Reference] = field(default_factory=set)

    def add(
        self, noun: Noun, origin: Row, external_id: str, at: datetime, verb: str | None = None, /, **fields: Any
    ) -> Reference:
        self.commands.setdefault(noun, []).append(Command(noun, external_id, at, origin, verb, fields))
        return Reference(noun, external_id)

    def define(self, origin: Row, noun: str, code: str, value_type: str, label: str, at: datetime, **more: Any) -> None:
        """A field of the tenant's own, for a column that the noun has no field for."""
        about = {"of_noun": noun, "code": code, "value_type": value_type, "label": label, "filterable": True}
        self.add(FIELD_DEFINITIONS, origin, f"{noun}.{code}", at, **about | more)

    def invite(self, origin: Row, name: str, at: datetime, team: Reference | None = None) -> Reference:
        """A person who works with the tenant's data, of whom the files have a name alone; the same one each time."""
        user = Reference(USERS, name)
        if user not in self._users:
            self._users.add(user)
            address = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
            self.add(USERS, origin, name, at, name=name, email=f"{address}@staff.example", team_id=team)
        return user

    def decide(self, decision: StrEnum, times: int = 1) -> None:
        self.decisions[decision] += times

    @contextmanager
    def mapping(self, row: Row) -> Iterator[None]:
        """A row that cannot be mapped is reported, and the rest goes on."""
        try:
            yield
        except BadRow as bad:
            self.rejected.append(Rejected(row, str(bad), f"{bad.column} is {bad.value!r}"))


@dataclass(frozen=True, slots=True)
class DataSet:
    name: str
    sources: tuple[Source, ...]
    decisions: type[StrEnum]
    map: Callable[[Tables], Mapped]
