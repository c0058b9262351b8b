"""deliveries"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deliveries",
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
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("lines", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("carrier", sa.TEXT(), nullable=True),
        sa.Column("tracking", sa.TEXT(), nullable=True),
        sa.Column(
            "state", sa.Enum("made", "cancelled", name="deliverystate", native_enum=False, length=64), nullable=False
        ),
        sa.Column("completes", sa.Boolean(), nullable=False),
        sa.Column("on_time", sa.Boolean(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column(
            "told_customer_id", sa.Uuid(), nullable=True, comment="the id that was told, where that customer is merged"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["orders.tenant_id", "orders.id"],
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "deliveries_by_carrier",
        "deliveries",
        ["tenant_id", sa.literal_column('carrier COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "deliveries_by_customer", "deliveries", ["tenant_id", "customer_id", "created_at", "id"], unique=False
    )
    op.create_index("deliveries_by_external_id", "deliveries", ["tenant_id", "external_id"], unique=True)
    op.create_index("deliveries_by_on_time", "deliveries", ["tenant_id", "on_time", "created_at", "id"], unique=False)
    op.create_index("deliveries_by_order_id", "deliveries", ["tenant_id", "order_id", "created_at", "id"], unique=False)
    op.create_index(
        "deliveries_by_recording", "deliveries", ["tenant_id", "recorded_at", "created_at", "id"], unique=False
    )
    op.create_index("deliveries_by_state", "deliveries", ["tenant_id", "state", "created_at", "id"], unique=False)
    op.create_index("deliveries_by_time", "deliveries", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "deliveries_by_told_customer_id",
        "deliveries",
        ["tenant_id", "told_customer_id"],
        unique=False,
        postgresql_where=sa.text("told_customer_id IS NOT NULL"),
    )
    op.add_column("orders", sa.Column("promised_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("ALTER TABLE deliveries ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE deliveries FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON deliveries TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON deliveries TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON deliveries TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON deliveries AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
