"""history of records"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "history",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column(
            "version", sa.Integer(), autoincrement=False, nullable=False, comment="the record's, after the command"
        ),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "changes",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="[old, new] by field; null: it was created",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "subject", "version"),
    )
    op.execute("ALTER TABLE history ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE history FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON history TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON history TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON history TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON history AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
