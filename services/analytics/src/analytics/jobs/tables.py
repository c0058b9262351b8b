"""The table of jobs."""

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

# What takes minutes to find out of everybody's health, requested and done in the background (see jobs.runner).
health_jobs = Table(
    "health_jobs",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text(collation="C"), nullable=False),
    Column("params", JSONB, nullable=False),
    Column("state", Text(collation="C"), nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("leased_until", Moment, comment="whoever runs it says so again before; if not, it is begun again"),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("reason", Text, comment="why it failed"),
    Column("done", BigInteger, nullable=False, server_default="0"),
    Column("total", BigInteger),
    Column("report", JSONB),
)
Index("health_jobs_by_time", health_jobs.c.tenant_id, health_jobs.c.requested_at, health_jobs.c.id)
Index(
    "health_jobs_open",
    health_jobs.c.requested_at,
    postgresql_where=health_jobs.c.state.in_(["requested", "running"]),
)
