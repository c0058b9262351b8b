"""customers set aside by scoring, and a queue by tenant"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "health_set_aside",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "model",
            sa.Text(collation="C"),
            nullable=True,
            comment="whose fault it is; null: it is the customer's facts'",
        ),
        sa.Column("model_version", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id"),
    )
    op.create_index("health_set_aside_by_time", "health_set_aside", ["tenant_id", "since", "customer_id"], unique=False)
    op.create_index("health_queue_by_tenant", "health_queue", ["tenant_id", "seq"], unique=False)
    op.execute("ALTER TABLE health_set_aside ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE health_set_aside FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON health_set_aside TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON health_set_aside TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT ON health_set_aside TO kith_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON health_set_aside TO kith_worker")
