"""lead scores"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lead_scoring",
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
        sa.Column("rules", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=True),
        sa.Column("qualifies_leads", sa.Boolean(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("lead_scoring_by_external_id", "lead_scoring", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "lead_scoring_by_recording", "lead_scoring", ["tenant_id", "recorded_at", "created_at", "id"], unique=False
    )
    op.create_index("lead_scoring_by_time", "lead_scoring", ["tenant_id", "created_at", "id"], unique=False)
    op.add_column("leads", sa.Column("score", sa.Integer(), nullable=True))
    op.add_column(
        "leads", sa.Column("score_reasons", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.add_column("leads", sa.Column("scored_by", sa.Integer(), nullable=True))
    op.execute("ALTER TABLE lead_scoring ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE lead_scoring FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON lead_scoring TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON lead_scoring TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON lead_scoring TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON lead_scoring AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
