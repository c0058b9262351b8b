"""how subscriptions stand"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "subscription_spans",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True, comment="null: it goes on"),
        sa.Column("customer_id", sa.Uuid(), nullable=True, comment="after merges"),
        sa.Column("status", sa.Text(collation="C"), nullable=False),
        sa.Column("mrr", sa.Numeric(precision=20, scale=4), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=True),
        sa.Column("plan", sa.Text(collation="C"), nullable=True),
        sa.Column("product_id", sa.Uuid(), nullable=True),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "subject", "starts_at"),
    )
    op.create_index("subscription_spans_by_customer", "subscription_spans", ["tenant_id", "customer_id"], unique=False)
    op.execute("ALTER TABLE subscription_spans ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE subscription_spans FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON subscription_spans TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON subscription_spans TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON subscription_spans TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON subscription_spans AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
