"""The pairs of records that may be one, and the records that are to be looked at."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ARRAY, TEXT, Column, Index, Integer, Table, Text, Uuid

from contacts.tables import metadata
from kith.db.tables import DERIVED, Moment, one_of, tenant_column
from kith.nouns.aggregate import Aggregate


class PairState(StrEnum):
    SUSPECTED = "suspected"
    DISMISSED = "dismissed"
    """Somebody has said that the two are not one."""


duplicates = Table(
    "duplicates",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("noun", Text(collation="C"), nullable=False),
    Column("one_id", Uuid, nullable=False, comment="of both the one that is less"),
    Column("other_id", Uuid, nullable=False),
    Column("score", nullable=False),
    Column("reasons", ARRAY(TEXT), nullable=False),
    Column("state", one_of(PairState), nullable=False),
    Column("found_at", Moment, nullable=False),
    Column("decided_by", TEXT, comment="who dismissed or reopened it"),
    Column("decided_at", Moment),
    Column("left_at", Moment, comment="when one of the two was merged, archived or erased, or was alike no more"),
)
_C = duplicates.c
Index("duplicates_once", _C.tenant_id, _C.one_id, _C.other_id, unique=True)
Index("duplicates_of_other", _C.tenant_id, _C.other_id)
Index("duplicates_best_first", _C.tenant_id, _C.score.desc(), _C.id.desc(), postgresql_where=_C.left_at.is_(None))

checks = Table(
    "duplicate_checks",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True, comment="of the record"),
    Column("noun", Text(collation="C"), nullable=False),
    Column("version", Integer, nullable=False, comment="of the record; a later one is looked at again"),
    info={DERIVED: "work still to be done"},
)


@dataclass(frozen=True)
class ToBeChecked:
    """Notes records that were created, or changed in one of these fields. It is a side table (kith.nouns.side_tables),
    and so records of before are noted as well."""

    noun: str
    fields: Collection[str]
    table: Table = checks
    version: int = 1

    def rows(self, record: Aggregate) -> Iterator[Mapping[str, Any]]:
        yield {"noun": self.noun, "version": record.version}
