"""events that their service withdrew"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "withdrawn_events",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("aggregate_version", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column(
            "withdrawn_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the withdrawal was recorded",
        ),
        sa.Column(
            "time",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="this and the next two as the ledger had them; null: it had not come yet",
        ),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("data", postgresql.JSONB(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.execute("ALTER TABLE withdrawn_events ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE withdrawn_events FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON withdrawn_events TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON withdrawn_events TO kith_worker USING (true) WITH CHECK (true)")
    op.execute(
        "CREATE POLICY removed ON withdrawn_events AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.execute("GRANT SELECT ON withdrawn_events TO kith_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON withdrawn_events TO kith_worker")
