"""The tables of playbook runs."""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from analytics.playbooks.form import playbooks
from analytics.tables import metadata
from kith.db.tables import Moment, reference, tenant_column

# The runs of playbooks, each for one customer (see playbooks.runs).
playbook_runs = Table(
    "playbook_runs",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    *reference("playbook_id", playbooks),
    Column("playbook_version", Integer, nullable=False),
    Column("customer_id", Uuid, nullable=False),
    Column("at", Moment, nullable=False, comment="of what set it off"),
    Column("recorded_at", Moment, nullable=False),
    Column("trigger", JSONB, nullable=False),
    Column("state", Text(collation="C"), nullable=False),
    Column("is_control", Boolean, nullable=False),
    Column("reason", Text, comment="why it was suppressed"),
    Column("actions", JSONB, nullable=False),
    Column("trace_id", Text(collation="C")),
    Column("outcome", JSONB(none_as_null=True), comment="what counts as success"),
    Column("settles_at", Moment),
    Column("settled_at", Moment),
    Column("succeeded", Boolean),
    Column("evidence_id", Uuid, comment="the event, or the change of health, that shows it"),
)
playbook_runs.c.playbook_id.nullable = False
Index("playbook_runs_by_playbook", *(playbook_runs.c[name] for name in ("tenant_id", "playbook_id", "at", "id")))
Index("playbook_runs_by_customer", *(playbook_runs.c[name] for name in ("tenant_id", "customer_id", "at", "id")))
Index("playbook_runs_by_time", *(playbook_runs.c[name] for name in ("tenant_id", "at", "id")))
Index(
    "playbook_runs_open",
    playbook_runs.c.settles_at,
    postgresql_where=playbook_runs.c.settled_at.is_(None) & playbook_runs.c.settles_at.is_not(None),
)

# The days as of whose 00:00 UTC a playbook has scanned all customers (see playbooks.daily).
playbook_days = Table(
    "playbook_days",
    metadata,
    tenant_column(),
    Column("playbook_id", Uuid, primary_key=True),
    Column("day", Date, primary_key=True, comment="at its 00:00 UTC"),
    Column("looked_at", Moment, nullable=False),
    Column("runs", Integer, nullable=False),
    ForeignKeyConstraint(["tenant_id", "playbook_id"], [playbooks.c.tenant_id, playbooks.c.id]),
)
