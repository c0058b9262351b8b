"""quotes"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quotes",
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
        sa.Column("opportunity_id", sa.Uuid(), nullable=True),
        sa.Column("currency", sa.TEXT(), nullable=False),
        sa.Column("lines", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("last_line", sa.Integer(), nullable=False),
        sa.Column("value", sa.Numeric(precision=20, scale=4), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "draft",
                "sent",
                "viewed",
                "accepted",
                "declined",
                "expired",
                "withdrawn",
                name="quotestate",
                native_enum=False,
                length=64,
            ),
            nullable=False,
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.TEXT(), nullable=True),
        sa.Column("signature", sa.TEXT(), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column(
            "told_customer_id", sa.Uuid(), nullable=True, comment="the id that was told, where that customer is merged"
        ),
        sa.ForeignKeyConstraint(["tenant_id", "opportunity_id"], ["opportunities.tenant_id", "opportunities.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"]),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("quotes_by_customer", "quotes", ["tenant_id", "customer_id", "created_at", "id"], unique=False)
    op.create_index("quotes_by_external_id", "quotes", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "quotes_by_opportunity_id", "quotes", ["tenant_id", "opportunity_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "quotes_by_order_id",
        "quotes",
        ["tenant_id", "order_id"],
        unique=False,
        postgresql_where=sa.text("order_id IS NOT NULL"),
    )
    op.create_index("quotes_by_recording", "quotes", ["tenant_id", "recorded_at", "created_at", "id"], unique=False)
    op.create_index("quotes_by_state", "quotes", ["tenant_id", "state", "created_at", "id"], unique=False)
    op.create_index("quotes_by_time", "quotes", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "quotes_by_told_customer_id",
        "quotes",
        ["tenant_id", "told_customer_id"],
        unique=False,
        postgresql_where=sa.text("told_customer_id IS NOT NULL"),
    )
    op.create_index("quotes_by_valid_until", "quotes", ["tenant_id", "valid_until", "created_at", "id"], unique=False)
    op.create_index("quotes_by_value", "quotes", ["tenant_id", "value", "created_at", "id"], unique=False)
    op.execute("ALTER TABLE quotes ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE quotes FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON quotes TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON quotes TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON quotes TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON quotes AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
