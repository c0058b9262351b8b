"""approval of quotes"""

import sqlalchemy as sa
from alembic import op

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quote_settings",
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
        sa.Column("discount_limit", sa.Numeric(precision=7, scale=4), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("quote_settings_by_external_id", "quote_settings", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "quote_settings_by_recording", "quote_settings", ["tenant_id", "recorded_at", "created_at", "id"], unique=False
    )
    op.create_index("quote_settings_by_time", "quote_settings", ["tenant_id", "created_at", "id"], unique=False)
    op.add_column("quotes", sa.Column("clone_of_id", sa.Uuid(), nullable=True))
    op.add_column(
        "quotes",
        sa.Column(
            "approval",
            sa.Enum("approved", "rejected", name="quoteapproval", native_enum=False, length=64),
            nullable=True,
        ),
    )
    op.add_column("quotes", sa.Column("decided_by", sa.TEXT(), nullable=True))
    op.add_column("quotes", sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("quotes", sa.Column("decision_note", sa.TEXT(), nullable=True))
    op.create_foreign_key(
        None, "quotes", "quotes", ["tenant_id", "clone_of_id"], ["tenant_id", "id"], postgresql_not_valid=True
    )
    op.execute("ALTER TABLE quote_settings ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE quote_settings FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON quote_settings TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON quote_settings TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON quote_settings TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON quote_settings AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
