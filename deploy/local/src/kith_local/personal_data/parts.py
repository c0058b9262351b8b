"""Of whom it is asked, and what each service answers: records with their history, and files."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from kith.nouns.queries import BATCH
from kith_local.errors import LocalError

NOUNS = {"customer": "customer", "customers": "customer", "contact": "contact", "contacts": "contact"}


class Person(NamedTuple):
    tenant: str
    noun: str
    id: UUID

    @classmethod
    def of(cls, tenant: str, noun: str, id: str) -> "Person":
        """Raises LocalError."""
        if not tenant:
            raise LocalError("Whose customer or contact is it? TENANT=demo")
        if noun not in NOUNS:
            raise LocalError("It is of a customer or of a contact: NOUN=customer or NOUN=contact")
        try:
            return cls(tenant, NOUNS[noun], UUID(id))
        except ValueError:
            raise LocalError(f"{id!r} is no id of a {NOUNS[noun]}: ID=019ca000-0000-7000-8000-000000000002") from None


class Record(msgspec.Struct):
    """A record with its history."""

    noun: str
    record: dict[str, Any]
    history: list[dict[str, Any]]


@dataclass
class File:
    """Of an attachment."""

    record: Mapping[str, Any]

    @property
    def path(self) -> str:
        """In the folder. What a client has called it says nothing but its ending here."""
        ending = re.search(r"\.[A-Za-z0-9]{1,10}$", str(self.record["file_name"]))
        return f"files/{self.record['id']}{ending[0] if ending else ''}"


@dataclass
class Part:
    """What a service has answered, as lines."""

    service: str
    lines: Path
    at: datetime | None = None
    """As of when; None: it holds nothing."""
    counts: dict[str, int] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)

    def records(self) -> Iterator[Record]:
        """Yields the records, each with its history, which comes behind some hundred of them."""
        if self.at is None:
            return
        waiting: dict[str, Record] = {}
        noun, has_history = None, False
        with self.lines.open("rb") as lines:
            for line in lines:
                found = msgspec.json.decode(line)
                if "history" in found:
                    waiting[found["id"]].history.append(found["history"])
                    has_history = True
                    continue
                if has_history or found.get("noun") != noun or len(waiting) >= BATCH:
                    yield from waiting.values()
                    waiting, has_history = {}, False
                if "end" in found:
                    return
                noun = found["noun"]
                waiting[found["record"]["id"]] = Record(noun, found["record"], [])
