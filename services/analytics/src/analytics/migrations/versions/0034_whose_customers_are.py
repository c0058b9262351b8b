"""whose customers are"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customer_owners",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("customer_owners_by_owner", "customer_owners", ["tenant_id", "owner_id", "id"], unique=False)
    op.execute("ALTER TABLE customer_owners ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE customer_owners FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON customer_owners TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON customer_owners TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON customer_owners TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON customer_owners AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
