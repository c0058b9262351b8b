"""merged customers, and the ids that records were told of them"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

OWN = "tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')"
NOT_REMOVED = (
    "AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id "
    "FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
)
TOLD = {
    "cases": ["customer_id"],
}


def upgrade() -> None:
    remains = "the customer that remains; null: it stands for itself"
    told = "the customer that it was merged into, where that was merged again"
    op.add_column("known_customers", sa.Column("merged_into", sa.Uuid(), nullable=True, comment=remains))
    op.add_column("known_customers", sa.Column("told_merged_into", sa.Uuid(), nullable=True, comment=told))
    for table, columns in TOLD.items():
        for column in columns:
            comment = "the id that was told, where that customer is merged"
            op.add_column(table, sa.Column(f"told_{column}", sa.Uuid(), nullable=True, comment=comment))
    op.create_table(
        "repointings",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True, comment="when there were no more to give"),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id"),
    )
    op.execute("ALTER TABLE repointings ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE repointings FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON repointings TO kith_app USING ({OWN}) WITH CHECK ({OWN})")
    op.execute("CREATE POLICY worker ON repointings TO kith_worker USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY removed ON repointings {NOT_REMOVED}")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON repointings TO kith_app, kith_worker")
