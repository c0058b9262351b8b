"""The entries by which records are searched: a token of a field each, in a side table (kith.nouns.side_tables)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Column, Index, MetaData, Table, Text, Uuid

from kith.db.tables import DERIVED, Moment, tenant_column
from kith.nouns.aggregate import Aggregate
from kith.nouns.search.words import tokens_of, tokens_of_number


def search_entries_table(metadata: MetaData) -> Table:
    table = Table(
        "search_entries",
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True, comment="of the record"),
        Column("field", Text(collation="C"), primary_key=True, comment="of its noun: contact.emails.address"),
        Column("token", Text(collation="C"), primary_key=True),
        Column("at", Moment, nullable=False, comment="when the record was created"),
        info={DERIVED: "What records are searched by follows from them."},
    )
    c = table.c
    Index("search_entries_by_token", c.tenant_id, c.field, c.token, c.at.desc(), c.id.desc())
    return table


TABLE = search_entries_table(MetaData())
"""The same again for Kith's own statements: it is alike in every service."""


@dataclass(frozen=True)
class SearchedField:
    """A text of a noun that searches look in, or a part of the values that a field holds."""

    name: str
    """As entries have it: `contact.emails.address`."""
    field: str
    part: str | None
    is_number: bool
    """Whether it is a telephone number."""
    personal: bool

    def tokens(self, record: Aggregate) -> Iterator[str]:
        held = getattr(record, self.field)
        texts = [held] if self.part is None else [getattr(each, self.part) for each in held]
        tokens = tokens_of_number if self.is_number else tokens_of
        return (token for text in texts if text is not None for token in tokens(text))


@dataclass(frozen=True)
class SearchEntries:
    """The entries of a noun's records."""

    searched: tuple[SearchedField, ...]
    table: Table = TABLE
    version: int = 1

    @cached_property
    def fields(self) -> frozenset[str]:
        return frozenset(each.field for each in self.searched)

    def rows(self, record: Aggregate) -> Iterator[Mapping[str, Any]]:
        for each in self.searched:
            for token in dict.fromkeys(each.tokens(record)):
                yield {"field": each.name, "token": token, "at": record.created_at}
