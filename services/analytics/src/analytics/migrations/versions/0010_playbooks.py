"""playbooks"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "playbooks",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=True),
        sa.Column("external_hash", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("fires", sa.Boolean(), nullable=False),
        sa.Column("fires_not", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("playbooks_by_external_id", "playbooks", ["tenant_id", "external_id"], unique=True)
    op.create_index("playbooks_by_time", "playbooks", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "playbook_runs",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("playbook_id", sa.Uuid(), nullable=False),
        sa.Column("playbook_version", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="of what set it off"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trigger", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("is_control", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it was suppressed"),
        sa.Column("actions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("trace_id", sa.Text(collation="C"), nullable=True),
        sa.Column("outcome", postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="what counts as success"),
        sa.Column("settles_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded", sa.Boolean(), nullable=True),
        sa.Column("evidence_id", sa.Uuid(), nullable=True, comment="the event, or the change of health, that shows it"),
        sa.ForeignKeyConstraint(["tenant_id", "playbook_id"], ["playbooks.tenant_id", "playbooks.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "playbook_runs_by_playbook", "playbook_runs", ["tenant_id", "playbook_id", "at", "id"], unique=False
    )
    op.create_index(
        "playbook_runs_by_customer", "playbook_runs", ["tenant_id", "customer_id", "at", "id"], unique=False
    )
    op.create_index("playbook_runs_by_time", "playbook_runs", ["tenant_id", "at", "id"], unique=False)
    op.create_index(
        "playbook_runs_open",
        "playbook_runs",
        ["settles_at"],
        unique=False,
        postgresql_where=sa.text("settled_at IS NULL AND settles_at IS NOT NULL"),
    )
    op.create_table(
        "playbook_days",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("playbook_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="at its 00:00 UTC"),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id", "playbook_id"], ["playbooks.tenant_id", "playbooks.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "playbook_id", "day"),
    )
    for table in ("playbooks", "playbook_runs", "playbook_days"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
        )
        op.execute(f"CREATE POLICY worker ON {table} TO kith_worker USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO kith_worker")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON playbooks TO kith_app")
    # A worker alone says what a playbook did.
    op.execute("GRANT SELECT ON playbook_runs, playbook_days TO kith_app")
