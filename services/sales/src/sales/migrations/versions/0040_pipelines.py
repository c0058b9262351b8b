"""pipelines"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pipelines",
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
        sa.Column("name", sa.TEXT(), nullable=False),
        sa.Column("stages", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "pipelines_by_archived_at",
        "pipelines",
        ["tenant_id", "archived_at", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("archived_at IS NOT NULL"),
    )
    op.create_index("pipelines_by_external_id", "pipelines", ["tenant_id", "external_id"], unique=True)
    op.create_index(
        "pipelines_by_recording", "pipelines", ["tenant_id", "recorded_at", "created_at", "id"], unique=False
    )
    op.create_index("pipelines_by_time", "pipelines", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "pipeline_versions",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("pipeline_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stages", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pipeline_id"],
            ["pipelines.tenant_id", "pipelines.id"],
        ),
        sa.PrimaryKeyConstraint("tenant_id", "pipeline_id", "number"),
    )
    op.add_column("opportunities", sa.Column("pipeline_id", sa.Uuid(), nullable=True))
    op.add_column("opportunities", sa.Column("pipeline_version", sa.Integer(), nullable=True))
    op.add_column("opportunities", sa.Column("probability_percent", sa.Numeric(precision=20, scale=4), nullable=True))
    op.add_column(
        "opportunities",
        sa.Column(
            "forecast_category",
            sa.Enum(
                "pipeline", "best_case", "commit", "omitted", name="forecastcategory", native_enum=False, length=64
            ),
            nullable=True,
        ),
    )
    op.add_column(
        "opportunities", sa.Column("visits", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.add_column("opportunities", sa.Column("rots_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("opportunities", sa.Column("rotted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(
        None, "opportunities", "pipelines", ["tenant_id", "pipeline_id"], ["tenant_id", "id"], postgresql_not_valid=True
    )
    op.execute("ALTER TABLE pipelines ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE pipelines FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON pipelines TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON pipelines TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON pipelines TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON pipelines AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
    op.execute("ALTER TABLE pipeline_versions ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE pipeline_versions FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON pipeline_versions TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON pipeline_versions TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON pipeline_versions TO kith_app, kith_worker")
    op.execute(
        "CREATE POLICY removed ON pipeline_versions AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
    )
