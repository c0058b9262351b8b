"""value fits"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "value_fits",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=True),
        sa.Column("fitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "checked_until",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="it still described what had happened before",
        ),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("standard_errors", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("log_likelihood", sa.Double(), nullable=False),
        sa.Column("customers", sa.Integer(), nullable=False),
        sa.Column("time_unit", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.execute("ALTER TABLE value_fits ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE value_fits FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON value_fits TO kith_app USING (tenant_id = NULLIF(current_setting('kith.tenant_id', true), '')) WITH CHECK (tenant_id = NULLIF(current_setting('kith.tenant_id', true), ''))"
    )
    op.execute("CREATE POLICY worker ON value_fits TO kith_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON value_fits TO kith_app, kith_worker")
