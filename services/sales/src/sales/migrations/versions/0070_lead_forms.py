"""lead forms"""

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lead_forms",
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
        sa.Column("name", sa.TEXT(), nullable=False),
        sa.Column("origins", sa.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("takes", sa.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("source", sa.TEXT(), nullable=True),
        sa.Column("campaign", sa.TEXT(), nullable=True),
        sa.Column("queue_id", sa.Uuid(), nullable=True),
        sa.Column("honeypot", sa.TEXT(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id", "queue_id"], ["lead_queues.tenant_id", "lead_queues.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "lead_forms_by_archived_at",
        "lead_forms",
        ["tenant_id", "archived_at", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("archived_at IS NOT NULL"),
    )
    op.create_index("lead_forms_by_external_id", "lead_forms", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "lead_forms_by_queue_id",
        "lead_forms",
        ["tenant_id", "queue_id"],
        unique=False,
        postgresql_where=sa.text("queue_id IS NOT NULL"),
    )
    op.create_index(
        "lead_forms_by_recording", "lead_forms", ["tenant_id", "recorded_at", "created_at", "id"], unique=False
    )
    op.create_index("lead_forms_by_time", "lead_forms", ["tenant_id", "created_at", "id"], unique=False)
    op.execute("ALTER TABLE lead_forms ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE lead_forms FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON lead_forms TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON lead_forms TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON lead_forms TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON lead_forms AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
