"""The tables of totals, which are computed from facts."""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Numeric,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from analytics.tables import metadata
from kith.db.tables import DERIVED, Moment, tenant_column

# Facts of a day (UTC) added up by the hour, so that a year of them need not be read one by one. A total counts only
# while its day is settled and not stale; of the other days the facts themselves are read (see metrics.rollup_reads).
totals = Table(
    "totals",
    metadata,
    tenant_column(),
    Column("hour", Moment, primary_key=True),
    Column("type", Text(collation="C"), primary_key=True),
    Column("key", JSONB, primary_key=True, comment="the fields that definitions look at in this type"),
    Column("facts", BigInteger, nullable=False),
    Column("amount", Numeric(24, 4)),
    info={DERIVED: "added up from facts"},
)

settled_days = Table(
    "settled_days",
    metadata,
    tenant_column(),
    Column("day", Date, primary_key=True),
    Column("shape", Text(collation="C"), nullable=False, comment="by which fields of which types it was added up"),
    info={DERIVED: "which days of totals count"},
)

# A row per batch that touched the day, so that no batch waits for another.
stale_days = Table(
    "stale_days",
    metadata,
    tenant_column(),
    Column("day", Date, primary_key=True),
    Column("batch", Uuid, primary_key=True),
    info={DERIVED: "which days of totals are added up again"},
)
