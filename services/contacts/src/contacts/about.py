"""What records may be about beside a customer or a contact: one of another service, by its noun (`about`) and its id
(`about_id`). The noun is one of an enumeration of `<service>.<noun>`."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, Table

from kith.nouns.inputs import Input, refuse
from kith.nouns.resource import One


def refuse_one_alone(given: Input) -> None:
    """Raises for an input with the noun or the id alone."""
    sent: Any = given
    if (sent.about is None) != (sent.about_id is None):
        missing = "about" if sent.about is None else "about_id"
        refuse(given, [(missing, "Send both about and about_id, or neither.")])


def index_about(table: Table) -> None:
    c = table.c
    columns = (c.tenant_id, c.about_id, c.created_at, c.id)
    Index(f"{table.name}_by_about_id", *columns, postgresql_where=c.about_id.is_not(None))


def relations_about(nouns: Iterable[StrEnum], many: str) -> Iterator[One]:
    """Yields the lists of these records below those that they are about."""
    for each in nouns:
        yield One(each.value.partition(".")[2], by="about_id", many=many, one_sided=True)
