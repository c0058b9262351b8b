"""removed tenants"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "removed_tenants",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=False, comment="nothing was written from then on"),
        sa.Column(
            "finished_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when its last row was deleted; null: not all are yet",
        ),
        sa.Column(
            "readmitted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="events recorded before are of its former life, and are dropped",
        ),
        sa.Column(
            "receipt",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="rows deleted, by table",
        ),
        sa.PrimaryKeyConstraint("tenant_id"),
    )
    op.execute("ALTER TABLE removed_tenants ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE removed_tenants FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON removed_tenants TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON removed_tenants TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON removed_tenants TO kith_app, kith_worker")
    # squawk: ban-revoke - the table is new
    op.execute("REVOKE INSERT, UPDATE, DELETE ON removed_tenants FROM kith_app")
