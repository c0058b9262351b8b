"""invoices"""

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "invoices",
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
        sa.Column("number", sa.TEXT(), nullable=True),
        sa.Column("value", sa.Numeric(precision=20, scale=4), nullable=False),
        sa.Column("currency", sa.TEXT(), nullable=False),
        sa.Column("outstanding", sa.Numeric(precision=20, scale=4), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "open", "overdue", "paid", "written_off", "voided", name="invoicestate", native_enum=False, length=64
            ),
            nullable=False,
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column(
            "told_customer_id", sa.Uuid(), nullable=True, comment="the id that was told, where that customer is merged"
        ),
        sa.ForeignKeyConstraint(["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "subscription_id"], ["subscriptions.tenant_id", "subscriptions.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("invoices_by_customer", "invoices", ["tenant_id", "customer_id", "created_at", "id"], unique=False)
    op.create_index("invoices_by_due_on", "invoices", ["tenant_id", "due_on", "created_at", "id"], unique=False)
    op.create_index("invoices_by_external_id", "invoices", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "invoices_by_number",
        "invoices",
        ["tenant_id", sa.literal_column('number COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index("invoices_by_order_id", "invoices", ["tenant_id", "order_id", "created_at", "id"], unique=False)
    op.create_index("invoices_by_recording", "invoices", ["tenant_id", "recorded_at", "created_at", "id"], unique=False)
    op.create_index("invoices_by_state", "invoices", ["tenant_id", "state", "created_at", "id"], unique=False)
    op.create_index(
        "invoices_by_subscription_id", "invoices", ["tenant_id", "subscription_id", "created_at", "id"], unique=False
    )
    op.create_index("invoices_by_time", "invoices", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "invoices_by_told_customer_id",
        "invoices",
        ["tenant_id", "told_customer_id"],
        unique=False,
        postgresql_where=sa.text("told_customer_id IS NOT NULL"),
    )
    op.execute("ALTER TABLE invoices ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE invoices FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON invoices TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON invoices TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON invoices TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON invoices AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
