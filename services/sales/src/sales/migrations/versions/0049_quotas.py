"""quotas"""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quotas",
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
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column(
            "period",
            sa.Enum("month", "quarter", "year", name="quotaperiod", native_enum=False, length=64),
            nullable=False,
        ),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("value", sa.Numeric(precision=20, scale=4), nullable=False),
        sa.Column("currency", sa.TEXT(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "quotas_by_archived_at",
        "quotas",
        ["tenant_id", "archived_at", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("archived_at IS NOT NULL"),
    )
    op.create_index("quotas_by_external_id", "quotas", ["tenant_id", "external_id"], unique=True)
    op.create_index("quotas_by_owner_id", "quotas", ["tenant_id", "owner_id", "created_at", "id"], unique=False)
    op.create_index("quotas_by_recording", "quotas", ["tenant_id", "recorded_at", "created_at", "id"], unique=False)
    op.create_index("quotas_by_starts_on", "quotas", ["tenant_id", "starts_on", "created_at", "id"], unique=False)
    op.create_index("quotas_by_time", "quotas", ["tenant_id", "created_at", "id"], unique=False)
    op.execute("ALTER TABLE quotas ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE quotas FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON quotas TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON quotas TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON quotas TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON quotas AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
