"""exchange rates"""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exchange_rates",
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
        sa.Column("base", sa.TEXT(), nullable=False),
        sa.Column("quote", sa.TEXT(), nullable=False),
        sa.Column("rate", sa.Numeric(precision=20, scale=10), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("source", sa.TEXT(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "exchange_rates_by_base",
        "exchange_rates",
        ["tenant_id", sa.literal_column('base COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index("exchange_rates_by_day", "exchange_rates", ["tenant_id", "day", "created_at", "id"], unique=False)
    op.create_index("exchange_rates_by_external_id", "exchange_rates", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "exchange_rates_by_quote",
        "exchange_rates",
        ["tenant_id", sa.literal_column('quote COLLATE "C"'), "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "exchange_rates_by_recording", "exchange_rates", ["tenant_id", "recorded_at", "created_at", "id"], unique=False
    )
    op.create_index("exchange_rates_by_time", "exchange_rates", ["tenant_id", "created_at", "id"], unique=False)
    op.execute("ALTER TABLE exchange_rates ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE exchange_rates FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON exchange_rates TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON exchange_rates TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON exchange_rates TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON exchange_rates AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
