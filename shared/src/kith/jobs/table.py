"""The table of a service's jobs of one kind of work, and the states that a job is in."""

from enum import StrEnum

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from kith.db.tables import Moment, tenant_column


class JobState(StrEnum):
    WAITING = "waiting"
    """For what its client has still to send."""
    REQUESTED = "requested"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    """The reason says why."""
    CANCELLED = "cancelled"


DUE = (JobState.REQUESTED, JobState.RUNNING)
OPEN = (*DUE, JobState.PAUSED, JobState.WAITING)


def jobs_table(metadata: MetaData, name: str) -> Table:
    table = Table(
        name,
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
        Column("checkpoint", JSONB(none_as_null=True), comment="where it goes on; null: it begins anew"),
        Column("served_at", Moment, comment="when it was taken last: tenants take turns"),
    )
    Index(f"{name}_by_time", table.c.tenant_id, table.c.requested_at, table.c.id)
    Index(f"{name}_open", table.c.requested_at, postgresql_where=table.c.state.in_(["requested", "running"]))
    return table
