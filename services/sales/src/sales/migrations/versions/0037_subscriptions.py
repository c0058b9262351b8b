"""subscriptions"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "subscriptions",
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
        sa.Column("plan", sa.TEXT(), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.Numeric(precision=20, scale=4), nullable=False),
        sa.Column("currency", sa.TEXT(), nullable=False),
        sa.Column(
            "billing_period",
            sa.Enum(
                "monthly", "quarterly", "half_yearly", "yearly", name="billingperiod", native_enum=False, length=64
            ),
            nullable=False,
        ),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("term_months", sa.Integer(), nullable=True),
        sa.Column("term_starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("term_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("auto_renew", sa.Boolean(), nullable=False),
        sa.Column("renewal_notice_days", sa.Integer(), nullable=True),
        sa.Column("announced_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_reason", sa.TEXT(), nullable=True),
        sa.Column("changes", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("steps", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=True),
        sa.Column("opportunity_id", sa.Uuid(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("custom", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("custom_personal", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "told_customer_id", sa.Uuid(), nullable=True, comment="the id that was told, where that customer is merged"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "opportunity_id"],
            ["opportunities.tenant_id", "opportunities.id"],
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["products.tenant_id", "products.id"],
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "subscriptions_by_customer", "subscriptions", ["tenant_id", "customer_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "subscriptions_by_ends_at", "subscriptions", ["tenant_id", "ends_at", "created_at", "id"], unique=False
    )
    op.create_index("subscriptions_by_external_id", "subscriptions", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "subscriptions_by_opportunity_id",
        "subscriptions",
        ["tenant_id", "opportunity_id"],
        unique=False,
        postgresql_where=sa.text("opportunity_id IS NOT NULL"),
    )
    op.create_index(
        "subscriptions_by_plan",
        "subscriptions",
        ["tenant_id", sa.literal_column('plan COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "subscriptions_by_product_id", "subscriptions", ["tenant_id", "product_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "subscriptions_by_recording", "subscriptions", ["tenant_id", "recorded_at", "created_at", "id"], unique=False
    )
    op.create_index(
        "subscriptions_by_starts_at", "subscriptions", ["tenant_id", "starts_at", "created_at", "id"], unique=False
    )
    op.create_index(
        "subscriptions_by_term_ends_at",
        "subscriptions",
        ["tenant_id", "term_ends_at", "created_at", "id"],
        unique=False,
    )
    op.create_index("subscriptions_by_time", "subscriptions", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "subscriptions_by_told_customer_id",
        "subscriptions",
        ["tenant_id", "told_customer_id"],
        unique=False,
        postgresql_where=sa.text("told_customer_id IS NOT NULL"),
    )
    op.execute("ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE subscriptions FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON subscriptions TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON subscriptions TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON subscriptions TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON subscriptions AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
