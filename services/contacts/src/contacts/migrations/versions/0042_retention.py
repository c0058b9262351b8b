"""rules of retention, and how far they have come"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "retention_passes",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column(
            "next_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when they are applied again; if it is past, they are being",
        ),
        sa.Column("version", sa.Integer(), nullable=False, comment="of the settings whose rules they are"),
        sa.Column("erases", sa.Boolean(), nullable=False, comment="or counts what it would erase"),
        sa.Column("rule", sa.TEXT(), nullable=True, comment="the code of the rule that is being applied"),
        sa.Column("after", sa.Uuid(), nullable=True, comment="the last record that it has looked at"),
        sa.Column("results", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="by the codes of rules"),
        sa.PrimaryKeyConstraint("tenant_id"),
    )
    op.add_column(
        "settings",
        sa.Column("retention", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
    )
    op.execute("ALTER TABLE retention_passes ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE retention_passes FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON retention_passes TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON retention_passes TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON retention_passes TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON retention_passes AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
