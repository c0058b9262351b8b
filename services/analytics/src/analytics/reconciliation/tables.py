"""The table of reconciliations."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from analytics.tables import metadata
from kith.db.tables import Moment, tenant_column

# Comparisons of what the services hold with what analytics has counted (see reconciliation.runs).
reconciliations = Table(
    "reconciliations",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("state", Text(collation="C"), nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("requested_by", Text, comment="null: it was due"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("reason", Text, comment="why it failed"),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("total", Integer),
    Column("mismatches", BigInteger),
    Column("report", JSONB),
)
Index("reconciliations_by_time", reconciliations.c.tenant_id, reconciliations.c.requested_at, reconciliations.c.id)
Index(
    "reconciliations_open",
    reconciliations.c.requested_at,
    postgresql_where=reconciliations.c.state.in_(["requested", "running"]),
)
