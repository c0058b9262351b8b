"""lead queues"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lead_queues",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=True),
        sa.Column("external_hash", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when its last change was, whenever that happened",
        ),
        sa.Column("code", sa.TEXT(), nullable=False),
        sa.Column("members", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "lead_queues_by_archived_at",
        "lead_queues",
        ["tenant_id", "archived_at", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("archived_at IS NOT NULL"),
    )
    op.create_index("lead_queues_by_external_id", "lead_queues", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "lead_queues_by_recording", "lead_queues", ["tenant_id", "recorded_at", "created_at", "id"], unique=False
    )
    op.create_index("lead_queues_by_time", "lead_queues", ["tenant_id", "created_at", "id"], unique=False)
    op.add_column("leads", sa.Column("queue_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        None, "leads", "lead_queues", ["tenant_id", "queue_id"], ["tenant_id", "id"], postgresql_not_valid=True
    )
    op.execute("ALTER TABLE lead_queues ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE lead_queues FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON lead_queues TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON lead_queues TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON lead_queues TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON lead_queues AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
