"""forecast adjustments"""

import sqlalchemy as sa
from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "forecast_adjustments",
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
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column(
            "period",
            sa.Enum("month", "quarter", "year", name="quotaperiod", native_enum=False, length=64),
            nullable=False,
        ),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column(
            "forecast_category",
            sa.Enum(
                "pipeline", "best_case", "commit", "omitted", name="forecastcategory", native_enum=False, length=64
            ),
            nullable=False,
        ),
        sa.Column(
            "direction",
            sa.Enum("up", "down", "override", name="adjustmentdirection", native_enum=False, length=64),
            nullable=False,
        ),
        sa.Column("value", sa.Numeric(precision=20, scale=4), nullable=False),
        sa.Column("currency", sa.TEXT(), nullable=False),
        sa.Column("reason", sa.TEXT(), nullable=False),
        sa.Column("author", sa.TEXT(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "forecast_adjustments_by_archived_at",
        "forecast_adjustments",
        ["tenant_id", "archived_at", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("archived_at IS NOT NULL"),
    )
    op.create_index(
        "forecast_adjustments_by_external_id", "forecast_adjustments", ["tenant_id", "external_id"], unique=True
    )
    op.create_index(
        "forecast_adjustments_by_owner_id",
        "forecast_adjustments",
        ["tenant_id", "owner_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "forecast_adjustments_by_recording",
        "forecast_adjustments",
        ["tenant_id", "recorded_at", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "forecast_adjustments_by_starts_on",
        "forecast_adjustments",
        ["tenant_id", "starts_on", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "forecast_adjustments_by_team_id",
        "forecast_adjustments",
        ["tenant_id", "team_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "forecast_adjustments_by_time", "forecast_adjustments", ["tenant_id", "created_at", "id"], unique=False
    )
    op.execute("ALTER TABLE forecast_adjustments ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE forecast_adjustments FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON forecast_adjustments TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON forecast_adjustments TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON forecast_adjustments TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON forecast_adjustments AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
